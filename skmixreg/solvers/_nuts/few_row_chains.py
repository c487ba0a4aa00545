"""Chains on an estimate of the density from few rows, where that is as good as all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..._draws.few_rows_check import FewRowsCheck
from ..._model.few_rows import FewRows, LogPosteriorNear
from ..._search.mode_table import Mode
from ..._support.arrays import Array
from ..._support.progress import Progress
from .chain_runs import ChainPlan, ChainResult
from .plans import SHORT_TUNE
from .sampling_density import SamplingDensity

# About how many gradients a draw of a nearly normal posterior takes.
GRADIENTS_PER_DRAW = 5
# Draws of the normal approximation that say how many rows chains need.
PROBES = 1000
# Draws of the chains that are held against all rows, and probes.
CHECKED_DRAWS, CHECKED_PROBES = 256, 16
# Of the errors allowed, what probes may have: chains go a little further than probes.
ROOM = 0.7


class Run(NamedTuple):
    """Chains that have run.

    Attributes
    ----------
    target : SamplingDensity
        What they moved on.
    plans : list of ChainPlan
    results : list of ChainResult
    check : FewRowsCheck or None
        Of an estimate.
    """

    target: SamplingDensity
    plans: list[ChainPlan]
    results: list[ChainResult]
    check: FewRowsCheck | None = None

    @property
    def theta(self) -> Array:
        """Draws: (chains, draws, d)."""
        return np.stack([result.theta for result in self.results])


def expected_gradients(chains: int, draws: int, tune: int | None) -> int:
    """About how many gradients all chains take, and more where tuning is long."""
    return chains * (draws + (SHORT_TUNE if tune is None else tune)) * GRADIENTS_PER_DRAW


def run_on_few_rows(
    few_rows: FewRows,
    mode: Mode,
    point: Array,
    gradients: int,
    target_on: Callable[[LogPosteriorNear], SamplingDensity],
    run: Callable[[SamplingDensity], Run],
    progress: Progress,
) -> Run | None:
    """Run chains around one mode on a sample of the rows that is large enough.

    Probes of the normal approximation say how large, before any chain runs; afterwards draws of
    the chains are held against all rows, and chains run again on a larger sample if they are too
    far off.

    Parameters
    ----------
    few_rows : FewRows
    mode : Mode
        Where all chains start.
    point : ndarray of shape (d,)
        The mode, in the labels that chains have.
    gradients : int
        About how many the chains take.
    target_on : callable
        What chains move on, of a density.
    run : callable
        Runs all chains on it.
    progress : Progress

    Returns
    -------
    Run or None
        None where the sample would have to be so large that all rows cost little more.
    """
    while few_rows.pays(gradients, 1):
        target = target_on(few_rows.near(point))
        centre, scale = target.around(mode)
        probes = few_rows.rng.standard_normal((PROBES, target.size))
        thetas = target.theta(centre + probes @ scale.T)
        check = FewRowsCheck.at(few_rows, point, thetas, CHECKED_PROBES)
        if check.passes and check.excess <= ROOM:
            chains = run(target)
            thetas = chains.theta.reshape(-1, target.size)
            check = FewRowsCheck.at(few_rows, point, thetas, CHECKED_DRAWS)
            if check.passes:
                return chains._replace(check=check)
            progress.say(f"nuts: {few_rows.size} rows were too few")
        few_rows.enlarge(check.excess / ROOM)
    return None
