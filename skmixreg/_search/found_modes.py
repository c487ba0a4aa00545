"""The modes that a search has found, which of them count, and what it could not establish."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .._model.problem import Problem
from .._support.arrays import Array
from .empty import DOMINANT_NATS, EmptyComponent
from .mode_metric import alike_where_fed, window
from .mode_table import FEWEST_STARTS, Mode, ModeTable
from .newton import GRADIENT_TOLERANCE


@dataclass(eq=False)
class FoundMode:
    """A mode and how it was found.

    Attributes
    ----------
    mode : Mode
    collapsed : bool
        Whether a component lives on too few rows to have a spread of its own.
    starts : set of int
        The independent starts that led here.
    """

    mode: Mode
    collapsed: bool = False
    starts: set[int] = field(default_factory=set)


class FoundModes:
    """All modes that were found; which of them count is decided by all together.

    A collapsed mode is a spike of density on a few rows, of which any data have many that say
    nothing.  It counts only where the rows cannot do without: where there is no other, or every
    other, and the fit with a component fewer, is less massive by `DOMINANT_NATS`.  So it is with
    one or two outliers, which no component explains that has rows enough.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.all: list[FoundMode] = []
        self.empty: EmptyComponent | None = None

    @property
    def listed(self) -> list[FoundMode]:
        """Those that count, in the order in which they were found."""
        return self.all if self.spikes_count else [f for f in self.all if not f.collapsed]

    @property
    def spikes_count(self) -> bool:
        """Whether collapsed modes are listed."""
        spikes = [found.mode.log_evidence for found in self.all if found.collapsed]
        others = [found.mode.log_evidence for found in self.all if not found.collapsed]
        if not spikes or not others:
            return not others
        return max(spikes) > max(*others, self.empty_mass) + DOMINANT_NATS

    @property
    def empty_mass(self) -> float:
        """Log mass of parameters with an empty component, as far as it is known."""
        return -np.inf if self.empty is None else self.empty.log_mass

    @property
    def masses(self) -> Array:
        """Log masses of those that count, by Laplace's approximation."""
        return np.array([found.mode.log_evidence for found in self.listed])

    @property
    def best(self) -> FoundMode:
        """The most massive that counts."""
        return self.listed[int(np.argmax(self.masses))]

    def most_massive(self, count: int) -> list[FoundMode]:
        """The most massive of those that count."""
        return [self.listed[i] for i in np.argsort(-self.masses)[:count]]

    def table(self, count: int) -> ModeTable:
        """A table of the most massive."""
        modes = [found.mode for found in self.most_massive(count)]
        return ModeTable(modes, np.array([mode.log_evidence for mode in modes]))

    @property
    def settled(self) -> bool:
        """Whether two starts reached the best mode, or the fit that an empty component leaves."""
        if not self.listed:
            return False
        if self.empty is not None and self.empty_mass > self.masses.max() + DOMINANT_NATS:
            return self.empty.settled
        return len(self.starts_at_best()) >= FEWEST_STARTS

    def starts_at_best(self) -> set[int]:
        """Starts that led to the best mode, or to one that differs where rows are few."""
        best = self.best
        starts = set(best.starts)
        least = best.mode.log_evidence - window(self.problem)
        for found in self.all:
            near = found is not best and found.mode.log_evidence > least
            if near and alike_where_fed(self.problem, best.mode, found.mode):
                starts |= found.starts
        return starts

    def unseen_mass(self) -> float:
        """Estimate of the posterior mass of modes not found: that of modes found just once.

        Good and Turing's estimate (Good 1953), with masses for counts.
        """
        masses = self.masses
        top = max(masses.max(), self.empty_mass)
        shares = np.exp(masses - top)
        once = np.array([len(found.starts) < 2 for found in self.listed])
        return float(shares[once].sum() / (shares.sum() + np.exp(self.empty_mass - top)))


def search_failures(
    gradient_norm: float, n_rows: int, n_starts: int, *, lost: bool, settled: bool
) -> list[str]:
    """Sentences that say what failed and what to do.

    Parameters
    ----------
    gradient_norm : float
        Of the best mode.
    n_rows, n_starts : int
    lost : bool
        Whether no mode survived the climb from a sample of the rows to all of them.
    settled : bool
        Whether two starts reached the best mode.
    """
    failures = []
    if lost:
        failures.append(
            f"no mode of a sample of the rows led to a mode of all {n_rows}, and what is given is "
            "the best point found on the way; lower n_components, or raise n_init"
        )
    if gradient_norm > GRADIENT_TOLERANCE:
        failures.append(
            f"the whitened gradient at the best mode is {gradient_norm:.1e}, not under "
            f"{GRADIENT_TOLERANCE:.0e}; check for columns of wildly different scales"
        )
    if not settled:
        failures.append(f"fewer than two of {n_starts} starts reached the best mode; raise n_init")
    return failures
