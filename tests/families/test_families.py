"""What every row of the table of families promises, held against SciPy and sums over y."""

from __future__ import annotations

import numpy as np
import pytest
from log_densities import COLUMNS, LOG_DENSITIES, family_of
from scipy import special, stats
from scipy.optimize import minimize

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._model._roles.checks import check_rows
from skmixreg.families import FAMILIES, StudentT

# Extra parameters of some components, on their natural scales.
EXTRAS = {
    "gaussian": [0.4, 1.3],
    "student_t": [0.4, 1.3],
    "negative_binomial": [0.7, 30.0],
    "gamma": [0.7, 30.0],
    "lognormal": [0.3, 1.0],
    "weibull": [0.7, 6.0],
    "beta": [2.0, 30.0],
}


def parameters(name):
    """A family, and predictors and extras of two components, with what its columns hold."""
    eta = np.array([-0.5, 1.2])
    return family_of(name), eta, [np.array(t[name]) for t in (EXTRAS, COLUMNS) if name in t]


def nodes(family, eta, extra, n=400_001):
    """Points of the support and the mass that each stands for: (n,), (n,)."""
    tail = 1e-12
    low, high = (float(family.quantile(np.float64(q), eta, *extra)) for q in (tail, 1.0 - tail))
    if family.discrete:
        y = np.arange(low, high + 1.0)
        return y, np.exp(family.log_density(y, eta, *extra))
    if family.support.high == 1.0:  # dense at both ends
        y = special.expit(np.linspace(special.logit(low), special.logit(high), n))
        step = y * (1.0 - y) * (special.logit(high) - special.logit(low)) / (n - 1)
    elif family.support.low == 0.0:  # dense where a density may be infinite
        y = np.exp(np.linspace(np.log(low), np.log(high), n))
        step = y * np.log(high / low) / (n - 1)
    else:
        y = np.sinh(np.linspace(np.arcsinh(low), np.arcsinh(high), n))
        step = np.hypot(1.0, y) * (np.arcsinh(high) - np.arcsinh(low)) / (n - 1)
    return y, np.exp(family.log_density(y, eta, *extra)) * step


@pytest.mark.parametrize("k", [0, 1])
def test_mean_variance_and_distribution_are_sums_over_the_density(family_name, k):
    family, etas, extras = parameters(family_name)
    eta, extra = etas[k], [each[k] for each in extras]
    y, mass = nodes(family, eta, extra)
    assert mass.sum() == pytest.approx(1.0, abs=1e-8)
    mean = mass @ y
    assert float(family.mean(eta, *extra)) == pytest.approx(mean, rel=1e-6, abs=1e-8)
    variance = mass @ (y - mean) ** 2
    # The fourth power of tails makes a variance of its own hard to sum.
    assert float(family.variance(eta, *extra)) == pytest.approx(variance, rel=1e-4)
    both = family.mean_and_variance(eta, *extra)
    np.testing.assert_allclose(both, [family.mean(eta, *extra), family.variance(eta, *extra)])
    below = np.cumsum(mass) - (0.0 if family.discrete else 0.5 * mass)
    some = np.linspace(0, len(y) - 1, 50).astype(int)
    np.testing.assert_allclose(family.cdf(y[some], eta, *extra), below[some], atol=1e-6)


def test_log_density_is_that_of_scipy(family_name):
    family, eta, extra = parameters(family_name)
    y = family.sample(np.random.default_rng(0), np.repeat(eta, 50), *np.repeat(extra, 50, axis=-1))
    y, wide = y[:, None], np.linspace(-30.0, 30.0, 13)
    for at in (eta, eta + wide[:, None, None]):
        expected = LOG_DENSITIES[family_name](y, at, *extra)
        actual = family.log_density(y, at, *extra)
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def test_log_densities_of_rows_far_from_every_component_are_numbers(family_name):
    """The search compares them."""
    family, eta, extra = parameters(family_name)
    y = family.sample(np.random.default_rng(0), eta, *extra)
    tight = family.natural(np.full((1, len(family.extras)), -6.0))
    tight += extra[len(tight) :]  # what its columns hold
    for by in (-30.0, 30.0):
        assert np.isfinite(family.log_density(y, eta + by, *tight)).all()


def test_quantiles_invert_the_distribution(family_name):
    family, eta, extra = parameters(family_name)
    levels = np.array([[1e-6], [0.1], [0.5], [0.9], [1.0 - 1e-6]])
    y = family.quantile(levels, eta, *extra)
    reached = family.cdf(y, eta, *extra)
    if family.discrete:
        assert (reached >= levels - 1e-12).all()
        assert (family.cdf(y - 1.0, eta, *extra) < levels).all()
    else:
        np.testing.assert_allclose(reached, levels + np.zeros(2), rtol=1e-8)


def test_samples_follow_the_distribution(family_name):
    family, etas, extras = parameters(family_name)
    for k in (0, 1):
        eta, extra = np.full(20_000, etas[k]), [each[k] for each in extras]
        y = family.sample(np.random.default_rng(1), eta, *extra)
        assert family.support.contains(y).all()
        if family.discrete:  # a uniform number in every step
            top, below = (family.cdf(at, eta, *extra) for at in (y, y - 1.0))
            level = below + np.random.default_rng(2).random(len(y)) * (top - below)
        else:
            level = family.cdf(y, eta, *extra)
        assert stats.kstest(level, "uniform").pvalue > 1e-3


def test_nothing_lies_outside_the_support(family_name):
    family, eta, extra = parameters(family_name)
    for edge, beyond in zip(family.support[:2], (-1.0, 1.0), strict=True):
        if not np.isfinite(edge):
            continue
        with np.errstate(divide="ignore"):
            assert np.exp(family.log_density(np.float64(edge + beyond), eta, *extra)).max() == 0.0
        below = 0.0 if beyond < 0.0 else 1.0
        np.testing.assert_allclose(family.cdf(np.float64(edge + beyond), eta, *extra), below)
        y = np.full(4, family.some_response)
        y[2] = edge + beyond
        with pytest.raises(ValueError, match=r"y\[2\] is .*family="):
            check_rows(FAMILIES[family_name](), np.empty((4, 0)), y, ())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_component_at_flat_priors_is_maximum_likelihood(family_name):
    """Against SciPy's densities and its optimiser; a dispersion keeps its prior."""
    family = family_of(family_name)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    columns = [rng.choice(values, 300) for values in [COLUMNS.get(family_name)] if values]
    eta = 0.7 + X @ [0.5, -0.3]
    y = family.sample(rng, eta, *([np.float64(3.0)] if family.extras else []), *columns)
    flat = Priors(coef_scale=1e3, intercept_scale=1e3, sigma_floor=1e-4, sigma_ceiling=1e4)
    model = BayesianMixtureRegressor(1, family=family, solver="map", priors=flat, random_state=0)
    model.fit(np.column_stack([*columns, X]), y)

    def loss(theta):
        value = LOG_DENSITIES[family_name](
            y, theta[0] + X @ theta[1:3], *family.natural(theta[3:]), *columns
        ).sum()
        standardised = theta[3:] - np.log(model.posterior_.design.y_scale)
        for name, at in zip(family.extra_names, standardised, strict=True):
            value += model.posterior_.block_priors[name].terms(at)[0]
        return -value

    found = minimize(loss, np.r_[0.5, 0.4, -0.2, [0.0] * len(family.extras)], tol=1e-12)
    for _ in range(3):
        found = minimize(
            loss, found.x, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12}
        )
    np.testing.assert_allclose([*model.intercept_, *model.coef_[0]], found.x[:3], rtol=1e-4)
    for name, value in zip(family.extra_names, family.natural(found.x[3:]), strict=True):
        np.testing.assert_allclose(getattr(model, f"{name}_"), value, rtol=1e-4)
    expected = LOG_DENSITIES[family_name](
        y, found.x[0] + X @ found.x[1:3], *family.natural(found.x[3:]), *columns
    ).sum()
    assert model.modes_["log_likelihood"].iloc[0] == pytest.approx(expected, abs=1e-4)


def test_proportions_stay_inside_however_far_the_predictor():
    family, eta = FAMILIES["beta"](), np.array([[-700.0], [-40.0], [0.0], [40.0], [700.0]])
    precision = np.array([0.4, 2.0, 1e5])
    rng, levels = np.random.default_rng(0), np.array([5e-13, 0.5, 1.0 - 5e-13])[:, None, None]
    drawn = family.sample(rng, eta, precision), family.quantile(levels, eta, precision)
    for y in drawn:
        assert family.support.contains(y).all()
        assert np.isfinite(family.log_density(y, eta, precision)).all()
    assert np.isfinite(family.mean_and_variance(eta, precision)).all()
    with pytest.raises(ValueError, match=r"y\[1\] is 1 .*Proportions of 0 and 1 have no such"):
        family.check_response(np.array([0.5, 1.0]))


@pytest.mark.parametrize("df", [1.0, -3.0, np.inf, "4", True])
def test_degrees_of_freedom_that_leave_no_mean(df):
    with pytest.raises(ValueError, match=r"df=.* must be a number above 1, got"):
        BayesianMixtureRegressor(family=StudentT(df=df)).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0])


@pytest.mark.parametrize("family", ["gamma", "exponential"])
def test_responses_too_small_to_square_are_refused(family):
    y = 1e-200 * np.exp(np.linspace(0.0, 1.0, 20))
    with pytest.raises(ValueError, match=r"y has values of size .*Rescale"):
        BayesianMixtureRegressor(family=family).fit(np.arange(20.0)[:, None], y)


def test_regions_end_where_the_support_does():
    y = np.random.default_rng(0).exponential(2.0, 200)
    X = np.linspace(-1.0, 1.0, 200)[:, None]
    model = BayesianMixtureRegressor(1, family="exponential", solver="map", random_state=0)
    (region,) = model.fit(X, y).predict_hdr(X[:1])
    assert region.shape == (1, 2) and region[0, 0] == 0.0
    # One exponential distribution: the region is where the largest values are cut off.
    np.testing.assert_allclose(region[0, 1], model.predict_quantiles(X[:1], [0.9])[0, 0], rtol=1e-4)
