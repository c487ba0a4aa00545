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
from .importance import pareto_khat
from .limits import far_off, khat_threshold


class Approximation(Protocol):
    """A normalised density on the unconstrained vector, around one labelling of one mode."""

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws: (n, d)."""

    def log_density(self, thetas: Array) -> Array:
        """Log density with respect to Lebesgue measure: (S, d) -> (S,)."""


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
        failures.append(far_off(solver, khat, threshold))
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
