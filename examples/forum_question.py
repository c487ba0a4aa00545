"""
A question from the PyMC forum, mended fault by fault
=====================================================

`Mixture of Linear models <https://discourse.pymc.io/t/mixture-of-linear-models/1549>`__: 100,000
rows on y = 3x or y = -x with noise of sd 0.1, fitted with minibatches and full-rank ADVI.  The
slopes were not found and sigma came out close to 1.  Here is that model, carried over to PyMC 6,
then one fault mended after the other, then the answers' advice, then this package::

    python examples/forum_question.py [picture.png]

It takes one to two minutes, and as much again the first time, when PyMC compiles; so it is the one
example that is not run when these pages are built.  What it printed, and the story:
:doc:`/label-switching`.  Its picture, of a full run:

.. image:: /images/forum_question.png
   :alt: Rows and lines of three fits: as asked, the right model, this package
"""

# sphinx_gallery_thumbnail_path = "images/forum_question.png"

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from matplotlib.patheffects import withStroke
from pymc.variational.callbacks import CheckParametersConvergence

from skmixreg import BayesianMixtureRegressor
from skmixreg.solvers import SOLVERS

N, BATCH, STEPS = 100_000, 128, 10_000
LARGER_STEPS = 0.005  # for Adam; PyMC's default, adagrad_window, has 0.001
LOG_2PI = float(np.log(2 * np.pi))
TRUE_SLOPES, TRUE_SIGMA = np.array([-1.0, 3.0]), 0.1

# Solvers of this package to run, with their options.
OURS: dict[str, dict[str, Any]] = {
    "auto": {},
    "map": {},
    "cavi": {},
    "advi": {"batch_size": BATCH},
    "fullrank_advi": {"batch_size": BATCH},
}


def make_data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The question's data: x of shape (n, 1), y of shape (n,)."""
    rng = np.random.default_rng(seed)
    x = 2 * rng.random((n, 1)) - 1
    y = 3 * x[:, 0]
    other = rng.random(n) < 0.5
    y[other] = -x[other, 0]
    return x, y + 0.1 * rng.standard_normal(n)


# The normal log density, as asked and mended.  ``delta`` is y minus one component's line.


def whole_batch(delta: Any, sigma: Any) -> Any:
    """As asked: one number for all rows, in which log(sigma) stands once, and halved."""
    n = delta.shape[0]
    return -0.5 * (n * LOG_2PI + pt.log(sigma) + (delta**2).sum() / sigma**2)


def every_row(delta: Any, sigma: Any) -> Any:
    """The same formula row by row: log(sigma) in every row, but still halved."""
    return -0.5 * (LOG_2PI + pt.log(sigma) + delta**2 / sigma**2)


def normal(delta: Any, sigma: Any) -> Any:
    """The normal log density of every row."""
    return -0.5 * (LOG_2PI + 2 * pt.log(sigma) + delta**2 / sigma**2)


Density = Callable[[Any, Any], Any]


def log_likelihood(density: Density, deltas: list[Any], weights: Any, sigma: Any) -> Any:
    """Log-sum-exp over components, then the sum over whatever is left: rows, or nothing."""
    terms = [pt.log(weights[k]) + density(delta, sigma) for k, delta in enumerate(deltas)]
    return pm.math.logsumexp(pt.stack(terms), axis=0).sum()


def question_model(x: np.ndarray, y: np.ndarray, density: Density, total_size: bool) -> pm.Model:
    """The question's model: its priors, and minibatches of 128 rows."""
    with pm.Model() as model:
        X, Y = pm.Minibatch(x, y, batch_size=BATCH)
        weights = pm.Dirichlet("pi", np.ones(2))
        slopes = [pm.Normal(f"w_{k}", 0, 2, shape=(1,)) for k in range(2)]
        sigma = pm.Uniform("sigma", 0, 1)
        value = log_likelihood(density, [Y - X @ w for w in slopes], weights, sigma)
        # What total_size=N does for an observed variable has to be written out for a potential.
        pm.Potential("y", (len(y) / BATCH if total_size else 1.0) * value)
    return model


class Fit(NamedTuple):
    """What came out of one step."""

    step: str
    how: str
    slopes: np.ndarray  # (draws, 2)
    sigma: np.ndarray  # (draws, 1 or 2)
    n: int  # rows
    seconds: float

    @property
    def sd_ratio(self) -> str:
        """Sds of the slopes over those of the posterior, which nearly knows all memberships."""
        if len(self.slopes) == 1:
            return "no sd"
        ratio = self.slopes.std(axis=0).mean() / (TRUE_SIGMA / np.sqrt(self.n / 2 / 3))
        return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"

    @property
    def right(self) -> bool:
        """Slopes within 0.02 of the truth and every sigma within 5%."""
        slopes, sigma = np.sort(self.slopes.mean(axis=0)), self.sigma.mean(axis=0)
        near = np.abs(slopes - TRUE_SLOPES).max() <= 0.02
        return bool(near and np.abs(sigma / TRUE_SIGMA - 1).max() <= 0.05)

    @property
    def row(self) -> dict[str, str]:
        """A line of the table: means and, for the slopes, how much too wide they are."""
        return {
            "step": self.step,
            "how": self.how,
            "slopes": ", ".join(f"{slope:.3f}" for slope in self.slopes.mean(axis=0)),
            "sigma": ", ".join(f"{sigma:.3f}" for sigma in self.sigma.mean(axis=0)),
            "right": "yes" if self.right else "no",
            "sd / exact sd": self.sd_ratio,
            "seconds": f"{self.seconds:.1f}",
        }


def variational(step: str, how: str, model: pm.Model, seed: int = 0, **options: Any) -> Fit:
    """One run of `pm.fit`, with the question's convergence check; prints what PyMC says."""
    start = time.perf_counter()
    check = CheckParametersConvergence(tolerance=1e-4)
    with model:
        approximation = pm.fit(
            STEPS, callbacks=[check], random_seed=seed, progressbar=False, **options
        )
        draws = approximation.sample(1000, random_seed=seed).posterior
    slopes = np.stack([draws[f"w_{k}"].to_numpy().ravel() for k in range(2)], axis=1)
    sigma = draws["sigma"].to_numpy().reshape(-1, 1)
    fit = Fit(step, how, slopes, sigma, N, time.perf_counter() - start)
    losses = approximation.hist
    stopped = "no convergence seen" if len(losses) == STEPS else "convergence reported"
    say(fit, f"{len(losses):,} steps, {stopped}, last losses {losses[-1000:].mean():,.0f}")
    return fit


def one_nuts_chain(step: str, x: np.ndarray, y: np.ndarray, ordered: bool) -> Fit:
    """The answers' advice: one chain of NUTS, then ordered slopes."""
    start = time.perf_counter()
    order: dict[str, Any] = {}
    if ordered:
        # The transform is undefined at equal slopes, where PyMC would start.
        order = {
            "transform": pm.distributions.transforms.ordered,
            "initval": np.array([-0.5, 0.5]),
        }
    with pm.Model():
        X, Y = pm.Data("X", x), pm.Data("Y", y)
        weights = pm.Dirichlet("pi", np.ones(2))
        slopes = pm.Normal("w", 0, 2, shape=2, **order)
        sigma = pm.Uniform("sigma", 0, 1)
        pm.NormalMixture("y", w=weights, mu=X[:, 0][:, None] * slopes, sigma=sigma, observed=Y)
        draws = pm.sample(
            draws=500, tune=500, chains=1, random_seed=0, nuts_sampler="pymc",
            progressbar=False, compute_convergence_checks=False,
        ).posterior  # fmt: skip
    how = f"one NUTS chain, {len(y):,} rows"
    fit = Fit(
        step,
        how,
        draws["w"].to_numpy()[0],
        draws["sigma"].to_numpy()[0][:, None],
        len(y),
        time.perf_counter() - start,
    )
    say(fit, "500 draws after 500 of tuning")
    return fit


def ours(name: str, x: np.ndarray, y: np.ndarray) -> tuple[Fit, BayesianMixtureRegressor]:
    """A fit with this package: its own priors, an intercept and a sigma for every line."""
    start = time.perf_counter()
    solver = SOLVERS[name](**OURS[name])
    model = BayesianMixtureRegressor(n_components=2, solver=solver, random_state=0).fit(x, y)
    posterior = model.posterior_
    options = ", ".join(f"{option}={value}" for option, value in OURS[name].items())
    fit = Fit(
        "this package",
        f"solver={name!r}" + (f", {options}" if options else ""),
        posterior["coef"][..., 0].reshape(-1, 2),
        posterior["sigma"].reshape(-1, 2),
        len(y),
        time.perf_counter() - start,
    )
    say(fit, f"converged: {model.converged_}, drawn by {posterior.solver}")
    return fit, model


def say(fit: Fit, said: str) -> None:
    """Print one step."""
    row = fit.row
    print(f"{fit.step} [{fit.how}]\n    {said}")
    print(f"    slopes {row['slopes']}; sigma {row['sigma']}; right: {row['right']}")


def to_markdown(fits: list[Fit]) -> str:
    """The table, as the documentation has it."""
    rows = [fit.row for fit in fits]
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(rows[0]))]
    lines.insert(1, ["-" * width for width in widths])
    padded = [[c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def draw_picture(
    x: np.ndarray, y: np.ndarray, panels: list[tuple[str, Fit, np.ndarray]], path: Path
) -> None:
    """Rows, and the two lines of every fit: the mean, and draws around it."""
    some = np.random.default_rng(0).choice(len(y), 2500, replace=False)
    grid = np.array([-1.0, 1.0])
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.9), sharey=True, layout="constrained")
    for axis, (title, fit, intercepts) in zip(axes, panels, strict=True):
        axis.scatter(x[some, 0], y[some], s=3, color="0.75", linewidths=0, rasterized=True)
        # The second line lies on the first where both are the same: both have to be seen.
        looks = (("#0072b2", "-", 4.5), ("#ffb040", (0, (4, 3)), 2.0))
        for k, (colour, _, _) in enumerate(looks):
            for slope in fit.slopes[:: max(1, len(fit.slopes) // 25), k]:
                axis.plot(grid, intercepts[k] + slope * grid, color=colour, lw=0.6, alpha=0.5)
        for k, (colour, dashes, width) in enumerate(looks):
            mean = fit.slopes[:, k].mean()
            axis.plot(
                grid, intercepts[k] + mean * grid, color=colour, ls=dashes, lw=width,
                label=f"component {k + 1}: slope {mean:.2f}",
                path_effects=[withStroke(linewidth=width + 1.6, foreground="black")],
            )  # fmt: skip
        axis.set(title=f"{title}\nsigma {fit.sigma.mean():.2f}", xlabel="x", ylim=(-4.4, 5.4))
        axis.legend(frameon=False, loc="upper center", handlelength=3.2)
    axes[0].set_ylabel("y")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def with_pymc(x: np.ndarray, y: np.ndarray) -> list[Fit]:
    """The question's fit, its faults mended one by one, and the answers' advice."""
    steps: dict[str, tuple[Density, bool]] = {
        "as asked": (whole_batch, False),
        "+ a sum over components in every row": (every_row, False),
        "+ the normal density": (normal, False),
        "+ total_size: the right model": (normal, True),
    }
    models = {step: question_model(x, y, *what) for step, what in steps.items()}
    right_model = list(models.values())[-1]
    adam = {"obj_optimizer": pm.adam(learning_rate=LARGER_STEPS)}
    fits = []

    print("PyMC's own start and steps:")
    for step, model in models.items():
        fits.append(variational(step, "fullrank_advi", model, method="fullrank_advi"))
    fits.append(variational("the right model", "advi", right_model, method="advi"))

    print("\nStarted at the truth, to see where each density leads:")
    truth = {"w_0": np.array([3.0]), "w_1": np.array([-1.0]), "sigma": 0.1, "pi": np.full(2, 0.5)}
    # A narrow start can be asked of the mean-field method only.
    start = {"method": "advi", "start": truth, "start_sigma": dict.fromkeys(truth, 0.02)}
    for step, model in models.items():
        fits.append(variational(step, "advi from the truth, Adam", model, **start, **adam))

    print("\nThe right model from PyMC's own start with larger steps, from two seeds:")
    for seed in (1, 2):
        how = f"advi, Adam, seed {seed}"
        fits.append(variational("the right model", how, right_model, seed, method="advi", **adam))

    print("\nThe answers' advice, one chain and ordered slopes:")
    for step, ordered in (("the right model", False), ("the right model, slopes ordered", True)):
        fits.append(one_nuts_chain(step, x[:1000], y[:1000], ordered))
    return fits


def main() -> None:
    """Every step, the table, the picture."""
    default = Path(__file__).parent / "output" / "forum_question.png"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    logging.getLogger("pymc").setLevel(logging.ERROR)
    x, y = make_data(N, seed=0)
    print(f"{N:,} rows on y = 3x or y = -x, noise sd 0.1\n")
    fits = with_pymc(x, y)

    print("\nThis package:")
    models = {}
    for name in OURS:
        fit, models[name] = ours(name, x, y)
        fits.append(fit)

    print("\n" + to_markdown(fits))
    found = {(fit.step, fit.how): fit for fit in fits}
    panels = [
        ("the model as asked", found["as asked", "fullrank_advi"], np.zeros(2)),
        (
            "the right model, PyMC's own start",
            found["+ total_size: the right model", "fullrank_advi"],
            np.zeros(2),
        ),
        (
            "this package, solver='auto'",
            found["this package", "solver='auto'"],
            models["auto"].intercept_,
        ),
    ]
    draw_picture(x, y, panels, path)
    print(f"\npicture: {path}")


if __name__ == "__main__":
    main()
