"""Several numbers of components, of one family or more, on the same rows: evidence for each, as
exact as it matters.

Every number K is searched from the modes of K - 1.  One round of importance sampling around its
modes estimates its evidence.  Only those that may still hold a share of the posterior over K are
drawn from in full; the others are ruled out, since their estimate could be off by nats, as it is
where spare components wander, and they would be none the likelier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .._draws.draws import Draws
from .._model.problem import Problem
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

# What tells candidates apart, and labels their rows of tables: the number of components, and
# before it the family where several were given.
type Key = int | tuple[str, int]


def key_of(family: str | None, n_components: int) -> Key:
    """The key of a candidate; None is the family that is not to be chosen."""
    return n_components if family is None else (family, n_components)


def number_in(key: Key) -> int:
    """The number of components of a candidate."""
    return key[1] if isinstance(key, tuple) else key


def index_of(keys: Sequence[Key]) -> pd.Index:
    """The keys as the index of a table."""
    pairs = [key for key in keys if isinstance(key, tuple)]
    if pairs:
        return pd.MultiIndex.from_tuples(pairs, names=["family", "n_components"])
    return pd.Index([number_in(key) for key in keys], name="n_components")


def in_words(key: Key) -> str:
    """A candidate as parameters would name it."""
    if not isinstance(key, tuple):
        return f"n_components={key}"
    family, K = key
    # Where names are not unique, it is the repr of an object.
    return f"family={repr(family) if family.isidentifier() else family}, n_components={K}"


@dataclass
class Candidate:
    """One number of components of one family.

    Attributes
    ----------
    key : int or tuple
    problem : Problem
    modes : ModeTable
    quick : Draws
        One round of importance sampling.
    posterior : Posterior or None
        The draws in full; None if it was ruled out.
    """

    key: Key
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
    family: str | None = None,
) -> list[Candidate]:
    """Modes and a first estimate of the evidence for every number of components of one family.

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
    family : str, optional
        Its label, where several are compared.
    """
    quick = SOLVERS["laplace"]().set_params(draws=QUICK_DRAWS, max_rounds=1)
    found: list[Candidate] = []
    for K in numbers:
        own = problem.with_components(K)
        beside = found[-1] if found and found[-1].n_components == K - 1 else None
        key = key_of(family, K)
        progress.say(in_words(key))
        modes = find_modes(
            own, rng, n_init=n_init, n_threads=n_threads, progress=progress,
            neighbour=None if beside is None else beside.modes,
        )  # fmt: skip
        draws = quick.draw(own, modes, rng, n_threads=n_threads, progress=progress)
        found.append(Candidate(key, own, modes, draws))
    return found


def draw_contenders(candidates: Sequence[Candidate], solve: Callable[[Candidate], None]) -> None:
    """Draw from every candidate that may hold a share of the posterior over candidates.

    The best of those known comes next, and every candidate is judged against the best there is.
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
