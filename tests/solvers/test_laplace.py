"""Importance sampling: weights, evidence and the proposals behind them, by quadrature."""

from itertools import permutations

import numpy as np
import pytest
from conftest import load_reference, two_lines
from scipy.special import gammaln, logsumexp

from skmixreg import Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._proposals.from_modes import mixture_over_modes
from skmixreg._proposals.parts import EmptyPart, StudentPart
from skmixreg._proposals.symmetrised import SymmetrisedMixture
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers.laplace import Laplace


def problem_of(X, y, K, family=None, fit_intercept=True, **priors):
    return Problem.from_arrays(
        np.asarray(X, float), np.asarray(y, float), family=family or Gaussian(), n_components=K,
        priors=Priors(**priors).resolve(), fit_intercept=fit_intercept,
    )  # fmt: skip


def grid_log_evidence(problem, axes):
    """Log of the integral of prior times likelihood over a box, by trapezoidal sums."""
    density = LogPosterior(problem)
    cells = [np.convolve(np.diff(axis), [0.5, 0.5]) for axis in axes]
    first, *rest = axes
    inner = np.stack([a.ravel() for a in np.meshgrid(*rest, indexing="ij")], axis=1)
    widths = [np.log(cell) for cell in cells]
    log_cell = sum(np.meshgrid(*widths[1:], indexing="ij")).ravel()
    totals = []
    for value, width in zip(first, widths[0], strict=True):
        prior, likelihood = density.values(np.insert(inner, 0, value, axis=1))
        totals.append(logsumexp(prior + likelihood + log_cell) + width)
    return logsumexp(totals)


def test_evidence_with_one_component_is_exact():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 1))
    problem = problem_of(X, X[:, 0] + rng.normal(size=40), 1)
    modes = find_modes(problem, rng, n_init=5)
    spread = 10 * np.sqrt((modes.best.scale**2).sum(axis=1))
    axes = [np.linspace(c - h, c + h, 80) for c, h in zip(modes.best.theta, spread, strict=True)]
    exact = grid_log_evidence(problem, axes)
    draws = Laplace().draw(problem, modes, rng)
    assert not draws.failures
    assert draws.log_evidence == pytest.approx(exact, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.5, 3.0])
def test_evidence_of_overlapping_components_is_exact(gap):
    """Two weights and slopes and one sigma: four parameters, by quadrature over both labellings."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 60)
    y = np.where(rng.random(60) < 0.5, gap, -gap) * x / 2 + 0.4 * rng.normal(size=60)
    problem = problem_of(x[:, None], y, 2, Gaussian(shared_sigma=True), fit_intercept=False)
    modes = find_modes(problem, rng, n_init=20)
    draws = Laplace(draws=100_000, max_rounds=1).draw(problem, modes, rng)
    # Fine where the data speak, coarse where only the prior does; half of the weights, doubled.
    slope = np.concatenate([np.linspace(-9, -2.5, 14)[:-1], np.linspace(-2.5, 2.5, 63)])
    slope = np.concatenate([slope, -slope[12::-1]])
    axes = [np.linspace(0, 8, 30), slope, slope, np.linspace(-1.9, 0.7, 40)]
    exact = grid_log_evidence(problem, axes) + np.log(2)
    assert not draws.failures
    assert draws.log_evidence == pytest.approx(exact, abs=0.02)


def test_symmetrised_density_is_the_average_over_all_relabellings():
    case = load_reference("npreg_yn")
    problem = problem_of(case.X, case.y, 3)
    rng = np.random.default_rng(0)
    mixture = mixture_over_modes(problem, find_modes(problem, rng, n_init=20), rng)
    assert {type(part) for part in mixture.parts} == {StudentPart, EmptyPart}
    mixture = SymmetrisedMixture(problem.layout, mixture.parts, mixture.probabilities)
    thetas, _ = mixture.sample(rng, 300)
    terms = [
        np.log(share) + part.log_density(problem.layout.permute(thetas, np.array(order)))
        for order in permutations(range(3))
        for share, part in zip(mixture.probabilities, mixture.parts, strict=True)
    ]
    expected = logsumexp(terms, axis=0) - gammaln(4)
    np.testing.assert_allclose(mixture.log_density(thetas), expected, atol=1e-6)


@pytest.mark.parametrize("funnel", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_student_part_is_normalised(funnel, shared):
    problem = problem_of(*two_lines(80), 1, Gaussian(shared_sigma=shared), fit_intercept=False)
    scale = np.array([[0.5, 0], [0.1, 0.3]])
    part = StudentPart(problem, np.array([0.3, -1.0]), scale, 9.0, funnel)
    axis = np.linspace(-12, 12, 1201)
    grid = np.stack([a.ravel() for a in np.meshgrid(axis + 0.3, axis - 1.0)], axis=1)
    assert np.exp(part.log_density(grid)).sum() * 0.02**2 == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("funnel", [False, True])
def test_parts_draw_from_their_own_density(funnel):
    """E[q2 / q1] = 1 under q1, for every kind of part."""
    problem = problem_of(*two_lines(80), 2)
    rng = np.random.default_rng(2)
    modes = find_modes(problem, rng, n_init=5)
    one = modes.best
    smaller = problem.with_components(1)
    inner = find_modes(smaller, rng, n_init=2).best
    for part, other in (
        (
            StudentPart(problem, one.theta, one.scale * 1.5, 5.0, funnel),
            StudentPart(problem, one.theta, one.scale, 20.0),
        ),
        (
            EmptyPart(problem, StudentPart(smaller, inner.theta, inner.scale * 1.3, 5.0, funnel)),
            EmptyPart(problem, StudentPart(smaller, inner.theta, inner.scale, 30.0)),
        ),
    ):
        thetas = part.sample(rng, 20_000)
        ratio = np.exp(other.log_density(thetas) - part.log_density(thetas))
        assert ratio.mean() == pytest.approx(1.0, abs=5 * ratio.std() / np.sqrt(len(ratio)))


def test_empty_part_integrates_the_prior():
    """With no information in the data about a component, its part is the whole posterior."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(500, 1))
    problem = problem_of(X, X[:, 0] + 0.3 * rng.normal(size=500), 2, weight_concentration=0.01)
    draws = Laplace().draw(problem, find_modes(problem, rng, n_init=20), rng)
    alone = problem.with_components(1)
    single = Laplace().draw(alone, find_modes(alone, rng, n_init=5), rng)
    # The prior leaves a component empty with probability near one, and labels are free.
    assert draws.log_evidence == pytest.approx(single.log_evidence, abs=0.3)


def test_reports_what_it_cannot_do():
    case = load_reference("s2_heterosced")
    problem = problem_of(case.X, case.y, 3)
    rng = np.random.default_rng(0)
    draws = Laplace(draws=500, max_rounds=1).draw(problem, find_modes(problem, rng, n_init=20), rng)
    assert draws.failures and "k-hat" in draws.failures[0] and "gibbs" in draws.failures[0]


def test_draws_are_equally_weighted_and_shaped():
    problem = problem_of(*two_lines(200), 2)
    rng = np.random.default_rng(0)
    draws = Laplace(draws=700).draw(problem, find_modes(problem, rng, n_init=20), rng)
    assert draws.theta.shape == (1, 700, problem.layout.size)
    assert draws.log_prior.shape == draws.log_likelihood.shape == (1, 700)
    assert draws.report["khat"] < 0.7 and draws.report["importance_ess"] > 400


@pytest.mark.parametrize("draws", [4, 30])
def test_few_draws_rest_on_enough_proposals(draws):
    problem = problem_of(*two_lines(300), K=2)
    modes = find_modes(problem, np.random.default_rng(0), n_init=5)
    out = Laplace(draws=draws).draw(problem, modes, np.random.default_rng(1))
    assert out.theta.shape == (1, draws, problem.layout.size)
    assert not out.failures
    assert out.report["importance_ess"] > 400


def test_a_brief_run_gives_up_where_few_proposals_leave_no_hope():
    """A component too many on rows of unequal spread: of 500 importance weights few count."""
    case = load_reference("s2_heterosced")
    problem = problem_of(case.X, case.y, 3)
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=10)
    draws = Laplace.brief().draw(problem, modes, rng)
    assert draws.failures and draws.report["n_proposals"] == 500
    assert draws.report["importance_ess"] < 100.0


def test_a_brief_run_that_passes_has_as_many_draws():
    problem = problem_of(*two_lines(300), 2)
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=10)
    draws = Laplace.brief().draw(problem, modes, rng)
    assert not draws.failures
    assert draws.theta.shape[1] == Laplace().draws and draws.report["khat"] < 0.5
