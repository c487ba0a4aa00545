"""Sweeps where weights depend on columns or components share parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._model.problem import Problem
from ..._model.raw import Raw
from ..._support.arrays import Array
from .metropolis import MetropolisSweeps
from .role_kernels import Coordinates, Gate, role_sweeps


class RoleSweeps(MetropolisSweeps):
    """Labels, weights or the gate, what components have alone, and what they share, in turn.

    Parameters
    ----------
    problem : Problem
        A background is part of its family here, as a parameter that components share.
    """

    def __init__(self, problem: Problem):
        super().__init__(problem)
        layout, weights = problem.layout, problem.weights
        lines, extras = np.split(layout.source, [layout.n_components * (1 + layout.n_features)])
        # Of the first component, which stands for all.
        source = np.concatenate([lines[: 1 + layout.n_features], extras[: len(layout.extras)]])
        own = layout.own[0]
        self._own = _coordinates(problem, source, own)
        self._shared = _coordinates(problem, source, np.setdiff1d(source[source >= 0], own))
        self._gate = _gate(problem) if layout.n_gating else None
        self._room = int(np.minimum(weights, layout.n_components).sum())

    def _sweep(self, state: Raw, key: np.uint64, done: int, n_keep: int, thin: int) -> Array:
        problem, observations = self.problem, self.problem.rows.arguments
        rows = observations._replace(gating=None, units=None, allowed=None)
        rows = rows.each(lambda a: np.empty((*a.shape[:-1], self._room if a.shape[-1] else 0)))
        return role_sweeps(
            observations, rows, state, problem.model.family, self._gate, self._own, self._shared,
            problem.priors.weight_concentration, key, done, n_keep, thin,
        )  # fmt: skip


def _coordinates(
    problem: Problem, source: NDArray[np.intp], chosen: NDArray[np.intp]
) -> Coordinates:
    """Some coordinates of theta, ascending, and where they are among those of a component."""
    at = np.full(len(source), -1, dtype=np.int64)
    among = np.isin(source, chosen)
    at[among] = np.searchsorted(chosen, source[among])
    return Coordinates(at, problem.prior_rows[chosen])


def _gate(problem: Problem) -> Gate:
    """The gate of all units; last comes what stands for the prior of the weights."""
    observations, layout = problem.rows.observations, problem.layout
    assert observations.gating is not None
    first = observations.first_rows
    columns = np.zeros((layout.n_gating, len(first) + 1))
    columns[:, :-1] = observations.gating[:, first]
    return Gate(
        columns,
        np.append(
            observations.weights[first], layout.n_components * problem.priors.weight_concentration
        ),
        layout.gating_basis,
        problem.prior_rows[layout.table["gating"].where],
    )
