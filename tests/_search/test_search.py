"""The search for modes against optima others found, and against itself."""

import numpy as np
import pytest
from conftest import REFERENCE_NAMES, load_reference, two_lines
from sklearn.exceptions import ConvergenceWarning

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._search import search as search_module
from skmixreg._search.newton import GRADIENT_TOLERANCE, polish
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian, Poisson


def problem_of(X, y, K, weights=None, family=None, **options):
    return Problem.from_arrays(
        np.asarray(X, float), np.asarray(y, float), weights, family=family or Gaussian(),
        n_components=K, priors=Priors().resolve(), **options,
    )  # fmt: skip


def search(problem, seed=0, n_init=20):
    return find_modes(problem, np.random.default_rng(seed), n_init=n_init)


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_reaches_the_best_likelihood_of_hundreds_of_peer_starts(name, K):
    case = load_reference(name)
    problem = problem_of(case.X, case.y, K)
    for seed in range(3):
        modes = search(problem, seed)
        best = modes.to_frame(problem)["log_likelihood"].max()
        assert best > case.fits[K]["loglik"] - problem.layout.size / 2


def test_tone_perception_has_its_two_solutions():
    case = load_reference("tonedata")
    problem = problem_of(case.X, case.y, 2)
    table = search(problem).to_frame(problem)
    np.testing.assert_allclose(np.sort(table["log_likelihood"][:2]), [141.2, 145.4], atol=0.3)


def test_modes_are_exact_and_were_reached_twice():
    problem = problem_of(*two_lines(500), 2)
    modes = search(problem)
    assert not modes.failures
    assert modes.best.hits >= 2
    for mode in modes.modes:
        assert mode.gradient_norm < GRADIENT_TOLERANCE
        *_, gradient, hessian = LogPosterior(problem).value_gradient_hessian(mode.theta)
        assert np.linalg.norm(mode.scale.T @ gradient) < 1e-5
        identity = mode.scale.T @ -hessian @ mode.scale
        np.testing.assert_allclose(identity, np.eye(len(identity)), atol=1e-6)


def test_subsample_leads_to_the_mode_of_all_rows():
    problem = problem_of(*two_lines(30_000), 2)
    modes = search(problem)
    assert not modes.failures
    slopes = np.sort(problem.design.to_user(problem.layout.expand(modes.best.theta)).coef.ravel())
    np.testing.assert_allclose(slopes, [-1, 3], atol=0.02)


def test_weights_are_repetitions():
    X, y = two_lines(40)
    counts = np.random.default_rng(0).integers(0, 4, 40)
    weighted = search(problem_of(X, y, 2, counts.astype(float)))
    repeated = search(problem_of(np.repeat(X, counts, axis=0), np.repeat(y, counts), 2))
    np.testing.assert_array_equal(weighted.best.theta, repeated.best.theta)


def test_collapse_never_wins():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1))
    y = X[:, 0] + rng.normal(size=60)
    y[:3] = 2 * X[:3, 0]  # three rows exactly on a line of their own
    problem = problem_of(X, y, 2)
    best = search(problem).best
    assert np.exp(problem.layout.expand(best.theta).extra).min() > 0.01


def test_polish_leaves_a_saddle():
    problem = problem_of(*two_lines(300), 2)
    density = LogPosterior(problem)
    pooled = search(problem.with_components(1)).best
    inner = problem.with_components(1).layout.expand(pooled.theta)
    twice = Raw(*(np.concatenate([a, a]) for a in inner))
    saddle = problem.layout.collapse(twice)
    found = polish(density, saddle)
    assert found.definite
    before = sum(float(v[0]) for v in density.values(saddle[None]))
    assert found.log_prior + found.log_likelihood > before + 100


@pytest.mark.parametrize("level", [1e6, 1e8, 1e10])
@pytest.mark.parametrize("K", [1, 2])
def test_large_counts_have_an_exact_mode(level, K):
    """A start is thousands of sds away, and at the top values are rounded by more than it gains."""
    rng = np.random.default_rng(11)
    x, first = rng.uniform(-1, 1, 100), rng.random(100) < 0.4
    y = rng.poisson(level * np.exp(np.where(first, 0.5 * x, 1.0 - 0.5 * x)))
    modes = search(problem_of(x[:, None], y, K, family=Poisson()))
    assert not modes.failures
    assert modes.best.gradient_norm < GRADIENT_TOLERANCE


@pytest.mark.parametrize("K", [1, 2, 3])
def test_shared_sigma_and_no_intercept(K):
    problem = problem_of(
        *two_lines(400), K, family=Gaussian(shared_sigma=True), fit_intercept=False
    )
    assert not search(problem).failures


@pytest.mark.parametrize(
    "y",
    [np.zeros(30), np.repeat([0.0, 1.0, 2.0], 10), np.r_[np.zeros(29), 1e9], np.arange(30.0)],
    ids=["constant", "three values", "outlier", "noiseless"],
)
@pytest.mark.parametrize("p", [1, 40])
def test_degenerate_data_have_a_mode(y, p):
    X = np.random.default_rng(0).normal(size=(30, p))
    X[:, 0] = np.arange(30)
    modes = search(problem_of(X, y, 2), n_init=5)
    assert np.isfinite(modes.best.log_posterior)
    assert np.isfinite(modes.best.scale).all()


@pytest.mark.parametrize("loss", ["none is level", "none is definite"])
@pytest.mark.parametrize("n", [5000, 40_000])
def test_modes_that_no_climb_survives(monkeypatch, n, loss):
    """Of all rows there is no mode: the best point is given, and said to be none."""
    x = np.random.default_rng(0).uniform(-1, 1, n)
    y = np.where(np.arange(n) % 2, 3 * x, -x) + 0.1 * np.sin(1e4 * x)
    problem = problem_of(x[:, None], y, 2)

    bad = {"gradient_norm": 1.0} if loss == "none is level" else {"definite": False}

    def polish_badly(density, theta):
        found = polish(density, theta)
        whole = density.problem.n_rows > search_module.SEARCH_ROWS
        return found._replace(**bad) if whole else found

    monkeypatch.setattr(search_module, "polish", polish_badly)
    monkeypatch.setattr(search_module, "MOST_LIFTED", 1)
    modes = search(problem, n_init=4)
    assert len(modes.modes) == 1
    assert any(f"all {n}, " in failure for failure in modes.failures)
    assert np.isfinite(modes.log_masses).all()
    slopes = np.sort(problem.design.to_user(problem.layout.expand(modes.best.theta)).coef.ravel())
    np.testing.assert_allclose(slopes, [-1, 3], atol=0.05)
    model = BayesianMixtureRegressor(solver="laplace", n_init=4, random_state=0)
    with pytest.warns(ConvergenceWarning, match="lower n_components, or raise n_init"):
        model.fit(x[:, None], y)
    assert not model.converged_


def test_a_lost_mode_among_many_is_not_missed(monkeypatch):
    """Where some survive, nothing is said."""
    x = np.random.default_rng(0).uniform(-1, 1, 5000)
    y = np.where(np.arange(5000) % 2, 3 * x, -x) + 0.1 * np.sin(1e4 * x)
    assert not search(problem_of(x[:, None], y, 2), n_init=4).failures
