"""Continuous ranked probability scores against integrals and samples."""

import dataclasses
import itertools

import numpy as np
import pytest
from conftest import two_lines
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.model_selection import cross_val_score
from synthetic import simple_posterior

from skmixreg import BayesianMixtureRegressor
from skmixreg._posterior._mixtures.thinned import map_mixtures
from skmixreg._posterior.crps import PAIRS, crps, pairing
from skmixreg.families import FAMILIES, Family, Gaussian
from skmixreg.metrics import crps_scorer


def integral(w, m, s, y):
    """int (F - 1{z >= y})^2 dz for a mixture of normals, w, m, s (T, K)."""

    def distribution(z):
        return (w * norm.cdf((z - m) / s)).sum()

    low, high = (m - 12 * s).min(), (m + 12 * s).max()
    inside = np.unique(np.clip(np.concatenate([m.mean(axis=0), [y]]), low, high))
    points = np.concatenate([[min(low, y)], inside, [max(high, y)]])
    return sum(
        quad(lambda z: (distribution(z) - (z >= y)) ** 2, a, b, epsabs=1e-11, limit=200)[0]
        for a, b in itertools.pairwise(points)
    )


@pytest.mark.parametrize(("K", "p"), [(1, 1), (2, 1), (3, 4)])
def test_by_numerical_integration(K, p):
    problem, posterior = simple_posterior(seed=3, K=K, p=p, shape=(2, 12), y_shift=100.0)
    X = np.random.default_rng(0).normal(size=(4, p)) * problem.design.x_scale + 1.0
    y = 100.0 + np.array([-40.0, 0.0, 3.0, 60.0])
    scores = crps(posterior, X, y)
    w, b0, b, s = (
        posterior[name].reshape(24, *posterior[name].shape[2:])
        for name in ("weights", "intercept", "coef", "sigma")
    )
    for i in range(4):
        expected = integral(w / 24, b0 + b @ X[i], s, y[i])
        np.testing.assert_allclose(scores[i], expected, rtol=1e-8)


def test_one_normal():
    """Gneiting and Raftery (2007), eq. 5 and the line below it."""
    _, posterior = simple_posterior(K=1, shape=(1, 1))
    X, y = np.array([[0.5], [3.0]]), np.array([1.0, -2.0])
    mean = posterior["intercept"].item() + X[:, 0] * posterior["coef"].item()
    sd = posterior["sigma"].item()
    z = (y - mean) / sd
    expected = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(crps(posterior, X, y), expected, rtol=1e-12)


@pytest.mark.parametrize("K", [1, 2, 30])
def test_draws_and_pairs_are_even_and_bounded(K):
    _, posterior = simple_posterior(K=K, shape=(2, 150))
    draws, lags, _ = pairing(posterior.components)
    T = len(draws.intercept)
    assert min(300, PAIRS // K**2) == T and len(lags) * T * K**2 <= PAIRS
    every = np.concatenate(posterior.components.intercept)
    positions = [int(np.flatnonzero((every == row).all(axis=1))[0]) for row in draws.intercept]
    assert set(np.diff(positions)) <= {300 // T, 300 // T + 1}
    assert len(set(lags)) == len(lags) and lags.min() > 0 and lags.max() < T / 2
    _, short = simple_posterior(K=K, shape=(1, 3))
    np.testing.assert_array_equal(pairing(short.components)[1], [0, 1, 2])


def test_some_pairs_stand_for_all():
    problem, posterior = simple_posterior(seed=3, shape=(2, 150))
    X = np.random.default_rng(0).normal(size=(4, 1)) * problem.design.x_scale
    y = np.array([-4.0, 0.0, 3.0, 6.0])
    assert len(pairing(posterior.components)[1]) < 10
    w, b0, b, s = (
        posterior[name].reshape(300, *posterior[name].shape[2:])
        for name in ("weights", "intercept", "coef", "sigma")
    )
    expected = [integral(w / 300, b0 + b @ X[i], s, y[i]) for i in range(4)]
    np.testing.assert_allclose(crps(posterior, X, y), expected, rtol=5e-3)


def test_expectations_by_sampling(family_name):
    """Every family's two expectations, where they are closed, against draws of it."""
    family = FAMILIES[family_name]()
    rng = np.random.default_rng(0)
    n = 400_000
    for eta, extra, other, other_extra in [(0.3, 0.5, 1.1, 0.8), (-1.0, 0.7, -1.0, 0.7)]:
        own, others = ([np.float64(e)] * len(family.extras) for e in (extra, other_extra))
        first = family.sample(rng, np.full(n, eta), *own)
        second = family.sample(rng, np.full(n, other), *others)
        for values, expected in [
            (np.abs(first - 0.2), family.mean_absolute_error(np.float64(0.2), eta, *own)),
            (np.abs(first - second), family.mean_absolute_difference(eta, own, other, others)),
        ]:
            if expected is None:
                continue
            error = values.std() / np.sqrt(n)
            np.testing.assert_allclose(values.mean(), expected, atol=4 * error)


def test_of_a_fit():
    """Against the score of a large sample; threads and other rows do not matter."""
    X, y = two_lines(200, noise=0.3)
    model = BayesianMixtureRegressor(random_state=0, n_jobs=1).fit(X, y)
    scores = model.crps(X, y)
    few = slice(0, 20)
    draws = model.sample_y(X[few], 8000, random_state=0)
    ranked = np.sort(draws, axis=1)
    ranks = 2 * np.arange(1, 8001) - 8001
    spread = (ranked * ranks).sum(axis=1) / (8000 * 7999)
    sampled = np.abs(draws - y[few, None]).mean(axis=1) - spread
    np.testing.assert_allclose(scores[few], sampled, atol=0.03)
    np.testing.assert_allclose(scores[few].mean(), sampled.mean(), atol=0.01)
    np.testing.assert_array_equal(model.set_params(n_jobs=2).crps(X, y), scores)
    np.testing.assert_allclose(model.crps(X[few], y[few]), scores[few], rtol=1e-12)
    assert model.crps(X[:1], y[:1]).shape == (1,)


def test_chooses_two_lines():
    X, y = two_lines(150, noise=0.3)
    scores = [
        cross_val_score(
            BayesianMixtureRegressor(K, random_state=0), X, y, scoring=crps_scorer, cv=3
        ).mean()
        for K in (1, 2)
    ]
    assert scores[0] < scores[1] < 0


class Unclosed(Gaussian):
    """A normal distribution that does not know its expectations."""

    mean_absolute_error = Family.mean_absolute_error
    mean_absolute_difference = Family.mean_absolute_difference


def test_a_family_without_closed_forms():
    problem, posterior = simple_posterior(seed=3, K=2, p=2, shape=(1, 20), y_shift=100.0)
    X = np.random.default_rng(0).normal(size=(200, 2)) * problem.design.x_scale + 1.0
    y = 100.0 + np.random.default_rng(1).normal(0, 20.0, size=200)
    y[:2] = -500.0, 900.0
    plain = dataclasses.replace(posterior, family=Unclosed())
    assert Gaussian().closed_crps and not Unclosed().closed_crps
    np.testing.assert_allclose(crps(plain, X, y), crps(posterior, X, y), rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "rtol"), [("gamma", 1e-7), ("student_t", 1e-7), ("beta", 1e-5), ("weibull", 1e-7)]
)
def test_integrals_of_other_families(name, rtol):
    """One draw of one component, whose integral SciPy has."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 1))
    y = {
        "gamma": 100.0 * rng.gamma(0.3, 1.0, 40) + 1e-9,  # a density with a pole
        "student_t": 5.0 * rng.standard_t(2.0, 40),
        "beta": np.clip(rng.beta(0.4, 0.6, 40), 1e-9, 1.0 - 1e-9),  # with two
        "weibull": 3.0 * rng.weibull(0.8, 40),
    }[name]
    model = BayesianMixtureRegressor(1, family=name, solver="map", random_state=0).fit(X, y)
    scores = model.crps(X[:6], y[:6])
    low, high = {"beta": (0.0, 1.0), "student_t": (-np.inf, np.inf)}.get(name, (0.0, np.inf))
    for i in range(6):
        mixtures = []
        map_mixtures(model.posterior_, lambda m, a, b: mixtures.append(m), X[i : i + 1], 1)  # noqa: B023
        (mixture,) = mixtures
        unit, location = model.posterior_.design.unit, model.posterior_.design.target(y[i : i + 1])

        def square(z, at=location[0], mixture=mixture):
            value = mixture.cdf(np.array([z]), np.array([0]))[0]
            return (1.0 - value if z >= at else value) ** 2

        options = {"epsabs": 0.0, "epsrel": 1e-10, "limit": 500}
        expected = quad(square, low, location[0], **options)[0]
        expected += quad(square, location[0], high, **options)[0]
        np.testing.assert_allclose(scores[i], unit * expected, rtol=rtol)
