"""
Rates with exposure, and who has which
======================================

Residents of nursing homes are observed for different times, and their falls are counted.  Some
fall often, whatever they do; of others exercise lowers the rate; nobody noted who is who, but age
says something of it.  ``exposure_feature`` makes counts rates, and ``gating_features`` lets the
mixing weights depend on age.  As a script, it writes the picture to a file::

    python examples/gated_rates.py [picture.png]
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skmixreg import BayesianMixtureRegressor
from skmixreg.inspection import GatingDisplay

rng = np.random.default_rng(4)
n = 400
residents = pd.DataFrame(
    {
        "exercise": rng.uniform(0, 2, n),  # hours a week
        "age": rng.uniform(60, 95, n),
        "months": rng.integers(1, 13, n).astype(float),  # observed
    }
)
frail = rng.random(n) < 1 / (1 + np.exp(-(residents["age"] - 80) / 5))
rate = np.exp(
    np.where(frail, 0.5 - 0.05 * residents["exercise"], -0.3 - 0.8 * residents["exercise"])
)
falls = rng.poisson(rate * residents["months"])

# %%
# The gate
# --------
# Age is named for the gate only, so it has no slope; months are the exposure.

model = BayesianMixtureRegressor(
    n_components=2, family="poisson", gating_features=["age"], exposure_feature="months",
    random_state=0,
).fit(residents, falls)  # fmt: skip
print(model.contrast().round(2).to_string())

# %%
# Does the gate say anything?
# ---------------------------
# The same with ages dealt out at random, a gate that cannot say anything.  Evidence compares the
# two, since both have the same counts.

shuffled = residents.assign(age=rng.permutation(residents["age"]))
idle = BayesianMixtureRegressor(
    n_components=2, family="poisson", gating_features=["age"], exposure_feature="months",
    random_state=0,
).fit(shuffled, falls)  # fmt: skip
for name, fit, rows in (("own ages", model, residents), ("ages at random", idle, shuffled)):
    told = fit.assign(rows, falls) == frail
    print(
        f"{name}: log evidence {fit.log_evidence_:.1f}, told right {told.mean():.0%}, "
        f"entropy {fit.entropy(rows, falls):.2f}"
    )

# %%
# Rates of everybody
# ------------------
# ``predict`` counts the falls in the months of each row; with one month it is a rate.

at_90 = pd.DataFrame({"exercise": [0.0, 2.0], "age": 90.0, "months": 1.0})
print("falls a month at 90, without exercise and with two hours:", model.predict(at_90).round(2))
print("weights at 90:", model.predict_proba(at_90)[0].round(2))

# %%
# The sentence for a paper
# ------------------------

contrast = model.contrast()


def ratio(values: pd.Series | np.ndarray) -> str:
    """Exponentials of a middle and the ends of an interval."""
    middle, low, high = np.exp(values)
    return f"{middle:.2f} (90% interval {low:.2f} to {high:.2f})"


coef = model.posterior_["coef"][..., 0].reshape(-1, 2)
slopes = np.quantile(coef, [0.5, 0.05, 0.95], axis=0)
odds = 10 * contrast.loc[("gating_coef[age]", 1, 0), ["mean", "lower", "upper"]].to_numpy(float)
sentence = (
    "Falls were described by a mixture of two Poisson regressions with the time observed as "
    "exposure and memberships that depend on age by a logistic regression. Ten more years of age "
    f"multiplied the odds of falling often by {ratio(odds)}; an hour of exercise a week multiplied "
    f"the rate of those who fall often by {ratio(slopes[:, 1])} and that of the others by "
    f"{ratio(slopes[:, 0])}."
)
print(textwrap.fill(sentence, 90))

# %%
# The picture
# -----------
# Left, rates over exercise, larger circles for longer observation; right, the mixing weights over
# age, with 90% credible bands.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
assigned = model.assign(residents, falls)
grid = pd.DataFrame({"exercise": np.linspace(0, 2, 50), "age": 80.0, "months": 1.0})
lines = model.predict_components(grid)
for k in range(2):
    mine = assigned == k
    left.scatter(
        residents["exercise"][mine], (falls / residents["months"])[mine],
        s=4 * residents["months"][mine], color=f"C{k}", alpha=0.4, lw=0,
    )  # fmt: skip
    left.plot(grid["exercise"], lines[:, k], color=f"C{k}", lw=2.5, ls=("-", "--")[k])
left.set(xlabel="exercise, hours a week", ylabel="falls a month", title="rates")
GatingDisplay.from_estimator(model, residents, ax=right)
right.set(title="who belongs to what")

here = Path(sys.argv[0]).resolve().parent
path = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "output" / "gated_rates.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"picture: {path}")
