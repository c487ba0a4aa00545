"""The default takes the cheapest solver that passes, and says why."""

import numpy as np
import pytest
from conftest import load_reference, two_lines

from skmixreg import Priors
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian, Poisson
from skmixreg.solvers import Auto, Gibbs, Laplace
from skmixreg.solvers.auto import MANY_COMPONENTS


def problem_of(X, y, K, weights=None, family=None):
    return Problem.from_arrays(
        np.asarray(X, float), np.asarray(y, float), weights, family=family or Gaussian(),
        n_components=K, priors=Priors().resolve(),
    )  # fmt: skip


def solve(problem, **options):
    rng = np.random.default_rng(0)
    return Auto(**options).draw(problem, find_modes(problem, rng, n_init=10), rng, n_threads=2)


def test_laplace_where_it_passes():
    draws = solve(problem_of(*two_lines(500), 2))
    assert draws.solver == "laplace" and not draws.failures
    assert draws.report["why"] == ["laplace passed its diagnostics"]


def test_gibbs_where_laplace_does_not():
    case = load_reference("s2_heterosced")
    draws = solve(problem_of(case.X, case.y, 3), laplace=Laplace(draws=500, max_rounds=1))
    assert draws.solver == "gibbs"
    assert "laplace did not pass: " in draws.report["why"][0]


@pytest.mark.slow
def test_sweeps_serve_fractional_weights_of_a_spare_component():
    case = load_reference("s2_heterosced")
    problem = problem_of(case.X, case.y, 3, np.resize([0.5, 1.0, 1.5], len(case.y)))
    draws = solve(problem)
    assert draws.solver == "gibbs" and not draws.failures


def test_a_nearly_empty_component_is_not_left_to_nuts():
    case = load_reference("s2_heterosced")
    draws = solve(
        problem_of(case.X, case.y, 3),
        laplace=Laplace(draws=500, max_rounds=1),
        gibbs=Gibbs(draws=20, tune=10, max_thin=1),
    )
    assert draws.solver == "gibbs" and draws.failures
    assert draws.report["why"][-1].startswith("nuts was left out")


def test_rounds_that_were_given_up_are_made_up_for(monkeypatch):
    """Where sweeps do not pass either."""
    rng = np.random.default_rng(40)
    x = rng.normal(size=40)
    problem = problem_of(x[:, None], 1.0 + 2.0 * x + rng.normal(size=40), 2)
    sweep = Gibbs.draw

    def failing(self, *arguments, **options):
        draws = sweep(self, *arguments, **options)
        draws.failures.append("does not pass")
        return draws

    monkeypatch.setattr(Gibbs, "draw", failing)
    draws = solve(problem)
    first, second, third, *rest = draws.report["why"]
    assert first.startswith("laplace did not pass") and second.startswith("gibbs did not pass")
    assert third.startswith("laplace ")
    passed = "passed" in third
    assert (draws.solver == "laplace") == passed and bool(draws.failures) != passed
    assert bool(rest) != passed


def test_many_components_with_any_errors_are_not_left_to_importance_sampling():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 60)
    problem = problem_of(
        x[:, None], rng.poisson(np.exp(1.0 + x)), MANY_COMPONENTS, family=Poisson()
    )
    draws = solve(problem)
    assert draws.solver == "gibbs" and not draws.failures
