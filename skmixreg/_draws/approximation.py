"""Draws from an approximation of the posterior, and how far they can be trusted."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._search.alignment import Pivot
from .._support.arrays import Array
from .._support.progress import SILENT, Progress
from .draws import Draws

# Where to go from an approximation that is too far off.
INSTEAD = "solver='auto' (exact, about as fast), 'gibbs' or 'nuts'"
# Smallest accepted ratio of an sd of an approximation to the one from the curvature of the
# posterior: half of the variance.
LEAST_SD_RATIO = 0.7
# The fewest draws: they leave a tail of twenty for k-hat to be fitted to.
FEWEST_DRAWS = 100


class Approximation(Protocol):
    """A normalised density on the unconstrained vector, around one labelling of one mode."""

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws: (n, d)."""

    def log_density(self, thetas: Array) -> Array:
        """Log density with respect to Lebesgue measure: (S, d) -> (S,)."""


def khat_threshold(n_draws: int) -> float:
    """Largest k-hat that importance sampling with this many draws can be trusted at.

    ``min(1 - 1 / log10(S), 0.7)`` (Vehtari, Simpson, Gelman, Yao and Gabry 2024, section 3.2.4).
    """
    return min(1.0 - 1.0 / np.log10(max(n_draws, 11)), 0.7)


def pareto_khat(log_ratio: Array) -> float:
    """Shape of the generalised Pareto distribution that fits the largest importance ratios.

    Parameters
    ----------
    log_ratio : ndarray of shape (S,)
        Logs of p / q; -inf where p is zero.
    """
    log_ratio = np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
    return pareto_smoothed(log_ratio - log_ratio.max())[1]


def pareto_smoothed(log_ratio: Array) -> tuple[Array, float]:
    """Log weights by Pareto-smoothed importance sampling, up to a constant, and k-hat.

    Parameters
    ----------
    log_ratio : ndarray of shape (S,)
        Logs of p / q, of which the largest is 0.
    """
    from arviz_stats.base import array_stats

    finite = np.maximum(log_ratio, -700.0)
    try:
        smoothed, khat = array_stats.psislw(-finite)
    except ValueError as error:
        if "tail values are the same" not in str(error):
            raise
        return finite, 0.0  # bounded, and nothing to be smoothed
    return smoothed, float(khat)


def draws_from(
    problem: Problem,
    approximation: Approximation,
    rng: np.random.Generator,
    n: int,
    *,
    solver: str,
    report: dict[str, Any] | None = None,
    failures: list[str] | None = None,
    progress: Progress = SILENT,
) -> Draws:
    """Independent draws from an approximation, with k-hat in their report.

    k-hat is that of the ratios p / qbar, where qbar lives on one labelling of every parameter: a
    draw that resembles the approximation's centre more under other labels counts as a proposal of
    density zero, so that overlapping components are not counted K! times.  Over the threshold,
    the draws carry a failure that says so and names the solver to use (Yao, Vehtari, Simpson and
    Gelman 2018, "Yes, but did it work?").

    Parameters
    ----------
    problem : Problem
    approximation : Approximation
    rng : numpy.random.Generator
    n : int
        Draws; also what k-hat is estimated from.
    solver : str
        Name of the solver.
    report : dict, optional
        What the solver reports of itself.
    failures : list of str, optional
        What went wrong before.
    progress : Progress
    """
    thetas = approximation.sample(rng, n)
    with progress.stage(f"{solver}: {n} draws", n) as stage:
        log_prior, log_likelihood = LogPosterior(problem).values(thetas, stage.advance)
    log_proposal = approximation.log_density(thetas) - problem.layout.log_labellings
    khat = pareto_khat(
        np.where(own_labels(problem, thetas), log_prior + log_likelihood - log_proposal, -np.inf)
    )
    threshold = khat_threshold(n)
    failures = list(failures or [])
    if not khat <= threshold:
        failures.append(
            f"{solver}: k-hat is {khat:.2f}, over {threshold:.2f}: the approximation is far from "
            f"the posterior and its intervals cannot be trusted; use {INSTEAD}"
        )
    return Draws(
        theta=thetas[None],
        log_prior=log_prior[None],
        log_likelihood=log_likelihood[None],
        log_proposal=log_proposal[None],
        solver=solver,
        report={**(report or {}), "khat": khat, "khat_threshold": threshold},
        failures=failures,
        independent=True,
        weighs_modes=False,
    )


def own_labels(problem: Problem, thetas: Array) -> np.ndarray:
    """Whether draws resemble their own centre most in the labels that they have: (S,)."""
    layout = problem.layout
    if layout.n_components == 1:
        return np.ones(len(thetas), dtype=bool)
    covariance = np.atleast_2d(np.cov(thetas, rowvar=False))
    covariance = covariance + 1e-12 * np.diag(np.diagonal(covariance) + 1e-300)
    pivot = Pivot.from_mode(layout, thetas.mean(axis=0), np.linalg.cholesky(covariance))
    orders, _ = pivot.align(layout.expand(thetas))
    return (orders == np.arange(layout.n_components)).all(axis=1)


def narrowness(ratio: float, solver: str) -> list[str]:
    """A failure if q is far too narrow, which k-hat does not always see in time."""
    if ratio >= LEAST_SD_RATIO:
        return []
    return [
        f"{solver}: an sd is only {ratio:.2f} of the one from the curvature of the posterior, "
        f"under {LEAST_SD_RATIO}, as where components overlap: intervals are too short; use "
        f"{INSTEAD}"
    ]
