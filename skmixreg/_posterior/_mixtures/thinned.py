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
from .._rows.memberships import row_log_weights
from ..family_average import FamilyAverage, Predictive
from ..posterior import Posterior
from .mixtures import Mixtures
from .pooled import PooledMixtures
from .row_mixtures import RowMixtures

THINNED_DRAWS = 200
MIXTURE_NUMBERS = 1 << 20  # terms of mixtures held per block of rows


def chosen(posterior: Posterior) -> NDArray[np.intp]:
    """Which of all draws."""
    S = posterior.log_prior.size
    return evenly_spaced(S, min(S, THINNED_DRAWS))


def thinned(posterior: Posterior) -> Raw:
    """Some of the draws, in one axis."""
    at, S = chosen(posterior), posterior.log_prior.size
    return Raw(*(a.reshape(S, *a.shape[2:])[at] for a in posterior.components))


def map_mixtures(
    posterior: Predictive,
    function: Callable[[Mixtures, int, int], Any],
    X: Array,
    n_threads: int,
    most_rows: int = 8192,
    widened: bool = False,
) -> list[Any]:
    """What a function says of the mixtures of a block of rows, and where it starts and stops.

    Those of thinned draws, of an average over families as many of each family; ``widened`` as
    `RowMixtures` has it.
    """
    average = posterior
    if isinstance(average, Posterior):
        average = FamilyAverage((average,), np.ones(1))
    posteriors = average.posteriors
    draws = [thinned(part) for part in posteriors]
    groups = [part.draw_mode.ravel()[chosen(part)] if widened else None for part in posteriors]
    designs = [part.design for part in posteriors]
    terms = sum(part.log_weights.size for part in draws)
    per_block = min(most_rows, max(1, MIXTURE_NUMBERS // terms))

    # Far out terms may be infinitely wide, or have no mass where it is looked for.
    @np.errstate(all="ignore")
    def rows(start: int, stop: int) -> Any:
        block = X[start:stop]
        parts = [
            RowMixtures(
                part.family, raw, design.standardised(block), design.location, labels,
                design.of_family(block), design.offset(block),
                row_log_weights(part, block, raw, chosen(part)),
            )
            for part, raw, design, labels in zip(posteriors, draws, designs, groups, strict=True)
        ]  # fmt: skip
        pooled = parts[0] if len(parts) == 1 else PooledMixtures(parts, average.shares, designs)
        return function(pooled, start, stop)

    with RowBlocks(len(X), n_threads, per_block) as layout:
        return layout.map(rows)
