"""PyMC's ADVI: the conditions its optimum obeys, minibatches, honesty, one compilation."""

import json
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import REFERENCE, load_reference, two_lines
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._pymc.coordinates import value_map
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers._advi import compiled as _pymc_advi
from skmixreg.solvers._advi.window_means import WindowMeans
from skmixreg.solvers.advi import ADVI, NormalApproximation
from skmixreg.solvers.fullrank_advi import FullRankADVI
from skmixreg.solvers.laplace import Laplace

SOLVERS = [ADVI, FullRankADVI]
RUNS = json.loads((REFERENCE / "long_runs" / "long_nuts.json").read_text())
ONE_MODE = sorted(key for key in RUNS if key not in ("versions", "tonedata-2"))


def problem_of(X, y, K=2, weights=None, *, shared=False, fit_intercept=True):
    return Problem.from_arrays(
        np.asarray(X, float), np.asarray(y, float), weights, family=Gaussian(shared_sigma=shared),
        n_components=K, priors=Priors().resolve(), fit_intercept=fit_intercept,
    )  # fmt: skip


def modes_of(problem):
    return find_modes(problem, np.random.default_rng(0), n_init=8)


@pytest.fixture(scope="module")
def problem():
    """Two overlapping lines, rows with unequal weights."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, 400)
    y = np.where(rng.random(400) < 0.6, 2.0, -1.0) * x + rng.normal(0, 0.4, 400) + (x > 0)
    return problem_of(x[:, None], y, weights=rng.uniform(0.2, 3.0, 400))


@pytest.fixture(scope="module")
def modes(problem):
    return modes_of(problem)


def fitted(solver, problem, modes, seed=0):
    """Draws, with the mean and root of the fitted normal density in PyMC's coordinates."""
    draws = solver.draw(problem, modes, np.random.default_rng(seed))
    values = draws.theta[0] @ np.linalg.inv(value_map(problem.layout)).T
    return draws, values


def assert_optimal(solver, problem, modes):
    """The gradient of the ELBO in mean and covariance is zero (Opper and Archambeau 2009, eq. 4).

    E_q[gradient] = 0 and E_q[-Hessian] = inverse covariance; of independent coordinates only the
    diagonal counts.
    """
    draws, values = fitted(solver.set_params(draws=4000), problem, modes)
    # What it says of the distance of the optimum from the posterior is another matter.
    of_the_distance = ("k-hat", "of the one from the curvature")
    assert not [each for each in draws.failures if not any(o in each for o in of_the_distance)]
    to_theta = value_map(problem.layout)
    density = LogPosterior(problem)
    terms = [density.value_gradient_hessian(theta)[2:] for theta in draws.theta[0]]
    gradient = to_theta.T @ np.mean([g for g, _ in terms], axis=0)
    precision = -to_theta.T @ np.mean([h for _, h in terms], axis=0) @ to_theta
    if isinstance(solver, FullRankADVI):
        root = np.linalg.cholesky(np.cov(values, rowvar=False))
    else:
        root = np.diag(values.std(axis=0, ddof=1))
        precision = np.diag(np.diagonal(precision))
    # Monte Carlo: the whitened gradient and Hessian have sds of about 1 over 4000 draws.
    np.testing.assert_allclose(root.T @ gradient, 0.0, atol=0.1)
    np.testing.assert_allclose(root.T @ precision @ root, np.eye(len(root)), atol=0.15)


@pytest.mark.parametrize("batch_size", [None, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_ends_at_the_optimum_of_the_bound(solver, batch_size, problem, modes):
    assert_optimal(solver(batch_size=batch_size), problem, modes)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("K", "shared", "fit_intercept", "batch_size"), [(1, False, True, None), (3, True, False, 40)]
)
def test_optimum_for_other_structures(K, shared, fit_intercept, solver, batch_size):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 2))
    slopes = np.array([[2.0, -1.0], [-2.0, 0.0], [0.0, 2.0]])[rng.integers(K, size=300)]
    y = (slopes * X).sum(axis=1) + 0.3 * rng.normal(size=300)
    problem = problem_of(X, y, K, shared=shared, fit_intercept=fit_intercept)
    assert_optimal(solver(batch_size=batch_size), problem, modes_of(problem))


@pytest.mark.parametrize("batch_size", [None, 64])
def test_bound_is_that_of_the_draws_and_below_the_evidence(batch_size, problem, modes):
    draws, _ = fitted(FullRankADVI(batch_size=batch_size), problem, modes)
    elbo, trace = draws.report["elbo"], draws.report["elbo_trace"]
    assert trace.shape == (draws.report["iterations"],)
    tail = trace[-512:]
    error = 3 * tail.std() / np.sqrt(len(tail))
    # Iterates move around the optimum, which costs a little.
    assert elbo - 0.3 - error < tail.mean() < elbo + error
    exact = Laplace().draw(problem, modes, np.random.default_rng(0))
    evidence = exact.log_evidence - problem.log_scale - np.log(2)  # of one labelling
    assert evidence - 0.5 < elbo < evidence + 0.1


def test_control_variates_take_away_the_noise_of_minibatches(problem, modes):
    size = 64
    draws, _ = fitted(ADVI(batch_size=size), problem, modes)
    raw = problem.layout.expand(modes.best.theta)
    eta = raw.intercept[:, None] + raw.coef @ problem.mean_design
    terms = problem.family.log_density(problem.target, eta, np.exp(raw.extra))
    terms += raw.log_weights[:, None]
    rows = problem.weights * logsumexp(terms, axis=0)
    alone = problem.n_rows / np.sqrt(size) * rows.std()
    assert draws.report["elbo_trace"][-512:].std() < 0.05 * alone


@pytest.mark.parametrize("solver", SOLVERS)
def test_seed_problem_with_batches(solver):
    X, y = two_lines(10_000)
    for state in range(3):
        est = BayesianMixtureRegressor(2, solver=solver(batch_size=128), random_state=state)
        est.fit(X, y)
        assert est.converged_
        assert est.solver_report_["khat"] < 0.5
        np.testing.assert_allclose(np.sort(est.coef_[:, 0]), [-1.0, 3.0], atol=0.02)
        np.testing.assert_allclose(est.sigma_, 0.1, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [128, None])
@pytest.mark.parametrize("solver", SOLVERS)
def test_seed_problem_at_full_size(solver, batch_size):
    X, y = two_lines(100_000)
    for state in range(5 if batch_size else 2):
        options = {"batch_size": batch_size}
        est = BayesianMixtureRegressor(2, solver=solver(**options), random_state=state).fit(X, y)
        assert est.converged_
        np.testing.assert_allclose(np.sort(est.coef_[:, 0]), [-1.0, 3.0], atol=0.02)
        np.testing.assert_allclose(est.sigma_, 0.1, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("key", ONE_MODE)
def test_means_agree_with_long_runs_or_it_says_so(key, solver):
    run = RUNS[key]["nuts"]
    case = load_reference(run["data"])
    est = BayesianMixtureRegressor(run["n_components"], solver=solver(), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(case.X, case.y)
    within = 0.1 if solver is FullRankADVI else 0.25
    off = max(
        np.abs((est.posterior_[name].mean(axis=(0, 1)) - expected["mean"]) / expected["sd"]).max()
        for name, expected in run["parameters"].items()
        if np.min(expected["sd"]) > 0.0
    )
    assert off < within or not est.converged_
    if solver is FullRankADVI:
        assert est.converged_


def test_one_compilation_and_no_memory(problem, modes):
    """Fits do not depend on what was fitted before, and leave no rows behind."""
    first, _ = fitted(ADVI(), problem, modes)
    compiled = _pymc_advi.compiled_advi(problem, "advi", False)
    other = problem_of(*two_lines(150, seed=1))
    fitted(ADVI(learning_rate=0.03), other, modes_of(other))
    again, _ = fitted(ADVI(), problem, modes)
    np.testing.assert_array_equal(first.theta, again.theta)
    assert _pymc_advi.compiled_advi(other, "advi", False) is compiled
    for value in compiled._inference.state.step.get_shared():
        assert np.size(value.get_value()) <= problem.layout.size**2


def test_fits_in_threads_are_those_in_turn(problem, modes):
    seeds = range(4)
    alone = [fitted(ADVI(), problem, modes, seed)[0].theta for seed in seeds]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda s: fitted(ADVI(), problem, modes, s)[0].theta, seeds))
    np.testing.assert_array_equal(alone, together)


def test_a_batch_of_all_rows_is_none(problem, modes):
    draws = [
        fitted(ADVI(batch_size=size), problem, modes)[0].theta
        for size in (None, problem.n_rows, 10**9)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    np.testing.assert_array_equal(draws[0], draws[2])


@pytest.mark.parametrize("n_iterations", [1, 100, 700])
def test_says_that_it_has_not_settled(n_iterations, problem, modes):
    draws, _ = fitted(ADVI(n_iterations=n_iterations, tolerance=1e-6), problem, modes)
    assert draws.report["iterations"] == n_iterations
    assert f"not settled after {n_iterations} iterations" in draws.failures[0]
    assert np.isfinite(draws.theta).all()


def test_says_that_the_bound_was_lost(problem, modes):
    draws, _ = fitted(ADVI(learning_rate=1e6), problem, modes)
    assert "smaller learning_rate" in draws.failures[0]
    assert np.isfinite(draws.theta).all()


def test_says_that_sds_are_too_small():
    """Of a normal posterior, independent sds are those given the other coordinates."""
    rng = np.random.default_rng(2)
    right = rng.random(500) < 0.5
    x = np.where(right, 1.0, -1.0) + 0.2 * rng.normal(size=500)
    problem = problem_of(x[:, None], np.where(right, 2 * x, 3 - x) + 0.1 * rng.normal(size=500))
    modes = modes_of(problem)
    covariance = modes.best.scale @ modes.best.scale.T
    given_others = 1.0 / np.sqrt(np.diagonal(np.linalg.inv(covariance)))
    expected = (given_others / np.sqrt(np.diagonal(covariance))).min()
    assert expected < 0.4
    draws, _ = fitted(ADVI(), problem, modes)
    assert draws.report["sd_ratio"] == pytest.approx(expected, rel=0.05)
    assert any(f"only {draws.report['sd_ratio']:.2f} of" in failure for failure in draws.failures)
    draws, _ = fitted(FullRankADVI(), problem, modes)
    assert draws.report["sd_ratio"] == pytest.approx(1.0, abs=0.1)
    assert not any("an sd is only" in failure for failure in draws.failures)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_component_too_many_is_no_success(solver):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    problem = problem_of(x[:, None], x + 0.3 * rng.normal(size=200))
    draws, _ = fitted(solver(), problem, modes_of(problem))
    assert draws.failures


def test_ctrl_c_is_not_taken_for_success(problem, modes, monkeypatch):
    def interrupted(self, approx, losses, i):
        if i == 300:
            raise KeyboardInterrupt

    monkeypatch.setattr(WindowMeans, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(ADVI(), problem, modes)


def test_nothing_is_written(problem, modes, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    fitted(ADVI(), problem, modes)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name.startswith("pymc")]


def test_normal_approximation_is_the_normal_density():
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    mean, root = rng.normal(size=3), rng.normal(size=(3, 3))
    approximation = NormalApproximation(mean, root)
    thetas = approximation.sample(rng, 50_000)
    expected = multivariate_normal(mean, root @ root.T)
    np.testing.assert_allclose(approximation.log_density(thetas), expected.logpdf(thetas))
    np.testing.assert_allclose(np.cov(thetas.T), root @ root.T, atol=0.1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("draws", 10),
        ("draws", True),
        ("n_iterations", 0),
        ("n_iterations", 2.5),
        ("batch_size", 0),
        ("batch_size", "128"),
        ("learning_rate", 0.0),
        ("learning_rate", None),
        ("tolerance", -1.0),
        ("tolerance", np.inf),
    ],
)
def test_rejects_wrong_options(solver, option, value):
    with pytest.raises(ValueError, match=rf"{solver.__name__}\({option}=\.\.\.\).*{value!r}"):
        solver(**{option: value}).check_options()
