"""Means and root mean squares of columns, from sums that neither overflow nor cancel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..._support.arrays import Array

# Numbers that moments are computed from at a time: they stay in the second-level cache.
BUFFER = 1 << 15
# Rows that tell a scale where sums over them are dear.
SOME_ROWS = 200_000


def column_moments(X: Array, y: Array, weights: Array | None) -> Array:
    """Moments of the columns and, last, the target, from which those of all chunks follow.

    Returns
    -------
    ndarray of shape (4, p + 1)
        The largest absolute value s, a reference a near the mean, and the weighted sums of
        (v - a) / s and of ((v - a) / s)^2, which neither overflow nor cancel.
    """
    n, size = len(y), X.shape[1] + 1
    largest = np.array(
        [max(v.max(initial=0.0), -v.min(initial=0.0)) for v in (*X.T, y)], dtype=np.float64
    )
    unit = np.maximum(largest, np.finfo(float).tiny)[:, None]
    rows = max(BUFFER // size, 512)
    buffer, ones = np.empty((size, min(rows, n))), np.ones(min(rows, n))

    def blocks(centre: Array) -> Iterator[tuple[Array, Array]]:
        for start in range(0, n, rows):
            at = slice(start, start + rows)
            out = buffer[:, : len(y[at])]
            out[:-1], out[-1] = X[at].T, y[at]
            out -= centre[:, None]
            out /= unit
            yield out, ones[: out.shape[1]] if weights is None else weights[at]

    # Values that are too large are rejected when those of all chunks are known.
    with np.errstate(over="ignore", invalid="ignore"):
        total = max(float(n) if weights is None else float(weights.sum()), np.finfo(float).tiny)
        reference = np.zeros(size)
        for values, w in blocks(np.zeros(size)):
            reference += values @ w
        reference *= unit[:, 0] / total
        first, second = np.zeros(size), np.zeros(size)
        for values, w in blocks(reference):
            first += values @ w
            np.square(values, out=values)
            second += values @ w
    return np.stack([largest, reference, first, second])


def scale_of(spread: float, largest: float) -> float:
    """What a column of this spread and largest absolute value is divided by."""
    # Rounding of large numbers is not small.
    return max(spread, 1.0) if spread <= 1e-13 * largest else spread


def means(moments: Array, totals: Array) -> Array:
    """Weighted means of all rows, from `column_moments` of every chunk, (C, 4, p + 1)."""
    size, reference, first = moments[:, 0], moments[:, 1], moments[:, 2]
    shift = reference - reference[0]
    out: Array = reference[0] + (totals[:, None] * shift + size * first).sum(axis=0) / totals.sum()
    return out


def root_mean_squares(moments: Array, totals: Array, location: Array) -> Array:
    """Root mean squares of all rows around ``location``, without overflow."""
    largest, first, second = moments[:, 0], moments[:, 2], moments[:, 3]
    offset = moments[:, 1] - location
    unit = np.maximum(largest, np.abs(offset)).max(axis=0)
    unit = np.maximum(unit, np.finfo(float).tiny)
    size, offset = np.maximum(largest, np.finfo(float).tiny) / unit, offset / unit
    squares = size**2 * second + 2.0 * offset * size * first + totals[:, None] * offset**2
    out: Array = unit * np.sqrt(np.maximum(squares.sum(axis=0), 0.0) / totals.sum())
    return out


def every(n_rows: int) -> int:
    """Of so many rows each which one is looked at for a scale, where sums are dear."""
    return max(1, -(-n_rows // SOME_ROWS))
