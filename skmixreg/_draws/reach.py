"""Whether chains went wherever a proposal finds mass, where the two do not overlap.

Independence steps leave a place at which the proposal is far too thin no more than sweeps do: with
many coefficients a chain may stay beside a mode that holds next to nothing, and all chains with
it.  Then no bridge spans draws and proposals.  A density fitted to the draws has the evidence of
where they are, and proposals to which that density is a stranger the mass of what they missed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._proposals.from_draws import with_parts_from_draws
from .._proposals.symmetrised import SymmetrisedMixture
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .bridge import Evidence, importance_evidence, log_evidence
from .draws import Draws
from .limits import EXCESS_LIMIT

PROPOSALS = 4000


class Reach(NamedTuple):
    """Where chains are, and what they never visited.

    Attributes
    ----------
    visited, unvisited : Evidence
        Log masses; the second is a bound from below, to sampling error.
    thetas : ndarray of shape (n, d)
        Proposals where the chains were not.
    ratios : ndarray of shape (n,)
        Their log ratios of posterior and proposal.
    """

    visited: Evidence
    unvisited: Evidence
    thetas: Array
    ratios: Array

    @property
    def unvisited_share(self) -> float:
        """Share of the posterior that is known and was not visited."""
        return share_beside(self.unvisited, self.visited)

    def starts(self, rng: np.random.Generator, n: int) -> Array:
        """Points where the chains were not, by their posterior: (n, d)."""
        weights = np.exp(self.ratios - self.ratios.max())
        return self.thetas[rng.choice(len(weights), n, p=weights / weights.sum())]


def log_ratio(density: LogPosterior, mixture: SymmetrisedMixture, thetas: Array) -> Array:
    """log p - log qbar, p not normalised: (S, d) -> (S,); -inf where p is not finite."""
    # The tails of t distributions reach dispersions that overflow: there p is 0.
    with np.errstate(over="ignore", invalid="ignore"):
        prior, likelihood = density.values(thetas)
        out = prior + likelihood - mixture.log_density(thetas)
    return np.where(np.isfinite(out), out, -np.inf)


def share_beside(one: Evidence, other: Evidence) -> float:
    """Share of the first of two masses."""
    if one.log_evidence == -np.inf:
        return 0.0
    return float(expit(one.log_evidence - other.log_evidence))


def reach_of_chains(
    problem: Problem,
    modes: ModeTable,
    draws: Draws,
    mixture: SymmetrisedMixture,
    rng: np.random.Generator,
) -> Reach | None:
    """The masses of where chains were and were not; None where draws are too few to tell.

    A density is fitted to the first half of every chain, and the second half is held against it.
    What exceeds the largest ratio of posterior and density there by `EXCESS_LIMIT` was not
    visited.

    Parameters
    ----------
    problem : Problem
    modes : ModeTable
    draws : Draws
        As the chains made them.
    mixture : SymmetrisedMixture
        What else may hold mass.
    rng : numpy.random.Generator
    """
    half = draws.theta.shape[1] // 2
    first, rest = (
        part.reshape(-1, problem.layout.size) for part in np.split(draws.theta, [half], axis=1)
    )
    known = len(mixture.parts)
    fitted = with_parts_from_draws(mixture, problem, modes.best, first, rng)
    if len(fitted.parts) == known:
        return None
    own = SymmetrisedMixture(problem.layout, fitted.parts[known:], fitted.probabilities[known:])
    density = LogPosterior(problem)
    log_posterior = draws.log_posterior[:, half:]
    here = log_posterior - own.log_density(rest).reshape(log_posterior.shape)
    drawn, _ = own.sample(rng, PROPOSALS)
    visited = log_evidence(here, log_ratio(density, own, drawn))
    thetas, _ = mixture.sample(rng, PROPOSALS)
    ratios = log_ratio(density, mixture, thetas)
    strange = log_ratio(density, own, thetas) > here.max() + EXCESS_LIMIT
    elsewhere = strange & np.isfinite(ratios)
    unvisited = importance_evidence(np.where(elsewhere, ratios, -np.inf))
    return Reach(visited, unvisited, thetas[elsewhere], ratios[elsewhere])
