"""Chains on few rows against chains on all of them, and samples that are not good enough."""

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor
from skmixreg._draws import few_rows_check
from skmixreg._draws.few_rows_check import FewRowsCheck
from skmixreg._draws.importance import LARGEST_ERROR, MOST_OFF
from skmixreg._model import few_rows
from skmixreg._model.density import LogPosterior
from skmixreg._model.few_rows import FewRows
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers import NUTS, Laplace
from skmixreg.solvers._nuts.few_row_chains import ROOM

N = 16_000


@pytest.fixture(autouse=True)
def small_samples(monkeypatch):
    """Samples that are few rows of the few that there are, or half of them."""
    monkeypatch.setattr(few_rows, "FIRST_SIZE", 256)
    monkeypatch.setattr(few_rows, "MOST_OF_COST", 0.5)


def two_lines(noise=0.1, second=-1.0, lift=0.0, n=N, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    x, rises = rng.uniform(-1.0, 1.0, n), rng.random(n) < 0.4
    y = np.where(rises, 2.0 * x, second * x + lift) + rng.normal(0.0, noise, n)
    weights = rng.integers(1, 4, n).astype(float) if weighted else None
    problem = Problem.from_arrays(
        x[:, None], y, weights, family=Gaussian(), n_components=2, priors=Priors().resolve()
    )
    return problem, find_modes(problem, np.random.default_rng(0), n_init=8)


@pytest.fixture(scope="module")
def apart():
    return two_lines()


def draw(problem, modes, seed=1, n_threads=1, **options):
    return NUTS(**options).draw(problem, modes, np.random.default_rng(seed), n_threads=n_threads)


def on_all_rows(problem, modes, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FewRows, "pays", lambda *_: False)
        return draw(problem, modes, **options)


def exact(problem, draws):
    flat = draws.theta.reshape(-1, problem.layout.size)
    return LogPosterior(problem).values(flat)[1].reshape(draws.log_prior.shape)


def test_the_density_and_its_gradient(apart):
    """At the point all is exact; elsewhere the gradient is that of the value."""
    problem, modes = apart
    density, mode = LogPosterior(problem), modes.best
    near = FewRows(density, np.random.default_rng(0)).near(mode.theta)
    value, gradient = near.value_and_gradient(mode.theta)
    at_mode, slope = density.value_and_gradient(mode.theta)
    assert value == pytest.approx(at_mode, abs=1e-7)
    np.testing.assert_allclose(gradient, slope, atol=1e-6)
    theta = mode.theta + mode.scale @ np.random.default_rng(1).standard_normal(len(mode.theta))
    value, gradient = near.value_and_gradient(theta)
    prior, likelihood = near.values(theta[None])
    assert value == pytest.approx(float(prior[0] + likelihood[0]), abs=1e-7)
    step = 1e-5 * mode.scale
    up, down = (sum(near.values(theta + sign * step.T)) for sign in (1.0, -1.0))
    np.testing.assert_allclose(mode.scale.T @ gradient, (up - down) / 2e-5, atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_chains_move_on_what_is_checked(apart, weighted):
    problem, modes = two_lines(weighted=True) if weighted else apart
    few = FewRows(LogPosterior(problem), np.random.default_rng(0))
    point = modes.best.theta
    rng = np.random.default_rng(1)
    thetas = point + rng.standard_normal((50, len(point))) @ modes.best.scale.T
    estimates, error = few.log_likelihoods([point], thetas, np.zeros(50, dtype=int))
    exact = few.density.values(thetas)[1]
    assert (np.abs(estimates - exact) < 8.0 * error).all()
    np.testing.assert_allclose(few.near(point).values(thetas)[1], estimates, atol=1e-7)


NUTPIE = pytest.param({"sampler": "nutpie"}, marks=pytest.mark.slow)


@pytest.mark.parametrize("options", [{}, NUTPIE, {"identify": "order"}], ids=str)
def test_chains_are_those_of_all_rows(apart, options):
    if "sampler" in options:
        pytest.importorskip("nutpie")
    problem, modes = apart
    options = options | {"draws": 400}
    few, rows = draw(problem, modes, **options), on_all_rows(problem, modes, **options)
    assert few.failures == rows.failures == []
    assert few.report["rows_per_draw"] <= N / 2
    assert few.report["log_likelihood_error"] <= LARGEST_ERROR
    assert few.report["log_likelihood_check"] <= MOST_OFF
    assert few.report["log_ratio_sd"] <= few_rows_check.LARGEST_SPREAD
    assert "rows_per_draw" not in rows.report
    d = problem.layout.size
    one, other = (draws.theta.reshape(-1, d) for draws in (few, rows))
    # Both have Monte Carlo errors: of means 1 / sqrt(ESS) sds, four of them, and one more bound.
    error = 4.0 * np.sqrt(1.0 / few.report["ess_bulk"] + 1.0 / rows.report["ess_bulk"]) + 0.01
    assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < error * other.std(axis=0)).all()
    np.testing.assert_allclose(one.std(axis=0), other.std(axis=0), rtol=error)
    assert np.abs(few.log_likelihood - exact(problem, few)).max() <= MOST_OFF
    apart_by = np.hypot(few.log_evidence_error, rows.log_evidence_error)
    assert few.log_evidence == pytest.approx(rows.log_evidence, abs=4.0 * apart_by + 0.01)


def test_threads_do_not_change_the_draws(apart, monkeypatch):
    monkeypatch.setattr("skmixreg.solvers.nuts.THREADED_TERMS", 100)
    one, two = (draw(*apart, n_threads=n, draws=20, tune=20, chains=2).theta for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.fixture(scope="module")
def many():
    return two_lines(n=80_000)


@pytest.mark.parametrize("always", [False, True])
def test_a_bad_sample_is_noticed(many, monkeypatch, always):
    """Parts agree on what rows of one line say; only rows of all tell that it is wrong."""
    problem, modes = many
    right, said = FewRows._drawn, []

    def drawn(self):
        if self._sample is None and (always or self.size < 4000):
            rows = problem.rows
            one_line = np.flatnonzero(rows.columns[0] * rows.target > 0.0)
            self._sample = problem.subset(self.rng.choice(one_line, self.size))
        return right(self)

    def at(cls, few, point, thetas, n):
        check = check_at(cls, few, point, thetas, n)
        said.append(check)
        return check

    check_at = FewRowsCheck.at.__func__
    monkeypatch.setattr(FewRows, "_drawn", drawn)
    monkeypatch.setattr(FewRowsCheck, "at", classmethod(at))
    draws = draw(problem, modes, draws=100, tune=20, chains=2)
    bad = [check for check in said if always or check.rows < 4000]
    assert any(check.excess <= ROOM for check in bad)  # these say nothing
    assert not any(check.passes for check in bad)
    assert ("rows_per_draw" in draws.report) == (not always)
    assert np.abs(draws.log_likelihood - exact(problem, draws)).max() <= MOST_OFF


def test_chains_that_are_off_run_again_on_more_rows(many, monkeypatch):
    """What probes pass, draws of the chains need not."""
    problem, modes = many
    monkeypatch.setattr(few_rows, "FIRST_SIZE", 512)
    at, seen = FewRowsCheck.at.__func__, []

    def off_by_a_nat_at_first(cls, few, point, thetas, n):
        check = at(cls, few, point, thetas, n)
        if len(thetas) == 200:  # the draws of the chains
            seen.append(few.size)
            if len(seen) < 3:
                check.off[0] += 1.0
        return check

    monkeypatch.setattr(FewRowsCheck, "at", classmethod(off_by_a_nat_at_first))
    draws = draw(problem, modes, draws=100, tune=20, chains=2)
    assert len(seen) == 3
    assert seen[1] == 2 * seen[0] and seen[2] == 2 * seen[1]
    assert draws.report["rows_per_draw"] == seen[2]


def test_overlapping_lines_end_with_as_many_rows_as_they_need():
    """Half an sd apart: far from quadratic, and no sample of these rows says enough."""
    problem, modes = two_lines(noise=1.0, second=2.0, lift=0.5, n=8000)
    draws = draw(problem, modes, draws=50, tune=20, chains=2)
    assert "rows_per_draw" not in draws.report
    np.testing.assert_allclose(draws.log_likelihood, exact(problem, draws), atol=1e-6)


@pytest.mark.slow
def test_against_importance_sampling(monkeypatch):
    """Another solver, all rows, many more of them."""
    problem, modes = two_lines(noise=0.5, n=200_000)
    draws = draw(problem, modes, draws=2000)
    assert draws.failures == []
    assert draws.report["rows_per_draw"] <= 200_000 / 4
    monkeypatch.setattr(FewRows, "pays", lambda *_: False)
    other = Laplace(draws=8000).draw(problem, modes, np.random.default_rng(2))
    d = problem.layout.size
    one, two = draws.theta.reshape(-1, d), other.theta.reshape(-1, d)
    error = 4.0 * np.sqrt(1.0 / draws.report["ess_bulk"] + 1.0 / other.report["importance_ess"])
    assert (np.abs(one.mean(axis=0) - two.mean(axis=0)) < (error + 0.01) * two.std(axis=0)).all()
    assert draws.log_evidence == pytest.approx(other.log_evidence, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["gate", "groups", "poisson"])
def test_roles_and_families(role):
    rng = np.random.default_rng(4)
    n = 80_000
    group, x, g = np.repeat(np.arange(n // 4), 4), rng.normal(size=n), rng.normal(size=n)
    rises, options = rng.random(n) < 0.4, {}
    if role == "groups":
        rises, X = (rng.random(n // 4) < 0.4)[group], np.column_stack([x, group])
        options = {"group_feature": 1}
    elif role == "gate":
        rises, X = rng.random(n) < 1.0 / (1.0 + np.exp(-g)), np.column_stack([x, g])
        options = {"gating_features": [1]}
    else:
        X, options = x[:, None], {"family": "poisson"}
    y = np.where(rises, x, -x) + rng.normal(0.0, 0.1, n)
    if role == "poisson":
        y = rng.poisson(np.exp(np.where(rises, 4.0 + 0.2 * x, 1.0 - 0.3 * x))).astype(float)
    model = BayesianMixtureRegressor(2, solver=NUTS(draws=500), random_state=0, **options)
    few = model.fit(X, y).posterior_
    assert model.converged_
    assert few.report["log_ratio_sd"] <= few_rows_check.LARGEST_SPREAD
    other = model.set_params(solver=Laplace()).fit(X, y).posterior_
    error = 4.0 / np.sqrt(few.report["ess_bulk"]) + 4.0 / np.sqrt(other.report["importance_ess"])
    for name in ("weights", "intercept", "coef"):
        mean, sd = other[name].mean(axis=(0, 1)), other[name].std(axis=(0, 1))
        assert (np.abs(few[name].mean(axis=(0, 1)) - mean) < (error + 0.01) * sd).all(), name
        np.testing.assert_allclose(few[name].std(axis=(0, 1)), sd, rtol=error)
    assert few.log_evidence == pytest.approx(other.log_evidence, abs=0.05)
