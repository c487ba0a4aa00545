"""Sweeps with full conditional distributions in closed form, for normal components."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._model.problem import Problem
from ..._model.raw import Raw
from ..._support.arrays import Array
from .chunk_kernels import label_sums, parameter_draws
from .sweep_kernels import sweeps


class ConjugateSweeps:
    """Diebolt and Robert's sampler; see `skmixreg.solvers.Gibbs`.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem):
        self.problem = problem
        priors = problem.priors
        self._hyper = (
            priors.weight_concentration,
            priors.intercept_scale,
            priors.coef_scale,
            priors.sigma_floor,
            priors.sigma_ceiling,
        )
        self._repeated = problem.rows.repeated

    def state(self, raw: Raw) -> tuple[Array, ...]:
        """Arrays that sweeps change in place."""
        # Chains draw from a normal around a mode to start: its tails in log sigma mean nothing.
        low = np.log(self.problem.least_sigma) - 1.0
        high = np.log(self.problem.priors.sigma_ceiling) + 1.0
        parts = (raw.log_weights, raw.intercept, raw.coef, np.clip(raw.extra[..., 0], low, high))
        return tuple(np.array(part, order="C") for part in parts)

    def raw(self, state: tuple[Array, ...]) -> Raw:
        """The parameters of a state."""
        log_weights, intercept, coef, log_sigma = state
        return Raw.of(log_weights, intercept, coef, log_sigma[..., None])

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
        problem, layout = self.problem, self.problem.layout
        if not problem.rows.in_memory:
            flat = self._run_chunks(states, keys, done, n_keep, thin)
        else:

            def one(chain: int) -> Array:
                return sweeps(
                    problem.mean_design, problem.target, problem.weights, self._repeated,
                    self._hyper, layout.fit_intercept, bool(layout.shared_extras), *states[chain],
                    keys[chain], done, n_keep, thin,
                )  # fmt: skip

            flat = np.stack(list(pool.map(one, range(len(keys)))))
        K, p = layout.n_components, layout.n_features
        ends = np.cumsum([K, K, K * p, K])
        log_weights, intercept, coef, log_sigma, filled = np.split(flat, ends, axis=-1)
        raw = Raw.of(
            log_weights, intercept, coef.reshape(*coef.shape[:-1], K, p), log_sigma[..., None]
        )
        return raw, filled[..., 0]

    def _run_chunks(
        self, states: list[Any], keys: NDArray[np.uint64], done: int, n_keep: int, thin: int
    ) -> Array:
        """All chains in step, so that one message to the rows serves them all."""
        layout = self.problem.layout
        stacked = [np.stack(parts) for parts in zip(*states, strict=True)]
        kept = []
        for t in range(n_keep * thin):
            stats = self.problem.rows.sum_of_parts(
                label_sums, self._repeated, layout.fit_intercept, *stacked, keys, done + t
            )
            state = parameter_draws(
                stats, self._hyper, layout.fit_intercept, bool(layout.shared_extras), *stacked,
                keys, done + t,
            )  # fmt: skip
            if (t + 1) % thin == 0:
                kept.append(state)
        states[:] = [tuple(np.array(part[c]) for part in stacked) for c in range(len(keys))]
        return np.stack(kept, axis=1)
