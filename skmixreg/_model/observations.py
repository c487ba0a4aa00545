"""Observations: all that is known of the rows, in one frozen object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .._support.arrays import Array
from ._roles.units import rows_of_units


class Observations(NamedTuple):
    """Standardised rows, feature-major as the kernels want them; what is absent is None.

    Attributes
    ----------
    columns : ndarray of shape (p, n)
        All mean columns, C-contiguous, without a column of ones.
    target : ndarray of shape (n,)
    weights : ndarray of shape (n,)
        Positive frequencies, equal within a unit, of which they count copies.
    gating : ndarray of shape (q, n), optional
        Columns on which the mixing weights depend, constant within a unit.
    offset : ndarray of shape (n,), optional
        Added to every linear predictor.
    auxiliary : ndarray of shape (a, n), optional
        What the family needs of a row beside the response: trials, constants of the response.
    units : ndarray of shape (U + 1,), int64, optional
        Where membership units start, and the number of rows; every row is one by default.
    allowed : ndarray of shape (U, K), optional
        Log prior odds of labels per unit: 0 and -inf where labels are known.
    """

    columns: Array
    target: Array
    weights: Array
    gating: Array | None = None
    offset: Array | None = None
    auxiliary: Array | None = None
    units: NDArray[np.int64] | None = None
    allowed: Array | None = None

    @property
    def n_rows(self) -> int:
        """Rows held."""
        return len(self.target)

    @property
    def n_units(self) -> int:
        """Membership units: rows, or groups of rows."""
        return len(self.target) if self.units is None else len(self.units) - 1

    @property
    def first_rows(self) -> NDArray[np.int64]:
        """The first row of every unit, (U,), which has what belongs to the unit."""
        return np.arange(len(self.target)) if self.units is None else self.units[:-1]

    @property
    def plain(self) -> bool:
        """Whether rows are independent draws of one mixture, with all predictors in ``columns``."""
        return all(a is None for a in (self.gating, self.offset, self.units, self.allowed))

    def for_kernels(self) -> Self:
        """The rows as kernels are given them: with empty arrays in the place of roles not there.

        Kernels are compiled for every pattern of what is None; this leaves rows that are plain but
        for an offset as they are, and one pattern for all roles of rows, one for all of groups.
        """
        if self.gating is None and self.units is None and self.allowed is None:
            return self
        n = len(self.target)
        return self._replace(
            gating=np.empty((0, n)) if self.gating is None else self.gating,
            offset=np.empty(0) if self.offset is None else self.offset,
            allowed=np.empty((0, 0)) if self.allowed is None else self.allowed,
        )

    def take(self, index: NDArray[np.intp], weights: Array | None = None) -> Self:
        """Some of the units, in the order given; weights are 1 unless given, one per unit."""
        rows, starts = self._rows_of(index)
        new = np.ones(len(index)) if weights is None else weights
        if self.units is not None:
            new = np.repeat(new, np.diff(starts))
        return type(self)(
            columns=np.ascontiguousarray(self.columns[:, rows]),
            target=np.ascontiguousarray(self.target[rows]),
            weights=np.ascontiguousarray(new, dtype=np.float64),
            gating=None if self.gating is None else np.ascontiguousarray(self.gating[:, rows]),
            offset=None if self.offset is None else self.offset[rows],
            auxiliary=(
                None if self.auxiliary is None else np.ascontiguousarray(self.auxiliary[:, rows])
            ),
            units=None if self.units is None else starts,
            allowed=None if self.allowed is None else self.allowed[index],
        )

    def _rows_of(self, index: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Rows of some units, and where each of these starts among them."""
        if self.units is None:
            return index, np.arange(len(index) + 1)
        return rows_of_units(self.units, index)

    def for_components(self, n_components: int) -> Self:
        """The rows with labels among other components: units that have one stay with it.

        Fewer components are those that come first.
        """
        allowed = self.allowed
        if allowed is None:
            return self
        more = n_components - allowed.shape[1]
        if more <= 0:
            return self._replace(allowed=np.ascontiguousarray(allowed[:, :n_components]))
        known = np.isneginf(allowed).any(axis=1, keepdims=True)
        beyond = np.repeat(np.where(known, -np.inf, 0.0), more, axis=1)
        return self._replace(allowed=np.concatenate([allowed, beyond], axis=1))

    def writeable(self) -> Self:
        """Arrays that came over a network or from disk may be read-only: kernels compile anew."""
        return self.each(lambda a: a if a.flags.writeable else a.copy())

    def each(self, function: Callable[[Any], Any]) -> Self:
        """Every array that is there, changed by a function."""
        fields: Any = [None if a is None else function(a) for a in self]
        return type(self)(*fields)


def canonical_rows(X: Array, y: Array, weights: Array, most: int) -> tuple[Array, Array, Array]:
    """Rows in a form that does not depend on how the data were written.

    Zero weights are dropped; up to ``most`` rows are sorted and exact duplicates merged, their
    weights added.  Larger data keep their order: there order matters to rounding only.
    """
    if not weights.all():
        keep = weights > 0
        X, y, weights = X[keep], y[keep], weights[keep]
    if len(y) > most:
        return X, y, weights
    rows = np.column_stack([X, y]) + 0.0  # -0.0 becomes 0.0
    unique, inverse = np.unique(rows, axis=0, return_inverse=True)
    merged = np.bincount(inverse.ravel(), weights=weights, minlength=len(unique))
    return unique[:, :-1], unique[:, -1], merged
