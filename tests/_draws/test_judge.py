"""Diagnostics of chains, and the weighing of modes that chains do not leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import load_reference

from skmixreg._draws import judge as judge_module
from skmixreg._draws.bridge import log_evidence
from skmixreg._draws.draws import Draws
from skmixreg._draws.judge import (
    Diagnostics,
    diagnose,
    diagnosed_coordinates,
    judge_chains,
    shortcomings,
    start_points,
)
from skmixreg._draws.region_masses import Masses
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._proposals.one_labelling import ModeMixture
from skmixreg._proposals.parts import StudentPart
from skmixreg._proposals.symmetrised import SymmetrisedMixture
from skmixreg._search.mode_table import ModeTable
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian
from skmixreg.solvers.gibbs import Gibbs


def autoregressive(rng, shape, rho):
    noise = rng.normal(size=shape)
    out = np.empty(shape)
    out[:, 0] = noise[:, 0] / np.sqrt(1 - rho**2)
    for t in range(1, shape[1]):
        out[:, t] = rho * out[:, t - 1] + noise[:, t]
    return out


@pytest.fixture(scope="module")
def tone_problem():
    """Two modes with sizeable mass that Gibbs sweeps do not connect."""
    case = load_reference("tonedata")
    problem = Problem.from_arrays(
        case.X.to_numpy(float),
        case.y.to_numpy(float),
        family=Gaussian(),
        n_components=2,
        priors=Priors().resolve(),
    )
    return problem, find_modes(problem, np.random.default_rng(0), n_init=20)


def test_diagnostics_equal_those_of_arviz():
    array_stats = pytest.importorskip("arviz_stats.base").array_stats
    rng = np.random.default_rng(0)
    for rho, n in ((0.0, 200), (0.9, 1001), (-0.5, 400)):
        values = autoregressive(rng, (4, n, 3), rho)
        values[..., 1] = np.exp(2 * values[..., 1])
        values[..., 2] += np.arange(4)[:, None] * 0.2
        got = diagnose(values)
        moved = np.moveaxis(values, -1, 0)
        assert got.rhat == pytest.approx(array_stats.rhat(moved).max(), rel=1e-9)
        assert got.ess_bulk == pytest.approx(array_stats.ess(moved).min(), rel=0.01)
        tail = array_stats.ess(moved, method="tail", prob=(0.05, 0.95)).min()
        assert got.ess_tail == pytest.approx(tail, rel=0.02)


def test_what_cannot_be_diagnosed_does_not_pass():
    rng = np.random.default_rng(0)
    good = rng.normal(size=(4, 1000, 2))
    assert diagnose(good).passed
    assert diagnose(good[:, :, :0]).passed
    for spoil in (np.nan, np.inf):
        bad = good.copy()
        bad[0, 0, 0] = spoil
        assert not diagnose(bad).passed
    frozen = good.copy()
    frozen[..., 1] = 2.0
    assert not diagnose(frozen).passed
    stuck = good.copy()
    stuck[0, :, 1] = 2.0
    assert not diagnose(stuck).passed
    assert not diagnose(good[:, :3]).passed


def test_shortcomings_name_what_is_wrong_and_what_to_do():
    assert shortcomings("nuts", Diagnostics(1.005, 900.0, 500.0)) == []
    rhat, bulk, tail = shortcomings("nuts", Diagnostics(1.2, 90.0, 50.0))
    assert "R-hat = 1.200 exceeds 1.01" in rhat
    assert "raise" in rhat
    assert "bulk effective sample size is 90, under 400; raise draws" in bulk
    assert "tail effective sample size is 50" in tail
    assert "cannot be computed" in shortcomings("nuts", Diagnostics(np.nan, 1.0, 1.0))[0]


def test_labels_do_not_matter_to_the_verdict(tone_problem):
    problem, modes = tone_problem
    rng = np.random.default_rng(0)
    theta, _ = modes.sample(rng, 800)
    orders = np.argsort(rng.random((800, 2)), axis=1)
    layout = problem.layout
    other = layout.collapse(layout.expand(theta).permuted(orders))
    np.testing.assert_allclose(
        diagnosed_coordinates(problem, modes, theta.reshape(4, 200, -1)),
        diagnosed_coordinates(problem, modes, other.reshape(4, 200, -1)),
        atol=1e-9,
    )


def test_starts_visit_every_mode_that_matters(tone_problem):
    _, modes = tone_problem
    table = ModeTable(modes.modes[:2], np.log([0.97, 0.03]))
    for seed in range(10):
        theta, mode = start_points(table, np.random.default_rng(seed), 4)
        assert theta.shape == (4, len(modes.best.theta))
        assert set(mode) == {0, 1}
    _, mode = start_points(table, np.random.default_rng(0), 1)
    assert len(mode) == 1


def test_mixture_density_is_that_of_the_symmetrised_parts(tone_problem):
    problem, modes = tone_problem
    mixture = ModeMixture.from_modes(problem, modes)
    thetas, right, _ = mixture.sample(np.random.default_rng(0), 500)
    parts = [StudentPart(problem, mode.theta, mode.scale, 5.0) for mode in modes.modes]
    whole = SymmetrisedMixture(problem.layout, parts, modes.probabilities)
    gap = whole.log_density(thetas[right]) - mixture.log_density(thetas[right])
    # Labelled parts are below the average over labels, by nothing where labels are clear.
    assert gap.min() > -1e-9
    assert np.median(gap) < 1e-6
    flipped = problem.layout.permute(thetas, np.array([1, 0]))
    np.testing.assert_allclose(mixture.log_density(thetas), mixture.log_density(flipped), rtol=1e-9)
    np.testing.assert_array_equal(mixture.nearest(thetas), mixture.nearest(flipped))


@pytest.mark.parametrize("K", [2, 3])
def test_mixture_density_integrates_to_the_share_that_is_right(K):
    """Also for parts that overlap with their own relabellings."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 1))
    problem = Problem.from_arrays(
        X, rng.normal(size=20), family=Gaussian(), n_components=K, priors=Priors().resolve()
    )
    d = problem.layout.size
    centre = 0.3 * rng.normal(size=(2, d))
    scale = np.stack([np.tril(0.2 * rng.normal(size=(d, d))) for _ in range(2)])
    scale[:, np.arange(d), np.arange(d)] = 0.7
    mixture = ModeMixture(problem, centre, scale, np.array([0.3, 0.7]))
    _, right, _ = mixture.sample(rng, 100_000)
    assert 0.2 < right.mean() < 0.98
    # Integral of the density by importance sampling from the wide, symmetric average.
    parts = [StudentPart(problem, c, 1.3 * s, 5.0) for c, s in zip(centre, scale, strict=True)]
    wide = SymmetrisedMixture(problem.layout, parts, np.array([0.3, 0.7]))
    thetas, _ = wide.sample(rng, 60_000)
    ratio = np.exp(mixture.log_density(thetas) - wide.log_density(thetas))
    assert ratio.mean() == pytest.approx(right.mean(), abs=5 * ratio.std() / 245)


def shares_by_importance(problem, modes, rng):
    """Mass of the region of every mode from independent draws."""
    mixture = ModeMixture.from_modes(problem, modes)
    thetas, right, _ = mixture.sample(rng, 200_000)
    thetas = thetas[right]
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = sum(LogPosterior(problem).values(thetas)) - mixture.log_density(thetas)
    ratio = np.where(np.isfinite(ratio), ratio, -np.inf)
    weights = np.exp(ratio - ratio.max())
    return np.bincount(mixture.nearest(thetas), weights=weights) / weights.sum()


def test_modes_that_chains_do_not_leave_get_their_masses(tone_problem):
    problem, modes = tone_problem
    rng = np.random.default_rng(1)
    exact = shares_by_importance(problem, modes, rng)
    solver = Gibbs(jumps=False)
    draws = solver.draw(problem, modes, rng)
    assert draws.report["resampled_over_modes"]
    assert draws.report["settled"]
    assert not draws.failures
    np.testing.assert_allclose(draws.report["mode_share"], exact, atol=0.03)
    # Jumps get there by another way.
    draws = Gibbs(draws=2000).draw(problem, modes, rng)
    assert "resampled_over_modes" not in draws.report
    assert not draws.failures
    np.testing.assert_allclose(draws.report["mode_share"], exact, atol=0.05)


def stationary_draws(problem, modes, rng, chains=4, n=600, mode=None):
    """Chains of independent draws from the posterior, each kept to the region of one mode."""
    mixture = ModeMixture.from_modes(problem, modes)
    thetas, right, _ = mixture.sample(rng, 60_000)
    thetas = thetas[right]
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = sum(LogPosterior(problem).values(thetas)) - mixture.log_density(thetas)
    weights = np.exp(np.where(np.isfinite(ratio), ratio, -np.inf) - np.nanmax(ratio))
    where = mixture.nearest(thetas)
    out = []
    for c in range(chains):
        w = np.where(where == (mode if mode is not None else c % 2), weights, 0.0)
        out.append(thetas[rng.choice(len(thetas), n, p=w / w.sum())])
    theta = np.stack(out)
    prior, likelihood = LogPosterior(problem).values(theta.reshape(-1, problem.layout.size))
    return Draws(theta, prior.reshape(chains, n), likelihood.reshape(chains, n), "nuts")


def test_resampling_is_deterministic_and_keeps_rows_together(tone_problem):
    problem, modes = tone_problem
    draws = stationary_draws(problem, modes, np.random.default_rng(0))
    one = judge_chains(problem, modes, draws)
    two = judge_chains(problem, modes, draws)
    np.testing.assert_array_equal(one.theta, two.theta)
    assert one.report["resampled_over_modes"]
    _, likelihood = LogPosterior(problem).values(one.theta.reshape(-1, problem.layout.size))
    np.testing.assert_allclose(one.log_likelihood.ravel(), likelihood, rtol=1e-12)
    assert draws.report == {}


def test_an_unvisited_mode_is_missed(tone_problem):
    problem, modes = tone_problem
    draws = stationary_draws(problem, modes, np.random.default_rng(0), mode=0)
    got = judge_chains(problem, modes, draws)
    assert not got.report["settled"]
    assert any("never visited" in failure for failure in got.failures)


@pytest.mark.parametrize(
    ("gap", "error", "words"),
    [
        (-22.0, np.inf, None),
        (0.5, np.inf, "could not be"),
        (0.0, 0.01, "hold about 50%"),
        (-22.0, 0.01, None),
    ],
)
def test_a_share_is_no_placeholder(tone_problem, monkeypatch, gap, error, words):
    """Where the mass of what was visited is a bound, a mode far below it is not missed."""
    problem, modes = tone_problem
    draws = stationary_draws(problem, modes, np.random.default_rng(0), mode=0)

    def weighed(problem, draws, mixture, where, regions, wanted, rng):
        visited = np.isin(np.arange(len(wanted)), regions[where])
        masses = np.where(visited, 0.0, np.where(wanted, gap, -np.inf))
        return Masses(masses, np.where(visited, error, 0.1))

    monkeypatch.setattr(judge_module, "weigh_regions", weighed)
    got = judge_chains(problem, modes, draws)
    assert got.report["settled"] == (words is None)
    missed = [failure for failure in got.failures if "never visited" in failure]
    assert len(missed) == (words is not None)
    assert all(words in failure for failure in missed)


def test_masses_without_error_are_bounds():
    """An infinite error does not make shares equal."""
    share, error = Masses(np.array([-68.5, -90.5]), np.array([np.inf, 0.7])).shares()
    assert share == pytest.approx([1.0, np.exp(-22.0)], rel=1e-6)
    assert error == np.inf
    share, error = Masses(np.array([-np.inf, -np.inf]), np.array([np.inf, 0.0])).shares()
    assert share.tolist() == [0.0, 0.0] and error == np.inf


def test_draws_that_are_not_finite_fail(tone_problem):
    problem, modes = tone_problem
    draws = stationary_draws(problem, modes, np.random.default_rng(0), n=50)
    theta = draws.theta.copy()
    theta[0, 0, 0] = np.nan
    got = judge_chains(problem, modes, replace(draws, theta=theta))
    assert "not finite" in got.failures[0]
    assert not got.report["settled"]


def test_evidence_of_gibbs_agrees_with_importance_sampling(tone_problem):
    problem, modes = tone_problem
    rng = np.random.default_rng(3)
    draws = Gibbs().draw(problem, modes, rng)
    mixture = ModeMixture.from_modes(problem, modes)
    thetas, right, _ = mixture.sample(rng, 100_000)
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = sum(LogPosterior(problem).values(thetas)) - mixture.log_density(thetas)
    ratio = np.where(right & np.isfinite(ratio), ratio, -np.inf)
    exact = log_evidence(ratio[np.isfinite(ratio)][:0], ratio)
    assert exact.error == np.inf  # a bridge needs two ends
    weights = np.exp(ratio)
    assert draws.log_evidence == pytest.approx(np.log(weights.mean()), abs=0.05)
