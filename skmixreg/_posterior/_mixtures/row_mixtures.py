"""Quantiles and highest-density regions of many one-dimensional mixtures at once.

Row i has the distribution of a mixture of M terms ``f(y | eta[i, m], extra[m])`` with
weights ``weights[m]``: the posterior predictive distribution, over T draws of K components.
Everything is deterministic, and no row's result depends on the other rows.  Rows are solved
together, by the bracketing root finder of Chandrupatla (1997) in `scipy.optimize.elementwise`.

References
----------
Chandrupatla, T. R. (1997). A new hybrid quadratic/bisection algorithm for finding the zero of a
nonlinear function without using derivatives. Advances in Engineering Software 28, 145-149.

Hyndman, R. J. (1996). Computing and graphing highest density regions. The American Statistician
50, 120-126.

Silverman, B. W. (1986). Density Estimation for Statistics and Data Analysis. Chapman and Hall.

West, M. (1993). Approximating posterior distributions by mixtures. Journal of the Royal
Statistical Society B 55, 409-422.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise

from ..._model.raw import Raw
from ..._support.arrays import Array
from ...families._base import Family, Support
from .mixtures import Mixtures

CACHED_NUMBERS = 1 << 15  # terms evaluated at once, few enough for the cache
UNRESOLVED = 5e-4  # mass of a cell missed by the trapezium rule that calls for more nodes
UNSETTLED = 1e-5  # mass of the cells with ends in them that calls for more nodes

_TIGHT: Any = {"xatol": 1e-13, "xrtol": 1e-13}
_LEVEL: Any = {"xatol": 1e-10, "xrtol": 0.0, "fatol": 1e-9}
_ROUGH: Any = {"xatol": 0.0, "xrtol": 1e-4}
_HALF = np.array([0.5, 1.0, 1.6, 2.3, 3.0, 4.0, 5.5, 8.0])
_OFFSETS = np.concatenate([-_HALF[::-1], [0.0], _HALF])
_QUARTERS = np.array([0.25, 0.5, 0.75])
_CLOSE = np.array([-0.02, 0.0, 0.02])  # in widths of the cell
_LOG_ZERO = -745.2  # below the log of every positive number


class RowMixtures(Mixtures):
    """Mixtures of M = T x K terms, one for every row.

    Parameters
    ----------
    family : Family
    draws : Raw
        T draws, standardised.
    Z : ndarray of shape (n, p)
        Standardised rows.
    location : float
        Added to linear predictors: `Design.location`.
    groups : ndarray of shape (T,), optional
        The mode of every draw.  If given, terms are widened where draws are seen one by one: see
        `_widen`.

    Attributes
    ----------
    family : Family
        Distribution of the terms.
    eta : ndarray of shape (n, M)
    extra : list of ndarrays of shape (M,) or (n, M)
        The family's extra parameters, on their natural scales.
    """

    def __init__(
        self,
        family: Family,
        draws: Raw,
        Z: Array,
        location: float = 0.0,
        groups: NDArray[np.intp] | None = None,
    ):
        self.family = family
        T, K = draws.log_weights.shape
        p = Z.shape[1]
        # Column by column: a matrix product may round a row differently in other company.
        slopes = draws.coef.reshape(T * K, p)
        self.eta = np.repeat(draws.intercept.reshape(1, T * K) + location, len(Z), axis=0)
        for j in range(p):
            self.eta += Z[:, j, None] * slopes[:, j]
        np.minimum(self.eta, family.largest_predictor, out=self.eta)
        self.extra = [value.ravel() for value in family.natural(draws.extra)]
        self.weights = (np.exp(draws.log_weights) / T).ravel()
        self.weights /= self.weights.sum()
        self.shares = self.weights.reshape(T, K).sum(axis=0)
        # A component that no draw gives a weight is nowhere, but its terms are somewhere.
        positive = np.maximum(self.shares, np.finfo(float).tiny)
        within = np.where(self.shares > 0.0, self.weights.reshape(T, K) / positive, 1.0 / T)
        if groups is not None:
            self._widen(within, groups)
        eta = self.eta.reshape(len(Z), T, K)
        extra = [value.reshape(*value.shape[:-1], T, K) for value in self.extra]
        mean, variance = self.family.mean_and_variance(eta, *extra)
        self.centre = (within * mean).sum(axis=1)
        deviation = mean - self.centre[:, None, :]
        self.spread = np.sqrt((within * (variance + deviation**2)).sum(axis=1))

    def _widen(self, within: Array, groups: NDArray[np.intp]) -> None:
        """Let terms overlap that far from the data would be seen one by one.

        The predictors of a component at one row, over the draws of one mode, are nearly normal.
        Where their density is estimated from so few draws, each has a kernel whose bandwidth is
        Silverman's (1986, eq. 3.28); a term that is wider by itself has none.  Predictors shrink
        towards their mean by as much as the kernels add (West 1993), so that mean and variance
        stay.
        """
        T, K = within.shape
        eta = self.eta.reshape(-1, T, K)
        centre, variance, width = np.empty_like(eta), np.empty_like(eta), np.empty_like(eta)
        members = [groups == g for g in np.unique(groups)]
        shares = []
        for member in members:
            share = within[member]
            total = share.sum(axis=0)
            share = np.where(total > 0.0, share / np.maximum(total, 1e-300), 1.0 / len(share))
            shares.append(share)
            of_group = eta[:, member]
            middle = (share * of_group).sum(axis=1, keepdims=True)
            square = (share * (of_group - middle) ** 2).sum(axis=1, keepdims=True)
            centre[:, member], variance[:, member] = middle, square
            width[:, member] = np.sqrt(square) * (4.0 / (3.0 * len(share))) ** 0.2
        widened = self.family.widened(self.eta, width.reshape(self.eta.shape), *self.extra)
        if widened is None or not widened[2].any():
            return
        self.family, self.extra, added = widened
        added = added.reshape(eta.shape).copy()  # extras may be the same array
        for member, share in zip(members, shares, strict=True):
            mean_added = (share * added[:, member]).sum(axis=1, keepdims=True)
            added[:, member] = mean_added
        ratio = added / np.maximum(variance, np.finfo(float).tiny)
        shrunk = np.sqrt(np.maximum(1.0 - ratio, 0.0))
        moved = np.where(added > 0.0, centre + shrunk * (eta - centre), eta)
        self.eta = moved.reshape(self.eta.shape)

    @property
    def support(self) -> Support:
        """That of the family."""
        return self.family.support

    def outer(self) -> tuple[Array, Array]:
        """The outermost bounds of all terms."""
        low, high = self.family.outer(self.eta, *self.extra)
        return low.min(axis=1), high.max(axis=1)

    def term_moments(self) -> tuple[Array, Array]:
        """As the family has them."""
        return self.family.mean_and_variance(self.eta, *self.extra)

    def cdf(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Distribution function at points ``y`` of rows ``row``, both of shape (m,)."""
        return self._average(self.family.cdf, y, row)

    def density(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Density at points ``y`` of rows ``row``."""
        compiled = self.family.mixture_density(y, row, self.eta, self.extra, self.weights)
        if compiled is not None:
            return compiled

        def value(y: Array, eta: Array, *extra: Array) -> Array:
            return np.exp(self.family.log_density(y, eta, *extra))

        return self._average(value, y, row)

    def _average(self, function: Callable[..., Array], y: Array, row: NDArray[np.intp]) -> Array:
        out = np.empty(len(y))
        step = max(1, CACHED_NUMBERS // len(self.weights))
        for start in range(0, len(y), step):
            part = slice(start, start + step)
            at = row[part]
            extra = [value if value.ndim == 1 else value[at] for value in self.extra]
            values = function(y[part, None], self.eta[at], *extra)
            out[part] = (values * self.weights).sum(axis=1)
        return out


def quantiles(mixtures: Mixtures, levels: Array) -> Array:
    """Roots of the distribution functions: (q,) -> (n, q)."""
    n, q = mixtures.n_rows, len(levels)
    row, level = np.repeat(np.arange(n), q), np.tile(levels, n)
    width = mixtures.spread.max(axis=1)[row]
    low = mixtures.centre.min(axis=1)[row] - 8.0 * width
    high = mixtures.centre.max(axis=1)[row] + 8.0 * width
    start = _root(mixtures.collapsed_cdf, low, high, row, level, _ROUGH)
    step = 0.02 * mixtures.spread.min(axis=1)[row]
    return _root(mixtures.cdf, start - step, start + step, row, level, _TIGHT).reshape(n, q)


def _root(
    function: Callable[[Array, NDArray[np.intp]], Array],
    low: Array,
    high: Array,
    row: NDArray[np.intp],
    level: Array,
    tolerances: Any,
) -> Array:
    """Where an increasing ``function(y, row)`` equals ``level``, from a first guess low..high."""

    def excess(y: Array, row: NDArray[np.intp], level: Array) -> Array:
        return function(y, row) - level

    bracket = elementwise.bracket_root(excess, low, high, args=(row, level), maxiter=200)
    result = elementwise.find_root(
        excess, bracket.bracket, args=(row, level), tolerances=tolerances, maxiter=200
    )
    return np.asarray(result.x)


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
        n = mixtures.n_rows
        around = mixtures.centre[:, :, None] + mixtures.spread[:, :, None] * _OFFSETS
        low, high = mixtures.outer()
        edges = [np.full((n, 1), edge) for edge in mixtures.edges]
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
        return self.mixtures.density(y, row), self.mixtures.cdf(y, row)

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
        row, column = np.nonzero((left * right < 0.0) & (before > 0.0) & (after > 0.0))
        a, b = left[row, column] / before[row, column], right[row, column] / after[row, column]
        h, g = before[row, column], after[row, column]
        # Slopes a and b at the middles of the two cells; the vertex is where the slope is zero.
        node = y[row, column + 1] - 0.5 * h + 0.5 * (h + g) * a / (a - b)
        column += 1
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
        inside = self.log_density[at] > level[:, None]
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
        inside = self.log_density[at] > level[:, None]
        row, j = np.nonzero(inside[:, :-1] != inside[:, 1:])
        log_f0 = np.maximum(self.log_density[at[row], j], _LOG_ZERO)
        log_f1 = np.maximum(self.log_density[at[row], j + 1], _LOG_ZERO)
        return row, j, (level[row] - log_f0) / (log_f1 - log_f0)

    def ends(self, level: Array) -> tuple[Array, NDArray[np.intp]]:
        """Where the density crosses the level, with the rows: starts and ends in turn."""
        row, j, t = self._crossings(level, np.arange(len(level)))

        def excess(y: Array, row: NDArray[np.intp]) -> Array:
            return self.mixtures.density(y, row) / np.exp(level[row]) - 1.0

        cell = (self.y[row, j], self.y[row, j + 1])
        root = elementwise.find_root(excess, cell, args=(row,), tolerances=_TIGHT)
        # To rounding, the level may be that of a node: then there is no change of sign in the cell.
        between = cell[0] + t * (cell[1] - cell[0])
        found = np.where(np.isfinite(root.x), root.x, between)
        return np.clip(found, *self.mixtures.support[:2]), row
