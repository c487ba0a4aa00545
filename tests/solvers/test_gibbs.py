"""The Gibbs sampler: its variates, its invariance, and its draws against other computations."""

from __future__ import annotations

import numpy as np
import pytest
from from_python import from_python
from scipy import integrate, stats

from skmixreg._draws.judge import diagnose
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import NumericPriors, Priors
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._proposals.one_labelling import ModeMixture
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers._gibbs import sweep_kernels as kernels
from skmixreg.solvers.gibbs import Gibbs

sample_labels = from_python(kernels._sample_labels)
binomial_draw = from_python(kernels.binomial_draw)
log_gamma_draw = from_python(kernels.log_gamma_draw)
log_sigma_draw = from_python(kernels.log_sigma_draw)
PRIORS = Priors().resolve()
# Narrow enough that chains over the prior mix within a test.
TIGHT = NumericPriors(1.5, 1.0, 0.7, 0.3, 1.5)


def make_problem(X, y, K=2, weights=None, priors=PRIORS, shared=False, fit_intercept=True):
    return Problem.from_arrays(
        np.asarray(X, dtype=float),
        np.asarray(y, dtype=float),
        weights,
        family=Gaussian(shared_sigma=shared),
        n_components=K,
        priors=priors,
        fit_intercept=fit_intercept,
    )


def crossing_lines(n=60, seed=0, noise=0.3, p=1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, p))
    slope = np.where(rng.random(n) < 0.6, 2.0, -1.0)
    return X, slope * X[:, 0] + rng.normal(0, noise, n)


def fit(problem, seed=0, n_threads=1, **options):
    rng = np.random.default_rng(seed)
    modes = find_modes(problem, rng, n_init=10)
    return Gibbs(**options).draw(problem, modes, rng, n_threads=n_threads)


# Variates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "chi", "psi"),
    [
        (0.0, 0.003**2, 1 / 1.5**2),
        (1.0, 0.003**2 + 0.01, 1 / 1.5**2),
        (7.0, 5.0, 0.5),
        (1e3, 12.0, 0.5),
        (1e7, 1e5, 0.5),
        (1e7, 9e-6, 0.5),
        (0.0, 1e-12, 1e-6),
    ],
)
def test_log_sigma_follows_its_density(n, chi, psi):
    state = np.array([12345], dtype=np.uint64)
    t = np.array([log_sigma_draw(n, chi, psi, state) for _ in range(4000)])
    mode = 0.5 * np.log(2 * chi / (n + np.sqrt(n * n + 4 * chi * psi)))

    def density(v):
        h = v - mode
        low, high = chi * np.exp(-2 * mode), psi * np.exp(2 * mode)
        return np.exp(-n * h - 0.5 * (low * np.expm1(-2 * h) + high * np.expm1(2 * h)))

    grid = np.linspace(t.min() - np.ptp(t), t.max() + np.ptp(t), 40_001)
    cumulative = integrate.cumulative_trapezoid(density(grid), grid, initial=0.0)
    cumulative /= cumulative[-1]
    assert stats.kstest(t, lambda v: np.interp(v, grid, cumulative)).pvalue > 1e-3


@pytest.mark.parametrize("shape", [0.3, 1.0, 4.5, 1e6])
def test_log_gamma_follows_its_density(shape):
    state = np.array([99], dtype=np.uint64)
    draws = np.exp([log_gamma_draw(shape, state) for _ in range(4000)])
    assert stats.kstest(draws, stats.gamma(shape).cdf).pvalue > 1e-3


def test_log_gamma_of_tiny_shape_does_not_underflow():
    state = np.array([7], dtype=np.uint64)
    draws = np.array([log_gamma_draw(1e-3, state) for _ in range(500)])
    assert np.isfinite(draws).all()
    assert draws.min() < -1000


@pytest.mark.parametrize(
    ("n", "share"), [(5, 0.3), (33, 0.5), (1000, 0.999), (10**12, 0.4), (10**15, 1e-14), (50, 1.0)]
)
def test_binomial_follows_its_distribution(n, share):
    state = np.array([5], dtype=np.uint64)
    counts = np.array([binomial_draw(n, share, state) for _ in range(4000)])
    law = stats.binom(n, share)
    spread = np.random.default_rng(0).random(4000)
    assert stats.kstest(law.cdf(counts) - spread * law.pmf(counts), "uniform").pvalue > 1e-3


# Invariance -----------------------------------------------------------------------------------


def one_sweep(problem, components, key, sweep):
    """One sweep from the given components: components."""
    K, p = components.coef.shape
    hyper = tuple(
        getattr(problem.priors, name)
        for name in (
            "weight_concentration", "intercept_scale", "coef_scale", "sigma_floor", "sigma_ceiling"
        )
    )  # fmt: skip
    flat = kernels.sweeps(
        problem.mean_design, problem.target, problem.weights, False, hyper,
        problem.layout.fit_intercept, bool(problem.layout.shared_extras),
        components.log_weights, components.intercept.copy(), components.coef.copy(),
        components.extra[:, 0].copy(), key, sweep, 1, 1,
    )[0]  # fmt: skip
    lines = flat[2 * K : 2 * K + K * p].reshape(K, p)
    return Raw.of(flat[:K], flat[K : 2 * K], lines, flat[2 * K + K * p : -1, None])


def prior_components(problem, rng, size):
    """Draws from the prior, by SciPy."""
    layout, priors = problem.layout, problem.priors
    K, p = layout.n_components, layout.n_features
    weights = rng.dirichlet(np.full(K, priors.weight_concentration), size)
    intercept = rng.normal(0, priors.intercept_scale, (size, K)) * layout.fit_intercept
    shape = (size, 1) if layout.shared_extras else (size, K)
    log_sigma = problem.extra_priors[0].sample(rng, shape)
    return Raw.of(
        np.log(weights),
        intercept,
        rng.normal(0, priors.coef_scale, (size, K, p)),
        np.broadcast_to(log_sigma, (size, K))[..., None],
    )


@pytest.mark.parametrize(
    ("K", "p", "shared", "fit_intercept"),
    [(2, 1, False, True), (3, 2, True, True), (2, 6, False, False)],
)
def test_sweeps_leave_the_joint_distribution_invariant(K, p, shared, fit_intercept):
    """Geweke (2004): sweeps alternate with new data given the parameters."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(6, p))
    problem = make_problem(X, rng.normal(size=6), K, None, TIGHT, shared, fit_intercept)
    n_chains, n = 4, 5000
    key = np.uint64(5)
    start = prior_components(problem, rng, n_chains)

    def features(components, y):
        lines = components.intercept[..., None] + components.coef
        return np.stack(
            [
                components.log_weights[..., 0], np.exp(components.log_weights[..., 0]),
                components.extra[..., 0, 0], components.extra[..., -1, 0],
                lines[..., 0, 0], lines[..., -1, -1], lines[..., 0, 0] ** 2,
                np.exp(components.extra[..., 0]).sum(-1), y[..., 0], (y**2).mean(-1),
                np.exp(components.log_weights[..., 0]) * components.coef[..., 0, 0] * y[..., 0],
            ],
            axis=-1,
        )  # fmt: skip

    def respond(components):
        z = rng.choice(K, size=len(problem.target), p=np.exp(components.log_weights))
        eta = components.intercept[z] + (components.coef[z] * problem.mean_design.T).sum(1)
        return rng.normal(eta, np.exp(components.extra[z, 0]))

    walk = []
    for chain in range(n_chains):
        state = Raw(*(a[chain] for a in start))
        rows = []
        for t in range(n):
            problem.target[:] = respond(state)
            state = one_sweep(problem, state, key + np.uint64(chain), t)
            rows.append((state, problem.target.copy()))
        states = Raw(*(np.stack(a) for a in zip(*(s for s, _ in rows), strict=True)))
        walk.append(features(states, np.stack([y for _, y in rows])))
    walk = np.stack(walk)

    independent = prior_components(problem, rng, 20_000)
    y = np.stack([respond(Raw(*(a[i] for a in independent))) for i in range(20_000)])
    exact = features(independent, y)
    for j in range(walk.shape[2]):
        effective = diagnose(walk[:, :, j : j + 1]).ess_bulk
        error = np.hypot(
            walk[:, :, j].std() / np.sqrt(effective), exact[:, j].std() / np.sqrt(len(exact))
        )
        assert abs(walk[:, :, j].mean() - exact[:, j].mean()) < 4.5 * error, j


@pytest.mark.parametrize("permute_labels", [False, True])
def test_chains_agree_with_importance_sampling_from_the_prior(permute_labels):
    X = np.array([[-1.0], [-0.5], [0.2], [0.7], [1.0]])
    y = np.array([-1.0, 0.6, 0.1, -0.5, 1.2])
    problem = make_problem(X, y, 2, np.array([1.0, 2.0, 1.0, 1.0, 1.0]), TIGHT)
    rng = np.random.default_rng(0)
    components = prior_components(problem, rng, 2_400_000)
    _, likelihood = LogPosterior(problem).values(problem.layout.collapse(components))
    weights = np.exp(likelihood)
    evidence = np.log(weights.mean())
    weights /= weights.sum()
    draws = fit(problem, 1, draws=4000, permute_labels=permute_labels)
    assert not draws.failures
    assert draws.log_evidence == pytest.approx(evidence, abs=0.03)
    got = problem.layout.expand(draws.theta)

    def functions(c):
        """Functions that do not depend on labels."""
        w = np.exp(c.log_weights)
        return np.stack(
            [
                c.extra[..., 0].max(-1), c.extra[..., 0].min(-1), w.max(-1),
                (w * c.coef[..., 0]).sum(-1), (w * c.intercept**2).sum(-1), c.coef[..., 0].max(-1),
            ],
            axis=-1,
        )  # fmt: skip

    values, exact = functions(got), functions(components)
    mean = weights @ exact
    sd = np.sqrt(weights @ (exact - mean) ** 2)
    np.testing.assert_array_less(abs(values.mean(axis=(0, 1)) - mean), 0.06 * sd)
    np.testing.assert_allclose(values.std(axis=(0, 1)), sd, rtol=0.08)


def test_jumps_change_nothing_but_the_mixing():
    X, y = crossing_lines(40, noise=0.6)
    problem = make_problem(X, y)
    means, sds = [], []
    for jumps in (False, True):
        draws = fit(problem, 2, jumps=jumps, draws=2000)
        likelihood = draws.log_likelihood
        means.append(likelihood.mean())
        sds.append(likelihood.std())
    assert means[0] == pytest.approx(means[1], abs=0.12 * sds[0])
    assert sds[0] == pytest.approx(sds[1], rel=0.12)


# Frequencies, threads, contract ---------------------------------------------------------------


def test_statistics_of_labels_add_up():
    """The components' sufficient statistics sum to those of all rows, copies included."""
    rng = np.random.default_rng(0)
    for p in (1, 6):
        X = np.ascontiguousarray(rng.normal(size=(p, 700)))
        y = rng.normal(size=700)
        w = rng.integers(1, 4, 700).astype(float)
        P = p + 1
        stats_ = np.empty((3, P * (P + 1) // 2 + P + 2))
        sample_labels(
            X, y, w, 0, True, np.log([0.2, 0.3, 0.5]), rng.normal(size=3), rng.normal(size=(3, p)),
            np.zeros(3), np.uint64(4), 1, stats_,
        )  # fmt: skip
        Z = np.vstack([np.ones(700), X])
        gram = (Z * w) @ Z.T
        total = np.concatenate([[w.sum()], gram[np.triu_indices(P)], (Z * w) @ y, [w @ y**2]])
        np.testing.assert_allclose(stats_.sum(axis=0), total, rtol=1e-12, atol=1e-9)
        assert (stats_[:, 0] == np.rint(stats_[:, 0])).all()


def test_labels_have_their_probabilities():
    """All rows alike, so that counts are multinomial; the further copies as well."""
    n = 40_000
    X, y = np.zeros((1, n)), np.full(n, 0.3)
    weights, location = np.array([0.2, 0.3, 0.5]), np.array([0.0, 1.0, 0.4])
    joint = weights * stats.norm.pdf(0.3, location, 1.0)
    stats_ = np.empty((3, 7))
    for copies in (1.0, 2.0, 100.0):
        sample_labels(
            X, y, np.full(n, copies), 0, copies > 1, np.log(weights), location, np.zeros((3, 1)),
            np.zeros(3), np.uint64(11), 1, stats_,
        )  # fmt: skip
        expected = copies * n * joint / joint.sum()
        assert stats.chisquare(stats_[:, 0], expected).pvalue > 1e-3


def test_frequencies_equal_repeated_rows():
    X, y = crossing_lines(80)
    weights = np.random.default_rng(0).integers(1, 4, 80).astype(float)
    one = make_problem(X, y, 2, weights)
    rows = np.repeat(np.arange(80), weights.astype(int))
    other = make_problem(X[rows], y[rows])
    np.testing.assert_array_equal(fit(one).theta, fit(other).theta)


def test_frequencies_of_any_size_take_no_longer():
    X, y = crossing_lines(40)
    report = fit(make_problem(X, y, 2, np.full(40, 1e12)), draws=100).report
    assert report["rhat"] >= 1.0 or np.isnan(report["rhat"])


def test_threads_do_not_change_draws():
    X, y = crossing_lines(300, p=2)
    problem = make_problem(X, y)
    np.testing.assert_array_equal(
        fit(problem, draws=100).theta, fit(problem, draws=100, n_threads=4).theta
    )


def test_seeds_change_draws():
    X, y = crossing_lines(50)
    problem = make_problem(X, y)
    assert (fit(problem, 0, draws=20).theta != fit(problem, 1, draws=20).theta).any()


def test_log_densities_belong_to_the_draws():
    X, y = crossing_lines(50)
    problem = make_problem(X, y)
    draws = fit(problem, draws=50)
    prior, likelihood = LogPosterior(problem).values(draws.theta.reshape(200, -1))
    np.testing.assert_array_equal(draws.log_prior.ravel(), prior)
    np.testing.assert_array_equal(draws.log_likelihood.ravel(), likelihood)
    assert draws.theta.shape == (4, 50, problem.layout.size)


def test_chains_go_on_until_they_have_mixed():
    X, y = crossing_lines(60)
    problem = make_problem(X, y)
    draws = fit(problem, draws=60, max_thin=16, jumps=False)
    assert draws.report["thin"] > 1
    assert draws.report["sweeps"] == 60 * draws.report["thin"]
    assert draws.theta.shape[1] == 60
    assert fit(problem, draws=4, max_thin=1).failures


def test_fractional_weights_are_refused_where_extras_are_shared():
    X, y = crossing_lines(20)
    assert Gibbs.serves(make_problem(X, y, 2, np.full(20, 0.5)))
    problem = make_problem(X, y, 2, np.full(20, 0.5), shared=True)
    assert not Gibbs.serves(problem)
    assert Gibbs.serves(make_problem(X, y, shared=True))
    with pytest.raises(ValueError, match=r"counts.*solver='laplace' or solver='nuts'"):
        Gibbs().check(problem)


@pytest.mark.parametrize("option", [{"draws": 2}, {"chains": 0}, {"tune": -1}, {"max_thin": 1.5}])
def test_options_are_checked(option):
    with pytest.raises(ValueError, match=f"Gibbs\\({next(iter(option))}="):
        Gibbs(**option).check_options()


@pytest.mark.parametrize("case", ["collinear", "no noise", "constant", "p over n", "outlier"])
def test_awkward_data_give_finite_draws(case):
    rng = np.random.default_rng(0)
    X, y = crossing_lines(30, p=2)
    if case == "collinear":
        X[:, 1] = X[:, 0]
    elif case == "no noise":
        y = np.where(np.arange(30) % 2, 2 * X[:, 0], -X[:, 0])
    elif case == "constant":
        y = np.ones(30)
    elif case == "p over n":
        X = rng.normal(size=(8, 12))
        y = y[:8]
    else:
        y[0] = 1e9
    draws = fit(make_problem(X, y), draws=50, max_thin=1)
    assert np.isfinite(draws.theta).all()
    assert np.isfinite(draws.log_likelihood).all()


LABEL_FREE = {
    "weight": lambda c: np.exp(c.log_weights).max(-1),
    "slope": lambda c: c.coef[..., 0].max(-1),
    "gap": lambda c: np.ptp(c.coef[..., 0], axis=-1),
    "sigma": lambda c: c.extra[..., 0].min(-1),
    "narrow": lambda c: (c.extra[..., 0].min(-1) < -2) * 1.0,
}


@pytest.mark.slow
@pytest.mark.parametrize("jumps", [True])
def test_long_chains_agree_with_importance_sampling(jumps):
    """Eight modes, some of them with a tiny sigma, whose basins run into each other."""
    X, y = crossing_lines(25, noise=0.5)
    problem = make_problem(X, y)
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=10)
    draws = Gibbs(draws=100_000, max_thin=1, jumps=jumps).draw(problem, modes, rng)
    # Where the proposal comes from does not matter; that it is wide enough does.
    fitted = ModeMixture.from_modes(problem, modes).fitted(
        draws.theta[:, ::20].reshape(-1, problem.layout.size)
    )
    proposal = ModeMixture(
        problem,
        np.concatenate([fitted.centres] * 2),
        np.concatenate([1.2 * fitted.scales, 3.0 * fitted.scales]),
        np.concatenate([0.7 * fitted.shares, 0.3 * fitted.shares]),
    )
    thetas, right, _ = proposal.sample(rng, 2_000_000)
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = sum(LogPosterior(problem).values(thetas)) - proposal.log_density(thetas)
    ratio = np.where(right & np.isfinite(ratio), ratio, -np.inf)
    weights = np.exp(ratio - ratio.max())
    weights /= weights.sum()
    got, exact = problem.layout.expand(draws.theta), problem.layout.expand(thetas)
    for name, f in LABEL_FREE.items():
        value, reference = f(got), f(exact)
        mean = weights @ reference
        error = np.hypot(
            value.std() / np.sqrt(diagnose(value[..., None]).ess_bulk),
            np.sqrt(weights**2 @ (reference - mean) ** 2),
        )
        assert abs(value.mean() - mean) < 4.5 * error, name
        assert error < 0.06 * value.std(), name


@pytest.mark.slow
def test_long_chains_agree_with_a_random_walk():
    """A Metropolis walk on the marginal posterior knows nothing of labels or conjugacy."""
    X, y = crossing_lines(25, noise=0.5)
    problem = make_problem(X, y, shared=True)
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=10)
    draws = Gibbs(draws=40_000, max_thin=1).draw(problem, modes, rng)
    density = LogPosterior(problem)
    theta = draws.theta[:, ::10].reshape(-1, problem.layout.size)
    cholesky = np.linalg.cholesky(np.cov(theta, rowvar=False))
    state = theta[rng.integers(len(theta), size=512)]
    value = sum(density.values(state))
    kept = []
    for t in range(6000):
        scale = (0.8 if t % 5 else 2.5) / np.sqrt(len(cholesky))
        proposal = state + scale * (rng.standard_normal(state.shape) @ cholesky.T)
        with np.errstate(over="ignore", invalid="ignore"):
            new = sum(density.values(proposal))
        accept = np.log(rng.random(len(state))) < new - value
        state[accept], value[accept] = proposal[accept], new[accept]
        if t >= 1000 and t % 10 == 0:
            kept.append(state.copy())
    walk, got = problem.layout.expand(np.stack(kept)), problem.layout.expand(draws.theta)
    for name, f in LABEL_FREE.items():
        for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
            if name != "narrow":
                below = (f(walk) <= np.quantile(f(got), probability)).mean()
                assert below == pytest.approx(probability, abs=0.02), (name, probability)
