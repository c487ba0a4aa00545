"""NUTS with components kept in order."""

import numpy as np
import pytest
from conftest import two_lines

from skmixreg import BayesianMixtureRegressor
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers import NUTS
from skmixreg.solvers._nuts.order_check import missed_share
from skmixreg.solvers._nuts.sampling_density import OrderedDensity, SamplingDensity
from skmixreg.solvers.nuts import SAMPLERS


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    package = SAMPLERS[request.param].package
    if package is not None:
        pytest.importorskip(package)
    return request.param


def parallel_lines(n=200, K=2, rise=0.0, noise=0.2, apart=2.0, seed=0, **priors):
    """Lines of slopes 1, 1 + rise, ... and intercepts 0, apart, ..."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    z = rng.integers(K, size=n)
    y = apart * z + (1.0 + rise * z) * x + rng.normal(0, noise, n)
    return Problem.from_arrays(
        x[:, None], y, family=Gaussian(), n_components=K, priors=Priors(**priors).resolve()
    )


def crossing_lines(n=200):
    X, y = two_lines(n)
    return Problem.from_arrays(X, y, family=Gaussian(), n_components=2, priors=Priors().resolve())


def find(problem):
    return find_modes(problem, np.random.default_rng(0), n_init=8)


def draw(problem, modes, **options):
    return NUTS(**options).draw(problem, modes, np.random.default_rng(1))


@pytest.mark.parametrize("column", [0, 1])
def test_the_map_and_its_jacobian(column):
    problem = parallel_lines(K=3, rise=0.5)
    modes = find(problem)
    density = LogPosterior(problem)
    target = OrderedDensity(density, problem.layout.own_lines[:, column], modes.best)
    rng = np.random.default_rng(0)
    v = target.around(modes.best)[0] + rng.normal(0, 0.5, target.size)
    theta = target.theta(v)
    assert (np.diff(theta[target.ordered_by]) > 0).all()
    np.testing.assert_allclose(target.position(theta), v, rtol=1e-9, atol=1e-9)
    relabelled = problem.layout.permute(theta, np.array([2, 0, 1]))
    np.testing.assert_allclose(target.position(relabelled), v, rtol=1e-9, atol=1e-9)

    nudges = 1e-6 * np.eye(target.size)
    jacobian = (target.theta(v + nudges) - target.theta(v - nudges)) / 2e-6
    assert np.linalg.slogdet(jacobian)[1] == pytest.approx(target.log_jacobian(v), abs=1e-7)

    value, gradient = target.value_and_gradient(v)
    assert value == pytest.approx(target.values(v[None])[0], rel=1e-12)
    differences = (target.values(v + nudges) - target.values(v - nudges)) / 2e-6
    np.testing.assert_allclose(gradient, differences, rtol=1e-4, atol=1e-3)


def test_the_metric_where_components_are_apart_is_that_of_theta():
    problem = crossing_lines()
    modes = find(problem)
    target = OrderedDensity(LogPosterior(problem), problem.layout.own_lines[:, 1], modes.best)
    centre, scale = target.around(modes.best)
    rng = np.random.default_rng(0)
    thetas = modes.best.theta + rng.standard_normal((4000, target.size)) @ modes.best.scale.T
    v = np.stack([target.position(theta) for theta in thetas])
    sd = np.sqrt(np.diagonal(scale @ scale.T))
    np.testing.assert_allclose(
        np.cov(v.T) / np.outer(sd, sd), scale @ scale.T / np.outer(sd, sd), atol=0.1
    )
    np.testing.assert_array_less(np.abs(v.mean(axis=0) - centre) / sd, 0.1)
    assert draw(problem, modes, identify="order", draws=20, chains=1).report["metric"] == "laplace"


@pytest.mark.parametrize(
    ("sampler", "order_by"), [("pymc", 0), ("nutpie", 0), ("numpyro", 0), ("pymc", "intercept")],
    indirect=["sampler"],
)  # fmt: skip
def test_draws_are_in_order_and_densities_are_those_of_theta(sampler, order_by):
    problem = parallel_lines(K=2, rise=1.0)
    modes = find(problem)
    draws = draw(
        problem, modes, sampler=sampler, identify="order", order_by=order_by,
        draws=50, tune=50, chains=2,
    )  # fmt: skip
    where = problem.layout.own_lines[:, 0 if order_by == "intercept" else 1]
    np.testing.assert_array_equal(draws.ordered_by, where)
    assert (np.diff(draws.theta[..., where], axis=-1) > 0).all()
    prior, likelihood = LogPosterior(problem).values(draws.theta.reshape(-1, draws.theta.shape[2]))
    np.testing.assert_allclose(draws.log_prior.ravel(), prior, rtol=1e-9)
    np.testing.assert_allclose(draws.log_likelihood.ravel(), likelihood, rtol=1e-9)


def invariants(problem, draws):
    """What does not depend on labels, one column each: (S, columns)."""
    layout = problem.layout
    theta = draws.theta.reshape(-1, layout.size)
    parts = layout.expand(theta)
    weights, x = np.exp(parts.log_weights)[:, None], np.array([-2.0, 0.0, 1.0])[:, None]
    lines = parts.intercept[:, None] + x * parts.coef[:, None, :, 0]
    mean = (weights * lines).sum(axis=-1)
    spread = (weights * (lines**2 + np.exp(2 * parts.extra[..., 0])[:, None])).sum(axis=-1)
    slopes = np.sort(parts.coef[..., 0], axis=-1)
    sd = np.sqrt(spread - mean**2)
    return np.column_stack([draws.log_likelihood.ravel(), mean, sd, slopes])


def assert_same(problem, ordered, free):
    ordered, free = invariants(problem, ordered), invariants(problem, free)
    off = (ordered.mean(axis=0) - free.mean(axis=0)) / free.std(axis=0)
    np.testing.assert_array_less(np.abs(off), 0.1)
    np.testing.assert_allclose(ordered.std(axis=0), free.std(axis=0), rtol=0.1)


@pytest.fixture(scope="module")
def overlapping():
    """Eight rows and a tight prior: slopes and intercepts overlap, and labels switch."""
    problem = parallel_lines(
        n=8, rise=1.0, noise=0.5, apart=0.5, weight_concentration=10.0, coef_scale=1.0,
        intercept_scale=0.5, sigma_floor=0.4,
    )  # fmt: skip
    modes = find(problem)
    return problem, modes, draw(problem, modes, draws=4000, target_accept=0.95)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "order_by"), [("numpyro", "intercept")], indirect=["sampler"]
)  # fmt: skip
def test_overlapping_components_have_the_posterior_that_relabelling_has(
    overlapping, sampler, order_by
):
    problem, modes, free = overlapping
    where = problem.layout.own_lines[:, 0 if order_by == "intercept" else 1]
    share = np.mean(np.diff(free.theta[..., where], axis=-1) < 0)
    assert 0.1 < share < 0.9  # they do overlap
    ordered = draw(
        problem, modes, sampler=sampler, identify="order", order_by=order_by,
        draws=4000, target_accept=0.95,
    )  # fmt: skip
    assert ordered.failures == []
    assert_same(problem, ordered, free)


@pytest.mark.slow
def test_components_apart_have_the_posterior_that_relabelling_has():
    problem = crossing_lines()
    modes = find(problem)
    free, ordered = (
        draw(problem, modes, identify=identify, draws=500) for identify in ("relabel", "order")
    )
    assert ordered.failures == []
    assert_same(problem, ordered, free)


@pytest.mark.slow
def test_what_ordering_cuts_off_is_said():
    problem = parallel_lines()
    modes = find(problem)
    free = draw(problem, modes, draws=500)
    where = problem.layout.own_lines
    # With labels by intercept, how often the slopes are the other way round.
    rises = np.diff(free.theta[..., where[:, 1]]) * np.sign(np.diff(free.theta[..., where[:, 0]]))
    other = min(np.mean(rises > 0), np.mean(rises < 0))
    assert 0.05 < other < 0.2

    draws = draw(problem, modes, identify="order", draws=500)
    assert draws.report["rhat"] < 1.01  # the chains themselves do not know
    target = NUTS(identify="order")._target(LogPosterior(problem), modes)
    assert missed_share(target, draws.theta) == pytest.approx(other, abs=0.03)
    assert [text for text in draws.failures if "chains missed the other side" in text]

    by_intercept = draw(problem, modes, identify="order", order_by="intercept", draws=500)
    assert by_intercept.failures == []
    assert_same(problem, by_intercept, free)


def test_chains_that_know_both_sides_missed_nothing():
    # Unordered draws, sorted: exact draws from the ordered region.
    problem = parallel_lines()
    modes = find(problem)
    target = NUTS(identify="order")._target(LogPosterior(problem), modes)
    free = draw(problem, modes, draws=500)
    flat = free.theta.reshape(-1, target.size)
    exact = np.stack([target.theta(target.position(theta)) for theta in flat])
    assert missed_share(target, exact.reshape(free.theta.shape)) == 0.0
    assert missed_share(SamplingDensity(target.density), free.theta) == 0.0


@pytest.mark.slow
def test_chains_on_both_sides_of_the_border_disagree():
    problem = parallel_lines()
    solver = NUTS(identify="order", draws=200, tune=150, chains=8)
    draws = solver.draw(problem, find(problem), np.random.default_rng(0))
    rises = np.diff(draws.theta[..., problem.layout.own_lines[:, 0]], axis=-1)
    assert set(np.sign(rises).mean(axis=(1, 2))) == {-1.0, 1.0}  # no chain crosses
    assert draws.report["rhat"] > 1.1
    assert any("use identify='relabel'" in text for text in draws.failures)


def test_one_component_is_in_order():
    problem = parallel_lines(K=1)
    modes = find(problem)
    free, ordered = (
        draw(problem, modes, identify=identify, draws=50) for identify in ("relabel", "order")
    )
    np.testing.assert_allclose(ordered.theta, free.theta, rtol=1e-6)


def test_a_fitted_model_keeps_the_order_and_says_when_it_cannot():
    X, y = two_lines(300)
    solver = NUTS(identify="order", draws=500)
    est = BayesianMixtureRegressor(2, solver=solver, random_state=0).fit(X, y)
    assert est.converged_
    slopes = est.posterior_["coef"][..., 0]
    assert (slopes[..., 0] < slopes[..., 1]).all()
    np.testing.assert_allclose(est.coef_.ravel(), [-1.0, 3.0], atol=0.1)
    by_default = BayesianMixtureRegressor(2, solver=NUTS(), random_state=0).fit(X, y)
    np.testing.assert_allclose(est.predict(X), by_default.predict(X), atol=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order_by": 1}, "X has 1 columns, so order_by must be an integer from 0 to 0"),
        ({"order_by": -1}, "integer from 0 to 0, or 'intercept'"),
        ({"order_by": "slope"}, "got 'slope' of type str"),
        ({"order_by": 0.0}, "got 0.0 of type float"),
        ({"order_by": True}, "got True of type bool"),
    ],
)
def test_wrong_choices_are_rejected_before_any_work(options, message):
    with pytest.raises(ValueError, match=message):
        NUTS(**{"identify": "order", **options}).check(crossing_lines(20))


def test_an_intercept_that_is_not_there_orders_nothing():
    X, y = two_lines(20)
    priors = Priors().resolve()
    options = {"family": Gaussian(), "n_components": 2, "priors": priors}
    problem = Problem.from_arrays(X, y, fit_intercept=False, **options)
    with pytest.raises(ValueError, match=r"fit_intercept=False; order by a column of X"):
        NUTS(identify="order", order_by="intercept").check(problem)
    NUTS(identify="order").check(problem)
    problem = Problem.from_arrays(X[:, :0], y, **options)
    with pytest.raises(ValueError, match=r"X has no columns; use order_by='intercept'"):
        NUTS(identify="order").check(problem)
    NUTS(order_by=7).check(problem)  # nothing is ordered
