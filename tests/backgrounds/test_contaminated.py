"""Families with a background, held against sums over both densities."""

from __future__ import annotations

import block_functions
import numpy as np
import pytest
from scipy import integrate, stats

from skmixreg._kernels.vector_kernels import BLOCK
from skmixreg._model.priors import Priors
from skmixreg.backgrounds import Normal, Uniform, Zero
from skmixreg.backgrounds._contaminated import Contaminated
from skmixreg.backgrounds._prior import LogOddsPrior
from skmixreg.families import FAMILIES, StudentT

K = 2
CASES = {
    "zero": Contaminated(FAMILIES["poisson"](), Zero()),
    "uniform": Contaminated(FAMILIES["gaussian"](), Uniform(-3.0, 6.0)),
    "normal": Contaminated(FAMILIES["gamma"](), Normal(1.0, 4.0)),
    "two extras": Contaminated(StudentT(df=None), Normal(1.0, 4.0)),
}


@pytest.fixture(params=sorted(CASES))
def family(request):
    return CASES[request.param]


def at(family):
    """Predictors (K, BLOCK), coordinates of extras (K, E), responses of both parts."""
    rng = np.random.default_rng(0)
    eta = rng.normal(size=(K, BLOCK))
    coordinates = np.column_stack([0.3 * rng.normal(size=(K, len(family.extras) - 1)), [-1.2, 0.4]])
    y = family.sample(rng, eta[0], *(value[0] for value in family.natural(coordinates)))
    if family.support.low == 0.0 and not family.discrete:
        y = np.abs(y) + 0.01
    return eta, coordinates, y


def log_density(family, y, eta, coordinates):
    own = family.family
    share = 1.0 / (1.0 + np.exp(-coordinates[:, -1:]))
    natural = [value[:, None] for value in own.natural(coordinates)]
    parts = own.log_density(y, eta, *natural), family.background.log_density(y)
    with np.errstate(divide="ignore"):
        return np.log((1.0 - share) * np.exp(parts[0]) + share * np.exp(parts[1]))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_what_is_said_of_responses_is_what_the_family_says(name):
    own = FAMILIES[name]()
    family = Contaminated(own, Uniform(0.0, 1.0))
    for attribute in ("name", "link", "support", "floor_of_rounding", "floor_words", "bend"):
        assert getattr(family, attribute) == getattr(own, attribute), attribute


def evaluate(what, family, y, eta, coordinates):
    settings = family.kernel_settings()
    return block_functions.evaluate(what, y, family.auxiliary(y), eta, coordinates, settings)


def test_blocks_are_the_sum_of_both_densities_and_its_derivatives(family):
    eta, c, y = at(family)
    value = log_density(family, y, eta, c)
    (out,) = evaluate("density", family, y, eta, c)
    np.testing.assert_allclose(out, value, rtol=1e-12, atol=1e-12)
    out, d_eta, d_extra = evaluate("gradient", family, y, eta, c)
    np.testing.assert_allclose(out, value, rtol=1e-12, atol=1e-12)
    h = 1e-5
    for slope, up, down in [
        (d_eta, (eta + h, c), (eta - h, c)),
        *((d_extra[e], (eta, c + h * one), (eta, c - h * one))
          for e, one in enumerate(np.eye(c.shape[1]))),
    ]:  # fmt: skip
        gap = log_density(family, y, *up) - log_density(family, y, *down)
        np.testing.assert_allclose(slope, gap / (2 * h), rtol=1e-6, atol=1e-7)


def test_second_derivatives_are_those_of_the_first(family):
    eta, c, y = at(family)
    _, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2 = evaluate("hessian", family, y, eta, c)
    for mine, theirs in zip(
        (d_eta, d_extra), evaluate("gradient", family, y, eta, c)[1:], strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)
    h = 1e-5

    def slopes(eta, c):
        return evaluate("gradient", family, y, eta, c)[1:]

    up, down = slopes(eta + h, c), slopes(eta - h, c)
    np.testing.assert_allclose(d_eta2, (up[0] - down[0]) / (2 * h), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(d_eta_extra, (up[1] - down[1]) / (2 * h), rtol=1e-6, atol=1e-6)
    E, place = c.shape[1], 0
    for e in range(E):
        up, down = (slopes(eta, c + sign * h * np.eye(E)[e])[1] for sign in (1.0, -1.0))
        for f in range(e, E):
            gap = (up[f] - down[f]) / (2 * h)
            np.testing.assert_allclose(d_extra2[place], gap, rtol=1e-6, atol=1e-6)
            place += 1


def test_information_is_at_least_the_expected_curvature(family):
    """In every direction, to 5 errors of a mean over draws."""
    eta, c, _ = at(family)
    eta = np.repeat(eta[:, :1], BLOCK, axis=1)
    rng = np.random.default_rng(1)
    E = c.shape[1]

    def matrices(parts, k):
        out = np.empty((BLOCK, 1 + E, 1 + E))
        out[:, 0, 0] = parts[0][k]
        out[:, 0, 1:] = out[:, 1:, 0] = parts[1][:, k].T
        rows, columns = np.triu_indices(E)
        out[:, 1 + rows, 1 + columns] = out[:, 1 + columns, 1 + rows] = parts[2][:, k].T
        return out

    for k in range(K):
        natural = [value[k] for value in family.natural(c)]
        curvatures = []
        for _ in range(20):
            y = family.sample(rng, eta[k], *natural)
            if family.support.low == 0.0 and not family.discrete:
                y = np.abs(y) + 1e-9  # a background beyond the support: of it, any value will do
            curvatures.append(-matrices(evaluate("hessian", family, y, eta, c)[3:], k))
            bound = matrices(evaluate("information", family, y, eta, c)[3:], k)[0]
        curvatures = np.concatenate(curvatures)
        for direction in rng.normal(size=(5, 1 + E)):
            along = np.einsum("nij,i,j->n", curvatures, direction, direction)
            error = along.std() / np.sqrt(len(along))
            assert along.mean() < direction @ bound @ direction + 5.0 * error


def test_moments_and_distribution(family):
    extra = [*np.array([1.7, 12.0])[: len(family.extras) - 1], np.float64(0.5)]
    eta, own = np.float64(0.6), family.family
    share = 0.5 / 1.5
    low, high = (float(end) for end in family.outer(eta, *extra))
    if family.discrete:
        y = np.arange(low, high + 1.0)
        mass = np.exp(family.log_density(y, eta, *extra))
    else:
        y = np.linspace(low, high, 400_001)
        mass = np.exp(family.log_density(y, eta, *extra)) * (y[1] - y[0])
    assert mass.sum() == pytest.approx(1.0, abs=1e-4)
    mean, variance = family.mean_and_variance(eta, *extra)
    assert mass @ y == pytest.approx(float(mean), rel=1e-3)
    assert mass @ (y - mean) ** 2 == pytest.approx(float(variance), rel=1e-3)
    assert float(mean) == pytest.approx(
        (1 - share) * own.mean(eta, *extra[:-1]) + share * family.background.mean
    )
    levels = np.array([0.01, 0.2, 0.5, 0.9, 0.999])
    quantiles = family.quantile(levels, eta, *extra)
    reached = family.cdf(quantiles, eta, *extra)
    if family.discrete:
        assert (reached >= levels).all()
        assert (family.cdf(quantiles - 1.0, eta, *extra) < levels).all()
    else:
        np.testing.assert_allclose(reached, levels, rtol=1e-9)
    draws = family.sample(np.random.default_rng(0), np.full(20_000, eta), *extra)
    if not family.discrete:
        assert stats.kstest(family.cdf(draws, eta, *extra), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.3, 0.3), (4.0, 2.0)])
def test_the_prior_of_log_odds_is_that_of_a_share(a, b):
    prior = LogOddsPrior(a, b)
    total, _ = integrate.quad(lambda t: float(np.exp(prior.terms(np.float64(t))[0])), -80, 80)
    assert total == pytest.approx(1.0, abs=1e-8)
    t = np.array([-2.0, 0.3, 1.5])
    share, h = 1 / (1 + np.exp(-t)), 1e-5
    density, slope, curvature = prior.terms(t)
    np.testing.assert_allclose(
        density, stats.beta.logpdf(share, a, b) + np.log(share * (1 - share)), rtol=1e-12
    )
    up, down = prior.terms(t + h), prior.terms(t - h)
    np.testing.assert_allclose(slope, (up[0] - down[0]) / (2 * h), rtol=1e-6)
    np.testing.assert_allclose(curvature, (up[1] - down[1]) / (2 * h), rtol=1e-6)
    draws = prior.sample(np.random.default_rng(0), (20_000,))
    assert stats.kstest(1 / (1 + np.exp(-draws)), stats.beta(a, b).cdf).pvalue > 1e-3


def test_priors_of_a_family_and_its_background():
    family, priors = CASES["uniform"], Priors(weight_concentration=0.7).resolve()
    assert family.extra_priors(priors)[-1] == LogOddsPrior(0.7, 0.7)
    assert family.shared_extras == ("background_odds",)
    assert family.extra_names == ("sigma", "background_odds")
