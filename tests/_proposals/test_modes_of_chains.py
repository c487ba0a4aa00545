"""Places where chains stay get proposals of their own."""

import numpy as np
import pytest
from conftest import two_lines

from skmixreg import Priors
from skmixreg._draws.reach import log_ratio
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._proposals import from_modes
from skmixreg._proposals.from_modes import with_modes_of_chains
from skmixreg._proposals.parts import StudentPart
from skmixreg._proposals.symmetrised import SymmetrisedMixture
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian

DRAWS = 200
FAR = 30.0  # posterior sds


@pytest.fixture(scope="module")
def case():
    """Log posterior, its mode, a proposal that is nowhere near, and the log evidence."""
    X, y = two_lines(200)
    problem = Problem.from_arrays(
        X, y, None, family=Gaussian(), n_components=2, priors=Priors().resolve()
    )
    mode = find_modes(problem, np.random.default_rng(0), n_init=4).best
    away = mode.theta + FAR * mode.scale.sum(axis=1)
    part = StudentPart(problem, away, mode.scale, 5.0)
    far = SymmetrisedMixture(problem.layout, [part], np.ones(1))
    return LogPosterior(problem), mode, far, mode.log_evidence


def chains(case, stay):
    """Two chains where the proposal is, of which the first passes ``stay`` draws at the mode."""
    _, mode, far, _ = case
    rng = np.random.default_rng(1)
    thetas = far.sample(rng, 2 * DRAWS)[0].reshape(2, DRAWS, -1)
    noise = rng.standard_normal((stay, len(mode.theta)))
    thetas[0, DRAWS - stay :] = mode.theta + noise @ mode.scale.T
    return thetas


def learned_from(proposal, case, thetas, log_evidence):
    density = case[0]
    prior, likelihood = density.values(thetas.reshape(-1, thetas.shape[-1]))
    log_posterior = (prior + likelihood).reshape(thetas.shape[:2])
    return with_modes_of_chains(proposal, density, thetas, log_posterior, log_evidence, 0.02)


def test_a_place_that_holds_a_chain_gets_a_part(case):
    density, mode, far, log_evidence = case
    learned = learned_from(far, case, chains(case, 20), log_evidence)
    assert len(learned.parts) == 2
    np.testing.assert_allclose(learned.parts[1].mode, mode.theta, atol=1e-4)
    assert learned.probabilities == pytest.approx([0.75, 0.25])
    thetas = chains(case, DRAWS)[0]
    assert log_ratio(density, far, thetas).min() > log_evidence + 20.0
    assert log_ratio(density, learned, thetas).max() < log_evidence + 5.0


@pytest.mark.parametrize("stay", [0, 2])
def test_chains_that_pass_by_teach_nothing(case, stay):
    _, _, far, log_evidence = case
    assert learned_from(far, case, chains(case, stay), log_evidence) is None


def test_a_mode_that_has_a_part_gets_no_other(case):
    _, _, far, log_evidence = case
    thetas = chains(case, 20)
    learned = learned_from(far, case, thetas, log_evidence)
    # However low the evidence, so that every draw counts as held.
    assert learned_from(learned, case, thetas, log_evidence - 1e3) is None


def test_a_mode_that_does_not_cover_the_stay_gets_no_part(case, monkeypatch):
    _, mode, far, log_evidence = case

    def narrow(density, theta, made_for):
        return StudentPart(density.problem, mode.theta, 0.05 * mode.scale, 30.0), 0.0

    monkeypatch.setattr(from_modes, "_part_near", narrow)
    assert learned_from(far, case, chains(case, 20), log_evidence) is None
