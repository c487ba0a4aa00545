"""Evidence of regions of the posterior that chains do not move between, by bridge sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._proposals.one_labelling import ModeMixture
from .._support.arrays import Array
from .bridge import Evidence, effective_size, importance_evidence, log_evidence
from .draws import Draws

BRIDGE_DRAWS = 4000


@dataclass
class Masses:
    """Estimated log masses of regions (-inf: not asked for) with their standard errors.

    Where the error is inf the mass is a bound from below, to sampling error.
    """

    log_masses: Array
    errors: Array

    def shares(self) -> tuple[Array, float]:
        """Share of every region, and the largest standard error of a share; inf if unknown.

        Of a region whose mass is known exactly enough, the share is at most what is given where
        other masses are bounds.
        """
        top = self.log_masses.max()
        if not np.isfinite(top):
            return np.zeros(len(self.log_masses)), np.inf
        mass = np.exp(self.log_masses - top)
        share = mass / mass.sum()
        if np.isinf(self.errors).any():
            return share, np.inf
        return share, float((share * (1.0 - share) * self.errors).max())

    def total(self) -> Evidence:
        """The evidence: that of all regions together."""
        share, _ = self.shares()
        error = np.sqrt(((share * self.errors) ** 2).sum())
        return Evidence(float(logsumexp(self.log_masses)), float(error))


def weigh_regions(
    problem: Problem,
    draws: Draws,
    mixture: ModeMixture,
    where: NDArray[np.intp],
    regions: NDArray[np.intp],
    wanted: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Masses:
    """Bridge sampling in every wanted region.

    The proposal of a region is fitted to every second of its draws, the others build the bridge.
    Where chains have not been, it is importance sampling from Laplace's approximation.
    """
    density = LogPosterior(problem)
    flat = draws.theta.reshape(-1, problem.layout.size)
    log_posterior = draws.log_posterior.ravel()
    out = Masses(np.full(len(wanted), -np.inf), np.zeros(len(wanted)))
    for r in np.flatnonzero(wanted):
        own = np.flatnonzero(regions == r)
        proposal = mixture.restricted(own)
        visits = np.flatnonzero(np.isin(where, own))
        fit, rest = visits[::2], visits[1::2]
        if len(fit):
            proposal = proposal.fitted(flat[fit])
        thetas, right, _ = proposal.sample(rng, BRIDGE_DRAWS)
        right &= np.isin(mixture.nearest(thetas), own)
        # The tails of t distributions reach dispersions that overflow: there p is 0.
        with np.errstate(over="ignore", invalid="ignore"):
            prior, likelihood = density.values(thetas)
            proposed = prior + likelihood - proposal.log_density(thetas)
        proposed = np.where(right & np.isfinite(proposed), proposed, -np.inf)
        if len(rest):
            ratio = log_posterior[rest] - proposal.log_density(flat[rest])
            estimate = log_evidence(ratio, proposed, effective_size(ratio))
            if estimate.error == np.inf:
                # What the proposal does reach is there at least.
                estimate = Evidence(importance_evidence(proposed).log_evidence, np.inf)
        else:
            estimate = importance_evidence(proposed)
            if estimate.error == np.inf:  # not one proposal had any mass
                estimate = Evidence(-np.inf, 0.0)
        out.log_masses[r], out.errors[r] = estimate
    return out
