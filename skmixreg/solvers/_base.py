"""The contract of a solver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from .._draws.advice import without
from .._draws.draws import Draws
from .._model.problem import Problem
from .._search.mode_table import ModeTable
from .._search.search import find_modes
from .._support.progress import SILENT, Progress
from ._needs import missing


class Solver(BaseEstimator, ABC):
    """One way to draw from the posterior; options are constructor parameters.

    Attributes
    ----------
    name, summary : str
        What the user types, and one line on it.
    exact : bool
        Whether the draws are from the posterior itself, to Monte Carlo error.
    requires : tuple of str
        Names in `NEEDS` of what a problem must have to be served.  A solver that asks of the rows
        nothing but sums, so that they may stay where they are, does without "memory".
    streams : bool
        Whether it can go on from one chunk of rows to the next, by ``continue_stream``.
    cost, fails : str
        How the time grows, and when it fails: the rows of the table in
        ``docs/choosing-a-solver.md``.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    cost: ClassVar[str]
    fails: ClassVar[str]
    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("memory",)
    streams: ClassVar[bool] = False

    @property
    def own_column(self) -> int | None:
        """A column of X whose slope must be a parameter of its own, where columns are whitened."""
        return None

    def solve(
        self,
        problem: Problem,
        rng: np.random.Generator,
        *,
        n_init: int,
        n_threads: int = 1,
        progress: Progress = SILENT,
        modes: ModeTable | None = None,
    ) -> tuple[ModeTable, Draws]:
        """Find the modes and draw.

        Parameters
        ----------
        problem : Problem
        rng : numpy.random.Generator
            The only source of randomness.
        n_init : int
            Starts of the search.
        n_threads : int
        progress : Progress
            Told how far it is.
        modes : ModeTable, optional
            Modes that are known already; then nothing is searched.

        Returns
        -------
        modes : ModeTable
        draws : Draws

        Raises
        ------
        ValueError
            If the family or the data are not served by this solver, or an option is wrong.
        """
        self.check_options()
        self.check(problem)
        if modes is None:
            modes = find_modes(problem, rng, n_init=n_init, n_threads=n_threads, progress=progress)
        draws = self.draw(problem, modes, rng, n_threads=n_threads, progress=progress)
        draws.report["not_advised"] = list(self.not_advised)
        useless = {*self.not_advised, *_that_do_not_serve(problem)}
        return modes, replace(draws, failures=without(draws.failures, useless))

    @property
    def not_advised(self) -> tuple[str, ...]:
        """Names of the solvers that a failure of this one does not advise."""
        return (self.name,)

    @classmethod
    def serves(cls, problem: Problem) -> bool:
        """Whether this solver can draw from the posterior of a problem."""
        return not missing(cls.requires, problem)

    def check_options(self) -> None:
        """Reject options of a wrong type or range.

        Raises
        ------
        ValueError
            Which names the option, what it may be and what it was.
        """

    def _check_counts(self, **least: int) -> None:
        """Options that must be integers of at least the given size."""
        for option, smallest in least.items():
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < smallest:
                raise ValueError(
                    f"{type(self).__name__}({option}=...) must be an integer of at least "
                    f"{smallest}, got {value!r}."
                )

    def check(self, problem: Problem) -> None:
        """Reject what this solver cannot serve, before any work."""
        for sentence in missing(self.requires, problem):
            raise ValueError(f"solver={self.name!r} {sentence}")

    @abstractmethod
    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        progress: Progress = SILENT,
    ) -> Draws:
        """Draw from the posterior, given its modes.

        Parameters
        ----------
        problem : Problem
        modes : ModeTable
        rng : numpy.random.Generator
            The only source of randomness.
        n_threads : int
            Threads or chains that may run at once.
        progress : Progress
            Told how far it is, in stages; what it is told must not depend on who listens.
        """


def _that_do_not_serve(problem: Problem) -> list[str]:
    """Names of the solvers that cannot draw from this posterior."""
    from . import SOLVERS

    return [name for name, solver in SOLVERS.items() if not solver.serves(problem)]
