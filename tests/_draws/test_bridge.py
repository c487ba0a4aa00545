"""Bridge sampling against closed forms and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from skmixreg._draws.bridge import (
    bridge_evidence,
    effective_size,
    importance_evidence,
    log_evidence,
)
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._proposals.parts import StudentPart
from skmixreg._proposals.symmetrised import SymmetrisedMixture
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers.gibbs import Gibbs


class NormalProposal:
    def __init__(self, mean, sd, d):
        self.mean, self.sd, self.d = mean, sd, d

    def sample(self, rng, n):
        return rng.normal(self.mean, self.sd, (n, self.d)), None

    def log_density(self, thetas):
        return stats.norm(self.mean, self.sd).logpdf(thetas).sum(axis=1)


def log_target(thetas):
    """A normal of sd 1.5 with log evidence 7."""
    return 7.0 + stats.norm(0.0, 1.5).logpdf(thetas).sum(axis=1)


def test_evidence_and_its_error():
    """The estimate is right, and its error is as large as it says."""
    d, estimates = 4, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        thetas = rng.normal(0, 1.5, (500, d))
        proposal = NormalProposal(0.3, 1.0, d)
        estimates.append(
            bridge_evidence(log_target, thetas, log_target(thetas), proposal, rng, 500, 500.0)
        )
    values, errors = np.array(estimates).T
    assert values.mean() == pytest.approx(7.0, abs=4 * values.std() / 10)
    assert values.std() == pytest.approx(errors.mean(), rel=0.3)


def test_a_perfect_proposal_has_no_error():
    rng = np.random.default_rng(0)
    thetas = rng.normal(0, 1.5, (100, 2))
    got = bridge_evidence(
        log_target, thetas, log_target(thetas), NormalProposal(0.0, 1.5, 2), rng, 100
    )
    assert got.log_evidence == pytest.approx(7.0, abs=1e-9)
    assert got.error == pytest.approx(0.0, abs=1e-9)


def test_a_truncated_target():
    """Only the half space where the first coordinate is positive counts."""
    rng = np.random.default_rng(0)
    thetas = rng.normal(0, 1.5, (8000, 2))
    thetas = thetas[thetas[:, 0] > 0]

    def half(values):
        return np.where(values[:, 0] > 0, log_target(values), -np.inf)

    got = bridge_evidence(half, thetas, half(thetas), NormalProposal(0.5, 1.5, 2), rng, 4000)
    assert got.log_evidence == pytest.approx(7.0 - np.log(2), abs=4 * got.error)
    assert got.error < 0.03


def test_no_overlap_is_noticed():
    rng = np.random.default_rng(0)
    thetas = rng.normal(0, 1.5, (400, 3))
    got = bridge_evidence(
        log_target, thetas, log_target(thetas), NormalProposal(40.0, 1.0, 3), rng, 400
    )
    assert got.error == np.inf
    nowhere = log_evidence(np.zeros(50), np.full(50, -np.inf))
    assert nowhere.error == np.inf


def test_without_draws_it_is_importance_sampling():
    rng = np.random.default_rng(0)
    proposal = NormalProposal(0.0, 2.0, 2)
    got = bridge_evidence(log_target, np.empty((0, 2)), np.empty(0), proposal, rng, 4000)
    assert got.log_evidence == pytest.approx(7.0, abs=4 * got.error)
    assert importance_evidence(np.full(5, -np.inf)).error == np.inf


def test_effective_size_of_an_autoregression():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=40_000)
    series = np.empty_like(noise)
    series[0] = 0.0
    for t in range(1, len(series)):
        series[t] = 0.8 * series[t - 1] + noise[t]
    assert effective_size(series) == pytest.approx(len(series) * 0.2 / 1.8, rel=0.15)
    assert effective_size(noise) == pytest.approx(len(noise), rel=0.1)
    assert effective_size(np.ones(10)) == 10.0


def regression(n=12):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(n, 2))
    y = X @ [1.0, -0.5] + rng.normal(0, 0.5, n)
    return Problem.from_arrays(X, y, family=Gaussian(), n_components=1, priors=Priors().resolve())


def exact_regression_evidence(problem):
    """The line integrated in closed form, log sigma by quadrature."""
    priors = problem.priors
    Z = np.column_stack([np.ones(problem.n_rows), problem.mean_design.T])
    prior = np.diag([priors.intercept_scale**2] + [priors.coef_scale**2] * (Z.shape[1] - 1))
    t = np.linspace(np.log(2e-3), np.log(20), 4001)
    density, _, _ = problem.family.extra_priors(priors)[0].terms(t)
    values = np.array(
        [
            stats.multivariate_normal(
                np.zeros(len(Z)), Z @ prior @ Z.T + np.exp(2 * s) * np.eye(len(Z))
            ).logpdf(problem.target)
            for s in t
        ]
    )
    return float(np.log(integrate.simpson(np.exp(values + density), x=t)))


def test_evidence_of_one_line():
    problem = regression()
    exact = exact_regression_evidence(problem)
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=5)
    draws = Gibbs().draw(problem, modes, rng)
    assert draws.log_evidence == pytest.approx(exact, abs=4 * draws.log_evidence_error)
    assert draws.log_evidence_error < 0.02
    # The same through any proposal with `sample` and `log_density`.
    density = LogPosterior(problem)
    mode = modes.best
    part = StudentPart(problem, mode.theta, mode.scale, 5.0)
    mixture = SymmetrisedMixture(problem.layout, [part], np.ones(1))
    got = bridge_evidence(
        lambda thetas: sum(density.values(thetas)),
        draws.theta.reshape(-1, problem.layout.size),
        (draws.log_prior + draws.log_likelihood).ravel(),
        mixture,
        rng,
        4000,
    )
    assert got.log_evidence == pytest.approx(exact, abs=4 * got.error)
