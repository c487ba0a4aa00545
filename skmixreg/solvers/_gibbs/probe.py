"""Does the posterior reach where a proposal does not?  Gibbs sweeps from its own draws tell.

Importance sampling cannot see what its proposal never draws: a shoulder of the posterior that is
rarely proposed leaves k-hat small and the answer wrong.  Draws that importance sampling calls the
posterior's must look the same after a few steps of any kernel that leaves the posterior
invariant.  If the ratio p / qbar after sweeps exceeds all that importance sampling saw, there is
mass that the proposal misses.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._draws.limits import EXCESS_LIMIT
from ..._model.density import LogPosterior
from ..._model.problem import Problem
from ..._proposals.parts import StudentPart
from ..._proposals.symmetrised import SymmetrisedMixture
from ..._support.arrays import Array
from .._needs import missing
from .chains import SWEEP_NEEDS, Chains

# Sums over rows x components that a probe may cost, and its size within that.
PROBE_WORK = 4_000_000
# How many times the sums of a normal component those of another cost in a sweep.
TIMES_METROPOLIS = 4
MOST_STARTS, LEAST_STARTS = 200, 20
MOST_SWEEPS, LEAST_SWEEPS = 30, 5
# The same for rows so many that even the least would cost more; but so many sweeps at least.
LEAST_WORK, FEWEST_PASSES = 40_000_000, 20
_SHARE, _DF = 0.15, 5.0


class Probe(NamedTuple):
    """What sweeps from draws found.

    Attributes
    ----------
    excess : float
        Nats by which the largest log(p / qbar) after the sweeps exceeds the largest before.
    thetas : ndarray of shape (n, d)
        Draws after the sweeps.
    outstanding : ndarray of shape (n,)
        Those that exceed it by more than the tolerance.
    """

    excess: float
    thetas: Array
    outstanding: NDArray[np.bool_]

    @property
    def passes(self) -> bool:
        """Whether the sweeps stayed where the proposal goes."""
        return self.excess <= EXCESS_LIMIT


def probe(
    problem: Problem,
    density: LogPosterior,
    proposal: SymmetrisedMixture,
    thetas: Array,
    largest: float,
    rng: np.random.Generator,
    n_threads: int,
) -> Probe | None:
    """Sweep from some of ``thetas``, draws from what should be the posterior.

    Parameters
    ----------
    thetas : ndarray of shape (S, d)
    largest : float
        The largest log(p / qbar) of the importance sample.

    Returns
    -------
    Probe or None
        None where the problem has no Gibbs sampler.
    """
    if missing(SWEEP_NEEDS, problem):
        return None
    work = problem.n_rows * problem.layout.n_components
    if not problem.conjugate:
        work *= TIMES_METROPOLIS
    sweeps, passes = PROBE_WORK / work, max(LEAST_WORK / work, FEWEST_PASSES)
    fewest = min(LEAST_STARTS, int(passes / LEAST_SWEEPS))
    n = int(np.clip(sweeps / MOST_SWEEPS, fewest, min(MOST_STARTS, len(thetas))))
    length = int(np.clip(sweeps / n, LEAST_SWEEPS, MOST_SWEEPS))
    starts = thetas[rng.choice(len(thetas), n, replace=False)]
    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        swept = Chains(problem, starts, rng, pool).run(1, length, None, 1)[0][:, 0]
    prior, likelihood = density.values(swept)
    excess = prior + likelihood - proposal.log_density(swept) - largest
    return Probe(float(excess.max()), swept, excess > EXCESS_LIMIT)


def with_what_was_missed(
    proposal: SymmetrisedMixture, problem: Problem, found: Probe
) -> SymmetrisedMixture:
    """The proposal with a wide part around the draws that it had missed."""
    centre = found.thetas[found.outstanding].mean(axis=0)
    gap = found.thetas - centre
    covariance = gap.T @ gap / len(gap) + 1e-10 * np.eye(len(centre))
    part = StudentPart(problem, centre, np.linalg.cholesky(covariance), _DF)
    shares = np.append((1.0 - _SHARE) * proposal.probabilities, _SHARE)
    return proposal.with_parts([*proposal.parts, part], shares)
