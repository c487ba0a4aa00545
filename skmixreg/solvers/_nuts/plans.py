"""Where chains start, and what they are told about the posterior there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._draws.judge import start_points
from ..._search.mode_table import ModeTable
from ..._support.arrays import Array
from .chain_runs import ChainPlan
from .sampling_density import SamplingDensity

PROBES = 128
# Standard deviation of log density minus its normal approximation, over draws from the latter:
# 0 for a normal posterior; beyond it the Laplace covariance is a start, not a metric to keep.
NORMAL_ENOUGH = 1.0
# Iterations of tuning where the Laplace covariance serves as metric, and where it has to adapt.
SHORT_TUNE, LONG_TUNE = 150, 800


class Beginnings(NamedTuple):
    """What is drawn before chains run, whatever density they move on.

    Attributes
    ----------
    thetas : ndarray of shape (chains, d)
        Starts.
    where : ndarray of shape (chains,)
        The mode each comes from.
    seeds : ndarray of shape (chains,)
    probes : ndarray of shape (PROBES, d)
        Standard normal.
    """

    thetas: Array
    where: NDArray[np.intp]
    seeds: NDArray[np.int64]
    probes: Array

    @classmethod
    def drawn(cls, modes: ModeTable, rng: np.random.Generator, chains: int) -> Beginnings:
        thetas, where = start_points(modes, rng, chains)
        seeds = rng.integers(2**31, size=chains)
        return cls(thetas, where, seeds, rng.standard_normal((PROBES, thetas.shape[1])))


def chain_plans(
    target: SamplingDensity,
    modes: ModeTable,
    begin: Beginnings,
    *,
    draws: int,
    tune: int | None,
    target_accept: float,
) -> list[ChainPlan]:
    """A plan for every chain; ``tune`` of None depends on how normal the posterior is."""
    around = {m: target.around(modes.modes[m]) for m in np.unique(begin.where)}
    normal = all(
        _departure(target, centre, scale, begin.probes) < NORMAL_ENOUGH
        for centre, scale in around.values()
    )
    if tune is None:
        tune = SHORT_TUNE if normal else LONG_TUNE
    return [
        ChainPlan(
            start=_pulled_in(target, around[m][0], target.position(start)),
            centre=around[m][0],
            scale=around[m][1],
            keeps_metric=normal,
            draws=int(draws),
            tune=int(tune),
            target_accept=float(target_accept),
            seed=int(seed),
        )
        for start, m, seed in zip(begin.thetas, begin.where, begin.seeds, strict=True)
    ]


def _departure(target: SamplingDensity, centre: Array, scale: Array, probes: Array) -> float:
    """How far the density around a mode is from normal, in nats."""
    with np.errstate(over="ignore", invalid="ignore"):
        surplus = target.values(centre + probes @ scale.T) + 0.5 * (probes**2).sum(axis=1)
    return float(surplus.std()) if np.isfinite(surplus).all() else np.inf


def _pulled_in(target: SamplingDensity, centre: Array, start: Array) -> Array:
    """The start, moved towards the centre until its density is one that draws have."""
    lowest = target.values(centre[None])[0] - 2.0 * target.size - 10.0
    for _ in range(20):
        with np.errstate(all="ignore"):
            if target.values(start[None])[0] >= lowest:
                return start
        start = 0.5 * (start + centre)
    return centre.copy()
