"""Units of rows that share a membership: where they start, and what is the same in them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._support.arrays import Array


class Units(NamedTuple):
    """Rows in the order of their units.

    Attributes
    ----------
    order : ndarray of shape (n,)
        Rows, those of a unit one after the other.
    starts : ndarray of shape (U + 1,), int64
        Where units start in that order, and n.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, codes: Array, keys: tuple[Array, ...] = ()) -> Units:
        """From any values that are equal within a unit.

        With ``keys``, as `numpy.lexsort` takes them, order does not depend on that of the rows or
        on the values: rows of a unit are sorted, and units by their rows in turn.
        """
        _, label = np.unique(codes, return_inverse=True)
        if keys:
            rank = np.empty(len(codes), dtype=np.intp)
            rank[np.lexsort(keys)] = np.arange(len(codes))
            first = np.full(int(label.max(initial=-1)) + 1, len(codes))
            np.minimum.at(first, label, rank)
            order = np.lexsort((rank, first[label]))
        else:
            order = np.argsort(label, kind="stable")
        jumps = np.flatnonzero(np.diff(label[order])) + 1
        starts = np.concatenate([[0], jumps, [len(codes)]]).astype(np.int64)
        return cls(order, starts)

    @property
    def first(self) -> NDArray[np.intp]:
        """The first row of every unit."""
        return self.order[self.starts[:-1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of every unit."""
        return np.diff(self.starts)

    def spread(self, of_units: Any) -> Any:
        """Values of units (U, ...) at every row, in the order in which rows came."""
        out = np.empty((len(self.order), *of_units.shape[1:]), dtype=of_units.dtype)
        out[self.order] = np.repeat(of_units, self.sizes, axis=0)
        return out


def rows_of_units(
    starts: NDArray[np.int64], index: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Rows of some units, and where each of these starts among them."""
    sizes = np.diff(starts)[index]
    new = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    within = np.arange(new[-1]) - np.repeat(new[:-1], sizes)
    return np.repeat(starts[:-1][index], sizes) + within, new
