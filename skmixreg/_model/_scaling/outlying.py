r"""Scales that are not those of a few rows.

The standard deviation of a column is what its prior is measured in, unless a few rows, such as
typing errors, decide on it: with :math:`s_0` that of the rows but the farthest from the median, 2%
of the weight (of few rows 5%, up to 3 rows, but at least one of eight), the scale is
:math:`\min\{s, 10 \, s_0\}`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._support.arrays import Array

MOST_RATIO = 10.0


def few(total: float) -> float:
    """The weight that does not decide on a scale."""
    if total < 8.0:
        return 0.0
    return max(min(max(1.0, 0.05 * total), 3.0), 0.02 * total)


def settled(
    values: Array, weights: Array, mean: float, spread: float, centred: bool
) -> tuple[float, float, NDArray[np.bool_]] | None:
    """Location and scale by the rule above, where it is not the standard deviation.

    Parameters
    ----------
    values, weights : ndarray of shape (n,)
    mean, spread : float
        Of all rows.
    centred : bool
        Without, locations are 0 and scales root mean squares.

    Returns
    -------
    location, scale : float
        The location is the mean of the rows that are not far.
    far : ndarray of shape (n,), bool
        The rows beyond MOST_RATIO scales.
    """
    if not _hangs_on_few(values, weights, mean, spread):
        return None
    total = float(weights.sum())
    order: NDArray[np.intp] = np.argsort(values)
    middle = 0.0
    if centred:
        half = np.searchsorted(np.cumsum(weights[order]), 0.5 * total)
        middle = float(values[order[min(int(half), len(order) - 1)]])
    distance = np.abs(values - middle)
    farthest: NDArray[np.intp] = np.argsort(-distance, kind="stable")
    dropped = np.cumsum(weights[farthest]) <= few(total)
    kept = farthest[~dropped]
    if not len(kept):
        return None
    unit = max(float(distance[kept].max()), np.finfo(float).tiny)
    z = (values[kept] - middle) / unit
    shift = float(np.average(z, weights=weights[kept])) if centred else 0.0
    scale = MOST_RATIO * unit * float(np.sqrt(np.average((z - shift) ** 2, weights=weights[kept])))
    if scale == 0.0 or spread <= scale:
        return None
    return middle + unit * shift, scale, distance > MOST_RATIO * scale


def _hangs_on_few(values: Array, weights: Array, mean: float, spread: float) -> bool:
    """A quick look: few rows that hold nine tenths of the squares lie at 6 sds on average."""
    if max(values.max() - mean, mean - values.min()) <= 6.0 * spread:
        return False
    square = ((values - mean) / spread) ** 2
    outside = float((weights * square)[square > 9.0].sum())
    return outside > 0.7 * float(weights.sum())
