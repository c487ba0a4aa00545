"""
Two kinds of counts
===================

Visits to a clinic in a year: most people come more often as they get older, some come often
whatever their age, and nobody wrote down who is who.  As a script, it writes the picture to a
file::

    python examples/counts.py [picture.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skmixreg import BayesianMixtureRegressor

rng = np.random.default_rng(0)
n = 600
age = rng.uniform(20, 80, n)
chronic = rng.random(n) < 0.25
visits = rng.poisson(np.exp(np.where(chronic, 2.6 - 0.004 * age, -1.0 + 0.03 * age)))
X = pd.DataFrame({"age": age})

# %%
# The fit
# -------
# Coefficients are on the log scale: with one year more, the mean of a component is multiplied by
# the exponential of its slope.  The posterior of such a ratio is that of its draws.

model = BayesianMixtureRegressor(n_components=2, family="poisson", random_state=0).fit(X, visits)
print(model.summary()[["mean", "sd"]].round(3).to_string())

ratios = np.exp(10 * model.posterior_["coef"][..., 0]).reshape(-1, 2)
for k, (low, median, high) in enumerate(np.quantile(ratios, [0.05, 0.5, 0.95], axis=0).T):
    share = model.weights_[k]
    print(f"{share:.0%} of people: visits times {median:.2f} per decade, {low:.2f} to {high:.2f}")
print(f"\nsolver: {model.posterior_.solver}; converged: {model.converged_}")

# %%
# Is it two kinds?
# ----------------
# A single Poisson regression would have to explain the scatter by one mean.

single = BayesianMixtureRegressor(n_components=1, family="poisson", random_state=0).fit(X, visits)
gain = model.log_evidence_ - single.log_evidence_
print(f"log evidence of two components over one: {gain:.0f}")

# %%
# Who is who, and the next count
# ------------------------------
# On the left, people by their most probable component, with the mean counts; dots are shifted a
# little, since counts coincide.  On the right, how often each count is to be expected at the age
# of 40, by draws from the posterior predictive distribution: two humps where one Poisson
# regression has a single one between them.

colours = np.array(["#0072b2", "#d55e00"])
grid = pd.DataFrame({"age": np.linspace(20, 80, 121)})
means = model.predict_components(grid)
member = model.assign(X, visits)

figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
shift = np.random.default_rng(1).uniform(-0.3, 0.3, n)
axes[0].scatter(age, visits + shift, s=9, alpha=0.6, c=colours[member], linewidths=0)
for k in range(2):
    label = f"{model.weights_[k]:.0%} of people"
    axes[0].plot(grid["age"], means[:, k], color="black", lw=3)
    axes[0].plot(grid["age"], means[:, k], color=colours[k], lw=1.5, label=label)
axes[0].set(title="people, by most probable component", xlabel="age", ylabel="visits in a year")
axes[0].legend(frameon=False)

at = pd.DataFrame({"age": [40.0]})
counts = np.arange(26)
for fit, label, style in [
    (model, "two components", {"color": "0.7", "width": 0.9}),
    (single, "one component", {"color": "none", "edgecolor": "black", "width": 0.9}),
]:
    drawn = fit.sample_y(at, 20_000, random_state=0)[0]
    axes[1].bar(counts, [(drawn == count).mean() for count in counts], label=label, **style)
axes[1].set(title="visits to be expected at 40", xlabel="visits in a year", ylabel="probability")
axes[1].legend(frameon=False)

here = Path(sys.argv[0]).resolve().parent
path = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "output" / "counts.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"picture: {path}")

# %%
# The sentence for a paper
# ------------------------

low, median, high = np.quantile(ratios[:, 1], [0.05, 0.5, 0.95])
print(
    f"A mixture of two Poisson regressions of visits on age ({n} people; log evidence {gain:.0f}\n"
    f"above one) found that {model.weights_[1]:.0%} of the people came {median:.2f} times as often "
    f"per decade of age\n(90% interval {low:.2f} to {high:.2f}) and that the others came often at "
    "any age."
)
