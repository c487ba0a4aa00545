"""Mixtures over some of the draws, evenly spaced in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._kernels.rows import RowBlocks
from ..._model.raw import Raw
from ..._support.arrays import Array
from ..._support.sampling import evenly_spaced
from ..posterior import Posterior
from .row_mixtures import RowMixtures

THINNED_DRAWS = 200
MIXTURE_NUMBERS = 1 << 20  # terms of mixtures held per block of rows


def _chosen(posterior: Posterior) -> NDArray[np.intp]:
    S = posterior.log_prior.size
    return evenly_spaced(S, min(S, THINNED_DRAWS))


def thinned(posterior: Posterior) -> Raw:
    """Some of the draws, in one axis."""
    chosen, S = _chosen(posterior), posterior.log_prior.size
    return Raw(*(a.reshape(S, *a.shape[2:])[chosen] for a in posterior.components))


def map_mixtures(
    posterior: Posterior,
    function: Callable[[RowMixtures, int, int], Any],
    X: Array,
    n_threads: int,
    most_rows: int = 8192,
    widened: bool = False,
) -> list[Any]:
    """What a function says of the mixtures of a block of rows, and where it starts and stops.

    Those of thinned draws; ``widened`` as `RowMixtures` has it.
    """
    draws, design = thinned(posterior), posterior.design
    groups = posterior.draw_mode.ravel()[_chosen(posterior)] if widened else None
    per_block = min(most_rows, max(1, MIXTURE_NUMBERS // draws.log_weights.size))

    def rows(start: int, stop: int) -> Any:
        Z, columns = design.standardised(X[start:stop]), design.of_family(X[start:stop])
        mixtures = RowMixtures(posterior.family, draws, Z, design.location, groups, columns)
        return function(mixtures, start, stop)

    with RowBlocks(len(X), n_threads, per_block) as layout:
        return layout.map(rows)
