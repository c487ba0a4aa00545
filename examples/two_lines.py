"""Two crossing lines in 100,000 rows.

Half of the rows follow y = 3x, the other half y = -x, with noise of sd 0.1, and nothing says
which row is which.  Usage::

    python examples/two_lines.py [picture.png]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from skmixreg import BayesianMixtureRegressor

N = 100_000


def make_data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows on y = 3x or y = -x, with noise of sd 0.1."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    slope = np.where(rng.random(n) < 0.5, 3.0, -1.0)
    return x[:, None], slope * x + rng.normal(0, 0.1, n)


def draw_picture(model: BayesianMixtureRegressor, X: np.ndarray, y: np.ndarray, path: Path) -> None:
    """Rows coloured by their component, the lines, and where 90% of new rows will be."""
    colours = np.array(["#0072b2", "#d55e00", "#009e73", "#cc79a7"])
    some = np.random.default_rng(0).choice(len(y), 4000, replace=False)
    grid = np.linspace(-1, 1, 201)[:, None]
    lines = model.predict_components(grid)

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    member = model.assign(X[some], y[some])
    axes[0].scatter(X[some, 0], y[some], s=4, alpha=0.4, c=colours[member], linewidths=0)
    for k in range(lines.shape[1]):
        label = f"{model.weights_[k]:.3f} of the rows: slope {model.coef_[k, 0]:.3f}"
        axes[0].plot(grid, lines[:, k], color="black", lw=2.5)
        axes[0].plot(grid, lines[:, k], color=colours[k], lw=1.5, label=label)
    axes[0].set(title="rows, by most probable component", xlabel="x", ylabel="y")
    axes[0].legend(frameon=False)

    for x, regions in zip(grid[:, 0], model.predict_hdr(grid), strict=True):
        for low, high in regions:
            axes[1].fill_between([x - 0.005, x + 0.005], low, high, color="0.75", lw=0)
    low, high = model.predict_interval(grid).T
    axes[1].plot(grid, low, "k:", lw=1, label="90% equal-tailed interval")
    axes[1].plot(grid, high, "k:", lw=1)
    axes[1].plot(grid, model.predict(grid), color="0.3", lw=1, label="mean")
    axes[1].fill_between([], [], [], color="0.75", label="90% highest-density region")
    axes[1].set(title="where new rows will be", xlabel="x")
    axes[1].legend(frameon=False)

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Fit, print, draw."""
    default = Path(__file__).parent / "output" / "two_lines.png"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default

    X, y = make_data(N, seed=0)
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

    draw_picture(model, X, y, path)
    print(f"picture: {path}")


if __name__ == "__main__":
    main()
