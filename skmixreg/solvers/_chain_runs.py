"""Chains as samplers see them: what they are told, what they give back, and how they are run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._blocks import Array

# With a component that empties and fills, scales differ a thousandfold and every tree would grow
# to its limit; chains mix badly there with long trees too, and say so much later.
MAX_DEPTH = 8


class ChainPlan(NamedTuple):
    """What a sampler is told about one chain, in the coordinates that it moves in."""

    start: Array  # (d,)
    centre: Array  # (d,)
    scale: Array  # (d, d), lower Cholesky factor of the covariance to start with
    keeps_metric: bool  # else tuning adapts the covariance; the same for all chains of a fit
    draws: int
    tune: int
    target_accept: float
    seed: int


class ChainResult(NamedTuple):
    """One Markov chain."""

    theta: Array  # (draws, d)
    log_posterior: Array  # (draws,), density of theta, standardised units
    divergent: NDArray[np.bool_]  # (draws,)
    gradients: int


class Stopped(Exception):
    """Another chain failed, or the user pressed ctrl-C."""


class Progress:
    """A line on stderr, and the way to stop all chains."""

    def __init__(self, total: int, verbose: bool):
        self.total, self.done, self.verbose = total, 0, verbose
        self.stopped = threading.Event()
        self._lock = threading.Lock()

    def advance(self, n: int = 1) -> None:
        """Count iterations done; raises `Stopped` where the chain is to end."""
        if self.stopped.is_set():
            raise Stopped
        with self._lock:
            before, self.done = self.done, self.done + n
        if self.verbose and 100 * before // self.total < 100 * self.done // self.total:
            sys.stderr.write(f"\rnuts: {100 * self.done // self.total}%")
            sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.verbose:
            sys.stderr.write("\n")


def run_chains(
    chain: Callable[[int], ChainResult], n_chains: int, at_once: int, progress: Progress
) -> list[ChainResult]:
    """Run ``chain(0)``, ``chain(1)``, ..., several at once on threads."""
    if at_once == 1:
        return [chain(index) for index in range(n_chains)]
    with ThreadPoolExecutor(at_once) as pool:
        try:
            futures = [pool.submit(chain, index) for index in range(n_chains)]
            return [future.result() for future in futures]
        except BaseException:
            progress.stopped.set()
            raise
