"""
Irises: two laws of growth that nobody labelled
===============================================

How long is the petal of an iris whose sepal is that long?  One line through Fisher's 150 flowers
answers badly: long sepals go with long petals in some of them, and mean nothing in others.  A
mixture finds both lines, and who follows which, without a look at the species.  As a script, it
writes the picture to a file::

    python examples/irises.py [picture.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg.inspection import ComponentLinesDisplay

iris = load_iris(as_frame=True)
X, y = iris.data[["sepal length (cm)"]], iris.data["petal length (cm)"]

# %%
# How many lines?
# ---------------
# The evidence of one, two and three, and the probability of each number.

chooser = BayesianMixtureRegressorCV(range(1, 4), random_state=0).fit(X, y)
print(chooser.criterion_table_[["log_evidence", "log_evidence_error", "probability"]].round(3))

# %%
# The fit
# -------
# The first line is flat, the second is steep.

model = BayesianMixtureRegressor(n_components=2, random_state=0).fit(X, y)
print(model.summary().iloc[:, :4].round(2).to_string(), "\n")
print(model.contrast().round(2).to_string(), "\n")
print(f"solver: {model.posterior_.solver}; converged: {model.converged_}")

# %%
# Who follows which line?
# -----------------------
# The species, which the fit has not seen, beside the line that each flower most probably follows.

species = iris.target.map(dict(enumerate(iris.target_names)))
table = pd.crosstab(species, pd.Series(model.assign(X, y), name="line"))
print(table)
sure = np.mean(model.predict_proba(X, y).max(axis=1) > 0.95)
print(f"flowers whose line is at least 95% sure: {sure:.0%}")

# %%
# On the left what was measured; on the right each flower in the colour of its line, the lines with
# their 90% bands, and the region that holds 90% of new flowers: where the lines lie far apart it
# has two parts.

figure, (before, after) = plt.subplots(
    1, 2, figsize=(9.6, 4.2), sharex=True, sharey=True, layout="constrained"
)
before.scatter(X.to_numpy(), y, s=16, c="0.45", linewidths=0)
before.set(title="150 flowers", xlabel=X.columns[0], ylabel=y.name)
ComponentLinesDisplay.from_estimator(model, X, y, ax=after, scatter_kw={"s": 16})
grid = pd.DataFrame({X.columns[0]: np.linspace(X.min().item(), X.max().item(), 120)})
step = float(np.diff(grid.iloc[:2, 0]).item())
for x, region in zip(grid.iloc[:, 0], model.predict_hdr(grid, 0.9), strict=True):
    for low, high in region:
        after.fill_between([x - step / 2, x + step / 2], low, high, color="0.9", lw=0, zorder=0)
after.set(title="two lines, and 90% of new flowers", xlabel=X.columns[0], ylabel="")
after.set_ylim(0.5, 7.8)
for ax in (before, after):
    ax.spines[["top", "right"]].set_visible(False)
here = Path(sys.argv[0]).resolve().parent
path = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "output" / "irises.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=150)
print(f"picture: {path}")

# %%
# The sentence for a paper
# ------------------------

rows = model.summary().loc[[f"coef[{k}, {X.columns[0]}]" for k in range(2)]]
flat, steep = (
    f"{mean:.2f} cm (90% interval {low:.2f} to {high:.2f})"
    for mean, low, high in rows.iloc[:, [0, 2, 3]].to_numpy()
)
print(
    "Petal length followed one of two linear regressions on sepal length (posterior probability\n"
    f"{chooser.criterion_table_.loc[2, 'probability']:.2f} among one to three): in "
    f"{model.weights_[0]:.0%} of the flowers petals grew by {flat}\nper centimetre of the sepal, "
    f"in the others by {steep}."
)
