"""Sweeps for families without closed forms: Metropolis within Gibbs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._model.problem import Problem
from ..._model.raw import Raw
from ..._support.arrays import Array
from .marginal_kernels import marginal_sweeps
from .metropolis_kernels import metropolis_sweeps


class MetropolisSweeps:
    """Labels and weights as in the conjugate sampler, components by scoring proposals.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem):
        self.problem = problem

    def state(self, raw: Raw) -> Raw:
        """Arrays that sweeps change in place."""
        return raw.copied()

    def raw(self, state: Raw) -> Raw:
        """The parameters of a state."""
        return state

    def run(
        self,
        states: list[Any],
        keys: NDArray[np.uint64],
        done: int,
        n_keep: int,
        thin: int,
        pool: ThreadPoolExecutor,
    ) -> tuple[Raw, Array]:
        """Draws (chains, n_keep, ...), and how many components held a row; states change."""
        layout = self.problem.layout

        def one(chain: int) -> Array:
            return self._sweep(states[chain], keys[chain], done, n_keep, thin)

        flat = np.stack(list(pool.map(one, range(len(keys)))))
        lead, K = flat.shape[:-1], layout.n_components
        widths = (1 + layout.n_gating, 1 + layout.n_features, len(layout.extras))
        *parts, counted = np.split(flat, K * np.cumsum(widths), axis=-1)
        shaped = (p.reshape(*lead, K, w) for p, w in zip(parts, widths, strict=True))
        return Raw(*shaped), counted[..., 0]

    def _sweep(self, state: Raw, key: np.uint64, done: int, n_keep: int, thin: int) -> Array:
        """Kept states (n_keep, ...) of one chain."""
        problem, observations = self.problem, self.problem.rows.arguments
        own = observations.each(np.empty_like)
        return metropolis_sweeps(
            observations, own, state, *problem.parted_model, *_priors(problem), key, done, n_keep,
            thin,
        )  # fmt: skip


class MarginalSweeps(MetropolisSweeps):
    """Weights and components in turn, without labels: for weights that are fractions."""

    def _sweep(self, state: Raw, key: np.uint64, done: int, n_keep: int, thin: int) -> Array:
        problem = self.problem
        return marginal_sweeps(
            problem.rows.arguments,
            state,
            problem.model.family,
            *_priors(problem),
            key,
            done,
            n_keep,
            thin,
        )


def _priors(problem: Problem) -> tuple[Any, ...]:
    """What sweeps need to know of the priors."""
    return (
        problem.priors.weight_concentration, problem.component_priors, problem.layout.fit_intercept,
    )  # fmt: skip
