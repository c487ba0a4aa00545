"""What a fit to counts can be asked, through the estimator."""

import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import two_lines
from scipy.stats import nbinom, poisson

from skmixreg import BayesianMixtureRegressor, metrics
from skmixreg.inspection import (
    ComponentLinesDisplay,
    PredictiveDensityDisplay,
    ResidualQuantileDisplay,
    ResponsibilityDisplay,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    y = rng.poisson(np.exp(np.where(rng.random(200) < 0.5, 3.0 + x, 1.0 - x)))
    return pd.DataFrame({"dose": x}), pd.Series(y, name="events")


@pytest.fixture(scope="module")
def model(data):
    return BayesianMixtureRegressor(2, family="poisson", random_state=0).fit(*data)


def draws(model, x):
    """Weights that add up to 1, and means, (S, K), in the user's units."""
    weights, intercept, slope = (
        model.posterior_[name].reshape(-1, 2) for name in ("weights", "intercept", "coef")
    )
    return weights / len(weights), np.exp(intercept + slope * x)


def test_density_memberships_and_samples(model, data):
    X, y = data
    density, share = model.log_predictive_density(X, y), model.predict_proba(X, y)
    for i in (0, 50):
        w, mean = draws(model, X["dose"][i])
        terms = w * poisson.pmf(y[i], mean)
        np.testing.assert_allclose(density[i], np.log(terms.sum()), rtol=1e-9)
        each = (terms / terms.sum(axis=1, keepdims=True)).mean(axis=0)
        np.testing.assert_allclose(share[i], each, rtol=1e-8, atol=1e-12)
    samples = model.sample_y(X.iloc[:5], 4000, random_state=0)
    assert (samples == np.rint(samples)).all() and (samples >= 0).all()
    mean, std = model.predict(X.iloc[:5], return_std=True)
    np.testing.assert_allclose(samples.mean(axis=1), mean, atol=5 * std.max() / 60)
    tree = model.to_datatree(X, y, random_state=0)
    assert tree.log_likelihood["y"].shape[-1] == len(y)
    quantiles = model.predict_quantiles(X)
    assert (quantiles == np.rint(quantiles)).all()


def test_criteria_count_copies(model, data):
    X, y = data
    weights = np.arange(len(y)) % 3
    again = np.repeat(np.arange(len(y)), weights)
    for name in ("aic", "bic", "icl", "score"):
        weighted = getattr(model, name)(X, y, weights)
        assert weighted == pytest.approx(getattr(model, name)(X.iloc[again], y.iloc[again]))


def test_the_score_is_held_against_counts(model, data):
    X, y = data
    mean, variance = y.mean(), y.var(ddof=0)
    size = mean**2 / (variance - mean)
    reference = nbinom.logpmf(y, size, size / (size + mean)).mean()
    gain = model.log_predictive_density(X, y).mean() - reference
    assert model.score(X, y) == pytest.approx(1 - np.exp(-2 * gain))
    assert 0.3 < model.score(X, y) < 0.99
    even = np.array([1.0, 2.0, 1.0, 2.0])
    own = poisson.logpmf(even, 1.5)
    assert metrics.generalised_r2(own, even, discrete=True) == pytest.approx(0.0)
    assert metrics.generalised_r2(own, np.ones(4), discrete=True) == 0.0
    huge = np.array([1e9, 1.1e9, 0.0])
    assert np.isfinite(metrics.generalised_r2(np.full(3, -20.0), huge, discrete=True))


@pytest.mark.parametrize(("wrong", "shown"), [(1.5, "1.5"), (-1.0, "-1")])
def test_what_is_no_count(model, data, wrong, shown):
    X, y = data
    bad = y.astype(float).copy()
    bad[7] = wrong
    message = rf"needs counts .* y\[7\] is {shown} .*family='gaussian'"
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressor(2, family="poisson").fit(X, bad)
    for name in ("score", "log_predictive_density", "predict_proba", "crps", "loo", "to_pymc"):
        with pytest.raises(ValueError, match=message):
            getattr(model, name)(X, bad)


def test_y_that_is_absurdly_far(data, model):
    X = data[0]
    line = BayesianMixtureRegressor(2, random_state=0).fit(*two_lines(200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = line.log_predictive_density(X[:2].to_numpy(), [1e160, -1e300])
        assert (far == -np.inf).all()
        share = line.predict_proba(X[:2].to_numpy(), [1e160, -1e300])
        np.testing.assert_allclose(share.sum(axis=1), 1.0)
        far = model.log_predictive_density(X[:2], [1e160, 1e300])
        assert (far < -1e100).all()
        np.testing.assert_allclose(model.predict_proba(X[:2], [1e160, 1e300]).sum(axis=1), 1.0)


def test_solvers_that_need_conjugacy(data):
    for solver in ("cavi",):
        with pytest.raises(ValueError, match="conjugate"):
            BayesianMixtureRegressor(2, family="poisson", solver=solver).fit(*data)
        with pytest.raises(ValueError, match="conjugate"):
            BayesianMixtureRegressor(2, family="poisson", solver=solver).partial_fit(*data)


def test_dask(model, data):
    da = pytest.importorskip("dask.array")
    X, y = data
    plain = X.to_numpy()
    fit = BayesianMixtureRegressor(2, family="poisson", random_state=0).fit(plain, y)
    lazy_X = da.from_array(plain, chunks=(70, 1))
    lazy_y = da.from_array(y.to_numpy(float), chunks=70)
    for name, arguments in (
        ("predict", ()), ("predict_components", ()), ("predict_quantiles", ()),
        ("log_predictive_density", (lazy_y,)), ("predict_proba", (lazy_y,)),
    ):  # fmt: skip
        expected = getattr(fit, name)(plain, *([y] if arguments else []))
        np.testing.assert_allclose(getattr(fit, name)(lazy_X, *arguments), expected, rtol=1e-9)
    assert fit.score(lazy_X, lazy_y) == pytest.approx(fit.score(plain, y))
    bad = y.to_numpy(float).copy()
    bad[100] = 0.5
    with pytest.raises(ValueError, match=r"one chunk.*needs counts.*y\[30\] is 0.5"):
        BayesianMixtureRegressor(2, family="poisson").fit(lazy_X, da.from_array(bad, chunks=70))


def test_displays(model, data):
    X, y = data
    density = PredictiveDensityDisplay.from_estimator(model, X, y, grid_resolution=20)
    assert density.discrete
    np.testing.assert_array_equal(density.y_edges, np.arange(len(density.y_edges)) - 0.5)
    w, mean = draws(model, density.grid[3])
    chosen = np.round((np.arange(200) + 0.5) * len(w) / 200 - 0.5).astype(int)
    w, mean = w[chosen] / w[chosen].sum(), mean[chosen]
    counts = np.arange(len(density.y_edges) - 1)
    expected = (w[..., None] * poisson.pmf(counts, mean[..., None])).sum(axis=(0, 1))
    np.testing.assert_allclose(density.density[:, 3], expected, atol=1e-12)
    many = PredictiveDensityDisplay.from_estimator(model, X, y, grid_resolution=5, y_resolution=10)
    assert len(set(np.diff(many.y_edges))) == 1 and np.diff(many.y_edges)[0] > 1
    lines = ComponentLinesDisplay.from_estimator(model, X, y, grid_resolution=20)
    np.testing.assert_allclose(lines.lines, model.predict_components(
        pd.DataFrame({"dose": lines.grid})
    ))  # fmt: skip
    ResponsibilityDisplay.from_estimator(model, X, y)
    first, again, other = (
        ResidualQuantileDisplay.from_estimator(model, X, y, random_state=seed).observed
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    plt.close("all")
    # Uniform where the model is right, though counts are few.
    assert np.abs(first - (np.arange(200) + 0.5) / 200).max() < 1.6 / np.sqrt(200)
