"""The log posterior against closed forms, finite differences and the textbook formula."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from skmixreg import Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg.families import FAMILIES, Gaussian

EXTRA_PRIORS = [
    prior for family in FAMILIES.values() for prior in family().extra_priors(Priors().resolve())
]


def make(K=2, p=2, n=60, seed=0, family=None, fit_intercept=True, weights=None, **priors):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = rng.normal(size=n) + (X.sum(axis=1) if p else 0.0)
    return Problem.from_arrays(
        X, y, weights, family=family or Gaussian(), n_components=K,
        priors=Priors(**priors).resolve(), fit_intercept=fit_intercept,
    )  # fmt: skip


@pytest.mark.parametrize("K", [1, 2, 4])
@pytest.mark.parametrize("p", [0, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_value_is_the_mixture_times_the_prior(K, p, fit_intercept, shared):
    if p == 0 and not fit_intercept:
        pytest.skip("nothing to fit")
    weights = np.random.default_rng(1).integers(0, 4, size=60).astype(float)
    problem = make(
        K, p, family=Gaussian(shared_sigma=shared), fit_intercept=fit_intercept,
        weights=weights, weight_concentration=1.7, coef_scale=2.0, intercept_scale=3.0,
    )  # fmt: skip
    theta = np.random.default_rng(2).normal(size=problem.layout.size)
    c = problem.layout.expand(theta)
    w, sigma = np.exp(c.log_weights), np.exp(c.extra[..., 0])
    eta = c.intercept + problem.mean_design.T @ c.coef.T
    terms = c.log_weights + stats.norm.logpdf(problem.target[:, None], eta, sigma)
    likelihood = problem.weights @ special.logsumexp(terms, axis=1)
    # d weights / d theta of the orthonormal contrasts is sqrt(K) prod(w).
    prior = 0.5 * np.log(K) + np.log(w).sum()
    prior += stats.dirichlet.logpdf(w / w.sum(), np.full(K, 1.7)) if K > 1 else 0.0
    prior += stats.norm.logpdf(c.coef, 0, 2.0).sum()
    prior += stats.norm.logpdf(c.intercept, 0, 3.0).sum() if fit_intercept else 0.0
    p_ = problem.priors
    distinct = sigma[:1] if shared else sigma
    b, scale = p_.sigma_floor / p_.sigma_ceiling, p_.sigma_floor * p_.sigma_ceiling
    prior += (stats.geninvgauss.logpdf(distinct**2, 0, b, scale=scale)).sum()
    prior += np.log(2 * distinct**2).sum()
    log_prior, log_likelihood = LogPosterior(problem).values(theta[None])
    if K == 1:
        prior -= np.log(w).sum()
    assert log_likelihood[0] == pytest.approx(likelihood, rel=1e-12)
    assert log_prior[0] == pytest.approx(prior, rel=1e-9)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("K", [1, 3])
def test_gradient_and_hessian_by_differences(K, shared):
    density = LogPosterior(make(K, family=Gaussian(shared_sigma=shared)))
    theta = np.random.default_rng(3).normal(size=density.size) * 0.5
    prior, likelihood, gradient, hessian = density.value_gradient_hessian(theta)
    value, same = density.value_and_gradient(theta)
    assert value == pytest.approx(prior + likelihood, rel=1e-13)
    np.testing.assert_allclose(gradient, same, rtol=1e-10, atol=1e-9)
    h = 1e-5
    for i, e in enumerate(np.eye(density.size) * h):
        up, down = density.value_and_gradient(theta + e), density.value_and_gradient(theta - e)
        assert gradient[i] == pytest.approx((up[0] - down[0]) / (2 * h), rel=1e-6, abs=1e-5)
        np.testing.assert_allclose(hessian[i], (up[1] - down[1]) / (2 * h), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("prior", EXTRA_PRIORS)
def test_prior_of_an_extra_parameter(prior):
    total, _ = integrate.quad(lambda t: np.exp(prior.terms(np.array(t))[0]), -9, 3, epsabs=1e-12)
    assert total == pytest.approx(1.0, abs=1e-9)
    t = np.linspace(-6, 1, 50)
    value, first, second = prior.terms(t)
    up, _, _ = prior.terms(t + 1e-5)
    down, _, _ = prior.terms(t - 1e-5)
    np.testing.assert_allclose(first, (up - down) / 2e-5, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(second, (up - 2 * value + down) / 1e-10, rtol=1e-2, atol=2e-4)
    draws = prior.sample(np.random.default_rng(0), (20_000,))
    grid = np.linspace(-9, 3, 4001)
    cdf = integrate.cumulative_trapezoid(np.exp(prior.terms(grid)[0]), grid, initial=0)
    assert stats.kstest(draws, lambda v: np.interp(v, grid, cdf)).pvalue > 1e-3


def test_prior_of_sigma_keeps_its_promises():
    priors = Priors().resolve()
    (prior,) = Gaussian().extra_priors(priors)
    inside, _, _ = prior.terms(np.log(np.linspace(0.003, 1, 500)))
    assert np.ptp(inside) < 2.0  # hardly cares about the residual scale
    assert inside.max() > -3.0  # a component costs less than 3 nats through its sigma
    deep, _, _ = prior.terms(np.log(np.array([1e-5])))
    assert deep[0] < -1e4  # bounded density on tied rows


def test_many_draws_equal_single_ones():
    density = LogPosterior(make(3))
    thetas = np.random.default_rng(4).normal(size=(7, density.size))
    prior, likelihood = density.values(thetas)
    single = [density.value_and_gradient(theta)[0] for theta in thetas]
    np.testing.assert_allclose(prior + likelihood, single, rtol=1e-12)


def test_labels_do_not_matter():
    problem = make(4)
    density = LogPosterior(problem)
    theta = np.random.default_rng(5).normal(size=density.size)
    moved = problem.layout.permute(theta, np.array([2, 0, 3, 1]))
    prior, likelihood = density.values(np.stack([theta, moved]))
    assert prior[0] == pytest.approx(prior[1], rel=1e-13)
    assert likelihood[0] == pytest.approx(likelihood[1], rel=1e-13)
