"""Lognormal responses against normal errors of their logarithms, and against SciPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import integrate, stats

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV, Priors
from skmixreg._model.density import LogPosterior
from skmixreg._pymc.coordinates import log_jacobian, to_values
from skmixreg.solvers import NUTS, Laplace


def rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(3.0, 2.0, (n, 2))
    first = rng.random(n) < 0.4
    line = np.where(first, 4.0 + 0.7 * X[:, 0], 9.0 - 0.5 * X[:, 1])
    return X, line + np.where(first, 0.3, 0.6) * rng.normal(size=n)


def both(X, log_y, weights=None, **options):
    """Fits of y and of log y."""
    make = {"n_components": 2, "random_state": 0, **options}
    return (
        BayesianMixtureRegressor(family="lognormal", **make).fit(X, np.exp(log_y), weights),
        BayesianMixtureRegressor(**make).fit(X, log_y, weights),
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")  # a row far out
@pytest.mark.parametrize("case", ["plain", "weighted", "no intercept", "far", "given"])
def test_the_mode_is_that_of_normal_errors_of_log_y(case):
    X, log_y = rows()
    if case == "far":
        log_y[7] = 150.0
    weights = np.random.default_rng(1).integers(1, 4, len(X)) if case == "weighted" else None
    priors = Priors(y_location=2.0, y_scale=3.0) if case == "given" else None
    model, other = both(
        X, log_y, weights, solver="map", fit_intercept=case != "no intercept", priors=priors
    )
    for name in ("weights_", "coef_", "intercept_", "sigma_"):
        np.testing.assert_allclose(getattr(model, name), getattr(other, name), atol=1e-6)
    total = log_y.sum() if weights is None else weights @ log_y
    for name in ("log_posterior", "log_likelihood"):
        value, expected = (fit.modes_[name].iloc[0] for fit in (model, other))
        assert value + total == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_predictions_are_those_of_y():
    X, log_y = rows()
    y = np.exp(log_y)
    model, other = both(X, log_y, solver="map")
    at, at_y = X[:4], y[:4]
    np.testing.assert_allclose(
        model.log_predictive_density(at, at_y),
        other.log_predictive_density(at, log_y[:4]) - log_y[:4],
    )
    np.testing.assert_allclose(model.predict_proba(X, y), other.predict_proba(X, log_y), atol=1e-6)
    levels = [0.01, 0.3, 0.9]
    np.testing.assert_allclose(
        model.predict_quantiles(at, levels), np.exp(other.predict_quantiles(at, levels)), rtol=1e-5
    )
    lines = other.predict_components(at)
    terms = stats.lognorm(model.sigma_, scale=np.exp(lines))
    np.testing.assert_allclose(model.predict_components(at), terms.mean(), rtol=1e-6)
    mean, sd = model.predict(at, return_std=True)
    np.testing.assert_allclose(mean, terms.mean() @ model.weights_, rtol=1e-6)
    square = (terms.var() + terms.mean() ** 2) @ model.weights_
    np.testing.assert_allclose(sd, np.sqrt(square - mean**2), rtol=1e-6)
    regions, scores = model.predict_hdr(at, 0.8), model.crps(at, at_y)
    for i in range(2):

        def cdf(v, i=i):
            return stats.lognorm.cdf(v, model.sigma_, scale=np.exp(lines[i])) @ model.weights_

        assert sum(cdf(b) - cdf(a) for a, b in regions[i]) == pytest.approx(0.8, abs=1e-3)
        ends = model.log_predictive_density(
            np.repeat(at[i, None], regions[i].size, axis=0), regions[i].ravel()
        )
        np.testing.assert_allclose(ends, ends[0], atol=0.01)
        # Over log y.
        score, _ = integrate.quad(
            lambda v, i=i, cdf=cdf: np.exp(v) * (cdf(np.exp(v)) - (v >= log_y[i])) ** 2,
            -10.0, 15.0, points=[log_y[i], *lines[i]], limit=500,
        )  # fmt: skip
        assert scores[i] == pytest.approx(score, rel=1e-5)


@pytest.mark.slow
def test_rounded_responses_raise_the_floor_of_sigma_in_units_of_log_y():
    X, log_y = rows()
    y = np.maximum(np.rint(0.1 * np.exp(log_y)), 1.0)
    model = BayesianMixtureRegressor(1, family="lognormal", solver="map", random_state=0).fit(X, y)
    values, counts = np.unique(y, return_counts=True)
    # One step over the response it is relative to.
    floor = (np.sqrt(counts / 12.0) / values).max()
    scale = np.log(y).std()
    posterior = model.posterior_
    assert posterior.design.y_scale == pytest.approx(scale)
    expected = min(floor / scale, 0.5 * posterior.priors.sigma_ceiling)
    assert posterior.priors.sigma_floor == pytest.approx(expected)
    (said,) = [text for text in model.diagnostics()["verdict"] if "looks rounded" in text]
    assert f"raised to {scale * expected:.3g}" in said and "multiples of 1," in said


def test_responses_out_of_range_are_refused():
    X, log_y = rows(20)
    for shift in (-600.0, 600.0):
        with pytest.raises(ValueError, match=r"y has values of size .*Rescale"):
            BayesianMixtureRegressor(family="lognormal").fit(X, np.exp(0.1 * log_y + shift))


def outliers():
    X, log_y = rows(200)
    y = np.exp(log_y[:, None] - 5.0)[:, 0]
    y[:15] = np.random.default_rng(1).uniform(0.0, 300.0, 15)
    return X, y


@pytest.mark.slow
@pytest.mark.parametrize("background", ["uniform", "normal"])
def test_a_background_is_a_distribution_of_y(background):
    X, y = outliers()
    model = BayesianMixtureRegressor(
        2, family="lognormal", background=background, solver="map", random_state=0
    ).fit(X, y)
    far = stats.norm(y.mean(), y.std()).pdf(y)
    if background == "uniform":
        far = 1.0 / ((y.max() - y.min()) * (1.0 + 1.0 / len(y)))
    lines = model.intercept_ + X @ model.coef_.T
    own = stats.lognorm.pdf(y[:, None], model.sigma_, scale=np.exp(lines))
    terms = model.weights_ * np.column_stack([own, np.broadcast_to(far, len(y))])
    total = terms.sum(axis=1)
    np.testing.assert_allclose(model.predict_proba(X, y), terms / total[:, None], atol=1e-9)
    np.testing.assert_allclose(model.log_predictive_density(X, y), np.log(total), rtol=1e-9)


@pytest.mark.slow
def test_the_model_in_pymc_with_a_background_is_the_same_density():
    X, y = outliers()
    model = BayesianMixtureRegressor(
        2, family="lognormal", background="normal", solver="map", random_state=0
    ).fit(X, y)
    posterior, pymc = model.posterior_, model.to_pymc(X, y)
    problem = model._problem(
        X, y, None, posterior.family, posterior.priors,
        standardisation=posterior.design.standardisation,
    )  # fmt: skip
    density, logp = LogPosterior(problem), pymc.compile_logp()
    theta = np.random.default_rng(0).normal(scale=0.5, size=problem.layout.size)
    expected = density.value_and_gradient(theta)[0] + log_jacobian(problem.layout)
    value = logp(to_values(theta, problem.layout, pymc.initial_point()))
    assert float(value) == pytest.approx(expected - problem.log_scale, rel=1e-9)


@pytest.mark.slow
def test_the_posterior_is_that_of_normal_errors_of_log_y():
    X, log_y = rows()
    y = np.exp(log_y)
    model, other = both(X, log_y, solver=Laplace(draws=20_000))
    assert model.converged_ and other.converged_
    for name in ("weights", "coef", "intercept", "sigma"):
        draws = [fit.posterior_[name].mean(axis=(0, 1)) for fit in (model, other)]
        sd = other.posterior_[name].std(axis=(0, 1))
        np.testing.assert_array_less(np.abs(draws[0] - draws[1]) / sd, 0.05)
    assert model.log_evidence_ + log_y.sum() == pytest.approx(other.log_evidence_, abs=0.05)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    mode = again.refit_as("map", X, y)
    np.testing.assert_allclose(mode.coef_, model.coef_, atol=0.1)
    # The plain model of PyMC, traced by JAX.
    pytest.importorskip("numpyro")
    nuts = model.refit_as(NUTS(draws=1000, sampler="numpyro"), X, y)
    np.testing.assert_allclose(nuts.intercept_, model.intercept_, atol=0.05)
    np.testing.assert_allclose(nuts.sigma_, model.sigma_, atol=0.01)


@pytest.mark.slow
def test_chunks_of_rows():
    da = pytest.importorskip("dask.array")
    X, log_y = rows(12_000)
    y = np.exp(log_y)
    whole = BayesianMixtureRegressor(2, family="lognormal", solver="map", random_state=0).fit(X, y)
    chunked = BayesianMixtureRegressor(2, family="lognormal", solver="map", random_state=0).fit(
        da.from_array(X, chunks=(5000, -1)), da.from_array(y, chunks=5000)
    )
    for name in ("coef_", "intercept_", "sigma_"):
        np.testing.assert_allclose(getattr(chunked, name), getattr(whole, name), atol=1e-6)


@pytest.mark.slow
def test_evidence_chooses_among_families_of_positive_numbers():
    X, log_y = rows()
    y = np.exp(log_y)
    model = BayesianMixtureRegressorCV(
        (2,), family=["gamma", "lognormal", "gaussian"], average=True, random_state=0
    ).fit(X, y)
    assert model.family_.name == "lognormal"
    quantiles = model.predict_quantiles(X[:3], [0.05, 0.95])
    draws = model.sample_y(X[:3], 8000, random_state=0)
    reached = (draws[:, None] <= quantiles[:, :, None]).mean(axis=2)
    np.testing.assert_allclose(reached, np.tile([0.05, 0.95], (3, 1)), atol=0.02)
