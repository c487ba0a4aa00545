"""Chains as samplers see them: what they are told, what they give back, and how they are run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..._support.arrays import Array
from ..._support.progress import Progress

# With a component that empties and fills, scales differ a thousandfold and every tree would grow
# to its limit; chains mix badly there with long trees too, and say so much later.
MAX_DEPTH = 8


# What every sampler says of a draw, as ArviZ names it: whether the trajectory diverged, the energy
# at its end up to a constant, its number of gradients, and the mean acceptance along it.
STATISTICS = ("diverging", "energy", "n_steps", "acceptance_rate")


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
    statistics: dict[str, NDArray[Any]]  # (draws,) each, by the names of `STATISTICS`


class Stopped(Exception):
    """Another chain failed, or the user pressed ctrl-C."""


class Counter:
    """How far every chain is, and the way to stop them all.

    Parameters
    ----------
    plans : list of ChainPlan
    progress : Progress
        Gets a stage for every chain.
    """

    def __init__(self, plans: list[ChainPlan], progress: Progress):
        self.stages = [
            progress.stage(f"nuts: chain {number} of {len(plans)}", plan.tune + plan.draws)
            for number, plan in enumerate(plans, start=1)
        ]
        self.stopped = threading.Event()

    def advance(self, index: int, n: int) -> None:
        """Count ``n`` iterations of a chain; raises `Stopped` where it is to end."""
        if self.stopped.is_set():
            raise Stopped
        self.stages[index].advance(n)


def run_chains(
    chain: Callable[[int], ChainResult], at_once: int, counter: Counter
) -> list[ChainResult]:
    """Run ``chain(0)``, ``chain(1)``, ..., several at once on threads."""

    def one(index: int) -> ChainResult:
        with counter.stages[index]:
            return chain(index)

    indices = range(len(counter.stages))
    if at_once == 1:
        return [one(index) for index in indices]
    with ThreadPoolExecutor(at_once) as pool:
        try:
            futures = [pool.submit(one, index) for index in indices]
            return [future.result() for future in futures]
        except BaseException:
            counter.stopped.set()
            raise
