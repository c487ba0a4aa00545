"""Regions where weights vanish, and far outside the data."""

import numpy as np
import pytest
from synthetic import simple_posterior
from test_prediction import replaced

from skmixreg._model.raw import Raw
from skmixreg._posterior import prediction
from skmixreg._posterior._mixtures.row_mixtures import RowMixtures


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
