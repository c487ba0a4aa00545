"""Rows of which only a bound is known."""

from __future__ import annotations

import block_functions
import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from scipy.optimize import minimize

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._kernels.vector_kernels import BLOCK
from skmixreg._model.density import LogPosterior
from skmixreg._pymc.coordinates import log_jacobian, to_values
from skmixreg.families import FAMILIES
from skmixreg.families._distributions.censored import Censored, censored_moments

# Frozen distributions from predictor and coordinates of extras.
DISTRIBUTIONS = {
    "gaussian": lambda eta, log_sigma=0.0: stats.norm(eta, np.exp(log_sigma)),
    "lognormal": lambda eta, log_sigma=0.0: stats.lognorm(np.exp(log_sigma), scale=np.exp(eta)),
    "weibull": lambda eta, c=0.0: stats.weibull_min(np.exp(-c), scale=np.exp(eta)),
    "gamma": lambda eta, c=0.0: stats.gamma(np.exp(-2.0 * c), scale=np.exp(eta + 2.0 * c)),
    "student_t": lambda eta, log_sigma=0.0: stats.t(4.0, eta, np.exp(log_sigma)),
    "exponential": lambda eta: stats.expon(scale=np.exp(eta)),
}
K = 2


def evaluate(what, family, y, side, eta, extra):
    aux = family.of_rows(y, side[None])
    return block_functions.evaluate(what, y, aux, eta, extra, family.kernel_settings())


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_blocks_are_tails_and_their_derivatives(name):
    family = Censored(FAMILIES[name](), 0)
    assert family.family.censorable
    rng = np.random.default_rng(0)
    eta, extra = rng.normal(size=(K, BLOCK)), 0.4 * rng.normal(size=(K, len(family.extras)))
    side = rng.choice([-1.0, 0.0, 1.0], BLOCK)
    y = family.sample(rng, eta[0], *(v[0] for v in family.natural(extra)))
    y[::7] *= 30.0  # far in the tails

    def value(eta, extra):
        of = DISTRIBUTIONS[name](eta, *extra.T[:, :, None])
        return np.where(side == 0, of.logpdf(y), np.where(side > 0, of.logsf(y), of.logcdf(y)))

    out, d_eta, d_extra = evaluate("gradient", family, y, side, eta, extra)
    np.testing.assert_allclose(out, value(eta, extra), rtol=1e-10, atol=1e-12)
    h = 1e-5
    slope = (value(eta + h, extra) - value(eta - h, extra)) / (2 * h)
    np.testing.assert_allclose(d_eta, slope, rtol=1e-6, atol=1e-8)
    second = evaluate("hessian", family, y, side, eta, extra)
    up, down = (
        evaluate("gradient", family, y, side, eta + sign * h, extra) for sign in (1.0, -1.0)
    )
    np.testing.assert_allclose(second[3], (up[1] - down[1]) / (2 * h), rtol=1e-6, atol=1e-7)
    if family.extras:
        slope = (value(eta, extra + h) - value(eta, extra - h)) / (2 * h)
        np.testing.assert_allclose(d_extra[0], slope, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(second[4], (up[2] - down[2]) / (2 * h), rtol=1e-5, atol=1e-6)
        up, down = (
            evaluate("gradient", family, y, side, eta, extra + sign * h) for sign in (1.0, -1.0)
        )
        np.testing.assert_allclose(second[5], (up[2] - down[2]) / (2 * h), rtol=1e-5, atol=1e-6)


def rows(n=400, seed=0):
    """Survival times of two kinds, some of whom are alive at the end of the study."""
    rng = np.random.default_rng(seed)
    x, first = rng.uniform(-1, 1, n), rng.random(n) < 0.5
    time = np.exp(np.where(first, 0.5 + 0.8 * x, 3.0 - 0.5 * x)) * rng.weibull(3.0, n)
    end = rng.uniform(5.0, 30.0, n)
    frame = pd.DataFrame({"x": x, "alive": (time > end).astype(float)})
    return frame, np.minimum(time, end), time


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_scale_is_that_of_what_is_censored_too(share, side):
    """Most likely normal values, by SciPy; with weights as with repeated rows."""
    y = 3.0 + 0.9 * np.random.default_rng(0).normal(size=300)
    end = np.quantile(y, share if side > 0.0 else 1.0 - share)
    beyond = side * y > side * end
    values, sides = np.where(beyond, end, y), np.where(beyond, side, 0.0)
    ends = {"right" if side > 0.0 else "left": values[beyond]}
    expected = stats.norm.fit(stats.CensoredData(uncensored=values[~beyond], **ends))
    actual = censored_moments(values, sides, np.ones(300), True)
    np.testing.assert_allclose(actual, expected, rtol=1e-3)
    both = np.tile(values, 2), np.tile(sides, 2), np.ones(600)
    np.testing.assert_allclose(censored_moments(*both, True), actual, rtol=1e-12)
    twice = censored_moments(values, sides, np.full(300, 2.0), True)
    np.testing.assert_allclose(twice, actual, rtol=1e-12)
    scaled = censored_moments(1e6 * values + 5.0, sides, np.ones(300), True)
    np.testing.assert_allclose(scaled, [1e6 * actual[0] + 5.0, 1e6 * actual[1]], rtol=1e-9)
    centred = censored_moments(values - actual[0], sides, np.ones(300), False)
    np.testing.assert_allclose(centred, [0.0, actual[1]], rtol=1e-9)
    assert censored_moments(values, np.zeros(300), np.ones(300), True) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nearly_all_rows_may_be_censored(seed):
    """Warranties: one in twenty fails while it is watched, and the rest later."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, 3000)
    time = np.exp(3.0 + 0.5 * x + 0.8 * rng.normal(size=3000))
    end = np.quantile(time, 0.05)
    model = BayesianMixtureRegressor(
        1, family="lognormal", censoring_feature=1, random_state=0
    ).fit(np.column_stack([x, time > end]), np.minimum(time, end))  # fmt: skip
    for name, truth in (("intercept", 3.0), ("coef", 0.5), ("sigma", 0.8)):
        draws = model.posterior_[name].ravel()
        assert abs(draws.mean() - truth) < 2.5 * draws.std()
    assert model.converged_


@pytest.mark.slow
def test_one_component_at_flat_priors_is_maximum_likelihood():
    X, y, _ = rows()
    flat = Priors(coef_scale=1e3, intercept_scale=1e3, sigma_floor=1e-4, sigma_ceiling=1e4)
    model = BayesianMixtureRegressor(
        1, family="weibull", censoring_feature="alive", solver="map", priors=flat, random_state=0
    ).fit(X, y)
    assert model.coef_.shape == (1, 1) and X["alive"].mean() > 0.15
    alive = X["alive"].to_numpy() == 1.0

    def log_likelihood(theta):
        of = stats.weibull_min(np.exp(-theta[2]), scale=np.exp(theta[0] + theta[1] * X["x"]))
        return np.where(alive, of.logsf(y), of.logpdf(y)).sum()

    found = minimize(
        lambda theta: -log_likelihood(theta), [1.0, 0.0, 0.0], method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 5000},
    )  # fmt: skip
    actual = [model.intercept_[0], model.coef_[0, 0], -np.log(model.shape_[0])]
    np.testing.assert_allclose(actual, found.x, atol=1e-4)
    value = model.modes_["log_likelihood"].iloc[0]
    assert value == pytest.approx(log_likelihood(found.x), abs=1e-5)
    seen = model.log_predictive_density(X, y).sum()
    assert seen == pytest.approx(value, abs=1e-6)
    # Predictions are of what would be seen without an end of the study.
    mean = np.exp(model.intercept_[0] + model.coef_[0, 0] * X["x"])
    mean *= special.gamma(1.0 + 1.0 / model.shape_[0])
    np.testing.assert_allclose(model.predict(X), mean)
    np.testing.assert_array_equal(model.predict(X.assign(alive=0.0)), model.predict(X))
    assert model.family_.name == "weibull" and 0.0 < model.score(X, y) < 1.0


@pytest.mark.slow
def test_two_kinds_come_out_and_solvers_agree():
    X, y, _ = rows()
    options = {"family": "weibull", "censoring_feature": "alive", "random_state": 0}
    model = BayesianMixtureRegressor(2, **options).fit(X, y)
    assert model.converged_
    np.testing.assert_allclose(model.coef_[:, 0], [-0.5, 0.8], atol=0.15)
    np.testing.assert_allclose(model.intercept_, [3.0, 0.5], atol=0.15)
    # Whoever is alive at the end is of the kind that lives long.
    assert model.predict_proba(X, y)[X["alive"] == 1.0, 0].min() > 0.95
    ignored = BayesianMixtureRegressor(2, family="weibull", random_state=0).fit(X[["x"]], y)
    assert ignored.intercept_.max() < model.intercept_.max() - 0.05
    gibbs = BayesianMixtureRegressor(2, solver="gibbs", **options).fit(X, y)
    nuts = BayesianMixtureRegressor(2, solver="nuts", **options).fit(X, y)
    for other in (gibbs, nuts):
        assert other.log_evidence_ == pytest.approx(model.log_evidence_, abs=0.15)
        sd = model.posterior_["coef"].std(axis=(0, 1))
        np.testing.assert_array_less(np.abs(other.coef_ - model.coef_) / sd, 0.15)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_the_model_in_pymc_is_the_same_density(name):
    X, y, _ = rows(60)
    X.loc[:5, "alive"] = -1.0
    model = BayesianMixtureRegressor(
        2, family=name, censoring_feature="alive", solver="map", random_state=0
    ).fit(X, y)
    problem = model._problem(
        X.to_numpy(), y, None, model.posterior_.family, model.posterior_.priors,
        standardisation=model.posterior_.design.standardisation,
    )  # fmt: skip
    density, rng, pymc = LogPosterior(problem), np.random.default_rng(0), model.to_pymc(X, y)
    logp = pymc.compile_logp()
    for _ in range(3):
        theta = rng.normal(scale=0.5, size=problem.layout.size)
        value = logp(to_values(theta, problem.layout, pymc.initial_point()))
        expected = density.value_and_gradient(theta)[0]
        expected += log_jacobian(problem.layout) - problem.log_scale
        assert float(value) == pytest.approx(expected, rel=1e-9)


def test_bounds_that_say_nothing_are_refused():
    X, y, _ = rows(30)
    last = int(np.flatnonzero(X["alive"])[0])
    y[last] = 0.0
    options = {"family": "gamma", "censoring_feature": "alive"}
    with pytest.raises(ValueError, match=rf"y\[{last}\] is 0 and right-censored.*leave such rows"):
        BayesianMixtureRegressor(1, **options).fit(X, y)
    X.loc[last, "alive"] = 0.0
    with pytest.raises(ValueError, match="needs positive numbers"):
        BayesianMixtureRegressor(1, **options).fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "poisson"}, "needs a family that may have censored rows.*'gaussian'"),
        ({"background": "uniform"}, "cannot be used with background='uniform' yet"),
        ({"censoring_feature": "none"}, "censoring_feature='none' is no column of X"),
        ({"censoring_feature": "x"}, r"Column 'x' of X says which rows are censored.* in row 0"),
    ],
)
def test_what_is_wrong_is_said(options, message):
    X, y, _ = rows(30)
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressor(1, **{"censoring_feature": "alive", **options}).fit(X, y)


@pytest.mark.parametrize("named", ["alive", 1, -1])
def test_who_may_be_censored_or_not_is_no_gap_to_be_filled(named):
    X, y, _ = rows(30)
    X.loc[3, "alive"] = np.nan
    model = BayesianMixtureRegressor(1, censoring_feature=named)
    with pytest.raises(ValueError, match=r"'alive' has it in row 3 .* whether they are censored"):
        model.fit(X, y)
    with pytest.raises(ValueError, match=r"'x' has it in row 2 .* SimpleImputer"):
        model.fit(X.assign(alive=0.0, x=X["x"].where(X.index != 2)), y)
