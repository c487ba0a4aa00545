"""Probabilities of counts, row by row, at no more counts than their shape asks for.

A row's counts are cut into runs of evenly spaced nodes, between powers of two and, where terms of
very different widths meet, halfway between these, and so on.  Steps are an eighth of the smallest
standard deviation among the terms that reach there, and 1 where that is little: there every count
is a node.  Between nodes of wider steps sums over counts are those of
the polynomial of degree 7 through eight nodes, by the formula of Euler and Maclaurin, which is
exact for it: sums have errors of about 1e-10 of the mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._support.arrays import Array
from .mixtures import Mixtures

PER_SD = 8.0  # nodes per standard deviation
REACH = 8.0  # standard deviations around every term
FIRST_EDGE = 64.0
MOST_CELLS = 256  # of a run
MISSING = 1e-8  # mass outside of all runs that calls for more reach
DOUBLINGS = 6
LARGEST_COUNT = 2.0**53  # further on whole numbers are not exact
STENCIL = 8
_EULER_MACLAURIN = ((1, 1.0 / 12.0), (3, -1.0 / 720.0), (5, 1.0 / 30240.0))


class _Runs(NamedTuple):
    """Evenly spaced nodes ``first + step * (0, 1, ..., cells)`` of a row."""

    row: NDArray[np.intp]
    first: Array
    step: Array
    cells: NDArray[np.intp]

    def take(self, index: Any) -> _Runs:
        """Some of the runs."""
        return _Runs(self.row[index], self.first[index], self.step[index], self.cells[index])

    @classmethod
    def joined(cls, parts: Sequence[_Runs]) -> _Runs:
        """Runs of several parts."""
        return cls(
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.first for part in parts]),
            np.concatenate([part.step for part in parts]),
            np.concatenate([part.cells for part in parts]),
        )


class CountLattice:
    """Probabilities and distribution function of every row on nodes of its own.

    Parameters
    ----------
    mixtures : Mixtures
        Of a discrete family.
    breaks : ndarray of shape (n,), optional
        A count of every row at which a run begins.

    Attributes
    ----------
    row : ndarray of shape (G,)
        Rows of all nodes, ascending.
    y : ndarray of shape (G,)
        Counts, ascending in every row.
    probability, cdf : ndarray of shape (G,)
        Of the single counts at the nodes.
    step : ndarray of shape (G,)
        Counts since the node before in the same run; 0 for the first of a run.
    starts : ndarray of shape (n + 1,)
        Where the nodes of every row start.
    """

    def __init__(self, mixtures: Mixtures, breaks: Array | None = None):
        self.mixtures = mixtures
        n = mixtures.n_rows
        mean, variance = mixtures.term_moments()
        sd = np.sqrt(variance)
        kept: list[_Runs] = []
        rows = np.arange(n)
        for doublings in range(DOUBLINGS + 1):
            part = None if breaks is None else breaks[rows]
            found = _runs(mixtures, mean[rows], sd[rows], REACH * 2.0**doublings, part)
            found = found._replace(row=rows[found.row])
            self._set(found)
            # Heavy tails reach further than standard deviations say.
            total = np.bincount(self.row, self.mass, minlength=n)[rows]
            short = rows[np.abs(total - 1.0) > MISSING]
            done = doublings == DOUBLINGS or not len(short)
            kept.append(found if done else found.take(~np.isin(found.row, short)))
            if done:
                break
            rows = short
        if len(kept) > 1:
            self._set(_Runs.joined(kept))
        self.starts = np.searchsorted(self.row, np.arange(n + 1))
        self.cdf = np.empty(len(self.mass))
        for a, b in pairwise(self.starts):
            self.cdf[a:b] = np.minimum(np.cumsum(self.mass[a:b]), 1.0)

    def _set(self, runs: Any) -> None:
        self.row: NDArray[np.intp]
        order = np.lexsort((runs.first, runs.row))
        row, first, step, cells = runs.take(order)
        ends = np.cumsum(cells + 1)
        self.run = np.repeat(np.arange(len(row)), cells + 1)
        self._begin = (ends - cells - 1)[self.run]
        self._nodes = (cells + 1)[self.run]
        place = np.arange(len(self.run)) - self._begin
        self.row = row[self.run]
        self.y = first[self.run] + place * step[self.run]
        self.step = np.where(place == 0, 0.0, step[self.run])
        self.probability = self.mixtures.density(self.y, self.row)
        self.mass = self.summed(self.probability)

    def summed(self, values: Array) -> Array:
        """Sums of a smooth function of counts, known at the nodes, since the node before: (G,)."""
        out = values.copy()
        wide = np.flatnonzero(self.step > 1.0)
        if not len(wide):
            return out
        cell = wide - self._begin[wide] - 1
        start = np.clip(cell - 3, 0, self._nodes[wide] - STENCIL)
        steps, which = np.unique(self.step[wide], return_inverse=True)
        weights = stencils(steps)
        index = (self._begin[wide] + start)[:, None] + np.arange(STENCIL)
        out[wide] = (values[index] * weights[which, cell - start]).sum(axis=1)
        return out


def _runs(mixtures: Mixtures, mean: Array, sd: Array, reach: float, breaks: Array | None) -> _Runs:
    """Runs that cover all terms of every row."""
    support = mixtures.support

    def bounds(reach: float) -> tuple[Array, Array]:
        return (
            np.maximum(np.floor(mean - reach * sd - 4.0), support.low),
            np.minimum(np.ceil(mean + reach * sd + 12.0), min(support.high, LARGEST_COUNT)),
        )

    low, high = bounds(reach)
    # Far in the tail of a term the steps are those of the terms that are at home there.
    near_low, near_high = bounds(REACH)
    edges = [min(low.min(initial=0.0), 0.0), FIRST_EDGE]
    while edges[-1] <= high.max(initial=0.0):
        edges.append(2.0 * edges[-1])
    parts: list[_Runs] = []
    middle = np.zeros(len(mean)) if breaks is None else breaks
    # Terms that hold nothing need no nodes.
    weights = mixtures.term_weights
    heavy = (weights if weights.ndim == 1 else weights.max(axis=0)) > 1e-15
    ranges = [(left, right, np.arange(len(mean))) for left, right in pairwise(edges)]
    while ranges:
        left, right, rows = ranges.pop()
        there = (low[rows] < right) & (high[rows] >= left) & heavy
        some = there.any(axis=1)
        rows, there = rows[some], there[some]
        if not len(rows):
            continue
        a = np.maximum(np.where(there, low[rows], np.inf).min(axis=1), left)
        b = np.minimum(np.where(there, high[rows], -np.inf).max(axis=1), right - 1.0)
        near = there & (near_low[rows] < right) & (near_high[rows] >= left)
        near |= ~near.any(axis=1, keepdims=True) & there
        h = np.maximum(np.floor(np.where(near, sd[rows], np.inf).min(axis=1) / PER_SD), 1.0)
        # A narrow term asks for short steps where it is, not in the whole range.
        halved = b - a > MOST_CELLS * h
        if halved.any():
            half = np.floor(0.5 * (left + right))
            ranges += [(left, half, rows[halved]), (half, right, rows[halved])]
            rows, a, b, h = rows[~halved], a[~halved], b[~halved], h[~halved]
        at = middle[rows]
        parts += _cut(rows, a, np.minimum(b, at - 1.0), h)
        parts += _cut(rows, np.maximum(a, at), b, h)
    return _Runs.joined(parts)


def _cut(row: NDArray[np.intp], a: Array, b: Array, step: Array) -> list[_Runs]:
    """Runs over the counts a..b; what is left of the last step becomes shorter steps."""
    out: list[_Runs] = []
    while True:
        keep = a <= b
        row, a, b, step = row[keep], a[keep], b[keep], step[keep]
        if not len(row):
            return out
        step = np.maximum(np.minimum(step, np.floor((b - a) / STENCIL)), 1.0)
        cells = np.floor((b - a) / step)
        out.append(_Runs(row, a, step, cells.astype(np.intp)))
        a = a + cells * step + 1.0


@cache
def _parts() -> Array:
    """Matrices (5, 7, 8) of which the stencils of a step h are a sum, times h^(1, 0, -1, -3, -5).

    The sum over the counts of a cell is h times the integral, half the difference between both
    ends, and differences of the odd derivatives.
    """
    nodes = np.arange(STENCIL) - 3.5
    moments = np.empty((5, STENCIL - 1, STENCIL))
    for d in range(STENCIL):
        power = np.polynomial.Polynomial.basis(d)
        parts = [power.integ(), 0.5 * power]
        parts += [factor * power.deriv(order) for order, factor in _EULER_MACLAURIN]
        moments[:, :, d] = [np.diff(part(nodes)) for part in parts]
    inverse = np.linalg.inv(nodes[None, :] ** np.arange(STENCIL)[:, None])
    return moments @ inverse.T


def stencils(step: Array) -> Array:
    """Weights (..., 7, 8) of eight nodes in the sum over the counts of each cell between them.

    Those of a cell are the ``step`` counts up to and with its right end.
    """
    powers = step[..., None] ** np.array([1.0, 0.0, -1.0, -3.0, -5.0])
    out: Array = np.einsum("...e,ecq->...cq", powers, _parts())
    return out
