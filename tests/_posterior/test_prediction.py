"""Formulas over stored draws."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import norm
from synthetic import make_problem, simple_posterior

from skmixreg._model.raw import Raw
from skmixreg._posterior import prediction as prediction
from skmixreg._posterior._mixtures import thinned as of_draws
from skmixreg._posterior._mixtures.density_grid import highest_density_regions
from skmixreg._posterior._mixtures.row_mixtures import RowMixtures
from skmixreg._posterior.moments import Moments

LEVELS = np.array([0.001, 0.05, 0.5, 0.9])


def terms(posterior, x, thinned=False):
    """Weights, means and sds of the normal mixture at one row, from the user's units."""
    keep = slice(None)
    weights, intercept, coef, sigma = (
        posterior[name].reshape(-1, *posterior[name].shape[2:])
        for name in ("weights", "intercept", "coef", "sigma")
    )
    if thinned:
        S = len(weights)
        T = of_draws.THINNED_DRAWS
        keep = np.round((np.arange(T) + 0.5) * S / T - 0.5).astype(int) if S > T else keep
    weights, intercept, coef, sigma = (a[keep] for a in (weights, intercept, coef, sigma))
    return weights / len(weights), intercept + coef @ x, sigma


def replaced(posterior, components):
    """The posterior with other draws; one chain."""
    components = Raw(*(a[None] for a in components))
    shape = components.log_weights.shape[:2]
    return dataclasses.replace(
        posterior,
        components=components,
        log_prior=np.zeros(shape),
        draw_mode=np.zeros(shape, dtype=int),
        moments=Moments.of(components, posterior.family),
    )


def mixture_cdf(y, w, m, s):
    return (w * norm.cdf((np.asarray(y)[..., None, None] - m) / s)).sum(axis=(-1, -2))


def mixture_density(y, w, m, s):
    return (w * norm.pdf(np.asarray(y)[..., None, None], m, s)).sum(axis=(-1, -2))


@pytest.fixture(scope="module", params=[(1, 1), (2, 1), (3, 4)])
def case(request):
    K, p = request.param
    problem, posterior = simple_posterior(seed=3, K=K, p=p, shape=(2, 150))
    X = np.random.default_rng(0).normal(size=(9, p)) * problem.design.x_scale + 1.0
    y = np.random.default_rng(1).normal(size=9) * 3
    return posterior, X, y


def test_moments_by_brute_force(case):
    posterior, X, _ = case
    mean, std = prediction.mean_and_std(posterior, X)
    components = prediction.component_means(posterior, X)
    assert components.shape == (9, posterior.layout.n_components)
    for i, x in enumerate(X):
        w, m, s = terms(posterior, x)
        np.testing.assert_allclose(mean[i], (w * m).sum(), rtol=1e-10)
        second = (w * (m**2 + s**2)).sum()
        np.testing.assert_allclose(std[i] ** 2, second - (w * m).sum() ** 2, rtol=1e-9)
        np.testing.assert_allclose(components[i], m.mean(axis=0), rtol=1e-10)
    weights = prediction.mixing_weights(posterior, X)
    np.testing.assert_allclose(weights, np.tile(posterior["weights"].mean((0, 1)), (9, 1)))


def test_density_and_responsibilities_by_brute_force(case):
    posterior, X, y = case
    density = prediction.log_predictive_density(posterior, X, y)
    share = prediction.responsibilities(posterior, X, y)
    draws = prediction.log_likelihood_draws(posterior, X, y)
    assert share.shape == (9, posterior.layout.n_components)
    assert draws.shape == (2, 150, 9)
    for i, x in enumerate(X):
        w, m, s = terms(posterior, x)
        logs = np.log(w * len(w)) + norm.logpdf(y[i], m, s)
        rows = logsumexp(logs, axis=1)
        np.testing.assert_allclose(density[i], logsumexp(rows) - np.log(len(w)), rtol=1e-9)
        np.testing.assert_allclose(
            share[i], np.exp(logs - rows[:, None]).mean(axis=0), rtol=1e-8, atol=1e-12
        )
        np.testing.assert_allclose(draws[..., i].ravel(), rows, rtol=1e-9)
    np.testing.assert_allclose(share.sum(axis=1), 1.0)


def test_quantiles_by_brute_force(case):
    posterior, X, _ = case
    quantiles = prediction.quantiles(posterior, X, LEVELS)
    assert quantiles.shape == (9, 4)
    for i, x in enumerate(X):
        mixture = terms(posterior, x, thinned=True)
        for j, level in enumerate(LEVELS):
            root = brentq(
                lambda y, level=level, mixture=mixture: mixture_cdf(y, *mixture) - level,
                -500, 500, xtol=1e-13, rtol=1e-14,
            )  # fmt: skip
            np.testing.assert_allclose(quantiles[i, j], root, rtol=1e-8)
    np.testing.assert_allclose(
        prediction.interval(posterior, X, 0.8), prediction.quantiles(posterior, X, [0.1, 0.9])
    )


def test_one_normal_has_the_quantiles_of_a_normal():
    _, posterior = simple_posterior(K=1, shape=(1, 1))
    X = np.array([[0.5]])
    _, m, s = terms(posterior, X[0])
    levels = np.array([1e-9, 0.01, 0.5, 0.999])
    np.testing.assert_allclose(
        prediction.quantiles(posterior, X, levels)[0], norm.ppf(levels, m[0, 0], s[0, 0])
    )
    for coverage in (0.01, 0.5, 0.9, 0.9999):
        (region,) = prediction.highest_density_regions(posterior, X, coverage)
        expected = norm.interval(coverage, m[0, 0], s[0, 0])
        np.testing.assert_allclose(region, [expected], rtol=1e-6)


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.99])
def test_regions_have_their_coverage_and_one_level(case, coverage):
    posterior, X, _ = case
    for x, region in zip(
        X, prediction.highest_density_regions(posterior, X, coverage), strict=True
    ):
        mixture = terms(posterior, x, thinned=True)
        assert region.shape[1] == 2
        assert (np.diff(region.ravel()) > 0).all()
        mass = np.diff(mixture_cdf(region, *mixture), axis=1).sum()
        np.testing.assert_allclose(mass, coverage, atol=1e-5)
        level = mixture_density(region.ravel(), *mixture)
        np.testing.assert_allclose(level, level[0], rtol=1e-6)
        # Nothing above the level is left out, nothing below it is in.
        grid = np.linspace(region[0, 0] - 5, region[-1, 1] + 5, 2001)
        inside = ((grid[:, None] > region[:, 0]) & (grid[:, None] < region[:, 1])).any(axis=1)
        density = mixture_density(grid, *mixture)
        assert (density[inside] >= level[0] * (1 - 1e-6)).all()
        assert (density[~inside] <= level[0] * (1 + 1e-6)).all()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4), st.sampled_from([1, 2, 5, 60]), st.integers(0, 10_000),
    st.sampled_from([0.1, 0.5, 0.9, 0.99]),
)  # fmt: skip
def test_hard_mixtures(K, S, seed, coverage):
    """Components of very different widths, draws that overlap or not."""
    rng = np.random.default_rng(seed)
    _, posterior = simple_posterior(K=K, shape=(1, 2))
    jitter = 10 ** rng.uniform(-3, -0.5)
    width = rng.uniform(np.log(max(jitter / 10, 3e-3)), 0, K)
    hard = Raw.of(
        np.log(rng.dirichlet(np.full(K, 2.0), size=S)),
        rng.normal(size=K) + jitter * rng.normal(size=(S, K)),
        rng.normal(size=(K, 1)) + jitter * rng.normal(size=(S, K, 1)),
        (width + 0.3 * rng.normal(size=(S, K)))[..., None],
    )
    posterior = replaced(posterior, hard)
    X = np.array([[0.3], [1.7]])
    # As they are: predictions widen terms that no others overlap.
    design = posterior.design
    mixtures = RowMixtures(posterior.family, of_draws.thinned(posterior), design.standardised(X))
    regions = [design.response(region) for region in highest_density_regions(mixtures, coverage)]
    quantiles = prediction.quantiles(posterior, X, LEVELS)
    for x, region, quantile in zip(X, regions, quantiles, strict=True):
        mixture = terms(posterior, x, thinned=True)
        np.testing.assert_allclose(mixture_cdf(quantile, *mixture), LEVELS, atol=1e-10)
        mass = np.diff(mixture_cdf(region, *mixture), axis=1).sum()
        np.testing.assert_allclose(mass, coverage, atol=1e-4)
        # No set of the same coverage is much shorter: cells by density on a fine grid.
        _, m, s = mixture
        grid = np.unique((m[..., None] + s[..., None] * np.linspace(-7, 7, 141)).ravel())
        cells, widths = np.diff(mixture_cdf(grid, *mixture)), np.diff(grid)
        order = np.argsort(-cells / widths)
        shortest = np.interp(coverage, np.cumsum(cells[order]), np.cumsum(widths[order]))
        assert np.diff(region, axis=1).sum() <= 1.03 * shortest


def test_two_lines_have_two_intervals():
    _, posterior = simple_posterior(K=2, shape=(1, 2))
    lines = Raw.of(
        np.log([[0.5, 0.5]] * 50),
        np.zeros((50, 2)),
        np.random.default_rng(0).normal([[-1.0], [1.0]], 0.01, (50, 2, 1)),
        np.full((50, 2, 1), np.log(0.05)),
    )
    posterior = replaced(posterior, lines)
    design = posterior.design
    X = design.x_mean + design.x_scale * np.array([[0.0], [1.0]])
    at_crossing, apart = prediction.highest_density_regions(posterior, X, 0.9)
    assert at_crossing.shape == (1, 2)
    assert apart.shape == (2, 2)
    total = np.diff(apart, axis=1).sum()
    equal_tailed = np.diff(prediction.interval(posterior, X, 0.9)[1])[0]
    assert total < 0.2 * equal_tailed


def test_samples_follow_the_predictive_distribution(case):
    posterior, X, _ = case
    n = 40_000
    sample = prediction.sample_y(posterior, X[:2], n, np.random.default_rng(0))
    assert sample.shape == (2, n)
    for i in (0, 1):
        mixture = terms(posterior, X[i])
        ranks = np.sort(mixture_cdf(sample[i, ::8], *mixture))
        distance = np.abs(ranks - (np.arange(len(ranks)) + 0.5) / len(ranks)).max()
        assert distance < 2.2 / np.sqrt(len(ranks))
    one = prediction.sample_y(posterior, X, 1, np.random.default_rng(1))
    assert one.shape == (9, 1)
    np.testing.assert_array_equal(
        one, prediction.sample_y(posterior, X, 1, np.random.default_rng(1))
    )
    draws = prediction.sample_y_draws(posterior, X, np.random.default_rng(0))
    assert draws.shape == (2, 150, 9)


def test_columns_of_a_sample_share_a_draw():
    # Uncertain lines without noise: rows of one column lie on few lines.
    _, posterior = simple_posterior(K=1, shape=(1, 50))
    still = posterior.components._replace(extra=np.full((1, 50, 1, 1), -40.0))
    posterior = dataclasses.replace(posterior, components=still)
    X = np.array([[0.0], [1.0], [2.0]])
    sample = prediction.sample_y(posterior, X, 100, np.random.default_rng(0))
    np.testing.assert_allclose(np.diff(sample, n=2, axis=0), 0.0, atol=1e-9)
    assert len(np.unique(sample[0].round(9))) == 50


def deterministic(posterior, X, y):
    """Everything that is a closed formula, as one table of n rows."""
    regions = prediction.highest_density_regions(posterior, X, 0.9)
    return np.column_stack([
        *prediction.mean_and_std(posterior, X),
        prediction.component_means(posterior, X),
        prediction.responsibilities(posterior, X, y),
        prediction.log_predictive_density(posterior, X, y),
        prediction.quantiles(posterior, X, LEVELS),
        [region[0, 0] for region in regions],
        [region[-1, 1] for region in regions],
    ])  # fmt: skip


def test_rows_do_not_depend_on_other_rows(monkeypatch):
    _, posterior = simple_posterior(K=2, p=3)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    whole = deterministic(posterior, X, y)
    some = rng.permutation(60)[:17]
    np.testing.assert_allclose(deterministic(posterior, X[some], y[some]), whole[some], rtol=1e-9)
    np.testing.assert_allclose(deterministic(posterior, X[:1], y[:1]), whole[:1], rtol=1e-9)
    fortran = np.asfortranarray(X)
    np.testing.assert_allclose(deterministic(posterior, fortran, y), whole, rtol=1e-9)
    # Small blocks and threads change nothing.
    for name in ("BLOCK_NUMBERS", "KERNEL_NUMBERS"):
        monkeypatch.setattr(prediction, name, 2048)
    monkeypatch.setattr(of_draws, "MIXTURE_NUMBERS", 2048)
    np.testing.assert_allclose(deterministic(posterior, X, y), whole, rtol=1e-9)
    for function, argument in (
        (prediction.quantiles, LEVELS),
        (prediction.log_predictive_density, y),
        (prediction.responsibilities, y),
        (prediction.log_likelihood_draws, y),
    ):
        np.testing.assert_array_equal(
            function(posterior, X, argument, n_threads=2), function(posterior, X, argument)
        )


def test_no_rows():
    _, posterior = simple_posterior(K=2, p=3)
    X, y = np.empty((0, 3)), np.empty(0)
    assert [a.shape for a in prediction.mean_and_std(posterior, X)] == [(0,), (0,)]
    assert prediction.component_means(posterior, X).shape == (0, 2)
    assert prediction.quantiles(posterior, X, LEVELS).shape == (0, 4)
    assert prediction.highest_density_regions(posterior, X, 0.9) == []
    assert prediction.log_predictive_density(posterior, X, y).shape == (0,)
    assert prediction.responsibilities(posterior, X, y).shape == (0, 2)


def test_shifted_data_predict_the_same():
    # The same standardised draws, data moved by 1e6 in X and 1e9 in y.
    rng = np.random.default_rng(0)
    _, here = simple_posterior(K=2, p=2)
    there = dataclasses.replace(
        here,
        design=dataclasses.replace(
            here.design, x_mean=here.design.x_mean + 1e6, y_mean=here.design.y_mean + 1e9
        ),
    )
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    expected = deterministic(here, X, y)
    moved = deterministic(there, X + 1e6, y + 1e9)
    moved_by = np.zeros(expected.shape[1])
    moved_by[[0, 2, 3, 7, 8, 9, 10, 11, 12]] = 1e9
    # y + 1e9 is rounded to 1e-7.
    np.testing.assert_allclose(moved - moved_by, expected, atol=2e-6)
    np.testing.assert_allclose(moved[:, 1], expected[:, 1], rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_scaled_data(scale):
    rng = np.random.default_rng(0)
    _, here = simple_posterior(K=2, p=2)
    design = dataclasses.replace(
        here.design,
        x_scale=here.design.x_scale / scale,
        x_mean=here.design.x_mean / scale,
        y_scale=here.design.y_scale * scale,
        y_mean=here.design.y_mean * scale,
    )
    there = dataclasses.replace(here, design=design)
    X, y = rng.normal(size=(5, 2)), rng.normal(size=5)
    expected = deterministic(here, X, y)
    factor = np.full(expected.shape[1], scale)
    factor[[4, 5, 6]] = 1.0
    moved = deterministic(there, X / scale, y * scale)
    moved[:, 6] += np.log(scale)
    np.testing.assert_allclose(moved / factor, expected, rtol=1e-7)


def test_no_intercept():
    problem = make_problem(K=2, p=1, fit_intercept=False)
    assert problem.design.y_mean == 0.0
    _, posterior = simple_posterior(K=2, p=1, fit_intercept=False)
    np.testing.assert_array_equal(prediction.mean(posterior, np.zeros((1, 1))), 0.0)
