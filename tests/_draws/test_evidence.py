"""The evidence of every exact solver: quadrature, agreement, and what it says when it fails."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import load_reference, two_lines
from scipy import integrate, stats
from scipy.special import logsumexp

from skmixreg import BayesianMixtureRegressor, Gaussian, Priors
from skmixreg._draws.bridge import Evidence, effective_size, log_evidence
from skmixreg._draws.draws import Draws
from skmixreg._draws.evidence import with_evidence
from skmixreg._draws.judge import judge_chains
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg.solvers import NUTS, SMC, Gibbs, Laplace
from skmixreg.solvers.smc import _held_against_path

QUICK = {
    "laplace": Laplace(),
    "gibbs": Gibbs(),
    "gibbs without jumps": Gibbs(jumps=False),
    "nuts": NUTS(draws=300),
    "nuts in order": NUTS(draws=600, identify="order"),
    "smc": SMC(draws=300, chains=2),
}

ADVI = ("advi", "fullrank_advi")


def problem_of(X, y, K, family=None, fit_intercept=True):
    return Problem.from_arrays(
        np.asarray(X, float), np.asarray(y, float), family=family or Gaussian(), n_components=K,
        priors=Priors().resolve(), fit_intercept=fit_intercept,
    )  # fmt: skip


@pytest.fixture(scope="module")
def line():
    """One line through 40 rows of two columns, one row counted thrice, and its log evidence.

    The line is integrated in closed form, log sigma by quadrature.
    """
    rng = np.random.default_rng(4)
    X = rng.normal(2.0, 3.0, (40, 2))
    y = 5.0 + X @ [1.0, -0.5] + rng.normal(0, 2.0, 40)
    rows = np.r_[np.arange(40), 7, 7]
    problem = problem_of(X[rows], y[rows], 1)
    priors = problem.priors
    Z = np.column_stack([np.ones(problem.n_rows), problem.mean_design.T])
    Z, target = (np.repeat(a, problem.weights.astype(int), axis=0) for a in (Z, problem.target))
    scales = np.array([priors.intercept_scale, priors.coef_scale, priors.coef_scale])
    t = np.linspace(np.log(2e-3), np.log(20), 2001)
    values = problem.family.extra_priors(priors)[0].terms(t)[0]
    values = values + [
        stats.multivariate_normal(
            cov=(Z * scales**2) @ Z.T + np.exp(2 * s) * np.eye(len(Z))
        ).logpdf(target)
        for s in t
    ]  # fmt: skip
    exact = np.log(integrate.simpson(np.exp(values - values.max()), x=t)) + values.max()
    return X, y, np.bincount(rows), float(exact) - problem.log_scale


@pytest.mark.parametrize("name", ["laplace", "gibbs", "gibbs without jumps", "nuts", "smc"])
def test_one_component_has_the_evidence_of_quadrature(line, name):
    X, y, weight, exact = line
    model = BayesianMixtureRegressor(1, solver=QUICK[name], random_state=0)
    model.fit(X, y, sample_weight=weight)
    assert model.converged_
    assert model.log_evidence_error_ < 0.01
    assert abs(model.log_evidence_ - exact) < 4 * model.log_evidence_error_


@pytest.fixture(scope="module")
def overlapping():
    """Two slopes, their weight and one sigma, by quadrature over both labellings.

    Four times as many points change it by 0.0003.
    """
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 60)
    y = np.where(rng.random(60) < 0.5, 1.5, -1.5) * x / 2 + 0.4 * rng.normal(size=60)
    problem = problem_of(x[:, None], y, 2, Gaussian(shared_sigma=True), fit_intercept=False)
    slope = np.concatenate([np.linspace(-9, -2.5, 8)[:-1], np.linspace(-2.5, 2.5, 35)])
    slope = np.concatenate([slope, -slope[6::-1]])
    # Half of the weights, doubled.
    axes = [np.linspace(0, 8, 18), slope, slope, np.linspace(-1.9, 0.7, 20)]
    density = LogPosterior(problem)
    cells = [np.log(np.convolve(np.diff(axis), [0.5, 0.5])) for axis in axes]
    inner = np.stack([a.ravel() for a in np.meshgrid(*axes[1:], indexing="ij")], axis=1)
    log_cell = sum(np.meshgrid(*cells[1:], indexing="ij")).ravel()
    totals = [
        logsumexp(sum(density.values(np.insert(inner, 0, value, axis=1))) + log_cell) + width
        for value, width in zip(axes[0], cells[0], strict=True)
    ]
    modes = find_modes(problem, rng, n_init=10)
    return problem, modes, float(logsumexp(totals)) + np.log(2)


@pytest.mark.parametrize(
    "name",
    [
        "gibbs", "gibbs without jumps", pytest.param("nuts", marks=pytest.mark.slow),
        pytest.param("nuts in order", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_overlapping_components_have_the_evidence_of_quadrature(overlapping, name):
    """Labels switch all the time; the bridge must neither lose nor count them twice."""
    problem, modes, exact = overlapping
    draws = QUICK[name].draw(problem, modes, np.random.default_rng(0))
    assert draws.log_evidence_error < 0.05
    assert abs(draws.log_evidence - exact) < 4 * draws.log_evidence_error


def test_two_lines_by_importance_sampling_and_by_a_bridge():
    X, y = two_lines(200)
    fits = [
        BayesianMixtureRegressor(2, solver=solver, random_state=0).fit(X, y)
        for solver in ("laplace", "gibbs")
    ]
    assert all(fit.converged_ for fit in fits)
    gap = fits[0].log_evidence_ - fits[1].log_evidence_
    assert abs(gap) < 4 * np.hypot(*(fit.log_evidence_error_ for fit in fits))
    assert all(0 < fit.log_evidence_error_ < 0.01 for fit in fits)


def test_the_error_is_as_large_as_it_says(tone):
    """Over repetitions, where components overlap and one mode holds a fifth."""
    problem = problem_of(tone.X, tone.y, 2)
    modes = find_modes(problem, np.random.default_rng(0), n_init=20)
    got = [
        Gibbs(draws=500, max_thin=8).draw(problem, modes, np.random.default_rng(seed))
        for seed in range(12)
    ]
    values = np.array([draws.log_evidence for draws in got])
    errors = np.array([draws.log_evidence_error for draws in got])
    assert 0.5 < values.std(ddof=1) / errors.mean() < 1.7


# ---------------------------------------------------------------------------------------------
# Chains


def test_chains_that_disagree_have_a_large_error():
    rng = np.random.default_rng(0)
    agreeing = rng.normal(size=(4, 1000))
    disagreeing = agreeing + np.array([[-1.0], [-1.0], [1.0], [1.0]])
    assert effective_size(agreeing) == pytest.approx(4000, rel=0.1)
    assert effective_size(disagreeing) < 20
    proposed = rng.normal(size=4000)
    assert log_evidence(agreeing, proposed).error < 0.05
    assert log_evidence(disagreeing, proposed).error > 0.1


def stuck_chains(problem, modes, shares):
    """Chains that stay in the mode that they started in, each a sample of its normal."""
    rng = np.random.default_rng(0)
    density = LogPosterior(problem)
    chains = []
    for mode in shares:
        m = modes.modes[mode]
        # Independence Metropolis from a wide normal: exact in its mode.
        state, value, chain = m.theta, -np.inf, []
        z = rng.standard_normal((6000, len(m.theta))) * 1.2
        new = m.theta + z @ m.scale.T
        ratio = sum(density.values(new)) + 0.5 * (z**2).sum(axis=1) / 1.44
        for theta, r, u in zip(new, ratio, np.log(rng.random(6000)), strict=True):
            if u < r - value:
                state, value = theta, r
            chain.append(state)
        chains.append(chain[::6])
    theta = np.array(chains)
    prior, likelihood = density.values(theta.reshape(-1, theta.shape[-1]))
    shape = theta.shape[:2]
    return Draws(theta, prior.reshape(shape), likelihood.reshape(shape), solver="made")


def test_modes_that_chains_do_not_leave_add_up(tone):
    """Two chains in either mode, of shares 0.84 and 0.16: the evidence is that of the posterior."""
    problem = problem_of(tone.X, tone.y, 2)
    modes = find_modes(problem, np.random.default_rng(0), n_init=20)
    draws = stuck_chains(problem, modes, [0, 0, 1, 1])
    judged = judge_chains(problem, modes, draws, np.random.default_rng(1))
    assert judged.report["resampled_over_modes"]
    got = with_evidence(problem, modes, draws, judged, np.random.default_rng(2))
    exact = Laplace(draws=20_000).draw(problem, modes, np.random.default_rng(3))
    assert not exact.failures
    assert got.log_evidence_error < 0.1
    error = np.hypot(got.log_evidence_error, exact.log_evidence_error)
    assert abs(got.log_evidence - exact.log_evidence) < 4 * error


# ---------------------------------------------------------------------------------------------
# What is not known is not told


@pytest.mark.parametrize(
    "solver", ["map", "cavi", *(pytest.param(s, marks=pytest.mark.slow) for s in ADVI)]
)
def test_approximations_have_none(solver):
    model = BayesianMixtureRegressor(2, solver=solver, random_state=0).fit(*two_lines(200))
    assert np.isnan(model.log_evidence_) and np.isnan(model.log_evidence_error_)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fit_that_failed_has_none(tone):
    """Its own estimate, of few draws in a posterior with a spare component, shows a small error."""
    model = BayesianMixtureRegressor(4, solver=Laplace(max_rounds=1), random_state=0)
    with pytest.warns(match="not converge"):
        model.fit(tone.X, tone.y)
    assert not model.converged_
    assert np.isnan(model.log_evidence_) and np.isnan(model.log_evidence_error_)


@pytest.mark.parametrize(
    "unknown",
    [{"log_evidence_error": np.inf}, {"log_evidence_error": None}, {"log_evidence": -np.inf}],
)
def test_without_a_bound_on_the_error_there_is_none_and_the_fit_says_so(unknown):
    """A bridge whose two sets do not overlap."""

    class Astray(Laplace):
        def draw(self, *args, **options):
            return dataclasses.replace(super().draw(*args, **options), **unknown)

    model = BayesianMixtureRegressor(2, solver=Astray(), random_state=0)
    with pytest.warns(UserWarning, match="log_evidence_ is nan") as caught:
        model.fit(*two_lines(200))
    assert len(caught) == 1 and caught[0].filename == __file__
    assert model.converged_
    assert np.isnan(model.log_evidence_) and np.isnan(model.log_evidence_error_)


def made_draws(log_evidence, error):
    one = np.zeros((1, 1))
    return Draws(
        np.zeros((1, 1, 2)), one, one, "smc", log_evidence=log_evidence, log_evidence_error=error
    )


def test_smc_holds_its_two_estimates_against_each_other():
    near = _held_against_path(made_draws(-10.0, 0.01), Evidence(-10.2, 0.1))
    assert (near.log_evidence, near.log_evidence_error, near.failures) == (-10.0, 0.01, [])
    far = _held_against_path(made_draws(-10.0, 0.01), Evidence(-11.2, 0.1))
    assert "differ by 1.20 nats" in far.failures[0]
    for lost in (made_draws(-10.0, np.inf), made_draws(None, None)):
        path = _held_against_path(lost, Evidence(-10.2, 0.1))
        assert (path.log_evidence, path.log_evidence_error) == (-10.2, 0.1)


# ---------------------------------------------------------------------------------------------
# Slow


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
@pytest.mark.parametrize(
    ("name", "K"),
    [("tonedata", 3), ("npreg_yn", 2)],
)
def test_smc_has_the_evidence_of_gibbs(name, K):
    """On the way from the prior, which knows of no mode, and by the bridge at its end."""
    case = load_reference(name)
    smc, gibbs = (
        BayesianMixtureRegressor(K, solver=solver, random_state=1).fit(case.X, case.y)
        for solver in ("smc", "gibbs")
    )
    error = np.hypot(smc.log_evidence_error_, gibbs.log_evidence_error_)
    assert abs(smc.log_evidence_ - gibbs.log_evidence_) < 4 * error < 0.2
    path = smc.solver_report_["path_log_evidence"]
    assert path == pytest.approx(gibbs.log_evidence_, abs=0.3)
