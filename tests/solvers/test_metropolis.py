"""Sweeps without closed forms, against closed forms, quadrature and finite differences."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from from_python import from_python
from scipy import stats
from scipy.special import logsumexp

from skmixreg import Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._search import scoring_kernels
from skmixreg._search.search import find_modes
from skmixreg.families import FAMILIES
from skmixreg.solvers._gibbs.chains import Chains
from skmixreg.solvers._gibbs.conjugate import ConjugateSweeps
from skmixreg.solvers._gibbs.metropolis import MarginalSweeps, MetropolisSweeps
from skmixreg.solvers.laplace import Laplace

component_terms = from_python(scoring_kernels.component_terms)


def problem_of(family, n=60, K=2, seed=0, weights=None, **options):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 1))
    eta = np.where(rng.random(n) < 0.5, 1.5 * X[:, 0], 1.5 - X[:, 0])
    y = rng.poisson(np.exp(eta)) if family == "poisson" else eta + 0.3 * rng.normal(size=n)
    return Problem.from_arrays(
        X, y.astype(float), weights, family=FAMILIES[family](), n_components=K,
        priors=Priors().resolve(), **options,
    )  # fmt: skip


def run(problem, sweeps, n_keep=3000, thin=2, seed=1):
    """Draws of one kind of sweeps, from four chains that start near the prior's centre."""
    rng = np.random.default_rng(seed)
    with ThreadPoolExecutor(1) as pool:
        starts = 0.3 * rng.normal(size=(4, problem.layout.size))
        chains = Chains(problem, starts, rng, pool)
        chains._sweeps = sweeps(problem)
        chains.theta = starts
        chains.run(400, 1, None, 1)
        return chains.run(n_keep, thin, None, 1)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_score_is_the_gradient_of_a_component(family, fit_intercept):
    problem = problem_of(family, fit_intercept=fit_intercept)
    observations, settings = problem.rows.observations, problem.model.family
    D = 2 + len(problem.layout.extras)
    rng = np.random.default_rng(0)
    copies = rng.integers(0, 3, size=problem.n_rows).astype(float)
    theta = 0.3 * rng.normal(size=D)
    theta[0] *= fit_intercept

    def terms(at):
        score, information = np.empty(D), np.empty((D, D))
        value = component_terms(
            observations, copies, problem.n_rows, at, problem.component_priors, fit_intercept,
            settings, score, information,
        )  # fmt: skip
        return value, score, np.tril(information) + np.tril(information, -1).T

    _, score, information = terms(theta)
    steps = 1e-6 * np.eye(D)[0 if fit_intercept else 1 :]
    numeric = [(terms(theta + e)[0] - terms(theta - e)[0]) / 2e-6 for e in steps]
    np.testing.assert_allclose(score[-len(steps) :], numeric, rtol=1e-6, atol=1e-5)
    assert (np.linalg.eigvalsh(information) > 0).all()
    if family == "poisson" and fit_intercept:  # canonical: expected information is observed
        numeric = [(terms(theta + e)[1] - terms(theta - e)[1]) / 2e-6 for e in steps]
        np.testing.assert_allclose(-information, numeric, rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("sweeps", [MetropolisSweeps, MarginalSweeps])
def test_agrees_with_closed_forms(sweeps):
    """Normal components by scoring proposals and by their full conditional distributions."""
    problem = problem_of("gaussian")
    kinds = (ConjugateSweeps, sweeps)
    both = [run(problem, kind)[0] for kind in kinds]
    values = []
    for thetas in both:
        raw = problem.layout.expand(thetas.reshape(-1, problem.layout.size))
        order = np.argsort(raw.coef[..., 0], axis=-1)
        raw = raw.permuted(order)
        values.append(
            np.concatenate([raw.log_weights, raw.intercept, raw.coef[..., 0], raw.extra[..., 0]], 1)
        )
    first, second = values
    gap = np.abs(first.mean(axis=0) - second.mean(axis=0)) / first.std(axis=0)
    assert gap.max() < 0.1
    np.testing.assert_allclose(second.std(axis=0), first.std(axis=0), rtol=0.08)


@pytest.mark.parametrize(
    ("sweeps", "weights"), [(MetropolisSweeps, [1.0, 2.0]), (MarginalSweeps, [0.3, 1.7])]
)
def test_one_component_against_quadrature(sweeps, weights):
    """A Poisson regression without slope: its posterior is one-dimensional."""
    rng = np.random.default_rng(0)
    y, weights = rng.poisson(3.0, 12).astype(float), np.tile(weights, 6)
    problem = Problem.from_arrays(
        np.zeros((12, 0)), y, weights, family=FAMILIES["poisson"](), n_components=1,
        priors=Priors().resolve(),
    )  # fmt: skip
    grid = np.linspace(-1.5, 1.5, 4001)
    mean = np.exp(grid + problem.design.location)
    log_p = stats.norm.logpdf(grid, 0, 2.5) + (
        weights[:, None] * stats.poisson.logpmf(y[:, None], mean)
    ).sum(axis=0)
    p = np.exp(log_p - logsumexp(log_p))
    expected = p @ grid
    sd = np.sqrt(p @ (grid - expected) ** 2)
    thetas, filled = run(problem, sweeps, n_keep=2000)
    assert (filled == 1).all()
    assert abs(thetas.mean() - expected) < 0.06 * sd
    assert thetas.std() == pytest.approx(sd, rel=0.05)


def test_copies_are_as_repeated_rows():
    """Draws from weighted rows and from rows repeated have one distribution."""
    rng = np.random.default_rng(3)
    weights = rng.integers(1, 4, 40).astype(float)
    weighted = problem_of("poisson", n=40, seed=2, weights=weights)
    values = []
    for seed, problem in enumerate((weighted, weighted.subset(np.repeat(
        np.arange(weighted.n_rows), weighted.weights.astype(int)
    )))):  # fmt: skip
        thetas, _ = run(problem, MetropolisSweeps, n_keep=1500, seed=seed)
        prior, likelihood = LogPosterior(problem).values(thetas.reshape(-1, problem.layout.size))
        values.append(np.stack([prior, likelihood]))
    gap = np.abs(values[0].mean(axis=1) - values[1].mean(axis=1)) / values[0].std(axis=1)
    assert gap.max() < 0.12


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_sweeps_without_labels_against_importance_sampling(family):
    """Weights that are fractions, against draws that are exact."""
    rng = np.random.default_rng(5)
    problem = problem_of(family, n=80, weights=rng.uniform(0.2, 1.8, 80))
    modes = find_modes(problem, rng, n_init=20)
    exact = Laplace(draws=20_000).draw(problem, modes, rng)
    assert not exact.failures
    thetas, _ = run(problem, MarginalSweeps, n_keep=3000, thin=3)
    tables = []
    for draws in (exact.theta, thetas):
        raw = problem.layout.expand(draws.reshape(-1, problem.layout.size))
        raw = raw.permuted(np.argsort(raw.coef[..., 0], axis=-1))
        tables.append(np.concatenate([raw.log_weights, raw.intercept, raw.coef[..., 0]], axis=1))
    first, second = tables
    gap = np.abs(first.mean(axis=0) - second.mean(axis=0)) / first.std(axis=0)
    assert gap.max() < 0.08
    np.testing.assert_allclose(second.std(axis=0), first.std(axis=0), rtol=0.08)


@pytest.mark.parametrize("sweeps", [MetropolisSweeps, MarginalSweeps])
def test_same_keys_same_draws(sweeps):
    problem = problem_of("poisson")
    first, second = (run(problem, sweeps, n_keep=50)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
