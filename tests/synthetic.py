"""Posteriors made by hand, without a search or a solver."""

from __future__ import annotations

import numpy as np

from skmixreg._draws.draws import Draws
from skmixreg._model.layout import Layout
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._posterior.posterior import Posterior
from skmixreg._search.mode_table import Mode, ModeTable
from skmixreg.families import Gaussian, Poisson


def random_components(rng: np.random.Generator, K: int, p: int, *lead: int) -> Raw:
    """Components of any kind, standardised."""
    weights = rng.dirichlet(np.full(K, 3.0), size=lead)
    return Raw.of(
        np.log(weights),
        rng.normal(0, 0.5, (*lead, K)),
        rng.normal(0, 1.0, (*lead, K, p)),
        rng.normal(-1.5, 0.5, (*lead, K, 1)),
    )


def make_problem(
    seed: int = 0,
    K: int = 2,
    p: int = 1,
    n: int = 60,
    fit_intercept: bool = True,
    shared_sigma: bool = False,
    x_shift: float = 0.0,
    y_shift: float = 0.0,
) -> Problem:
    """A problem whose data only set the units."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0, np.linspace(0.5, 4, p), (n, p)) + 1.5 + x_shift
    y = rng.normal(2.0, 3.0, n) + y_shift
    return Problem.from_arrays(
        X,
        y,
        family=Gaussian(shared_sigma=shared_sigma),
        n_components=K,
        priors=Priors().resolve(),
        fit_intercept=fit_intercept,
    )


def make_mode(problem: Problem, components: Raw, sd: float = 0.05, **values: float) -> Mode:
    """A mode at the given components with a random covariance of about the given sd."""
    d = problem.layout.size
    rng = np.random.default_rng(d)
    root = np.eye(d) + 0.3 * np.tril(rng.normal(size=(d, d)), -1) / np.sqrt(d)
    K = problem.layout.n_components
    fields = {"log_prior": -3.0, "log_likelihood": -40.0, "gradient_norm": 0.0, "hits": 4} | values
    return Mode(
        theta=problem.layout.collapse(components),
        scale=sd * root,
        counts=np.full(K, problem.n_rows / K),
        **fields,  # type: ignore[arg-type]
    )


def draws_around(
    layout: Layout, modes: list[Mode], shape: tuple[int, int], seed: int = 0
) -> np.ndarray:
    """Draws around the modes in turn, each with labels at random: (chains, draws, d)."""
    rng = np.random.default_rng(seed)
    S = shape[0] * shape[1]
    noise = rng.standard_normal((S, layout.size))
    theta = np.stack([m.theta + m.scale @ e for m, e in zip((modes * S)[:S], noise, strict=True)])
    labels = np.argsort(rng.random((S, layout.n_components)), axis=1)
    return layout.collapse(layout.expand(theta).permuted(labels)).reshape(*shape, layout.size)


def make_posterior(
    problem: Problem,
    modes: list[Mode],
    shape: tuple[int, int] = (2, 150),
    seed: int = 0,
    theta: np.ndarray | None = None,
) -> Posterior:
    """What `Posterior.from_draws` makes of draws around the modes."""
    if theta is None:
        theta = draws_around(problem.layout, modes, shape, seed)
    shape = theta.shape[:2]
    draws = Draws(
        theta=theta,
        log_prior=np.full(shape, -3.0),
        log_likelihood=np.full(shape, -40.0),
        solver="made",
        report={"khat": 0.1},
        log_evidence=-50.0,
        log_evidence_error=0.01,
    )
    masses = np.array([mode.log_evidence for mode in modes])
    return Posterior.from_draws(problem, ModeTable(modes, masses), draws)


def simple_posterior(
    seed: int = 0, K: int = 2, p: int = 1, shape: tuple[int, int] = (2, 150), **units: float
) -> tuple[Problem, Posterior]:
    """A posterior around one mode."""
    problem = make_problem(seed, K, p, **units)  # type: ignore[arg-type]
    components = random_components(np.random.default_rng(seed), K, p)
    mode = make_mode(problem, components)
    return problem, make_posterior(problem, [mode], shape, seed)


def poisson_posterior(
    seed: int = 0, K: int = 2, p: int = 1, shape: tuple[int, int] = (2, 150), level: float = 10.0
) -> Posterior:
    """A posterior of counts around one mode, with a mean of about ``level``."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0, np.linspace(0.5, 2, p), (60, p)) + 0.5
    problem = Problem.from_arrays(
        X, rng.poisson(level, 60).astype(float), family=Poisson(), n_components=K,
        priors=Priors().resolve(),
    )  # fmt: skip
    raw = Raw.of(
        np.log(rng.dirichlet(np.full(K, 3.0))),
        rng.normal(0, 0.7, K),
        rng.normal(0, 0.3, (K, p)),
        np.empty((K, 0)),
    )
    return make_posterior(problem, [make_mode(problem, raw)], shape, seed)
