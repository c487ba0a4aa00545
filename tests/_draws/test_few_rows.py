"""Log-likelihoods from few rows against those of all, and fits with them against fits without."""

import numpy as np
import pytest
from scipy import stats

from skmixreg import BayesianMixtureRegressor
from skmixreg._draws import importance
from skmixreg._model import few_rows
from skmixreg._model.density import LogPosterior
from skmixreg._model.few_rows import FewRows
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers import Laplace

N = 40_000


def two_lines(n=N, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, n)
    return x[:, None], np.where(rng.random(n) < 0.4, 2.0 * x, -x) + rng.normal(0.0, noise, n)


@pytest.fixture(scope="module")
def known():
    X, y = two_lines()
    problem = Problem.from_arrays(
        X, y, family=Gaussian(), n_components=2, priors=Priors().resolve(), fit_intercept=True
    )
    mode = find_modes(problem, np.random.default_rng(0), n_init=8).best
    return LogPosterior(problem), mode


def steps_from(mode, size, n=200):
    rng = np.random.default_rng(1)
    return mode.theta + size * rng.standard_normal((n, len(mode.theta))) @ mode.scale.T


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_estimates_are_as_near_as_their_errors_say(known, size):
    density, mode = known
    few = FewRows(density, np.random.default_rng(2))
    thetas = steps_from(mode, size)
    value, error = few.log_likelihoods([mode.theta], thetas, np.zeros(len(thetas), dtype=int))
    off = (value - density.values(thetas)[1]) / error
    # Errors of all draws come from one sample, but their spread is as said: t with 7 df.
    assert np.abs(off).max() < stats.t(few_rows.PARTS - 1).isf(1e-5)
    assert np.sqrt((off**2).mean()) > 0.1


def test_errors_fall_with_the_size_of_the_sample(known):
    density, mode = known
    few = FewRows(density, np.random.default_rng(2))
    thetas, near = steps_from(mode, 2.0), np.zeros(200, dtype=int)
    before = few.log_likelihoods([mode.theta], thetas, near)[1].mean()
    few.enlarge(2.0)
    assert few.size == 19664  # 4.8 times as many, in parts of one size
    after = few.log_likelihoods([mode.theta], thetas, near)[1].mean()
    assert after == pytest.approx(before / np.sqrt(4.8), rel=0.4)


def test_draws_near_nothing_see_all_rows(known):
    density, mode = known
    few = FewRows(density, np.random.default_rng(2))
    thetas = steps_from(mode, 2.0, n=10)
    value, error = few.log_likelihoods([mode.theta, None], thetas, np.ones(10, dtype=int))
    np.testing.assert_array_equal(value, density.values(thetas)[1])
    assert (error == 0.0).all()


@pytest.mark.parametrize("size", [30.0, 3e3, 1e6])
def test_far_draws_are_those_of_all_rows_or_have_large_errors(known, size):
    density, mode = known
    few = FewRows(density, np.random.default_rng(2))
    thetas, near = steps_from(mode, size, n=20), np.zeros(20, dtype=int)
    with np.errstate(all="ignore"):
        exact = density.values(thetas)[1]
    value, error = few.log_likelihoods([mode.theta], thetas, near)
    same = (value == exact) | (np.isnan(value) & np.isnan(exact))
    assert (same | (np.abs(value - exact) < 6.0 * error)).all()


def test_it_pays_where_rows_are_many(known):
    density, _ = known
    few = FewRows(density, np.random.default_rng(0))
    assert few.pays(4000, 1)
    assert not few.pays(20, 1)  # expansions would cost more
    assert not few.pays(4000, 1000)
    few.size = N
    assert not few.pays(4000, 1)


def fits(X, y, weights=None, **options):
    """The fit, and the same with all rows at every draw: proposals are the same."""
    solver = Laplace(draws=2000)
    model = BayesianMixtureRegressor(2, solver=solver, random_state=0, **options)
    few = model.fit(X, y, sample_weight=weights).posterior_
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FewRows, "pays", lambda *_: False)
        return few, model.fit(X, y, sample_weight=weights).posterior_


def assert_same_posterior(few, all_rows):
    for name in ("weights", "intercept", "coef"):
        mean, sd = all_rows[name].mean(axis=(0, 1)), all_rows[name].std(axis=(0, 1))
        assert (np.abs(few[name].mean(axis=(0, 1)) - mean) < 0.02 * sd).all(), name
        np.testing.assert_allclose(few[name].std(axis=(0, 1)), sd, rtol=0.01)
    assert few.log_evidence == pytest.approx(all_rows.log_evidence, abs=0.01)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_is_that_of_all_rows(weighted):
    X, y = two_lines(noise=0.1)
    weights = np.random.default_rng(3).integers(1, 4, N).astype(float) if weighted else None
    few, all_rows = fits(X, y, weights)
    assert few.report["rows_per_draw"] < N / 8
    assert few.report["log_likelihood_error"] <= importance.LARGEST_ERROR
    assert few.report["log_likelihood_check"] <= importance.MOST_OFF
    assert "rows_per_draw" not in all_rows.report
    assert_same_posterior(few, all_rows)


def test_a_row_that_samples_miss_is_found():
    """One row that holds as much of the information as all others."""
    X, y = two_lines(noise=0.1)
    X[0], y[0] = 3000.0, -3000.0 + 40.0
    few, all_rows = fits(X, y)
    if "rows_per_draw" in few.report:
        assert few.report["log_likelihood_check"] <= importance.MOST_OFF
    assert_same_posterior(few, all_rows)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["gate", "groups", "poisson"])
def test_roles_and_families(role):
    rng = np.random.default_rng(4)
    n = 160_000
    group, x, g = np.repeat(np.arange(n // 4), 4), rng.normal(size=n), rng.normal(size=n)
    if role == "groups":
        rises = (rng.random(n // 4) < 0.4)[group]
        y = np.where(rises, x, -x) + rng.normal(0.0, 0.5, n)
        few, all_rows = fits(np.column_stack([x, group]), y, group_feature=1)
    elif role == "gate":
        rises = rng.random(n) < 1.0 / (1.0 + np.exp(-g))
        y = np.where(rises, x, -x) + rng.normal(0.0, 0.1, n)
        few, all_rows = fits(np.column_stack([x, g]), y, gating_features=[1])
    else:
        y = rng.poisson(np.exp(np.where(rng.random(n) < 0.4, 3.0 + 0.3 * x, 1.0 - 0.3 * x)))
        few, all_rows = fits(x[:, None], y.astype(float), family="poisson")
    assert "rows_per_draw" in few.report
    assert_same_posterior(few, all_rows)
