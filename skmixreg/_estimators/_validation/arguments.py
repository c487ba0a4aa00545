"""Arguments that are one number, or levels of quantiles."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_coverage(coverage: Any, name: str = "coverage") -> float:
    """A probability strictly between 0 and 1.

    Raises
    ------
    ValueError
        Otherwise.
    """
    if not isinstance(coverage, Real) or not 0.0 < float(coverage) < 1.0:
        raise ValueError(
            f"{name} must be a number strictly between 0 and 1, such as 0.9, got {coverage!r}."
        )
    return float(coverage)


def check_quantiles(quantiles: ArrayLike) -> NDArray[np.float64]:
    """Levels of quantiles as a one-dimensional array, each strictly between 0 and 1.

    Raises
    ------
    ValueError
        Otherwise.
    """
    try:
        levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    except (TypeError, ValueError):
        levels = np.array([np.nan])
    if levels.ndim != 1 or levels.size == 0 or not ((levels > 0) & (levels < 1)).all():
        raise ValueError(
            "quantiles must be levels strictly between 0 and 1, such as (0.05, 0.5, 0.95), "
            f"got {quantiles!r}."
        )
    return levels


def check_count(name: str, value: Any) -> int:
    """A positive integer.

    Raises
    ------
    ValueError
        Otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)
