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

PROPOSALS = 4000


def log_ratio(density: LogPosterior, mixture: SymmetrisedMixture, thetas: Array) -> Array:
    """log p - log qbar, p not normalised: (S, d) -> (S,); -inf where p is not finite."""
    # The tails of t distributions reach dispersions that overflow: there p is 0.
    with np.errstate(over="ignore", invalid="ignore"):
        prior, likelihood = density.values(thetas)
        out = prior + likelihood - mixture.log_density(thetas)
    return np.where(np.isfinite(out), out, -np.inf)


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
    value, error = bridge_to_mixture(draws, mixture, proposed)
    return replace(judged, log_evidence=value, log_evidence_error=error)
