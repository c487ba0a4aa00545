"""What counts as a right answer, and how fast cost grows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

SLOPES = (-1.0, 3.0)
TOLERANCE = 0.02
MOST_RHAT = 1.05


def slope_error(slopes: Sequence[float]) -> float:
    """Largest distance of the two slopes, in any order, from the truth; infinite if not two."""
    found = np.sort(np.asarray(slopes, dtype=float))
    if found.shape != (2,) or not np.isfinite(found).all():
        return math.inf
    return float(np.abs(found - SLOPES).max())


def is_right(slopes: Sequence[float]) -> bool:
    """Whether both slopes are within 0.02 of the truth."""
    return slope_error(slopes) <= TOLERANCE


def upper_half(count: int) -> int:
    """How many of the largest sizes enter a fitted exponent: half of them, at least three."""
    return min(count, max(3, math.ceil(count / 2)))


def growth_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log seconds on log size, by least squares.

    Raises
    ------
    ValueError
        With fewer than two sizes, which have no slope.
    """
    if len(sizes) != len(seconds) or len(set(sizes)) < 2:
        raise ValueError(f"An exponent needs two sizes, got {list(sizes)} and {list(seconds)}.")
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
