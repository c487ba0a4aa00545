"""
Two crossing lines in 100,000 rows
==================================

Half of the rows follow y = 3x, the other half y = -x, with noise of sd 0.1, and nothing says
which row is which.  As a script, it writes the picture to a file::

    python examples/two_lines.py [picture.png]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skmixreg import BayesianMixtureRegressor

N = 100_000
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, N)
slope = np.where(rng.random(N) < 0.5, 3.0, -1.0)
X, y = x[:, None], slope * x + rng.normal(0, 0.1, N)

# %%
# The fit
# -------
# The first one in a fresh environment compiles its kernels, which are kept on disk.

model = BayesianMixtureRegressor(n_components=2, random_state=0)
start = time.perf_counter()
model.fit(X, y)
first = time.perf_counter() - start
start = time.perf_counter()
model.fit(X, y)
again = time.perf_counter() - start

print(f"{N:,} rows from y = 3x and y = -x, noise sd 0.1\n")
print(model.summary().to_string())
print(f"\nsolver: {model.posterior_.solver}; converged: {model.converged_}")
print(f"first fit {first:.2f} s, compiling included; a second one {again:.2f} s")

# %%
# Which row, and where the next one
# ---------------------------------
# On the left, rows by their most probable component.  On the right, where new rows will be: the
# mean of both lines is where nearly no row is, and an equal-tailed interval spans the gap; the
# highest-density region is two bands.

colours = np.array(["#0072b2", "#d55e00"])
some = np.random.default_rng(0).choice(N, 4000, replace=False)
grid = np.linspace(-1, 1, 201)[:, None]
lines = model.predict_components(grid)

figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
member = model.assign(X[some], y[some])
axes[0].scatter(X[some, 0], y[some], s=4, alpha=0.4, c=colours[member], linewidths=0)
for k in range(2):
    label = f"{model.weights_[k]:.3f} of the rows: slope {model.coef_[k, 0]:.3f}"
    axes[0].plot(grid, lines[:, k], color="black", lw=3)
    axes[0].plot(grid, lines[:, k], color=colours[k], lw=1.5)
    axes[0].plot([], [], color=colours[k], lw=3, label=label)
axes[0].set(title="rows, by most probable component", xlabel="x", ylabel="y")
axes[0].legend(frameon=False)

for at, regions in zip(grid[:, 0], model.predict_hdr(grid), strict=True):
    for low, high in regions:
        axes[1].fill_between([at - 0.005, at + 0.005], low, high, color="0.75", lw=0)
low, high = model.predict_interval(grid).T
axes[1].plot(grid, low, "k:", lw=1, label="90% equal-tailed interval")
axes[1].plot(grid, high, "k:", lw=1)
axes[1].plot(grid, model.predict(grid), color="0.3", lw=1, label="mean")
axes[1].fill_between([], [], [], color="0.75", label="90% highest-density region")
axes[1].set(title="where new rows will be", xlabel="x")
axes[1].legend(frameon=False)

here = Path(sys.argv[0]).resolve().parent
path = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "output" / "two_lines.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"picture: {path}")

# %%
# The sentence for a paper
# ------------------------

rows = model.summary().loc[["coef[0, x0]", "coef[1, x0]"]].iloc[:, [0, 2, 3]].to_numpy()
first, second = (f"{mean:.3f} (90% interval {low:.3f} to {high:.3f})" for mean, low, high in rows)
print(
    f"A mixture of two linear regressions had slopes of {first} for\n"
    f"{model.weights_[0]:.1%} of the rows and of {second} for the others."
)
