"""The evidence of Markov chains, by a bridge to the mixture over the modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._model.density import LogPosterior
from .._model.few_rows import FewRows
from .._model.problem import Problem
from .._proposals.from_modes import mixture_over_modes
from .._proposals.symmetrised import SymmetrisedMixture
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .bridge import Evidence, log_evidence
from .draws import Draws
from .importance import ImportanceSample
from .limits import NEGLIGIBLE_SHARE, never_visited
from .reach import PROPOSALS, log_ratio, reach_of_chains


def bridge_to_mixture(
    draws: Draws, mixture: SymmetrisedMixture, proposed: Array, every: int = 1
) -> Evidence:
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
    every : int, default=1
        Takes every draw of a chain, every second, ...
    """
    log_posterior = draws.log_posterior[:, ::every]
    thetas = draws.theta[:, ::every].reshape(log_posterior.size, -1)
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
    proposed = _proposed(LogPosterior(problem), mixture, rng)
    evidence, failures = bridge_to_mixture(draws, mixture, proposed), list(judged.failures)
    if not np.isfinite(evidence.error):
        reach = reach_of_chains(problem, modes, draws, mixture, rng)
        if reach is not None:
            evidence = reach.visited
            if reach.unvisited_share > NEGLIGIBLE_SHARE:
                failures.append(never_visited(draws.solver, reach.unvisited_share))
    value, error = evidence
    return replace(judged, failures=failures, log_evidence=value, log_evidence_error=error)


def _proposed(
    density: LogPosterior, mixture: SymmetrisedMixture, rng: np.random.Generator
) -> Array:
    """`log_ratio` at draws of the mixture; of few rows, where these say as much.

    What they are off by is then under 0.01 nats at every draw that matters to the evidence.
    """
    # Its numbers are its own: proposals do not depend on how they are weighed.
    few_rows = FewRows(density, rng.spawn(1)[0])
    if not few_rows.pays(PROPOSALS, len(mixture.points)):
        return log_ratio(density, mixture, mixture.sample(rng, PROPOSALS)[0])
    with np.errstate(over="ignore", invalid="ignore"):
        return ImportanceSample.draw(density, mixture, rng, PROPOSALS, few_rows=few_rows).log_ratio
