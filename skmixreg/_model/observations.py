"""The rows that kernels read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .blocks import Array


class Observations(NamedTuple):
    """Standardised rows, C-contiguous; what is absent is None, which selects the kernel.

    Attributes
    ----------
    columns : ndarray of shape (p, n)
        All columns of the mean, feature-major, without a column of ones.
    target : ndarray of shape (n,)
    weights : ndarray of shape (n,)
        Positive frequencies; rows of one unit have equal weights.
    gating : ndarray of shape (q, n), optional
        Columns that the weights of components depend on, constant within a unit.
    offset : ndarray of shape (n,), optional
        Added to the linear predictor of every component.
    auxiliary : ndarray of shape (a, n), optional
        What else the family needs of a row: trials, constants of the response.
    units : ndarray of int64 and shape (U + 1,), optional
        Where the rows of each membership unit start, and their number last; every row is a unit
        of its own if None.
    allowed : ndarray of shape (U, K), optional
        Log prior odds of the labels of every unit, added to the log weights: 0 or -inf where
        labels are known.
    """

    columns: Array
    target: Array
    weights: Array
    gating: Array | None = None
    offset: Array | None = None
    auxiliary: Array | None = None
    units: NDArray[np.int64] | None = None
    allowed: Array | None = None
