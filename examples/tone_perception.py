"""
Tone perception: one musician, several ways of tuning
=====================================================

Cohen (1980) played a trained musician tones whose overtones were stretched by a known ratio, and
asked for the octave.  Two theories predict two lines: who tunes by the overtones follows the
stretching (slope 1), who tunes by a learned sense of the interval ignores it (slope 0, at the
octave, 2).  Nobody saw which was at work in which of the 150 trials.  As a script, it writes the
picture to a file::

    python examples/tone_perception.py [picture.png]
"""

# sphinx_gallery_thumbnail_number = 2

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skmixreg import (
    BayesianMixtureRegressor,
    BayesianMixtureRegressorCV,
    MultimodalPosteriorWarning,
)
from skmixreg.inspection import CriterionDisplay

HERE = Path(sys.argv[0]).resolve().parent
frame = pd.read_csv(HERE.parent / "tests" / "reference" / "tonedata.csv")
X, y = frame[["stretchratio"]], frame["tuned"]

# %%
# Two lines, as the theories have it
# ----------------------------------
# The fit warns: there are two different readings of the same data.  In one, a line of slope 1 is
# followed almost to the digit and the other line takes up all the rest; in the other, it is the
# flat line that is sharp.  Averages over both mean little, so each is summarised on its own.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", MultimodalPosteriorWarning)
    two = BayesianMixtureRegressor(2, random_state=0).fit(X, y)
for warning in caught:
    print(f"Warning: {warning.message}\n")
print(two.modes_.round(2).to_string(), "\n")
print(two.summary(by_mode=True).to_string())

# %%
# Two lines are one too few.
#
# How many lines?
# ---------------
# Every number is fitted once, to all trials.  A spare line empties itself, so that larger numbers
# predict about as well: the rule takes the smallest number within one standard error of the best
# prediction of trials left out.  The evidence, beside it, leaves open whether there is a fourth
# line for a handful of trials.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # candidates with a line too few or too many have to warn
    chooser = BayesianMixtureRegressorCV(range(1, 5), criterion="loo", random_state=0).fit(X, y)
shown = ["elpd_loo", "elpd_loo_error", "log_evidence", "log_evidence_error", "bic"]
print(chooser.criterion_table_[shown].round(2).to_string())
print(f"\nchosen: {chooser.n_components_}")
CriterionDisplay.from_estimator(chooser)

# %%
# The fit to report
# -----------------
# Two sharp lines, as in theory, and a third, wide one, for the trials that went wrong.

model, number = chooser.best_estimator_, chooser.n_components_
print(model.summary().to_string(), "\n")
print("Differences between the lines:\n")
print(model.contrast().round(3).to_string(), "\n")
print(f"solver: {model.posterior_.solver}; converged: {model.converged_}")
probability = model.predict_proba(X, y).max(axis=1)
print(f"Trials whose line is at least 95% sure: {np.mean(probability > 0.95):.0%}")

# %%
# Trials by line, and the region that holds 90% of new ones.

looks = (
    ("#0072b2", "o", "-"),
    ("#d55e00", "s", "--"),
    ("#009e73", "^", "-."),
    ("#cc79a7", "D", ":"),
)
ratio = X["stretchratio"].to_numpy()
grid = pd.DataFrame({"stretchratio": np.linspace(ratio.min(), ratio.max(), 121)})
step = float(np.diff(grid["stretchratio"])[0])
member = model.assign(X, y)
lines = model.predict_components(grid)

figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
for x, regions in zip(grid["stretchratio"], model.predict_hdr(grid), strict=True):
    for low, high in regions:
        axes.fill_between([x - step / 2, x + step / 2], low, high, color="0.88", lw=0)
axes.fill_between([], [], [], color="0.88", label="90% of new trials")
for k, (colour, marker, dashes) in enumerate(looks[:number]):
    mine = member == k
    axes.plot(grid["stretchratio"], lines[:, k], color=colour, ls=dashes, lw=1.5)
    axes.scatter(
        ratio[mine], y[mine], s=16, color=colour, marker=marker, linewidths=0,
        label=f"slope {model.coef_[k, 0]:.2f}, {mine.sum()} trials",
    )  # fmt: skip
axes.set(xlabel="stretching ratio", ylabel="ratio tuned to", title="Tone perception")
axes.legend(frameon=False)

path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "output" / "tone_perception.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"picture: {path}")

# %%
# The sentence for a paper
# ------------------------

slopes = model.summary().loc[[f"coef[{k}, stretchratio]" for k in range(2)]]
(sharp, low, high), (flat, flat_low, flat_high) = slopes.iloc[:, [0, 2, 3]].to_numpy()
print(
    f"Of {len(y)} trials {model.weights_[0]:.0%} were tuned by the overtones (slope {sharp:.3f}, "
    f"90% interval {low:.3f} to {high:.3f})\nand {model.weights_[1]:.0%} nearly without regard to "
    f"them ({flat:.3f}, {flat_low:.3f} to {flat_high:.3f}); the others followed\nneither closely "
    f"({number} lines, chosen among one to four by leave-one-out)."
)
