"""Highest-density regions of many one-dimensional mixtures at once.

References
----------
Hyndman, R. J. (1996). Computing and graphing highest density regions. The American Statistician
50, 120-126.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise

from ..._support.arrays import Array
from .mixtures import Mixtures
from .row_mixtures import TIGHT

UNRESOLVED = 5e-4  # mass of a cell missed by the trapezium rule that calls for more nodes
UNSETTLED = 1e-5  # mass of the cells with ends in them that calls for more nodes
# By this part a flat density falls far from all components, so that regions grow from these.
TILT = 1e-6

# Over the width of a distribution: densities are not looked at further up.
HIGHEST = 1e16
_DECADES = 10.0 ** -np.arange(1.0, 16.0)

_LEVEL: Any = {"xatol": 1e-10, "xrtol": 0.0, "fatol": 1e-9}
_HALF = np.array([0.5, 1.0, 1.6, 2.3, 3.0, 4.0, 5.5, 8.0])
_OFFSETS = np.concatenate([-_HALF[::-1], [0.0], _HALF])
_QUARTERS = np.array([0.25, 0.5, 0.75])
_CLOSE = np.array([-0.02, 0.0, 0.02])  # in widths of the cell
_LOG_ZERO = -745.2  # below the log of every positive number


def highest_density_regions(mixtures: Mixtures, coverage: float) -> list[Array]:
    """Sets where the density exceeds the level at which they have mass ``coverage``.

    Density and distribution function are evaluated on a grid of each row's own, refined where
    they are not resolved and then around the ends of the region, until the mass of the cells in
    which ends lie is below 1e-5: interpolation matters within these only.

    Returns
    -------
    list of n ndarrays of shape (m, 2)
        Disjoint intervals, ascending.
    """
    grid = Grid(mixtures)
    ends, row = grid.ends(grid.solve(coverage))
    counts = np.bincount(row[::2], minlength=mixtures.n_rows)
    return np.split(ends.reshape(-1, 2), np.cumsum(counts)[:-1])


class Grid:
    """Density and distribution function of each row's mixture on nodes of its own.

    Nodes lie around every component, wherever the trapezium rule shows that these were too few,
    and on the local extremes of the density, so that it is monotone between neighbours.

    Attributes
    ----------
    y, density, log_density, cdf : ndarray of shape (n, G)
        Nodes, ascending in every row.
    """

    def __init__(self, mixtures: Mixtures):
        self.mixtures = mixtures
        self._highest = HIGHEST / mixtures.spread.max(axis=1)
        n = mixtures.n_rows
        around = mixtures.centre[:, :, None] + mixtures.spread[:, :, None] * _OFFSETS
        low, high = mixtures.outer()
        edges = [np.full((n, 1), edge) for edge in mixtures.edges]
        # A density may be infinite at the end of a support: decades of distances from it.
        width = mixtures.spread.max(axis=1, keepdims=True)
        low_end, high_end = mixtures.support[:2]
        edges += [low_end + width * _DECADES] if np.isfinite(low_end) else []
        edges += [high_end - width * _DECADES] if np.isfinite(high_end) else []
        nodes = np.concatenate([low[:, None], around.reshape(n, -1), high[:, None], *edges], axis=1)
        nodes = np.sort(nodes, axis=1)
        values = self._evaluate(nodes.ravel(), np.repeat(np.arange(n), nodes.shape[1]))
        self._set(nodes, *(a.reshape(nodes.shape) for a in values))
        for _ in range(8):
            trapezium = 0.5 * (self.density[:, 1:] + self.density[:, :-1]) * np.diff(self.y)
            row, j = np.nonzero(np.abs(np.diff(self.cdf) - trapezium) > UNRESOLVED)
            if not len(row):
                break
            self._insert(row, j, np.tile(_QUARTERS, (len(row), 1)))
        for _ in range(2):
            self._move_to_extremes()

    def _evaluate(self, y: Array, row: NDArray[np.intp]) -> tuple[Array, Array]:
        return self._density(y, row), self.mixtures.cdf(y, row)

    def _density(self, y: Array, row: NDArray[np.intp]) -> Array:
        """The density; where it is flat, a little less the further components are."""
        out = np.minimum(self.mixtures.density(y, row), self._highest[row])
        if not self.mixtures.flat:
            return out
        lines = slice(self.mixtures.n_lines)
        centre, spread = self.mixtures.centre[row, lines], self.mixtures.spread[row, lines]
        far = (np.abs(y[:, None] - centre) / spread).min(axis=1)
        tilted: Array = out * (1.0 - TILT * far / (1.0 + far))
        return tilted

    def _insert(self, row: NDArray[np.intp], j: NDArray[np.intp], t: Array) -> None:
        """Add nodes at the fractions ``t`` (c, q) of the cells ``j`` (c,) of rows ``row`` (c,)."""
        y = self.y[row, j, None] * (1.0 - t) + self.y[row, j + 1, None] * t
        values = (y.ravel(), *self._evaluate(y.ravel(), np.repeat(row, t.shape[1])))
        n = len(self.y)
        counts = np.bincount(row, minlength=n)
        most = int(counts.max(initial=0))
        rank = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        arrays = []
        for old, new in zip((self.y, self.density, self.cdf), values, strict=True):
            # Rows with fewer new nodes are filled up with copies of their first node.
            added = np.tile(old[:, :1, None], (1, most, t.shape[1]))
            added[row, rank] = new.reshape(t.shape)
            arrays.append(np.concatenate([old, added.reshape(n, -1)], axis=1))
        order = np.argsort(arrays[0], axis=1, kind="stable")
        self._set(*(np.take_along_axis(a, order, axis=1) for a in arrays))

    def _set(self, y: Array, density: Array, cdf: Array) -> None:
        self.y, self.density, self.cdf = y, density, cdf
        with np.errstate(divide="ignore"):
            self.log_density = np.log(density)

    def _move_to_extremes(self) -> None:
        """Move nodes that are local extremes to the vertex of the parabola through three nodes."""
        f, y = self.density, self.y
        left, right = f[:, 1:-1] - f[:, :-2], f[:, 2:] - f[:, 1:-1]
        before, after = y[:, 1:-1] - y[:, :-2], y[:, 2:] - y[:, 1:-1]
        row, column = np.nonzero(
            (np.sign(left) * np.sign(right) < 0.0) & (before > 0.0) & (after > 0.0)
        )
        h, g = before[row, column], after[row, column]
        with np.errstate(over="ignore", invalid="ignore"):
            # Slopes at the middles of the two cells; the vertex is where the slope is zero.
            a, b = left[row, column] / h, right[row, column] / g
            node = y[row, column + 1] - 0.5 * h + 0.5 * (h + g) * a / (a - b)
        column += 1
        # Where a density is nearly infinite the node stays.
        node = np.where(np.isfinite(node), node, y[row, column])
        y[row, column] = np.clip(node, y[row, column] - 0.9 * h, y[row, column] + 0.9 * g)
        f[row, column], self.cdf[row, column] = self._evaluate(y[row, column], row)
        self._set(y, f, self.cdf)

    def solve(self, coverage: float) -> Array:
        """Log density above which the mass is ``coverage``, (n,); refines the grid."""
        level = np.empty(len(self.y))
        at = np.arange(len(self.y))
        for _ in range(25):
            level[at] = self._level(coverage, at)
            row, j, t = self._crossings(level[at], at)
            mass = np.diff(self.cdf[at])[row, j]
            open_ = np.bincount(row, weights=mass, minlength=len(at)) >= UNSETTLED
            if not open_.any():
                break
            unsettled = open_[row]
            close = np.clip(t[unsettled, None] + _CLOSE, 0.0, 1.0)
            half = np.full((len(close), 1), 0.5)
            self._insert(at[row[unsettled]], j[unsettled], np.concatenate([close, half], axis=1))
            at = at[open_]
        return level

    def _level(self, coverage: float, at: NDArray[np.intp]) -> Array:
        """Log density above which the interpolant has mass ``coverage`` in rows ``at``."""
        high = self.log_density[at].max(axis=1)
        low = np.full(len(at), np.log(np.finfo(float).tiny))

        def excess(level: Array, at: NDArray[np.intp]) -> Array:
            return self._mass_above(level, at) - coverage

        result = elementwise.find_root(excess, (low, high), args=(at,), tolerances=_LEVEL)
        return np.asarray(result.x)

    def _mass_above(self, level: Array, at: NDArray[np.intp]) -> Array:
        """Mass above levels of rows: log density linear, distribution function cubic in cells."""
        inside = self._inside(level, at)
        both = inside[:, :-1] & inside[:, 1:]
        mass = np.where(both, np.diff(self.cdf[at], axis=1), 0.0).sum(axis=1)
        row, j, t = self._crossings(level, at)
        i = at[row]
        f0, f1 = self.density[i, j], self.density[i, j + 1]
        F0, F1 = self.cdf[i, j], self.cdf[i, j + 1]
        h = self.y[i, j + 1] - self.y[i, j]
        u = 1.0 - t
        cut = F0 * u * u * (1 + 2 * t) + F1 * t * t * (1 + 2 * u) + h * t * u * (f0 * u - f1 * t)
        part = np.where(inside[row, j], cut - F0, F1 - cut)
        return mass + np.bincount(row, weights=part, minlength=len(mass))

    def _crossings(
        self, level: Array, at: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Which of the rows ``at`` and which cell the level crosses, and how far into the cell."""
        inside = self._inside(level, at)
        row, j = np.nonzero(inside[:, :-1] != inside[:, 1:])
        log_f0 = np.maximum(self.log_density[at[row], j], _LOG_ZERO)
        log_f1 = np.maximum(self.log_density[at[row], j + 1], _LOG_ZERO)
        # An outermost node may be as high as its neighbour.
        rise = np.where(log_f1 == log_f0, 1.0, log_f1 - log_f0)
        return row, j, np.clip((level[row] - log_f0) / rise, 0.0, 1.0)

    def _inside(self, level: Array, at: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which nodes of the rows ``at`` are above the level; the outermost ones never are."""
        inside = self.log_density[at] > level[:, None]
        inside[:, [0, -1]] = False
        return inside

    def ends(self, level: Array) -> tuple[Array, NDArray[np.intp]]:
        """Where the density crosses the level, with the rows: starts and ends in turn."""
        row, j, t = self._crossings(level, np.arange(len(level)))

        def excess(y: Array, row: NDArray[np.intp]) -> Array:
            return self._density(y, row) / np.exp(level[row]) - 1.0

        cell = (self.y[row, j], self.y[row, j + 1])
        root = elementwise.find_root(excess, cell, args=(row,), tolerances=TIGHT)
        # To rounding, the level may be that of a node: then there is no change of sign in the cell.
        between = cell[0] + t * (cell[1] - cell[0])
        found = np.where(np.isfinite(root.x), root.x, between)
        return np.clip(found, *self.mixtures.support[:2]), row
