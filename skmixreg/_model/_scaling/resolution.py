"""The resolution of y: the step that its values are multiples of, where they are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..._support.arrays import Array

# More distinct values, or more steps from the least to the largest, are no coarse rounding.
MOST_VALUES, MOST_STEPS = 10_000, 100_000
# Share of the step by which values may be off a multiple: noise of single precision is less.
TOLERANCE = 1e-3
# Expected number of lattices that values fall on by chance.
CHANCE = 1e-4


class Values(NamedTuple):
    """Distinct responses in ascending order, and the total weight of each."""

    value: Array
    weight: Array


class Resolution(NamedTuple):
    """How y is rounded, in the units of y.

    Attributes
    ----------
    step : float
        The largest s with all responses at :math:`y_{min} + j s`, j whole.
    most : float
        Total weight of the most frequent response.
    relative : float
        The largest ratio of the root of the total weight of a response to its size.
    """

    step: float
    most: float
    relative: float

    @property
    def sd(self) -> float:
        """Standard deviation of the error of rounding, uniform over one step."""
        return float(self.step / np.sqrt(12.0))

    @property
    def floor(self) -> float:
        """A floor of sigma under which no tied rows alone are narrower than rounding."""
        return self.sd * float(np.sqrt(max(self.most, 1.0)))

    @property
    def relative_floor(self) -> float:
        """The same of a coefficient of variation."""
        return self.sd * self.relative


def values_of(target: Array, weights: Array) -> Values | None:
    """The distinct responses, or None where there are more than `MOST_VALUES`."""
    # Of continuous responses some rows show it, at the cost of sorting these only.
    few = target[:: max(1, len(target) // (2 * MOST_VALUES))]
    if len(np.unique(few)) > MOST_VALUES:
        return None
    value = np.unique(target)
    if len(value) > MOST_VALUES:
        return None
    return Values(value, np.bincount(value.searchsorted(target), weights, len(value)))


def joined(parts: Sequence[Values | None]) -> Values | None:
    """The distinct responses of several parts of the rows."""
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    return values_of(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


def resolution_of(values: Values | None, n_rows: int) -> Resolution | None:
    r"""The resolution of responses that look rounded; None of others.

    Responses look rounded where

    - some are tied: fewer values than rows (or than their total weight, so that a row of weight 3
      is as three rows), and
    - every value lies at :math:`y_{min} + j s` with a whole j, to a thousandth :math:`\delta` of
      the step s, which does not happen by chance: a lattice of N steps holds the m - 2 values
      besides the least and the largest with probability :math:`(2 \delta)^{m - 2}`, and

      .. math::

          N (2 \delta)^{m - 2} \le 10^{-4},

      of at most N coarser lattices none is expected to.  Three values never suffice, four do up
      to 25 steps, six always.

    Both speak of the set of values and their total weights alone: neither the order of rows nor
    their splitting matters, nor location and scale of y.  Where more than 10,000 values differ, or
    N exceeds 100,000, nothing is found.

    Parameters
    ----------
    values : Values or None
    n_rows : int
    """
    if values is None or len(values.value) < 4:
        return None
    offset = values.value - values.value[0]
    span = float(offset[-1])
    # What differs by less is one value with noise of floating point numbers.
    first = np.flatnonzero(np.diff(offset, prepend=-np.inf) > TOLERANCE * span / MOST_STEPS)
    m = len(first)
    if m < 4 or max(float(n_rows), float(values.weight.sum())) <= m:
        return None
    most_steps = min(float(MOST_STEPS), CHANCE * (2.0 * TOLERANCE) ** -(min(m, 20) - 2.0))
    gap = float(np.diff(offset[first]).min())
    # The smallest gap is some number of steps.
    for parts in range(1, int(most_steps * gap / span) + 2):
        steps = np.rint(span * parts / gap)
        if steps > most_steps:
            return None
        place = offset * (steps / span)
        if (np.abs(place - np.rint(place)) <= TOLERANCE).all():
            weight, size = np.add.reduceat(values.weight, first), np.abs(values.value[first])
            with np.errstate(divide="ignore"):
                relative = float((np.sqrt(np.maximum(weight, 1.0)) / size).max())
            return Resolution(float(span / steps), float(weight.max()), relative)
    return None
