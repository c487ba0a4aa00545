"""Errors of a known size beside those of the line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from skmixreg import BayesianMixtureRegressor, Gaussian
from skmixreg.families import StudentT
from skmixreg.families._distributions.known_error import moments_beside_errors

# Hogg, Bovy and Lang (2010), arXiv:1008.4686, table 1: x, y and the sd of y.
TABLE = np.array([
    [201, 592, 61], [244, 401, 25], [47, 583, 38], [287, 402, 15], [203, 495, 21], [58, 173, 15],
    [210, 479, 27], [202, 504, 14], [198, 510, 30], [158, 416, 16], [165, 393, 14], [201, 442, 25],
    [157, 317, 52], [131, 311, 16], [166, 400, 34], [160, 337, 31], [186, 423, 42], [125, 334, 26],
    [218, 533, 16], [146, 344, 22],
], dtype=float)  # fmt: skip


def rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x, known = rng.uniform(-1, 1, n), rng.choice([0.05, 2.0], n)
    y = 1 + 2 * x + rng.normal(0, np.hypot(0.2, known))
    return pd.DataFrame({"x": x, "sd": known}), 100.0 * y + 30.0


@pytest.mark.slow
def test_a_published_line_with_outliers():
    """The slope near 2.2 and the intercept near 34; points 2 to 4 are outliers, and 1 may be."""
    X = pd.DataFrame(TABLE[:, [0, 2]], columns=["x", "sigma_y"])
    model = BayesianMixtureRegressor(
        1, family=Gaussian(known_error="sigma_y"), background="uniform", random_state=0
    ).fit(X, TABLE[:, 1])
    assert model.converged_
    slope, intercept = model.posterior_["coef"].ravel(), model.posterior_["intercept"].ravel()
    assert abs(slope.mean() - 2.2) < slope.std() and abs(intercept.mean() - 34) < intercept.std()
    outlier = model.predict_proba(X, TABLE[:, 1])[:, 1]
    assert (outlier[1:4] > 0.99).all() and outlier[0] > 0.2 and (outlier[4:] < 0.35).all()


@pytest.mark.parametrize(("decades", "sigma"), [((-2, 2), 0.01), ((-2, 3.5), 0.1)])
def test_a_few_precise_rows_tell_the_scatter(decades, sigma):
    """The spread of y is that of the others, whose floor of sigma would be far above."""
    rng = np.random.default_rng(1)
    x, known = rng.uniform(-1, 1, 200), 10.0 ** rng.uniform(*decades, 200)
    y = 1.0 + 2.0 * x + np.hypot(sigma, known) * rng.normal(size=200)
    model = BayesianMixtureRegressor(1, family=Gaussian(known_error=1), random_state=0)
    model.fit(np.column_stack([x, known]), y)
    draws = model.posterior_["sigma"].ravel()
    assert abs(draws.mean() - sigma) < 3.0 * draws.std()


@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_the_scale_beside_known_errors(unit):
    rng = np.random.default_rng(0)
    y, ones = 3.0 + 1.2 * rng.normal(size=400), np.ones(400)
    alike = moments_beside_errors(unit * y, unit * np.full(400, 0.5), ones, True)
    np.testing.assert_allclose(alike, [unit * y.mean(), unit * y.std()], rtol=0.1)
    assert moments_beside_errors(unit * y, 0.0 * ones, ones, True) is None
    wide = 10.0 ** rng.uniform(-2, 3, 400)
    far = moments_beside_errors(unit * (y + wide * rng.normal(size=400)), unit * wide, ones, True)
    assert abs(far[0] / unit - 3.0) < 0.5 and 0.8 < far[1] / unit < 3.0


@pytest.mark.slow
@pytest.mark.parametrize("family", [Gaussian(known_error="sd"), StudentT(known_error="sd")])
def test_units_and_predictions(family):
    X, y = rows()
    X = X.assign(sd=100.0 * X["sd"])
    model = BayesianMixtureRegressor(1, family=family, solver="map", random_state=0).fit(X, y)
    assert model.coef_.shape == (1, 1) and model.coef_[0, 0] == pytest.approx(200.0, rel=0.05)
    assert model.sigma_[0] == pytest.approx(20.0, rel=0.35)
    at = pd.DataFrame({"x": [0.0, 0.0], "sd": [0.0, 200.0]})
    scale = np.hypot(model.sigma_[0], at["sd"])
    error = stats.norm(0, scale) if isinstance(family, Gaussian) else stats.t(4, 0, scale)
    line = model.predict(at)
    np.testing.assert_allclose(line, model.intercept_[0])
    np.testing.assert_allclose(model.predict(at, return_std=True)[1], error.std(), rtol=1e-6)
    at_y = line + np.array([5.0, 300.0])
    np.testing.assert_allclose(
        model.log_predictive_density(at, at_y), error.logpdf(at_y - line), rtol=1e-9
    )
    np.testing.assert_allclose(
        model.predict_quantiles(at, 0.9)[:, 0], line + error.ppf(0.9), rtol=1e-6
    )
    for region, half in zip(model.predict_hdr(at, 0.9), error.ppf(0.95), strict=True):
        np.testing.assert_allclose(region, line[0] + half * np.array([[-1.0, 1.0]]), rtol=1e-3)
    for score, gap, s in zip(model.crps(at, at_y), at_y - line, scale, strict=True):
        one = stats.norm(0, s) if isinstance(family, Gaussian) else stats.t(4, 0, s)
        expected, _ = integrate.quad(
            lambda z, gap=gap, one=one: (one.cdf(z) - (z >= gap)) ** 2, -50 * s, 50 * s,
            points=[gap], limit=500,
        )  # fmt: skip
        assert score == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_zeros_are_no_known_errors():
    X, y = rows()
    plain = BayesianMixtureRegressor(1, solver="map", random_state=0).fit(X[["x"]], y)
    zero = BayesianMixtureRegressor(
        1, family=Gaussian(known_error="sd"), solver="map", random_state=0
    ).fit(X.assign(sd=0.0), y)
    np.testing.assert_allclose(zero.coef_, plain.coef_, rtol=1e-6)
    np.testing.assert_allclose(zero.sigma_, plain.sigma_, rtol=1e-4)


def test_negative_errors_are_named():
    X, y = rows(30)
    X.loc[3, "sd"] = -1.0
    with pytest.raises(ValueError, match=r"standard deviations, 0 or more.*'sd'.*-1 in row 3"):
        BayesianMixtureRegressor(1, family=Gaussian(known_error="sd")).fit(X, y)
    with pytest.raises(ValueError, match="needs a conjugate family"):
        BayesianMixtureRegressor(1, family=Gaussian(known_error="sd"), solver="cavi").fit(
            X.abs(), y
        )
