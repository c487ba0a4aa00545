"""What chains never visited, where proposals and draws do not overlap."""

import numpy as np
import pytest

from skmixreg._draws.bridge import Evidence
from skmixreg._draws.draws import Draws
from skmixreg._draws.reach import reach_of_chains, share_beside
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._proposals.from_modes import mixture_over_modes
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian


@pytest.fixture(scope="module")
def problem():
    """A line, so that one of two components is mostly empty."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = X[:, 0] - X[:, 1] + 0.5 * rng.normal(size=80)
    return Problem.from_arrays(X, y, family=Gaussian(), n_components=2, priors=Priors().resolve())


def around(problem, theta, rng, chains=4, n=500, spread=0.02):
    thetas = theta + spread * rng.standard_normal((chains, n, len(theta)))
    prior, likelihood = LogPosterior(problem).values(thetas.reshape(-1, len(theta)))
    return Draws(thetas, prior.reshape(chains, n), likelihood.reshape(chains, n), "gibbs")


def test_chains_beside_the_mass(problem):
    """Chains at a mode with two filled components, where an empty one holds more."""
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=10)
    mixture = mixture_over_modes(problem, modes, rng)
    thetas, _ = mixture.sample(rng, 4000)
    density = LogPosterior(problem)
    ratio = sum(density.values(thetas)) - mixture.log_density(thetas)
    whole = np.logaddexp.reduce(ratio) - np.log(len(ratio))
    stuck = around(problem, modes.best.theta, rng)
    reach = reach_of_chains(problem, modes, stuck, mixture, rng)
    assert reach.unvisited.log_evidence == pytest.approx(whole, abs=0.5)
    assert reach.unvisited_share > 0.5
    starts = reach.starts(rng, 4)
    assert starts.shape == (4, problem.layout.size)


def test_shares_of_masses():
    nothing, one, two = Evidence(-np.inf, 0.0), Evidence(-5.0, 0.1), Evidence(-6.0, 0.1)
    assert share_beside(nothing, nothing) == share_beside(nothing, one) == 0.0
    assert share_beside(one, nothing) == 1.0
    assert share_beside(two, one) == pytest.approx(1 / (1 + np.e))


def test_too_few_draws_tell_nothing(problem):
    rng = np.random.default_rng(0)
    modes = find_modes(problem, rng, n_init=10)
    few = around(problem, modes.best.theta, rng, chains=1, n=20)
    assert (
        reach_of_chains(problem, modes, few, mixture_over_modes(problem, modes, rng), rng) is None
    )
