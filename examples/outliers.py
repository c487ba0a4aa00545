"""
A line with outliers
====================

Twenty measurements on a line, and some that went wrong, nobody knows which: the classic problem of
an observatory.  A uniform background takes the rows that are not of the line, and says of every
point how probable it is that it is one.  As a script, it writes the picture to a file::

    python examples/outliers.py [picture.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skmixreg import BayesianMixtureRegressor

rng = np.random.default_rng(7)
n = 40
x = rng.uniform(50, 250, n)
wrong = rng.random(n) < 0.2
y = np.where(wrong, rng.uniform(100, 700, n), 34 + 2.2 * x + rng.normal(0, 20, n))
X = x[:, None]

# %%
# Three fits
# ----------
# A line through all rows, one with the heavy tails of Student-t errors, and one beside a uniform
# background.  The evidence says which describes the data best.

options = {"n_components": 1, "random_state": 0}
fits = {
    "normal errors": BayesianMixtureRegressor(**options),
    "Student-t errors": BayesianMixtureRegressor(**options, family="student_t"),
    "uniform background": BayesianMixtureRegressor(**options, background="uniform"),
}
for name, model in fits.items():
    model.fit(X, y)
    slope = model.posterior_["coef"].ravel()
    low, high = np.quantile(slope, [0.05, 0.95])
    print(
        f"{name:20} slope {slope.mean():.2f}, 90% from {low:.2f} to {high:.2f}; "
        f"log evidence {model.log_evidence_:.1f}"
    )

# %%
# Which points are outliers?
# --------------------------
# The last column of ``predict_proba`` is the probability of the background.

model = fits["uniform background"]
probability = model.predict_proba(X, y)[:, -1]
print(f"share of outliers: {model.weights_[-1]:.0%}; truly wrong: {wrong.mean():.0%}")
print("probability of being one, where wrong:", np.sort(probability[wrong]).round(2))
print("and where right, at most:", probability[~wrong].max().round(2))

# %%
# The picture
# -----------
# Lines are draws of the posterior; the dashed line is that of normal errors through all rows.

figure, axis = plt.subplots(figsize=(7, 5), layout="constrained")
grid = np.linspace(40, 260, 2)
draws = model.posterior_
chosen = np.linspace(0, draws["intercept"].size - 1, 60).astype(int)
intercepts, slopes = draws["intercept"].ravel()[chosen], draws["coef"].ravel()[chosen]
axis.plot(grid, intercepts + np.outer(grid, slopes), color="#0072b2", alpha=0.1, lw=1)
axis.plot(
    grid, fits["normal errors"].predict_components(grid[:, None]), color="0.4", ls="--",
    label="normal errors, all rows",
)  # fmt: skip
points = axis.scatter(
    x, y, c=probability, cmap="coolwarm", vmin=0, vmax=1, edgecolor="black", lw=0.6, zorder=3
)
figure.colorbar(points, label="probability of being an outlier")
axis.plot([], [], color="#0072b2", label="with a background")
axis.set(xlabel="x", ylabel="y", title="each point's probability of being an outlier")
figure.legend(frameon=False, loc="outside lower center", ncols=2)

here = Path(sys.argv[0]).resolve().parent
path = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "output" / "outliers.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"picture: {path}")

# %%
# The sentence for a paper
# ------------------------

slope = model.posterior_["coef"].ravel()
low, high = np.quantile(slope, [0.05, 0.95])
gain = model.log_evidence_ - fits["normal errors"].log_evidence_
print(
    f"A straight line with a uniform background of outliers (log evidence {gain:.0f} above a line\n"
    f"through all {n} points) has slope {slope.mean():.2f} (90% interval {low:.2f} to {high:.2f}); "
    f"{np.sum(probability > 0.5)} points\nare more probably outliers than not."
)
