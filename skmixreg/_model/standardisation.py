"""Locations and scales that are given, and the numbers that they may be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._support.arrays import Array
from ._roles.column_roles import ColumnRoles
from ._roles.gate import Gate

# Its square, a variance, is a floating point number still, and so is that of its inverse.
LARGEST = 1e150


RESCALE = f"Rescale X and y, so that their units and those of slopes are within {LARGEST:g}."


def check_size(name: str, largest: float) -> None:
    """Reject values, the largest of this size, whose squares are not finite."""
    if not largest <= LARGEST:
        raise ValueError(f"{name} has values of size {largest:.3g}. {RESCALE}")


def check_range(x_mean: Array, x_scale: Array, y_scale: float) -> None:
    if not 1.0 / LARGEST <= y_scale <= LARGEST:
        raise ValueError(f"y has a standard deviation of {y_scale:.3g}. {RESCALE}")
    for j, (mean, scale) in enumerate(zip(x_mean.tolist(), x_scale.tolist(), strict=True)):
        if not 1.0 / LARGEST <= scale <= LARGEST:
            raise ValueError(f"Column {j} of X has a standard deviation of {scale:.3g}. {RESCALE}")
        # Logarithms, since the ratio itself may overflow.
        slope = np.log10(y_scale) - np.log10(scale)
        share = slope + np.log10(max(abs(mean), scale))
        if max(abs(slope), share) > np.log10(LARGEST):
            raise ValueError(
                f"Column {j} of X has a standard deviation of {scale:.3g} and y one of "
                f"{y_scale:.3g}. {RESCALE}"
            )


class Standardisation(NamedTuple):
    """Locations and scales that are given; None stands for those of the data.

    Attributes
    ----------
    x_location, x_scale : ndarray of shape (p,) or None
    y_location, y_scale : float or None
    x_whitening : ndarray of shape (r, p), bool or None
        The map of columns after these; True is whitened columns, False none.  None is the rule of
        `whitening` where locations and scales are those of the data, and none where they are given.
    x_axis : int or None
        A column whose slope has a standardised slope of its own.
    roles : ColumnRoles or None
        None is a slope per component for every column.
    gate : Gate or None
        None is that of the data.
    """

    x_location: Array | None = None
    x_scale: Array | None = None
    y_location: float | None = None
    y_scale: float | None = None
    x_whitening: Array | bool | None = None
    x_axis: int | None = None
    roles: ColumnRoles | None = None
    gate: Gate | None = None

    @property
    def columns_are_given(self) -> bool:
        """Whether columns of X are standardised by numbers that do not come from them."""
        return not (self.x_location is None and self.x_scale is None)
