"""Several numbers of components on the same rows: evidence for each, as exact as it matters.

Every number K is searched from the modes of K - 1.  One round of importance sampling around its
modes estimates its evidence.  Only those that may still hold a share of the posterior over K are
drawn from in full; the others are ruled out, since their estimate could be off by nats, as it is
where spare components wander, and they would be none the likelier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._draws.draws import Draws
from .._model.problem import Problem
from .._model.raw import Raw
from .._posterior.moments import Moments
from .._posterior.posterior import Posterior
from .._search.mode_table import ModeTable
from .._search.search import find_modes
from .._support.arrays import Array
from .._support.progress import SILENT, Progress
from ..solvers import SOLVERS

QUICK_DRAWS = 2000
# A number of components is ruled out below it.
LEAST_PROBABILITY = 0.01
# Nats by which the estimate of one round was never too low where its diagnostics failed: 1.9 in
# 563 posteriors with spare components (tests/benchmarks/choice_table.py).
ALLOWANCE = 3.0
# So much padding is no component, and no division by zero either.
LOG_NOTHING = -700.0


@dataclass
class Candidate:
    """One number of components.

    Attributes
    ----------
    problem : Problem
    modes : ModeTable
    quick : Draws
        One round of importance sampling.
    posterior : Posterior or None
        The draws in full; None if it was ruled out.
    """

    problem: Problem
    modes: ModeTable
    quick: Draws
    posterior: Posterior | None = None

    @property
    def n_components(self) -> int:
        return self.problem.layout.n_components

    @property
    def log_evidence(self) -> float:
        """In the user's units; nan where no estimate is to be trusted."""
        if self.posterior is None:
            return self._quick_evidence
        value = self.posterior.log_evidence
        return np.nan if value is None else value

    @property
    def log_evidence_error(self) -> float:
        """Monte Carlo standard error; of a number that was ruled out, `ALLOWANCE` or less."""
        if self.posterior is None:
            error = self.quick.log_evidence_error
            return ALLOWANCE if self.quick.failures or error is None else error
        error = self.posterior.log_evidence_error
        return np.nan if error is None else error

    @property
    def largest_log_evidence(self) -> float:
        """What it may be at most."""
        if self.posterior is not None:
            return self.log_evidence
        return self._quick_evidence + (
            ALLOWANCE if self.quick.failures else 3.0 * self.log_evidence_error
        )

    def at_modes(self, rng: np.random.Generator) -> Posterior:
        """A posterior that knows the modes and nothing else."""
        draws = SOLVERS["map"]().draw(self.problem, self.modes, rng)
        return Posterior.from_draws(self.problem, self.modes, draws)

    @property
    def _quick_evidence(self) -> float:
        value = self.quick.log_evidence
        return np.nan if value is None else value - self.problem.log_scale


def find_candidates(
    problem: Problem,
    numbers: Iterable[int],
    rng: np.random.Generator,
    *,
    n_init: int,
    n_threads: int = 1,
    progress: Progress = SILENT,
) -> list[Candidate]:
    """Modes and a first estimate of the evidence for every number of components.

    Parameters
    ----------
    problem : Problem
        Of any number of components.
    numbers : iterable of int
        In ascending order.
    rng : numpy.random.Generator
    n_init : int
        Starts of each search.
    n_threads : int
    progress : Progress
    """
    quick = SOLVERS["laplace"]().set_params(draws=QUICK_DRAWS, max_rounds=1)
    found: list[Candidate] = []
    for K in numbers:
        own = problem.with_components(K)
        beside = found[-1] if found and found[-1].n_components == K - 1 else None
        progress.say(f"n_components={K}")
        modes = find_modes(
            own, rng, n_init=n_init, n_threads=n_threads, progress=progress,
            neighbour=None if beside is None else beside.modes,
        )  # fmt: skip
        draws = quick.draw(own, modes, rng, n_threads=n_threads, progress=progress)
        found.append(Candidate(own, modes, draws))
    return found


def draw_contenders(candidates: Sequence[Candidate], solve: Callable[[Candidate], None]) -> None:
    """Draw from every candidate that may hold a share of the posterior over K.

    The best of those known comes next, and every number is judged against the best there is.
    ``solve`` sets the posterior of a candidate.
    """
    while True:
        best = max((_or_nothing(c.log_evidence) for c in candidates), default=-np.inf)
        least = best + np.log(LEAST_PROBABILITY)
        # Of nan nothing is known, so that it is not ruled out.
        left = [c for c in candidates if c.posterior is None and not c.largest_log_evidence < least]
        if not left:
            return
        chosen = max(left, key=lambda c: _or_nothing(c.log_evidence))
        solve(chosen)


def _or_nothing(value: float) -> float:
    return -np.inf if np.isnan(value) else value


def shares(log_values: Array) -> Array:
    """Normalised exponentials; zero where nan."""
    values = np.where(np.isnan(log_values), -np.inf, log_values)
    if not np.isfinite(values).any():
        return np.zeros(len(values))
    weights = np.exp(values - values.max())
    return np.asarray(weights / weights.sum())


def averaged(posteriors: Sequence[Posterior], probabilities: Array) -> Posterior:
    """Draws of several posteriors of the same rows, in these proportions.

    All have as many components as the largest; those that a draw lacks have no weight.  Only
    what does not speak of components makes sense of them.

    Parameters
    ----------
    posteriors : sequence of Posterior
        Of the same rows and design.
    probabilities : ndarray
        They sum to 1.
    """
    K = max(posterior.layout.n_components for posterior in posteriors)
    # As many as leave the most probable all its draws.
    best = int(np.argmax(probabilities))
    size = round(posteriors[best].log_prior.size / float(probabilities[best]))
    edges = np.rint(np.concatenate([[0.0], np.cumsum(probabilities)]) * size).astype(int)
    taken: list[Raw] = []
    positions, groups = [], []
    for i, (posterior, count) in enumerate(zip(posteriors, np.diff(edges), strict=True)):
        if count == 0:
            continue
        S = posterior.log_prior.size  # not -1: a family may have no extra parameters
        flat = Raw(*(a.reshape(S, *a.shape[2:]) for a in posterior.components))
        even = (np.arange(count) + 0.5) / count
        index = np.floor(even * len(flat.log_weights)).astype(int)
        taken.append(_padded(Raw(*(a[index] for a in flat)), K))
        positions.append(even)
        groups.append(np.full(count, -1 - i))
    # Interleaved, since predictions may take every other draw.
    order = np.argsort(np.concatenate(positions), kind="stable")
    components = Raw(*(np.concatenate(arrays)[order][None] for arrays in zip(*taken, strict=True)))
    largest = max(posteriors, key=lambda posterior: posterior.layout.n_components)
    return replace(
        largest,
        components=components,
        log_prior=np.full(components.log_weights.shape[:2], np.nan),
        # No mode is one of all posteriors; yet draws of one belong together.
        draw_mode=np.concatenate(groups)[order][None],
        per_draw={},
        moments=Moments.of(components, largest.family),
    )


def _padded(draws: Raw, K: int) -> Raw:
    """With further components that repeat the first and have no weight."""
    missing = K - draws.log_weights.shape[1]
    if missing == 0:
        return draws
    copies = Raw(*(np.repeat(a[:, :1], missing, axis=1) for a in draws))
    copies.logits[...] = LOG_NOTHING
    return Raw(*(np.concatenate(pair, axis=1) for pair in zip(draws, copies, strict=True)))
