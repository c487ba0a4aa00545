"""The evidence of Markov chains, by a bridge to the mixture over the modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._proposals.from_modes import mixture_over_modes
from .._proposals.symmetrised import SymmetrisedMixture
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .bridge import Evidence, log_evidence
from .draws import Draws
from .limits import NEGLIGIBLE_SHARE, never_visited
from .reach import PROPOSALS, log_ratio, reach_of_chains


def bridge_to_mixture(draws: Draws, mixture: SymmetrisedMixture, proposed: Array) -> Evidence:
    """Evidence by bridge sampling between chains and draws of a mixture.

    Posterior and mixture are the same under all relabellings: chains may carry any labels, or
    keep their components in an order.

    Parameters
    ----------
    draws : Draws
    mixture : SymmetrisedMixture
        Not fitted to these draws.
    proposed : ndarray of shape (n,)
        `log_ratio` at draws of the mixture.
    """
    log_posterior = draws.log_posterior
    thetas = draws.theta.reshape(log_posterior.size, -1)
    density = mixture.log_density(thetas).reshape(log_posterior.shape)
    return log_evidence(log_posterior - density, proposed)


def with_evidence(
    problem: Problem, modes: ModeTable, draws: Draws, judged: Draws, rng: np.random.Generator
) -> Draws:
    """What `judge_chains` made of draws, with their evidence.

    Parameters
    ----------
    problem : Problem
    modes : ModeTable
    draws : Draws
        As the chains made them.
    judged : Draws
        Their verdict.  Where chains stayed in different modes, it has weighed these and so has
        the evidence already.
    rng : numpy.random.Generator
        Source of the draws of the mixture.
    """
    if judged.report.get("resampled_over_modes") or not np.isfinite(draws.theta).all():
        return judged
    mixture = mixture_over_modes(problem, modes, rng)
    thetas, _ = mixture.sample(rng, PROPOSALS)
    proposed = log_ratio(LogPosterior(problem), mixture, thetas)
    evidence, failures = bridge_to_mixture(draws, mixture, proposed), list(judged.failures)
    if not np.isfinite(evidence.error):
        reach = reach_of_chains(problem, modes, draws, mixture, rng)
        if reach is not None:
            evidence = reach.visited
            if reach.unvisited_share > NEGLIGIBLE_SHARE:
                failures.append(never_visited(draws.solver, reach.unvisited_share))
    value, error = evidence
    return replace(judged, failures=failures, log_evidence=value, log_evidence_error=error)
