"""Degrees of freedom that are estimated, and t distributions without a variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from test_block_functions import BLOCK, Case, K, evaluate

from skmixreg import BayesianMixtureRegressor
from skmixreg.families import StudentT

FAMILY = StudentT(df=None)


def case_at(df, z):
    """A block of residuals ``z`` where the scale is 1."""
    coordinates = np.column_stack([np.zeros(K), np.full(K, np.log((df - 1.0) / 9.0))])
    y = np.resize(z, BLOCK)
    return Case(FAMILY, y, np.zeros((K, BLOCK)), coordinates, np.empty((0, BLOCK)))


def test_many_degrees_of_freedom_are_nearly_infinitely_many():
    """The log density less a normal one is a series in 1 / df, here to the third power."""
    df, z = 1e6, np.linspace(-6.0, 6.0, BLOCK)
    out, _, d_extra, _, _, d_extra2 = evaluate("hessian", case_at(df, z))
    terms = [
        (z**4 - 2.0 * z**2 - 1.0) / 4.0,
        z**4 / 4.0 - z**6 / 6.0,
        1.0 / 24.0 - z**6 / 6.0 + z**8 / 8.0,
    ]
    value, first, second = (
        sum(factor(k) * term * df ** -(k + power) for k, term in enumerate(terms, start=1))
        for power, factor in enumerate((lambda k: 1, lambda k: -k, lambda k: k * (k + 1)))
    )
    np.testing.assert_allclose(out[0] - stats.norm.logpdf(z), value, rtol=0, atol=1e-14)
    # The coordinate is a logarithm of df - 1.
    first, second = (df - 1.0) * first, (df - 1.0) ** 2 * second + (df - 1.0) * first
    np.testing.assert_allclose(d_extra[1, 0], first, rtol=1e-11, atol=1e-19)
    np.testing.assert_allclose(d_extra2[2, 0], second, rtol=1e-11, atol=1e-19)


@pytest.mark.parametrize("df", [30.0, 1e3, 1e6])
def test_information_is_the_mean_square_of_slopes(df):
    """Which sums over even steps give to all digits where tails are light."""
    z = np.sinh(np.linspace(-1.0, 1.0, BLOCK) * np.arcsinh(9.0 if df > 100.0 else 90.0))
    step = np.hypot(1.0, z) * 2.0 * np.arcsinh(z[-1]) / (BLOCK - 1)
    out, _, d_extra, *_ = evaluate("hessian", case_at(df, z))
    mass = np.exp(out[0]) * step
    information = evaluate("information", case_at(df, z))[5][:, 0, 0]
    slopes = d_extra[:, 0]
    squares = [(mass * slopes[i] * slopes[j]).sum() for i, j in ((0, 0), (0, 1), (1, 1))]
    np.testing.assert_allclose(information, squares, rtol=1e-9)


@pytest.mark.parametrize("df", [1.0 + 1e-6, 1.5, 19.99, 20.01, 1e3])
def test_values_of_any_degrees_of_freedom(df):
    z = np.r_[0.0, 1e-3, 1.0, -7.0, 1e4]
    (out, *_), expected = evaluate("hessian", case_at(df, z)), stats.t.logpdf(z, df)
    np.testing.assert_allclose(out[0, :5], expected, rtol=1e-12)
    actual = FAMILY.log_density(z[:, None], np.float64(0.0), np.ones(2), np.full(2, df))
    np.testing.assert_allclose(actual[:, 0], expected, rtol=1e-12)


def test_far_out_all_are_numbers():
    case = case_at(4.0, np.array([1e300, -1e300, 1e120, 0.0]))
    for scale in (-300.0, 0.0, 300.0):
        for of_df in (-700.0, -40.0, 40.0, 700.0):
            at = case._replace(extra=np.tile([scale, of_df], (K, 1)))
            for what in ("hessian", "information"):
                assert all(np.isfinite(part).all() for part in evaluate(what, at))


def test_methods_take_degrees_of_freedom_of_components():
    eta, sigma, df = np.array([-0.5, 1.2, 0.0]), np.array([0.4, 1.3, 2.0]), np.array([1.3, 2.5, 40])
    one = stats.t(df, eta, sigma)
    y = np.linspace(-20.0, 20.0, 9)[:, None]
    np.testing.assert_allclose(FAMILY.log_density(y, eta, sigma, df), one.logpdf(y), rtol=1e-12)
    np.testing.assert_allclose(FAMILY.cdf(y, eta, sigma, df), one.cdf(y), rtol=1e-12)
    levels = np.array([[1e-6], [0.3], [0.999]])
    np.testing.assert_allclose(FAMILY.quantile(levels, eta, sigma, df), one.ppf(levels), rtol=1e-9)
    np.testing.assert_allclose(FAMILY.variance(eta, sigma, df), [np.inf, *one.var()[1:]])
    many = FAMILY.sample(np.random.default_rng(0), np.tile(eta, (5000, 1)), sigma, df)
    levels = FAMILY.cdf(many, eta, sigma, df)
    assert all(stats.kstest(level, "uniform").pvalue > 1e-3 for level in levels.T)


@pytest.mark.slow
@pytest.mark.parametrize("df", [1.3, 2.0])
def test_predictions_without_a_variance(df):
    """Against the closed form of the score (Jordan, Krueger and Lerch 2019, appendix A)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 1))
    y = x[:, 0] + 0.2 * rng.standard_t(df, 200)
    model = BayesianMixtureRegressor(1, family=StudentT(df=df), solver="map", random_state=0)
    mean, sd = model.fit(x, y).predict(x[:3], return_std=True)
    assert np.isinf(sd).all()
    sigma, z = model.sigma_[0], np.array([0.0, 1.0, 30.0])
    one = stats.t(df)
    score = z * (2.0 * one.cdf(z) - 1.0) + 2.0 * one.pdf(z) * (df + z * z) / (df - 1.0)
    score -= (
        2.0 * np.sqrt(df) / (df - 1.0) * special.beta(0.5, df - 0.5)
        / special.beta(0.5, 0.5 * df) ** 2
    )  # fmt: skip
    np.testing.assert_allclose(model.crps(x[:3], mean + sigma * z), sigma * score, rtol=1e-9)
    levels = [0.001, 0.5, 0.95]
    expected = mean[:, None] + sigma * one.ppf(levels)
    np.testing.assert_allclose(model.predict_quantiles(x[:3], levels), expected, rtol=1e-9)
    (region,) = model.predict_hdr(x[:1], 0.9)
    np.testing.assert_allclose(
        region - mean[0], [[-sigma * one.ppf(0.95), sigma * one.ppf(0.95)]], rtol=1e-4
    )


@pytest.mark.slow
def test_few_and_many_degrees_of_freedom_are_told_apart():
    rng = np.random.default_rng(0)
    x, first = rng.uniform(-1, 1, 2000), rng.random(2000) < 0.5
    y = np.where(first, 3.0 * x + 0.3 * rng.standard_t(2.0, 2000), 2.0 - 2.0 * x)
    y += np.where(first, 0.0, 0.3 * rng.normal(size=2000))
    model = BayesianMixtureRegressor(2, family=FAMILY, random_state=0).fit(x[:, None], 100.0 * y)
    assert model.converged_ and model.df_.shape == (2,)
    order = np.argsort(model.df_)
    np.testing.assert_allclose(model.coef_[order, 0], [300.0, -200.0], atol=10.0)
    np.testing.assert_allclose(model.sigma_[order], 30.0, rtol=0.1)
    few, many = model.posterior_["df"][..., order].reshape(-1, 2).T
    assert abs(few.mean() - 2.0) < 3.0 * few.std() and few.std() < 0.3
    assert np.quantile(many, 0.05) > 10.0


@pytest.mark.parametrize("df", [1.01, 1.5, 4.0, 7.3, 49.9, 50.1, 1e4])
def test_distribution_functions_of_many_numbers(df):
    """SciPy's survival function is right far out, where its stdtr cancels on one side."""
    z = np.sinh(np.linspace(-20.0, 20.0, 201))
    expected = np.where(z < 0.0, stats.t.sf(-z, df), 1.0 - stats.t.sf(z, df))
    columns = np.stack([z, z[::-1]], axis=1)
    far = expected > 1e-250
    for given in (df, np.full(2, df)):
        family = StudentT(df=df) if np.ndim(given) == 0 else FAMILY
        extra = (np.float64(2.0),) if np.ndim(given) == 0 else (np.full(2, 2.0), given)
        actual = family.cdf(3.0 + 2.0 * columns, np.full((201, 1), 3.0), *extra)
        np.testing.assert_allclose(actual[far, 0], expected[far], rtol=1e-11)
        np.testing.assert_allclose(actual[~far, 0], expected[~far], rtol=0, atol=1e-250)
        np.testing.assert_array_equal(actual[::-1, 1], actual[:, 0])
        some = family.cdf(3.0 + 2.0 * columns[5:7], np.full((2, 1), 3.0), *extra)
        np.testing.assert_array_equal(some, actual[5:7])
    ends = StudentT(df=df).cdf(np.array([[np.inf, -np.inf, np.nan]]), 0.0, np.float64(1.0))
    np.testing.assert_array_equal(ends, [[1.0, 0.0, np.nan]])
