"""Chains of a Gibbs sampler, advanced side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from ..._model.problem import Problem
from ..._model.raw import Raw
from ..._support.arrays import Array
from ..._support.progress import UNWATCHED, Stage
from .conjugate import ConjugateSweeps
from .metropolis import MarginalSweeps, MetropolisSweeps
from .roles import RoleSweeps

# What a problem must have for there to be sweeps.
SWEEP_NEEDS = ("labels", "sweeps")
QUIET_ROUNDS = 20  # without jumps, so that it can be said how far chains are


def _kind_of_sweeps(problem: Problem) -> type[ConjugateSweeps] | type[MetropolisSweeps]:
    rows, layout, family = problem.rows, problem.layout, problem.family
    if not rows.counts:
        return MarginalSweeps
    plain = not rows.in_memory or rows.observations.plain
    if family.conjugate and plain and not layout.has_roles:
        return ConjugateSweeps
    if layout.has_roles or family.of_regressions.shared_extras:
        return RoleSweeps
    # Rows of a background have a label of their own, whatever their group, and none is known.
    known = rows.observations.units is not None or rows.observations.allowed is not None
    return RoleSweeps if family.background is not None and known else MetropolisSweeps


class Movable(Protocol):
    """What may move the states of chains between sweeps."""

    def prepare(self, rounds: int, n_chains: int) -> None:
        """Make ready for so many rounds."""

    def attempt(self, current: Array) -> Array | None:
        """States (chains, d) after a round; None if nobody moved."""


class Chains:
    """States of the chains.

    Parameters
    ----------
    problem : Problem
    starts : ndarray of shape (chains, d)
    rng : numpy.random.Generator
        Source of the keys of the chains; all else follows from these.
    pool : ThreadPoolExecutor
    """

    def __init__(
        self, problem: Problem, starts: Array, rng: np.random.Generator, pool: ThreadPoolExecutor
    ):
        self.problem = problem
        self.pool = pool
        self.keys = rng.integers(2**64, size=len(starts), dtype=np.uint64)
        self.done = 0
        self._sweeps = _kind_of_sweeps(problem)(problem)
        self.theta = starts

    @property
    def theta(self) -> Array:
        """Current states: (chains, d)."""
        states = [self._sweeps.raw(state) for state in self._states]
        return self.problem.layout.collapse(
            Raw(*(np.stack(parts) for parts in zip(*states, strict=True)))
        )

    @theta.setter
    def theta(self, values: Array) -> None:
        raw = self.problem.layout.expand(values)
        self._states: list[Any] = [
            self._sweeps.state(Raw(*(part[c] for part in raw))) for c in range(len(values))
        ]

    def run(
        self,
        n_keep: int,
        thin: int,
        jumps: Movable | None,
        rounds: int,
        stage: Stage = UNWATCHED,
    ) -> tuple[Array, Array]:
        """Advance by ``n_keep * thin`` sweeps, with ``rounds`` rounds of jumps in between.

        ``stage`` counts the sweeps.

        Returns
        -------
        theta : ndarray of shape (chains, n_keep, d)
        filled : ndarray of shape (chains, n_keep)
            Number of components that held a row.
        """
        if n_keep == 0:
            empty = np.empty((len(self.keys), 0, self.problem.layout.size))
            return empty, np.empty(empty.shape[:2])
        rounds = min(QUIET_ROUNDS if jumps is None else rounds, n_keep)
        kept = []
        if jumps is not None:
            jumps.prepare(rounds, len(self.keys))
        for length in np.diff(np.linspace(0, n_keep, rounds + 1).astype(int)):
            if jumps is not None:
                moved = jumps.attempt(self.theta)
                if moved is not None:
                    self.theta = moved
            kept.append(
                self._sweeps.run(self._states, self.keys, self.done, int(length), thin, self.pool)
            )
            self.done += int(length) * thin
            stage.advance(int(length) * thin)
        raw = Raw(
            *(np.concatenate(parts, axis=1) for parts in zip(*(k[0] for k in kept), strict=True))
        )
        return self.problem.layout.collapse(raw), np.concatenate([k[1] for k in kept], axis=1)
