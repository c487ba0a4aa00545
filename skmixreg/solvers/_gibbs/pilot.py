"""A short chain whose draws a proposal is fitted to, where importance sampling objects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..._model.problem import Problem
from ..._support.arrays import Array
from .._needs import missing
from .chains import SWEEP_NEEDS, Chains

CHAINS, TUNE, THIN = 4, 300, 4
LENGTH_RANGE = (400, 4000)  # sweeps per chain
# Rows x components x sweeps, over all chains: a second or two.
WORK = 60_000_000


def pilot_length(problem: Problem) -> int:
    """Sweeps per chain; 0 where the problem has no sweeps, or where they would take long."""
    if missing(SWEEP_NEEDS, problem):
        return 0
    work = CHAINS * problem.n_rows * problem.layout.n_components
    length = int(min(WORK / work - TUNE, LENGTH_RANGE[1]))
    return length if length >= LENGTH_RANGE[0] else 0


def pilot_draws(problem: Problem, starts: Array, rng: np.random.Generator, n_threads: int) -> Array:
    """Draws (S, d) of a few chains from some of ``starts``."""
    chosen = starts[rng.choice(len(starts), CHAINS)]
    with ThreadPoolExecutor(max(1, min(n_threads, CHAINS))) as pool:
        chains = Chains(problem, chosen, rng, pool)
        chains.run(TUNE, 1, None, 1)
        thetas, _ = chains.run(pilot_length(problem) // THIN, THIN, None, 1)
    return thetas.reshape(-1, thetas.shape[-1])
