"""Quantiles and highest-probability sets of mixtures of distributions of counts.

Both are exact to the count, up to rounding: nodes of a `CountLattice` say where to look, and the
distribution function itself is asked there.
"""

from __future__ import annotations

import numpy as np

from ..._support.arrays import Array
from .count_lattice import LARGEST_COUNT, CountLattice
from .mixtures import Mixtures

MOST_EXTRA = 64  # counts looked at on either side of an end
SETTLED = 1e-7  # a mass is hit to this, or to some counts
ROUNDING = 1e-14  # of a sum of probabilities, which is not worth another count


def quantiles(mixtures: Mixtures, levels: Array) -> Array:
    """Smallest counts at which the distribution functions reach the levels: (q,) -> (n, q)."""
    lattice = CountLattice(mixtures)
    return np.stack([_quantiles(lattice, i, levels) for i in range(mixtures.n_rows)])


def _quantiles(lattice: CountLattice, i: int, levels: Array) -> Array:
    part = slice(lattice.starts[i], lattice.starts[i + 1])
    y, cdf = lattice.y[part], lattice.cdf[part]
    at = np.searchsorted(cdf, levels - ROUNDING)
    out = y[np.minimum(at, len(y) - 1)]
    # A count at which the level is reached, and one below at which it is not.
    known = (at < len(y)) & (lattice.step[part][np.minimum(at, len(y) - 1)] <= 1.0)
    known &= (at > 0) | (y[0] == lattice.mixtures.support.low)
    for j in np.flatnonzero(~known):
        low = y[at[j] - 1] if at[j] else y[0] - 1.0
        out[j] = _search(lattice.mixtures, i, float(levels[j]), float(low), float(out[j]))
    return out


def _search(mixtures: Mixtures, i: int, level: float, low: float, high: float) -> float:
    """The smallest count that reaches the level, about between ``low`` and ``high``."""
    support = mixtures.support
    row = np.array([i])

    def excess(y: float) -> float:
        return float(mixtures.cdf(np.array([y]), row)[0]) - level

    step = max(high - low, 1.0)
    below, above = excess(low), excess(high)
    while above < 0.0 and high < min(support.high, LARGEST_COUNT):
        low, below = high, above
        high = min(high + step, support.high, LARGEST_COUNT)
        above, step = excess(high), 2.0 * step
    while below >= 0.0 and low >= support.low:
        high, above = low, below
        low = max(low - step, support.low - 1.0)
        below, step = excess(low), 2.0 * step
    turn = 0
    while high - low > 1.0 and above >= 0.0:
        # By turns along the line through both ends and halfway.
        share = 0.5 if turn % 3 == 2 or above <= below else below / (below - above)
        middle = min(max(np.floor(low + share * (high - low)), low + 1.0), high - 1.0)
        value = excess(middle)
        if value >= 0.0:
            high, above = middle, value
        else:
            low, below = middle, value
        turn += 1
    return high


def highest_probability_sets(mixtures: Mixtures, coverage: float) -> list[Array]:
    """The fewest counts, the most probable ones, that have at least the mass ``coverage``.

    Returns
    -------
    list of n ndarrays of shape (m, 2)
        First and last counts of disjoint intervals, ascending.
    """
    lattice = CountLattice(mixtures)
    return [_region(lattice, i, coverage) for i in range(mixtures.n_rows)]


def _region(lattice: CountLattice, i: int, coverage: float) -> Array:
    part = slice(lattice.starts[i], lattice.starts[i + 1])
    y, f, step = lattice.y[part], lattice.probability[part], lattice.step[part]
    if not (step > 1.0).any():
        order = np.argsort(-f, kind="stable")
        reached = np.cumsum(f[order])
        size = int(np.searchsorted(reached, coverage - ROUNDING)) + 1
        return _intervals(np.sort(y[order[:size]]))
    return _Wide(lattice, i, part).region(coverage)


def _intervals(counts: Array) -> Array:
    """First and last of each run of consecutive counts."""
    breaks = np.flatnonzero(np.diff(counts) > 1.0)
    first = counts[np.concatenate([[0], breaks + 1])]
    return np.column_stack([first, counts[np.concatenate([breaks, [len(counts) - 1]])]])


class _Wide:
    """A row whose counts are too many to be looked at one by one."""

    def __init__(self, lattice: CountLattice, i: int, part: slice):
        self.mixtures, self.i = lattice.mixtures, i
        y, f, mass = lattice.y[part], lattice.probability[part], lattice.mass[part]
        step = lattice.step[part]
        # Tops between nodes, at the vertex of the parabola through three logarithms.
        log_f = np.log(np.maximum(f, np.finfo(float).tiny))
        left, right = log_f[1:-1] - log_f[:-2], log_f[2:] - log_f[1:-1]
        top = np.flatnonzero((left > 0.0) & (right <= 0.0) & (step[1:-1] > 1.0) & (step[2:] > 1.0))
        shift = 0.5 * (left + right)[top] / np.maximum(left - right, 1e-300)[top]
        vertex = np.rint(y[top + 1] + shift * step[top + 1])
        vertex = vertex[~np.isin(vertex, y)]
        at = np.searchsorted(y, vertex)
        self.y = np.insert(y, at, vertex)
        self.f = np.insert(f, at, self._probability(vertex))
        # The cell that a top divides keeps its mass, in proportion to the counts.
        share = (vertex - y[at - 1]) / (y[at] - y[at - 1])
        self.mass = np.insert(mass, at, mass[at] * share)
        self.mass[at + np.arange(len(at)) + 1] *= 1.0 - share
        # Whether the counts between this node and the one before are filled.
        filled = np.insert(step > 0.0, at, True)
        self.filled = filled & (np.diff(self.y, prepend=self.y[0]) > 0.0)
        self.filled |= np.diff(self.y, prepend=-np.inf) == 1.0
        self.log_f = np.log(np.maximum(self.f, np.finfo(float).tiny))

    def _probability(self, y: Array) -> Array:
        return self.mixtures.density(y, np.full(len(y), self.i))

    def region(self, coverage: float) -> Array:
        low, high = float(self.log_f.min()), float(self.log_f.max())
        level = self._first_level(coverage, low, high)
        enough = None
        for _ in range(80):
            ends, slopes = self._ends(level)
            mass = self._mass(ends)
            missing = coverage - mass
            f = self._probability(ends.ravel())
            wide = np.isfinite(slopes)
            if abs(missing) <= max(SETTLED, 4.0 * float(f[wide].max(initial=0.0))):
                return self._adjusted(ends, mass, coverage)
            if missing > 0.0:
                high = min(high, level)
            else:
                low, enough = max(low, level), (ends, mass)
            if high - low < 1e-9 and enough is not None:
                break
            level -= missing / max(float((f / slopes).sum()), 1e-300)
            if not low < level < high:
                level = 0.5 * (low + high)
        # At this level a single count of more than the missing mass comes in.
        return self._adjusted(*(enough or (ends, mass)), coverage)

    def _first_level(self, coverage: float, low: float, high: float) -> float:
        """Log probability above which the lattice has about the mass ``coverage``."""
        for _ in range(40):
            level = 0.5 * (low + high)
            inside = self.log_f > level
            both = inside & np.concatenate([[False], inside[:-1]])
            crossed = inside ^ np.concatenate([[False], inside[:-1]])
            crossed[0] = False
            whole = both | (inside & ~self.filled)
            mass = float(self.mass[whole].sum())
            at = np.flatnonzero(crossed & self.filled)
            t = (level - self.log_f[at - 1]) / (self.log_f[at] - self.log_f[at - 1])
            mass += float((self.mass[at] * np.where(inside[at], 1.0 - t, t)).sum())
            low, high = (level, high) if mass > coverage else (low, level)
        return 0.5 * (low + high)

    def _ends(self, level: float) -> tuple[Array, Array]:
        """Intervals (m, 2) of counts above the level, and slopes of log f at their ends (2 m,)."""
        inside = self.log_f >= level
        before = np.concatenate([[False], inside[:-1]])
        # An interval begins after a gap too.
        begins = np.flatnonzero(inside & (~before | ~self.filled))
        after = np.concatenate([inside[1:], [False]])
        filled_after = np.concatenate([self.filled[1:], [False]])
        closes = np.flatnonzero(inside & (~after | ~filled_after))
        inner = np.column_stack([begins, closes]).ravel()
        outer = np.column_stack([begins - 1, closes + 1]).ravel()
        sign = np.tile([-1, 1], len(begins))
        ok = (outer >= 0) & (outer < len(self.y))
        outer = np.where(ok, outer, inner)
        cell = np.where(sign < 0, inner, outer)
        ok &= self.filled[cell] & ~inside[outer]
        a = self.y[inner].copy()
        b = np.where(ok, self.y[outer], a + sign)
        rise = np.abs(self.log_f[inner] - self.log_f[outer])
        slopes = np.where(ok, rise / np.maximum(np.abs(b - a), 1.0), np.inf)
        open_ = np.flatnonzero(np.abs(b - a) > 1.0)
        while len(open_):
            middle = np.floor(0.5 * (a[open_] + b[open_]))
            above = np.log(np.maximum(self._probability(middle), 1e-300)) >= level
            a[open_[above]], b[open_[~above]] = middle[above], middle[~above]
            open_ = open_[np.abs(b[open_] - a[open_]) > 1.0]
        return a.reshape(-1, 2), np.maximum(slopes, 1e-300)

    def _mass(self, ends: Array) -> float:
        points = ends - np.array([1.0, 0.0])
        cdf = self.mixtures.cdf(points.ravel(), np.full(points.size, self.i)).reshape(-1, 2)
        return float((cdf[:, 1] - cdf[:, 0]).sum())

    def _adjusted(self, ends: Array, mass: float, coverage: float) -> Array:
        """Counts at the ends are dropped or taken until the mass is just enough."""
        ends = ends.copy()
        sign = np.tile([-1.0, 1.0], len(ends))
        add = mass < coverage
        offsets = np.arange(1.0, MOST_EXTRA + 1.0) if add else np.arange(float(MOST_EXTRA))
        counts = ends.ravel()[:, None] + (sign[:, None] if add else -sign[:, None]) * offsets
        owner = np.repeat(np.arange(len(sign)), MOST_EXTRA)
        # Neither beyond the middle of a gap, nor of an interval, nor of what is possible.
        middles = 0.5 * (ends[1:, 0] + ends[:-1, 1])
        support = self.mixtures.support
        if add:
            least = np.concatenate([[support.low], middles + 1e-9])
            most = np.concatenate([middles, [support.high]])
            bounds = np.column_stack([least, ends[:, 0], ends[:, 1], most])
        else:
            middles = ends.mean(axis=1)
            bounds = np.column_stack([ends[:, 0], middles, middles + 1e-9, ends[:, 1]])
        bounds = bounds.reshape(-1, 2)
        possible = (counts >= bounds[:, :1]) & (counts <= bounds[:, 1:])
        counts, owner = counts[possible], owner[possible.ravel()]
        f = self._probability(counts)
        order = np.argsort(-f if add else f, kind="stable")
        sums = np.cumsum(f[order])
        if add:
            size = int(np.searchsorted(sums, coverage - mass - 1e-14)) + 1
        else:
            size = int(np.searchsorted(sums, mass - coverage + 1e-14, side="right"))
        moved = np.bincount(owner[order[:size]], minlength=len(sign)) * sign
        flat = ends.ravel() + (moved if add else -moved)
        ends = flat.reshape(-1, 2)
        ends = ends[ends[:, 0] <= ends[:, 1]]
        touching = ends[1:, 0] <= ends[:-1, 1] + 1.0
        keep = np.concatenate([[True], ~touching])
        last = np.concatenate([~touching, [True]])
        return np.column_stack([ends[keep, 0], ends[last, 1]])
