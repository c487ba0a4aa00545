"""Quantiles, regions and scores of counts against sums over all counts."""

import numpy as np
import pytest
from scipy.stats import nbinom, poisson
from synthetic import poisson_posterior

from skmixreg._model.raw import Raw
from skmixreg._posterior import prediction
from skmixreg._posterior._mixtures import count_regions
from skmixreg._posterior._mixtures.cdf_scores import count_scores
from skmixreg._posterior._mixtures.count_lattice import CountLattice, stencils
from skmixreg._posterior._mixtures.row_mixtures import RowMixtures
from skmixreg._posterior.crps import crps
from skmixreg.families import Family, NegativeBinomial, Poisson
from skmixreg.families._distributions.poisson_gamma import PoissonGamma

LEVELS = np.array([1e-6, 0.05, 0.5, 0.9, 0.99999])


def mixtures(means, spread=0.05, T=60, seed=0, groups=True, rows=1):
    """Mixtures of Poisson distributions of about these means, the same in every row."""
    rng = np.random.default_rng(seed)
    K = len(means)
    draws = Raw.of(
        np.log(rng.dirichlet(np.full(K, 4.0), size=T)),
        np.log(means) + spread * rng.normal(size=(T, K)),
        np.zeros((T, K, 1)),
        np.empty((T, K, 0)),
    )
    labels = np.zeros(T, dtype=int) if groups else None
    return RowMixtures(Poisson(), draws, np.zeros((rows, 1)), 0.0, labels)


def all_probabilities(mixture, top):
    """Of the counts 0..top, by SciPy."""
    y = np.arange(top + 1.0)
    if isinstance(mixture.family, PoissonGamma):
        mean, alpha = mixture.family._parameters(mixture.eta[0], mixture.extra[0][0])
    else:
        mean, alpha = np.exp(mixture.eta[0]), np.zeros(len(mixture.weights))
    out = np.zeros(len(y))
    for w, m, a in zip(mixture.weights, mean, alpha, strict=True):
        out += w * (nbinom.pmf(y, 1 / a, 1 / (1 + a * m)) if a > 1e-12 else poisson.pmf(y, m))
    return out


CASES = [([1e-9], 0.1), ([0.3, 7.0], 0.1), ([0.5, 10.0, 30.0], 0.3), ([40.0, 3000.0], 0.02),
         ([2.0, 20_000.0], 0.05), ([1e5, 1.01e5], 0.001)]  # fmt: skip


@pytest.mark.parametrize(("means", "spread"), CASES)
def test_quantiles_and_regions_by_summation(means, spread):
    mixture = mixtures(means, spread)
    f = all_probabilities(mixture, int(1.6 * max(means) + 100))
    cdf = np.cumsum(f)
    assert cdf[-1] == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_array_equal(
        count_regions.quantiles(mixture, LEVELS)[0], np.searchsorted(cdf, LEVELS - 1e-13)
    )
    order = np.argsort(-f, kind="stable")
    reached = np.cumsum(f[order])
    for coverage in (0.01, 0.5, 0.9, 0.999):
        (region,) = count_regions.highest_probability_sets(mixture, coverage)
        assert (region == np.rint(region)).all()
        assert (region[1:, 0] > region[:-1, 1] + 1).all()
        assert (region[:, 0] <= region[:, 1]).all()
        inside = np.zeros(len(f), dtype=bool)
        for a, b in region.astype(int):
            inside[a : b + 1] = True
        assert f[inside].sum() >= coverage - 1e-7
        size = np.searchsorted(reached, coverage - 1e-14) + 1
        # To some counts of the same probability.
        assert abs(inside.sum() - size) <= max(0.0, 2e-7 / f[order[size - 1]])
        assert f[inside].min() >= f[~inside].max() * (1 - 1e-6)


@pytest.mark.parametrize(("means", "spread"), CASES)
def test_lattice_by_summation(means, spread):
    mixture = mixtures(means, spread, rows=2)
    lattice = CountLattice(mixture, breaks=np.array([5.0, max(means) // 1]))
    cdf = np.cumsum(all_probabilities(mixture, int(lattice.y.max())))
    np.testing.assert_allclose(lattice.cdf, cdf[lattice.y.astype(int)], atol=1e-9)
    assert len(lattice.y) < 2000
    first = lattice.y[lattice.step == 0.0]
    # Every break is where a run begins, if it is among the nodes at all.
    for row, at in ((0, 5.0), (1, max(means) // 1)):
        y = lattice.y[lattice.row == row]
        assert at in first or not ((y[0] < at) & (at < y[-1]))


def test_stencils_are_exact_for_polynomials():
    polynomial = np.polynomial.Polynomial([1, 2, 3, -1, 0.5, 0.2, -0.1, 0.03])
    nodes = np.arange(8) - 3.5
    for step in (2.0, 7.0, 1000.0):
        for cell, weights in enumerate(stencils(np.array(step))):
            counts = nodes[cell] + np.arange(1, step + 1) / step
            expected = polynomial(counts).sum()
            np.testing.assert_allclose(weights @ polynomial(nodes), expected, rtol=1e-9)


@pytest.mark.parametrize(("means", "spread"), [([1e8, 1e6], 0.02), ([1e12, 3.0], 0.5)])
def test_regions_of_huge_counts(means, spread):
    mixture = mixtures(means, spread)
    (region,) = count_regions.highest_probability_sets(mixture, 0.9)
    ends = region - np.array([1.0, 0.0])
    row = np.zeros(ends.size, dtype=int)
    cdf = mixture.cdf(ends.ravel(), row).reshape(-1, 2)
    assert (cdf[:, 1] - cdf[:, 0]).sum() == pytest.approx(0.9, abs=1e-5)
    quantile = count_regions.quantiles(mixture, LEVELS)[0]
    row = np.zeros(len(LEVELS), dtype=int)
    assert (mixture.cdf(quantile, row) >= LEVELS - 1e-12).all()
    assert (mixture.cdf(quantile - 1, row) < LEVELS + 1e-12).all()


def test_terms_are_widened_only_far_out():
    near, raw = mixtures([30.0, 90.0], 0.05), mixtures([30.0, 90.0], 0.05, groups=False)
    assert type(near.family) is Poisson
    np.testing.assert_array_equal(near.eta, raw.eta)
    far, raw = mixtures([1e4, 1e5], 0.3, T=200), mixtures([1e4, 1e5], 0.3, T=200, groups=False)
    assert type(far.family) is PoissonGamma
    np.testing.assert_allclose(far.centre, raw.centre, rtol=0.02)
    np.testing.assert_allclose(far.spread, raw.spread, rtol=0.06)
    (region,) = count_regions.highest_probability_sets(far, 0.9)
    assert len(region) <= 2


def test_a_mode_of_its_own_is_not_smeared():
    """Draws of two modes whose lines are far apart: two intervals."""
    rng = np.random.default_rng(0)
    eta = np.log(np.where(np.arange(200) % 2 == 0, 1e4, 4e4))[:, None] + 0.01 * rng.normal(
        size=(200, 1)
    )
    draws = Raw.of(np.zeros((200, 1)), eta, np.zeros((200, 1, 1)), np.empty((200, 1, 0)))
    mixture = RowMixtures(Poisson(), draws, np.zeros((1, 1)), 0.0, np.arange(200) % 2)
    (region,) = count_regions.highest_probability_sets(mixture, 0.9)
    assert len(region) == 2
    assert region[0, 1] < 1.1e4 and region[1, 0] > 3.6e4


def test_of_a_posterior():
    posterior = poisson_posterior(K=2, p=2)
    X = np.random.default_rng(0).normal(size=(30, 2))
    X[-1] = 40.0
    quantiles = prediction.quantiles(posterior, X, LEVELS)
    assert (quantiles == np.rint(quantiles)).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    regions = prediction.highest_density_regions(posterior, X, 0.8)
    some = np.array([3, 29, 7])
    np.testing.assert_array_equal(prediction.quantiles(posterior, X[some], LEVELS), quantiles[some])
    for got, i in zip(
        prediction.highest_density_regions(posterior, X[some], 0.8), some, strict=True
    ):
        np.testing.assert_array_equal(got, regions[i])
    interval = prediction.interval(posterior, X, 0.8)
    inside = [
        (r[0, 0] <= q[1]) and (r[-1, 1] >= q[0]) for r, q in zip(regions, interval, strict=True)
    ]
    assert all(inside)
    assert prediction.quantiles(posterior, X[:0], LEVELS).shape == (0, 5)
    assert prediction.highest_density_regions(posterior, X[:0], 0.8) == []


@pytest.mark.parametrize(("means", "spread"), [*CASES, ([1e5, 3.0], 0.0005)])
def test_scores_by_summation(means, spread):
    mixture = mixtures(means, spread)
    far = np.rint(2.0 * max(means) + 300.0)
    cdf = np.cumsum(all_probabilities(mixture, int(far) + 1))
    for y in (0.0, 1.0, 6.0, *np.rint(np.outer(means, [0.9, 1.0, 1.03])).ravel(), far):
        expected = ((cdf - (np.arange(len(cdf)) >= y)) ** 2).sum()
        # What is left of 1 after a cdf that rounds to it is squared.
        rounding = 4.0 * np.finfo(float).eps * np.sqrt(expected)
        score = count_scores(mixture, np.array([y]))
        np.testing.assert_allclose(score, expected, rtol=1e-8, atol=rounding)


def test_scores_of_a_posterior():
    posterior = poisson_posterior(K=2, p=2, shape=(2, 20))
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), rng.poisson(10.0, 300).astype(float)
    scores = crps(posterior, X, y)
    weights = posterior["weights"].reshape(-1, 2) / 40
    intercept, coef = posterior["intercept"].reshape(-1, 2), posterior["coef"].reshape(-1, 2, 2)
    counts = np.arange(2000)
    for i in (0, 7, 100):
        mean = np.exp(intercept + coef @ X[i])
        cdf = (weights[..., None] * poisson.cdf(counts, mean[..., None])).sum(axis=(0, 1))
        expected = ((cdf - (counts >= y[i])) ** 2).sum()
        np.testing.assert_allclose(scores[i], expected, rtol=1e-8)
    np.testing.assert_array_equal(crps(posterior, X, y, n_threads=2), scores)
    np.testing.assert_allclose(crps(posterior, X[:5], y[:5]), scores[:5], rtol=1e-12)
    assert crps(posterior, X[:0], y[:0]).shape == (0,)


class Own(Poisson):
    """A family of a user's own, with none of the optional methods."""

    mean_and_variance = Family.mean_and_variance
    mixture_density = Family.mixture_density
    widened = Family.widened
    outer = Family.outer


@pytest.mark.parametrize(("means", "spread"), [([0.3, 7.0], 0.1), ([40.0, 3000.0], 0.02)])
def test_a_family_of_a_users_own(means, spread):
    mixture = mixtures(means, spread)
    own = mixtures(means, spread)
    own.family = Own()
    for function, argument in (
        (count_regions.quantiles, LEVELS), (count_scores, np.array([8.0])),
    ):  # fmt: skip
        np.testing.assert_allclose(function(own, argument), function(mixture, argument), rtol=1e-9)
    np.testing.assert_array_equal(
        count_regions.highest_probability_sets(own, 0.9)[0],
        count_regions.highest_probability_sets(mixture, 0.9)[0],
    )


@pytest.mark.parametrize(
    ("mean", "shape"), [(1.0, 5.0), (50.0, 0.3), (3e3, 2e4), (2e4, 10.0), (20.0, 3e6), (1e-3, 0.05)]
)
def test_mixtures_of_negative_binomials(mean, shape):
    family, rng = NegativeBinomial(), np.random.default_rng(0)
    eta = np.log(mean) + 0.1 * rng.normal(size=(3, 40))
    shapes, weights = shape * np.exp(0.1 * rng.normal(size=40)), rng.dirichlet(np.ones(40))
    counts = np.unique(np.floor(mean * np.exp(np.linspace(-4.0, 3.0, 60))))
    y, row = np.tile(np.r_[-1.0, 0.0, counts], 3), np.repeat(np.arange(3), len(counts) + 2)
    actual = family.mixture_density(y, row, eta, [shapes], weights)
    p = shapes / (shapes + np.exp(eta[row]))
    expected = (nbinom.pmf(y[:, None], shapes, p) * weights).sum(axis=1)
    # Of rare counts, far from all terms, nothing may be left.
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-14 * expected.max())


@pytest.mark.parametrize("spread", [0.3, 5.0, 30.0])
def test_terms_of_very_different_widths_and_at_the_end_of_the_counts(spread):
    # Means up to the largest: some terms stop there, as wide as a Poisson count, others are wide.
    mixture = mixtures([1.0, 3e12], spread, rows=3)
    lattice = CountLattice(mixture)
    assert len(lattice.y) < 3 * 20_000
    assert lattice.y.max() <= 2.0**53
    np.testing.assert_allclose(np.bincount(lattice.row, lattice.mass), 1.0, atol=1e-6)
    levels = np.array([0.05, 0.5, 0.95])
    for i, found in enumerate(count_regions.quantiles(mixture, levels)):
        row = np.full(3, i)
        assert (mixture.cdf(found, row) >= levels - 1e-9).all()
        assert (mixture.cdf(found - 1.0, row) < levels + 1e-9).all()
    for region in count_regions.highest_probability_sets(mixture, 0.9):
        row = np.zeros(len(region), dtype=int)
        mass = mixture.cdf(region[:, 1], row) - mixture.cdf(region[:, 0] - 1.0, row)
        assert mass.sum() == pytest.approx(0.9, abs=1e-3)
