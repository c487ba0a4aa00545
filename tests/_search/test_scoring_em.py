"""Expectation-maximisation by scoring: it never falls, and ends where Newton's method does."""

import numpy as np
import pytest

from skmixreg import Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._search._runs.short_runs import ShortRuns
from skmixreg._search.newton import polish
from skmixreg._search.scoring_em_kernels import run_scoring_em
from skmixreg.families import FAMILIES


def problem_of(family, seed=0, **options):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(150, 2))
    eta = np.where(rng.random(150) < 0.5, X @ [1.0, 0.0], 2.0 - X @ [0.5, 0.5])
    y = rng.poisson(np.exp(eta)) if family == "poisson" else eta + 0.3 * rng.normal(size=150)
    return Problem.from_arrays(
        X, y.astype(float), rng.integers(1, 3, 150).astype(float), family=FAMILIES[family](),
        n_components=2, priors=Priors().resolve(), **options,
    )  # fmt: skip


def start_of(problem, seed):
    rng = np.random.default_rng(seed)
    return problem.layout.expand(0.5 * rng.normal(size=problem.layout.size))


def climb(problem, raw, n_iterations, tolerance=1e-12, power=1.0):
    return run_scoring_em(
        problem.rows.observations, raw, problem.model.family,
        None, problem.priors.weight_concentration, problem.component_priors,
        problem.layout.fit_intercept, n_iterations, tolerance, power, 10,
    )  # fmt: skip


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_objective_is_the_log_posterior_and_never_falls(family, fit_intercept):
    problem = problem_of(family, fit_intercept=fit_intercept)
    density = LogPosterior(problem)
    for seed in range(3):
        raw = start_of(problem, seed).copied()
        shift, before = None, -np.inf
        for _ in range(15):
            theta = problem.layout.collapse(Raw(*(part.copy() for part in raw)))
            objective, _ = climb(problem, raw, 1)
            prior, likelihood = density.values(theta[None])
            total = float(prior[0] + likelihood[0])
            shift = total - objective if shift is None else shift
            assert objective + shift == pytest.approx(total, abs=1e-7)
            assert total >= before - 1e-7
            before = total


@pytest.mark.parametrize("power", [1.0, 0.1])
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_ends_at_a_mode(family, power):
    problem = problem_of(family)
    raw = start_of(problem, 1).copied()
    _, done = climb(problem, raw, 2000, power=power)
    assert done < 2000
    theta = problem.layout.collapse(raw)
    found = polish(LogPosterior(problem), theta)
    assert found.definite
    np.testing.assert_allclose(theta, found.theta, atol=1e-3)


def test_short_runs_know_the_log_posterior():
    """What a run says of where it ended, constants of the prior included."""
    for family in ("gaussian", "poisson"):
        problem = problem_of(family)
        density = LogPosterior(problem)
        raw, objective = ShortRuns(density, 200)(start_of(problem, 2), 0.0)
        prior, likelihood = density.values(problem.layout.collapse(raw)[None])
        assert objective == pytest.approx(float(prior[0] + likelihood[0]), abs=1e-3)
