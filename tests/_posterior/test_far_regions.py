"""Regions where weights vanish, and far outside the data."""

import numpy as np
import pytest
from synthetic import simple_posterior
from test_prediction import replaced

from skmixreg import BayesianMixtureRegressor
from skmixreg._model.raw import Raw
from skmixreg._posterior import prediction
from skmixreg._posterior._mixtures.row_mixtures import RowMixtures, quantiles
from skmixreg.families import FAMILIES


def lines(T=300, slope_sd=0.02, sigma=0.05):
    rng = np.random.default_rng(0)
    return Raw.of(
        np.log(rng.dirichlet([5.0, 5.0], size=T)),
        0.02 * rng.normal(size=(T, 2)),
        rng.normal([[-1.0], [1.0]], slope_sd, (T, 2, 1)),
        np.log(sigma) + 0.05 * rng.normal(size=(T, 2, 1)),
    )


@pytest.mark.parametrize("x", [0.0, 1.0, 3.0, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.99])
def test_two_lines_have_two_intervals_however_far(x, coverage):
    posterior = replaced(simple_posterior(K=2, shape=(1, 2))[1], lines(2000))
    design = posterior.design
    X = design.x_mean + design.x_scale * np.array([[x]])
    (region,) = prediction.highest_density_regions(posterior, X, coverage)
    assert len(region) == (1 if x == 0.0 else 2)
    # The coverage under the mixture over all draws.
    mixture = RowMixtures(posterior.family, posterior.components.flattened(), np.array([[x]]))
    ends = design.target(region)
    cdf = mixture.cdf(ends.ravel(), np.zeros(ends.size, dtype=int)).reshape(-1, 2)
    assert np.diff(cdf, axis=1).sum() == pytest.approx(coverage, abs=0.025)


def test_near_the_data_terms_stay_as_they_are():
    draws = lines(200)
    Z = np.array([[0.5], [1.5]])
    family = simple_posterior()[1].family
    plain = RowMixtures(family, draws, Z)
    widened = RowMixtures(family, draws, Z, 0.0, np.zeros(200, dtype=int))
    np.testing.assert_array_equal(widened.eta, plain.eta)
    np.testing.assert_array_equal(widened.extra[0], plain.extra[0])
    far = np.array([[40.0]])
    plain = RowMixtures(family, draws, far)
    widened = RowMixtures(family, draws, far, 0.0, np.zeros(200, dtype=int))
    np.testing.assert_allclose(widened.centre, plain.centre, rtol=1e-10)
    np.testing.assert_allclose(widened.spread, plain.spread, rtol=1e-3)


def test_a_component_without_any_weight():
    """Weights that underflow in every draw, as under a tiny concentration."""
    draws = lines(50)
    nothing = draws._replace(logits=np.array([[[0.0], [-2000.0]]] * 50))
    one = Raw(*(a[:, :1] for a in nothing))
    posterior = replaced(simple_posterior(K=2, shape=(1, 2))[1], nothing)
    single = replaced(simple_posterior(K=1, shape=(1, 2))[1], one)
    X = np.array([[0.3], [2.0]])
    levels = np.array([0.05, 0.5])
    quantiles = prediction.quantiles(posterior, X, levels)
    # The two designs differ in nothing but the number of components.
    np.testing.assert_allclose(quantiles, prediction.quantiles(single, X, levels), rtol=1e-9)
    for got, expected in zip(
        prediction.highest_density_regions(posterior, X, 0.9),
        prediction.highest_density_regions(single, X, 0.9),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["lognormal", "exponential", "gamma", "weibull"])
def test_quantiles_of_components_that_differ_by_many_decades(name):
    """Where a step of the narrower one is rounded away at the wider one."""
    rng = np.random.default_rng(0)
    K, T = 3, 50
    extra = np.log(0.5) + 0.1 * rng.normal(size=(T, K, len(FAMILIES[name]().extras)))
    draws = Raw.of(
        np.log(rng.dirichlet(np.full(K, 4.0), size=T)), rng.normal(size=(T, K)),
        rng.normal(0.0, 2.0, size=(T, K, 1)), extra,
    )  # fmt: skip
    family = FAMILIES[name]().standardised(0.0, 1.0)
    Z = np.array([[0.1], [6.0], [-8.0], [30.0], [-200.0], [1000.0]])
    with np.errstate(all="ignore"):
        mixture = RowMixtures(family, draws, Z)
        levels = np.array([0.05, 0.5, 0.95])
        found = quantiles(mixture, levels)
        assert np.isfinite(found).all()
        for i in range(5):  # further out numbers end
            reached = mixture.cdf(found[i], np.full(3, i))
            np.testing.assert_allclose(reached, levels, atol=1e-9)


@pytest.mark.parametrize("name", ["lognormal", "negative_binomial", "gamma"])
def test_far_from_all_rows_predictions_are_numbers_or_inf(name):
    rng = np.random.default_rng(50)
    x = rng.uniform(-1, 1, 80)
    mean = np.exp(np.where(rng.random(80) < 0.45, 3.0 + 0.7 * x, 1.2 - x))
    y = np.rint(mean * rng.gamma(8, 1 / 8, 80)) if name == "negative_binomial" else mean
    model = BayesianMixtureRegressor(2, family=name, solver="map", random_state=0)
    model = model.fit(x[:, None], y * np.exp(0.0 if FAMILIES[name].discrete else 0.3))
    X = np.array([[1e3], [-1e3], [40.0]])
    model.predict_hdr(X)
    for answer in (model.predict_interval(X), model.crps(X, [3, 3, 3]), model.predict(X)):
        assert not np.isnan(answer).any()
    assert not np.isnan(model.predict(X, return_std=True)[1]).any()
