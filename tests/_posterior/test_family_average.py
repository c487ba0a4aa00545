"""Averages over posteriors of different families."""

from __future__ import annotations

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor
from skmixreg._posterior import prediction
from skmixreg._posterior.bands import distribution_function
from skmixreg._posterior.family_average import FamilyAverage, average_of_moments

SHARES = np.array([0.3, 0.7])


def posteriors(families, y, X):
    return tuple(
        BayesianMixtureRegressor(2, family=family, solver="map", random_state=0)
        .fit(X, y)
        .posterior_
        for family in families
    )


@pytest.fixture(
    scope="module",
    params=[
        ("poisson", "negative_binomial"),
        pytest.param(("gaussian", "gamma"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def given(request):
    """Two families whose units differ where one standardises y."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (300, 1))
    mean = np.exp(np.where(rng.random(300) < 0.5, 3.0 + 0.5 * X[:, 0], 1.0))
    counts = request.param[0] == "poisson"
    y = rng.poisson(mean).astype(float) if counts else rng.gamma(20.0, mean / 20.0)
    parts = posteriors(request.param, y, X)
    return FamilyAverage(parts, SHARES), X[:6], y[:6]


@pytest.mark.filterwarnings("ignore")
def test_formulas_are_averages(given):
    average, X, y = given
    a, b = average.posteriors
    means = [prediction.mean_and_std(part, X) for part in (a, b)]
    mean = 0.3 * means[0][0] + 0.7 * means[1][0]
    square = 0.3 * (means[0][0] ** 2 + means[0][1] ** 2) + 0.7 * (
        means[1][0] ** 2 + means[1][1] ** 2
    )
    got_mean, got_std = prediction.mean_and_std(average, X)
    np.testing.assert_allclose(got_mean, mean)
    np.testing.assert_allclose(prediction.mean(average, X), mean)
    np.testing.assert_allclose(got_std, np.sqrt(square - mean**2))
    density = [np.exp(prediction.log_predictive_density(part, X, y)) for part in (a, b)]
    np.testing.assert_allclose(
        np.exp(prediction.log_predictive_density(average, X, y)),
        0.3 * density[0] + 0.7 * density[1],
    )


def test_quantiles_are_those_of_the_averaged_distribution_function(given):
    average, X, _ = given
    levels = np.array([0.05, 0.5, 0.9])
    found = prediction.quantiles(average, X, levels)
    reached = distribution_function(average, X, found)
    if not average.discrete:
        np.testing.assert_allclose(reached, np.tile(levels, (len(X), 1)), atol=1e-9)
        return
    below = distribution_function(average, X, found - 1.0)
    assert (found == np.rint(found)).all()
    assert (reached >= levels - 1e-9).all() and (below < levels).all()


def test_regions_hold_their_mass_and_samples_follow(given):
    average, X, _ = given
    regions = prediction.highest_density_regions(average, X, 0.8)
    samples = prediction.sample_y(average, X, 4000, np.random.default_rng(1))
    assert samples.shape == (6, 4000)
    for i, region in enumerate(regions):
        ends = region - np.array([1.0, 0.0]) * average.discrete
        held = np.diff(distribution_function(average, X[[i]], ends.reshape(1, -1)))[0, ::2].sum()
        assert held >= 0.8 - 1e-4 and (average.discrete or held < 0.8 + 1e-4)
        inside = (
            (samples[i, :, None] >= region[:, 0]) & (samples[i, :, None] <= region[:, 1])
        ).any(1)
        assert inside.mean() == pytest.approx(held, abs=0.03)
        sd = samples[i].std() / np.sqrt(4000)
        assert abs(samples[i].mean() - prediction.mean(average, X[[i]])[0]) < 4 * sd


def test_an_infinite_variance_stays_infinite():
    mean, std = average_of_moments(
        [(np.zeros(2), np.array([1.0, np.inf])), (np.full(2, 1e200), np.ones(2))], SHARES
    )
    np.testing.assert_allclose(mean, 7e199)
    assert std[0] == pytest.approx(np.sqrt(0.21) * 1e200) and std[1] == np.inf
