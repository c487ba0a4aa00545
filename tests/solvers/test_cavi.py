"""Variational Bayes: moments by Bessel functions, the bound by brute force, fixed points."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import load_reference, two_lines
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers import CAVI
from skmixreg.solvers._cavi import q_kernels as kernels
from skmixreg.solvers._cavi.mean_field import MeanField
from skmixreg.solvers.cavi import bound
from skmixreg.solvers.laplace import Laplace


def problem_of(X, y, K, weights=None, shared=False, fit_intercept=True, **priors):
    return Problem.from_arrays(
        np.asarray(X, float), np.asarray(y, float), weights, family=Gaussian(shared_sigma=shared),
        n_components=K, priors=Priors(**priors).resolve(), fit_intercept=fit_intercept,
    )  # fmt: skip


def overlapping(n, seed=0, noise=0.5):
    """Two lines whose noise is as wide as the gap between them."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    return x[:, None], np.where(rng.random(n) < 0.4, x, -x) + noise * rng.normal(size=n)


def some_q(problem, seed=0):
    """q at random responsibilities."""
    rng = np.random.default_rng(seed)
    theta = 0.3 * rng.normal(size=problem.layout.size)
    statistics = LogPosterior(problem).weighted_moments(theta)[1:]
    return MeanField.from_statistics(problem.layout, problem.priors, theta, statistics)


SHAPES = [
    {"K": 1}, {"K": 2}, {"K": 3, "shared": True}, {"K": 2, "fit_intercept": False},
    {"K": 3, "weight_concentration": 0.05}, {"K": 1, "shared": True, "fit_intercept": False},
]  # fmt: skip


# ----------------------------------------------------- moments of generalised inverse Gaussians


def spread(n, psi, chi):
    """E[1 / sigma^2], E[log sigma^2], E[(log sigma^2)^2], log of the integral."""
    out = np.empty(7)
    kernels.inverse_gaussian_moments(-0.5 * n, psi, chi, out)
    order, _, mode, mean, rise, square, log_integral = out
    height = order * mode - 0.5 * psi * np.exp(mode) - 0.5 * chi * np.exp(-mode)
    return (
        np.exp(-mode) * (1 + rise),
        mode + mean,
        square + 2 * mode * mean + mode**2,
        height + log_integral,
    )


@pytest.mark.parametrize("n", [0.0, 1e-9, 0.5, 3.0, 40.0])
@pytest.mark.parametrize(("psi", "chi"), [(0.44, 9e-6), (0.44, 3.0), (50.0, 50.0), (1e-3, 1e-9)])
def test_moments_of_sigma_by_bessel_functions(n, psi, chi):
    order, x = -0.5 * n, np.sqrt(psi * chi)

    def log_bessel(nu):
        return np.log(special.kve(nu, x)) - x

    precision, mean, _, log_integral = spread(n, psi, chi)
    expected = np.sqrt(psi / chi) * np.exp(log_bessel(order - 1) - log_bessel(order))
    assert precision == pytest.approx(expected, rel=1e-11)
    assert log_integral == pytest.approx(
        np.log(2) + log_bessel(order) + 0.5 * order * np.log(chi / psi), rel=1e-11, abs=1e-10
    )
    step = 1e-4
    slope = (log_bessel(order + step) - log_bessel(order - step)) / (2 * step)
    assert mean == pytest.approx(0.5 * np.log(chi / psi) + slope, abs=1e-6)


@pytest.mark.parametrize("n", [10.0, 1e3, 1e5, 1e8])
def test_moments_of_sigma_without_a_ceiling_are_those_of_an_inverse_gamma(n):
    chi = 0.01 * n
    precision, mean, square, log_integral = spread(n, 1e-25, chi)
    assert precision == pytest.approx(n / chi, rel=1e-12)
    assert mean == pytest.approx(np.log(chi / 2) - special.digamma(n / 2), abs=1e-12)
    assert square - mean**2 == pytest.approx(special.polygamma(1, n / 2), rel=1e-6, abs=1e-13)
    expected = special.gammaln(n / 2) - 0.5 * n * np.log(chi / 2)
    assert log_integral == pytest.approx(expected, rel=1e-12)


# --------------------------------------------------------------------------- q as a density


@pytest.mark.parametrize("shape", SHAPES)
def test_q_draws_from_its_own_density(shape):
    """E[q2 / q1] = 1 under q1, and means and sds are those of the draws."""
    problem = problem_of(*two_lines(25), **shape)
    first, second = some_q(problem, 0), some_q(problem, 0)
    second.update(0.9 * LogPosterior(problem).weighted_moments(first.mean)[1:], 1.0, 5)
    thetas = first.sample(np.random.default_rng(1), 40_000)
    log_density = first.log_density(thetas)
    ratio = np.exp(second.log_density(thetas) - log_density)
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.05
    assert ratio.mean() == pytest.approx(1.0, abs=5 * error)
    sds = thetas.std(axis=0)
    np.testing.assert_allclose(thetas.mean(axis=0), first.mean, atol=0.03 * sds.max())
    np.testing.assert_allclose(sds, first.sd, rtol=0.05)


@pytest.mark.parametrize("shape", SHAPES)
def test_divergence_from_the_prior_is_that_of_the_densities(shape):
    """E[log q - log p] under q: also the Jacobian of the contrasts and every constant."""
    problem = problem_of(*two_lines(25), **shape)
    q = some_q(problem)
    thetas = q.sample(np.random.default_rng(1), 40_000)
    gap = q.log_density(thetas) - LogPosterior(problem).log_prior(thetas)
    assert q.divergence() == pytest.approx(gap.mean(), abs=5 * gap.std() / np.sqrt(len(gap)))


# --------------------------------------------------------------------------- the bound


def brute_force_bound(problem, q):
    """The bound of q with its best q(z), term by term, and the expected counts."""
    priors, layout = problem.priors, problem.layout
    K, c = layout.n_components, priors.weight_concentration
    psi = priors.sigma_ceiling**-2
    x = np.vstack([np.ones(problem.n_rows), problem.mean_design])
    alpha = c + q.counts
    log_weights = special.digamma(alpha) - special.digamma(alpha.sum())
    log_density = np.empty((K, problem.n_rows))
    total = stats.dirichlet(alpha).entropy() if K > 1 else 0.0
    if K > 1:
        total += special.gammaln(K * c) - K * special.gammaln(c) + (c - 1) * log_weights.sum()
    first = 0 if layout.fit_intercept else 1
    for k in range(K):
        order, chi = q.spreads[k % len(q.spreads), :2]

        def log_kernel(t, order=order, chi=chi):
            return order * t - 0.5 * psi * np.exp(t) - 0.5 * chi * np.exp(-t)

        grid = np.linspace(-25, 15, 400_001)
        values = log_kernel(grid)
        height = values.max()
        mass = np.exp(values - height)
        log_mass = np.log(integrate.trapezoid(mass, grid)) + height
        mass = np.exp(values - log_mass)
        precision, mean = (integrate.trapezoid(mass * f, grid) for f in (np.exp(-grid), grid))
        V = q.factors[k].T @ q.factors[k]
        residual = problem.target - q.lines[k] @ x
        squares = residual**2 + np.einsum("in,ij,jn->n", x, V, x)
        log_density[k] = -0.5 * (mean + np.log(2 * np.pi) + precision * squares)
        V, m = V[first:, first:], q.lines[k, first:]
        scales = np.full(len(x), priors.coef_scale)
        scales[0] = priors.intercept_scale
        scales = scales[first:]
        total += stats.multivariate_normal(m, V).entropy()
        total += stats.norm(0, scales).logpdf(m).sum() - 0.5 * (np.diag(V) / scales**2).sum()
        if k < len(q.spreads):
            prior = -0.5 * psi * np.exp(grid) - 0.5 * priors.sigma_floor**2 * np.exp(-grid)
            log_prior_mass = np.log(integrate.trapezoid(np.exp(prior), grid))
            entropy = log_mass - integrate.trapezoid(mass * values, grid)
            total += entropy + integrate.trapezoid(mass * prior, grid) - log_prior_mass
    joint = log_density + log_weights[:, None]
    r = special.softmax(joint, axis=0)
    total += (problem.weights * (special.xlogy(r, np.exp(joint)) - special.xlogy(r, r))).sum()
    return total, r @ problem.weights


@pytest.mark.parametrize("shape", SHAPES)
def test_bound_and_counts_by_brute_force(shape):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    problem = problem_of(X, X[:, 0] + rng.normal(size=30), weights=rng.uniform(0.1, 3, 30), **shape)
    q = some_q(problem)
    elbo, statistics = bound(problem, q)
    expected, counts = brute_force_bound(problem, q)
    assert elbo == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(statistics[: len(counts)], counts, rtol=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(5, 60), K=st.integers(1, 4), p=st.integers(1, 3),
    shared=st.booleans(), fit_intercept=st.booleans(), weighted=st.booleans(), tied=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_the_bound_never_falls(seed, n, K, p, shared, fit_intercept, weighted, tied):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) * rng.choice([-1, 1], n) + rng.exponential(0.3) * rng.normal(size=n)
    if tied:
        y = np.round(y)
    weights = rng.exponential(size=n) if weighted else None
    problem = problem_of(X, y, K, weights, shared, fit_intercept)
    theta = rng.normal(size=problem.layout.size)
    trace = CAVI(max_iter=60)._run(problem, theta, rng).trace
    assert (np.diff(trace) >= -1e-11 * (1 + np.abs(trace[1:]))).all()


def test_the_bound_is_below_the_evidence_and_near_it():
    """But for the labels, of which it holds one of K!."""
    X, y = two_lines(400)
    model = BayesianMixtureRegressor(solver="cavi", random_state=0).fit(X, y)
    exact = BayesianMixtureRegressor(solver="laplace", random_state=0).fit(X, y)
    gap = exact.log_evidence_ - np.log(2) - model.solver_report_["elbo"]
    assert 0.0 < gap < 0.3
    trace = model.solver_report_["elbo_trace"]
    assert (
        trace[-1] == model.solver_report_["elbo"] and len(trace) == model.solver_report_["n_iter"]
    )


# --------------------------------------------------------------------------- where it ends


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_one_component_ends_at_the_fixed_point(fit_intercept):
    r"""V = (D + E X'X)^-1, m = V E X'y, E = E[1/sigma^2] of GIG(-n/2, 1/u^2, f^2 + E SSE)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 2))
    y = X @ [1.0, -2.0] + 0.5 * rng.normal(size=12)
    problem = problem_of(X, y, 1, fit_intercept=fit_intercept)
    x, target, priors = problem.mean_design, problem.target, problem.priors
    prior = np.diag(np.full(2, priors.coef_scale**-2.0))
    if fit_intercept:
        x = np.vstack([np.ones(12), x])
        prior = np.diag([priors.intercept_scale**-2.0, *np.diag(prior)])
    precision, psi, order = 1.0, priors.sigma_ceiling**-2.0, -6.0
    for _ in range(200):
        V = np.linalg.inv(prior + precision * x @ x.T)
        m = V @ (precision * x @ target)
        chi = priors.sigma_floor**2 + ((target - m @ x) ** 2).sum() + np.trace(x @ x.T @ V)
        root = np.sqrt(psi * chi)
        precision = special.kve(order - 1, root) / special.kve(order, root) * np.sqrt(psi / chi)
    run = CAVI()._run(problem, np.zeros(problem.layout.size), rng)
    first = 0 if fit_intercept else 1
    np.testing.assert_allclose(run.q.lines[0, first:], m, rtol=1e-7, atol=1e-12)
    R = run.q.factors[0, first:, first:]
    np.testing.assert_allclose(R.T @ R, V, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(run.q.spreads[0, :2], [order, chi], rtol=1e-7)
    assert run.q.counts == pytest.approx([12.0])


@pytest.mark.parametrize("n", [300, 20_000])
def test_it_ends_when_q_has_settled(n):
    """Slow, since components overlap: thousands of further passes move nothing by 0.01 sd."""
    problem = problem_of(*overlapping(n, noise=0.7), 2)
    modes = find_modes(problem, np.random.default_rng(0), n_init=20)
    run = CAVI()._run(problem, modes.best.theta, np.random.default_rng(0))
    further = run.q.copy()
    for _ in range(3000):
        further.update(bound(problem, further)[1], 1.0)
    assert len(run.trace) < 3000 and not run.failures
    assert (np.abs(further.mean - run.q.mean) / run.q.sd).max() < 0.01


@pytest.mark.parametrize("batch_size", [None, 128])
@pytest.mark.parametrize("state", range(3))
def test_seed_problem(state, batch_size):
    X, y = two_lines(100_000, seed=state)
    model = BayesianMixtureRegressor(
        solver=CAVI(batch_size=batch_size, draws=200), random_state=state
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, [[-1], [3]], atol=0.02)
    np.testing.assert_allclose(model.sigma_, 0.1, rtol=0.05)
    assert model.converged_ and model.solver_report_["khat"] < 0.5


@pytest.mark.parametrize("name", ["npreg_yn", "s2_heterosced"])
def test_means_are_near_the_exact_ones_and_sds_below(name):
    case = load_reference(name)
    model = BayesianMixtureRegressor(2, solver="cavi", random_state=0).fit(case.X, case.y)
    exact = BayesianMixtureRegressor(2, solver="laplace", random_state=0).fit(case.X, case.y)
    for block in ("weights", "intercept", "coef", "sigma"):
        ours, theirs = model.posterior_[block], exact.posterior_[block]
        sd = theirs.std(axis=(0, 1))
        assert (np.abs(ours.mean(axis=(0, 1)) - theirs.mean(axis=(0, 1))) < 0.25 * sd).all()
        assert (ours.std(axis=(0, 1)) < 1.05 * sd).all()
        assert (ours.std(axis=(0, 1)) > 0.7 * sd).all()


# --------------------------------------------------------------------------- stochastic steps


@pytest.mark.parametrize("state", range(3))
def test_stochastic_steps_agree_with_coordinate_ascent(state):
    problem = problem_of(*overlapping(20_000), 2)
    modes = find_modes(problem, np.random.default_rng(0), n_init=20)
    whole = CAVI()._run(problem, modes.best.theta, np.random.default_rng(state))
    steps = CAVI(batch_size=128)._run(problem, modes.best.theta, np.random.default_rng(state))
    assert not steps.failures
    assert (np.abs(steps.q.mean - whole.q.mean) / whole.q.sd).max() < 0.5
    np.testing.assert_allclose(steps.q.sd, whole.q.sd, rtol=0.05)
    assert whole.elbo - 0.1 < steps.elbo <= whole.elbo


def test_slow_stochastic_steps_end_within_half_a_posterior_sd():
    """Where 776 passes of coordinate ascent are needed and sds of q are 8 times too small."""
    problem = problem_of(*overlapping(2000, seed=2, noise=0.8), 2)
    rng = np.random.default_rng(0)
    mode = find_modes(problem, rng, n_init=20).best
    start = mode.theta + mode.scale @ rng.normal(size=problem.layout.size)
    whole, steps = CAVI()._run(problem, start, rng), CAVI(batch_size=128)._run(problem, start, rng)
    gap = np.abs(steps.q.mean - whole.q.mean) / np.linalg.norm(mode.scale, axis=1)
    assert not steps.failures and gap.max() < 0.5


@pytest.mark.parametrize("state", range(3))
def test_stochastic_steps_find_the_optimum_from_a_bad_start(state):
    """From slopes of 1 and 0 and wide noise, with fractional weights."""
    X, y = two_lines(20_000, seed=state)
    rng = np.random.default_rng(state)
    problem = problem_of(X, y, 2, rng.uniform(0.2, 2.0, 20_000))
    modes = find_modes(problem, rng, n_init=20)
    whole = CAVI()._run(problem, modes.best.theta, rng)
    start = np.array([0.0, 0.0, 0.0, 0.5, 0.0, -0.5, -0.5])
    steps = CAVI(batch_size=128)._run(problem, start, rng)
    order = np.argsort(steps.q.lines[:, 1]), np.argsort(whole.q.lines[:, 1])
    assert not steps.failures
    for name in ("lines", "counts"):
        ours, theirs = (getattr(r.q, name)[o] for r, o in zip((steps, whole), order, strict=True))
        scale = 0.5 * np.sqrt((whole.q.factors[order[1]] ** 2).sum(axis=1))
        if name == "counts":
            scale = 0.5 * np.sqrt(theirs)
        assert (np.abs(ours - theirs) < scale).all()


# --------------------------------------------------------------------------- what it admits


def test_it_says_when_passes_were_not_enough():
    problem = problem_of(*overlapping(2000, noise=0.8), 2)
    theta = find_modes(problem, np.random.default_rng(0), n_init=20).best.theta
    rng = np.random.default_rng(0)
    assert "raise max_iter" in CAVI(max_iter=3)._run(problem, theta, rng).failures[0]
    steps = CAVI(batch_size=128, max_epochs=3)._run(problem, theta, rng)
    assert "raise max_epochs" in steps.failures[0]


def test_it_says_that_there_is_another_mode():
    case = load_reference("tonedata")
    problem = problem_of(case.X, case.y, 2)
    rng = np.random.default_rng(0)
    draws = CAVI().draw(problem, find_modes(problem, rng, n_init=20), rng)
    assert any("1 other mode" in failure for failure in draws.failures)
    assert not draws.weighs_modes


def test_it_says_that_it_is_too_narrow():
    problem = problem_of(*overlapping(5000, noise=0.8), 2)
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=20)
    draws = CAVI().draw(problem, modes, rng)
    exact = Laplace().draw(problem, modes, rng)
    ratio = draws.theta[0].std(axis=0) / exact.theta[0].std(axis=0)
    assert ratio.min() < 0.6
    assert draws.report["sd_ratio"] == pytest.approx(ratio.min(), rel=0.3)
    assert any("sd is only" in failure for failure in draws.failures)


def test_the_bound_is_in_units_of_the_data():
    X, y = two_lines(300)
    one, ten = (
        BayesianMixtureRegressor(solver="cavi", random_state=0).fit(X, y * scale)
        for scale in (1.0, 10.0)
    )
    gap = one.solver_report_["elbo"] - ten.solver_report_["elbo"]
    assert gap == pytest.approx(300 * np.log(10))


@pytest.mark.parametrize(
    "options",
    [
        {"draws": 3}, {"max_iter": 0}, {"max_epochs": 1.5}, {"batch_size": 0}, {"tol": 0.0},
        {"forgetting": 0.5}, {"delay": "much"}, {"draws": True}, {"delay": np.inf},
    ],
)  # fmt: skip
def test_options_are_checked(options):
    (name,) = options
    model = BayesianMixtureRegressor(solver=CAVI(**options))
    with pytest.raises(ValueError, match=rf"CAVI\({name}="):
        model.fit(*two_lines(50))
