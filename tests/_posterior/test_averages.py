"""Means and variances of families whose mean is no linear predictor, by brute force."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson
from synthetic import poisson_posterior

from skmixreg import BayesianMixtureRegressor
from skmixreg._posterior import averages, prediction
from skmixreg._support.exceptions import WeaklyIdentifiedWarning


@pytest.fixture(scope="module", params=[(1, 1), (3, 2)])
def case(request):
    K, p = request.param
    posterior = poisson_posterior(K=K, p=p)
    X = np.random.default_rng(0).normal(size=(9, p))
    return posterior, X


def rates(posterior, x):
    """Weights (S, K) that add up to 1, and means, from the parameters in the user's units."""
    weights, intercept, coef = (
        posterior[name].reshape(-1, *posterior[name].shape[2:])
        for name in ("weights", "intercept", "coef")
    )
    return weights / len(weights), np.exp(intercept + coef @ x)


def test_moments_by_brute_force(case):
    posterior, X = case
    assert posterior.moments is None
    mean, std = prediction.mean_and_std(posterior, X)
    np.testing.assert_array_equal(mean, prediction.mean(posterior, X))
    components = prediction.component_means(posterior, X)
    for i, x in enumerate(X):
        w, mu = rates(posterior, x)
        np.testing.assert_allclose(mean[i], (w * mu).sum(), rtol=1e-12)
        y = np.arange(4000)
        mass = (w[..., None] * poisson.pmf(y, mu[..., None])).sum(axis=(0, 1))
        np.testing.assert_allclose(std[i] ** 2, mass @ (y - mean[i]) ** 2, rtol=1e-9)
        np.testing.assert_allclose(components[i], mu.mean(axis=0), rtol=1e-12)


def test_rows_blocks_and_threads(case, monkeypatch):
    posterior, X = case
    X = np.random.default_rng(1).normal(size=(70, X.shape[1]))
    whole = prediction.mean_and_std(posterior, X)
    parts = prediction.component_means(posterior, X)
    some = np.random.default_rng(2).permutation(70)[:9]
    for got, expected in zip(prediction.mean_and_std(posterior, X[some]), whole, strict=True):
        np.testing.assert_allclose(got, expected[some], rtol=1e-13)
    monkeypatch.setattr(averages, "BLOCK_NUMBERS", 1)
    for n_threads in (1, 2):
        again = prediction.mean_and_std(posterior, X, n_threads=n_threads)
        np.testing.assert_allclose(again, whole, rtol=1e-13)
        again = prediction.component_means(posterior, X, n_threads=n_threads)
        np.testing.assert_allclose(again, parts, rtol=1e-13)
    assert prediction.mean(posterior, X[:0]).shape == (0,)
    assert prediction.component_means(posterior, X[:0]).shape == (0, posterior.layout.n_components)


def test_far_out_nothing_overflows(case):
    posterior, X = case
    far = np.full((2, X.shape[1]), 0.0)
    far[1] = 1e4
    mean, std = prediction.mean_and_std(posterior, far)
    assert np.isfinite(mean).all() and np.isfinite(std).all()
    assert pd.notna(prediction.component_means(posterior, far)).all()


def test_means_that_are_those_of_few_draws_are_said_to_be():
    """With no rows for the second component its mean is the exponential of what the prior has."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=100)[:, None]
    y = rng.poisson(np.exp(1.0 + 0.7 * x[:, 0]))
    model = BayesianMixtureRegressor(2, family="poisson", random_state=0)
    with pytest.warns(WeaklyIdentifiedWarning, match="quantiles .* not affected, but means may be"):
        model.fit(x, y)
    with pytest.warns(WeaklyIdentifiedWarning, match=r"of 100 rows hangs on few draws: up to \d"):
        mean = model.predict(x)
    assert mean.max() > 100.0 * y.max()
    assert model.predict_quantiles(x, [0.5]).max() < 2.0 * y.max()
    one = BayesianMixtureRegressor(1, family="poisson", random_state=0).fit(x, y)
    assert one.predict(x).max() < 2.0 * y.max()
