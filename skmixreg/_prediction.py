"""Formulas over stored draws.

Everywhere ``X`` has shape (n, p) and ``y`` shape (n,), float64, in the user's units, and so have
the results.  Inside, rows are standardised block by block, so that memory stays bounded and
an offset in X or y cancels nothing.  Only `sample_y` and `sample_y_draws` are random.  No row's result
depends on the other rows.

Mean, standard deviation and component means come from `Posterior.moments`; responsibilities and
densities average over all draws.  Quantiles, intervals and highest-density regions are those of
the mixture over `THINNED_DRAWS` draws, evenly spaced in the order of the draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise

from . import _kernels
from ._blocks import Array, Components
from ._posterior import Posterior
from ._rows import RowBlocks

THINNED_DRAWS = 200
BLOCK_NUMBERS = 65_536  # numbers per block of rows in closed formulas
KERNEL_NUMBERS = 1 << 20  # standardised copies of rows, numbers per block
MIXTURE_NUMBERS = 1 << 20  # terms of mixtures held per block of rows
CACHED_NUMBERS = 1 << 15  # terms evaluated at once, few enough for the cache

_ROOT_TOLERANCE = {"xatol": 1e-13, "xrtol": 1e-13}


# ------------------------------------------------------------------------- closed formulas


def mean(posterior: Posterior, X: Array) -> Array:
    """Posterior predictive mean.

    Returns
    -------
    ndarray of shape (n,)
    """
    design, moments = posterior.design, posterior.moments
    out = _linear(posterior, X, moments.mean[1:])
    out += design.y_mean + design.y_scale * moments.mean[0]
    return out


def component_means(posterior: Posterior, X: Array) -> Array:
    """Posterior mean of the mean of every component.

    Returns
    -------
    ndarray of shape (n, K)
    """
    design, moments = posterior.design, posterior.moments
    out = _linear(posterior, X, moments.lines[:, 1:].T)
    out += design.y_mean + design.y_scale * moments.lines[:, 0]
    return out


def _linear(posterior: Posterior, X: Array, slopes: Array) -> Array:
    """Centred X times standardised slopes (p,) or (p, K), in the user's units of y."""
    design = posterior.design
    scale = design.y_scale / design.x_scale
    slopes = np.ascontiguousarray(slopes * (scale if slopes.ndim == 1 else scale[:, None]))
    n, p = X.shape
    out = np.empty((n, *slopes.shape[1:]))
    rows = max(1, BLOCK_NUMBERS // max(p, 1))
    centred = np.empty((min(rows, n), p))
    for start in range(0, n, rows):
        block = X[start : start + rows]
        np.subtract(block, design.x_mean, out=centred[: len(block)])
        np.dot(centred[: len(block)], slopes, out=out[start : start + rows])
    return out


def std(posterior: Posterior, X: Array) -> Array:
    """Posterior predictive standard deviation, by the law of total variance.

    Returns
    -------
    ndarray of shape (n,)
    """
    design, moments = posterior.design, posterior.moments
    n, p = X.shape
    out = np.empty(n)
    rows = max(1, BLOCK_NUMBERS // (p + 1))
    for start in range(0, n, rows):
        block = X[start : start + rows]
        lifted = np.empty((len(block), p + 1))
        lifted[:, 0] = 1.0
        np.subtract(block, design.x_mean, out=lifted[:, 1:])
        lifted[:, 1:] /= design.x_scale
        spread = np.einsum("ij,ij->i", lifted @ moments.spread, lifted)
        out[start : start + rows] = np.sqrt(np.maximum(spread, 0.0) + moments.noise)
    out *= design.y_scale
    return out


def mixing_weights(posterior: Posterior, X: Array) -> Array:
    """Posterior mean of the mixing weights, the same for every row.

    Returns
    -------
    ndarray of shape (n, K)
    """
    return np.tile(posterior.moments.weights, (len(X), 1))


# ------------------------------------------------------------------- averages over all draws


def log_predictive_density(
    posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1
) -> Array:
    """Log posterior predictive density: the log of the density averaged over all draws.

    Returns
    -------
    ndarray of shape (n,)
    """
    draws = _flat(posterior.components)
    parts = _map_rows(posterior, _kernels.pointwise_log_predictive, draws, X, y, n_threads)
    return np.concatenate([np.empty(0), *parts]) - np.log(posterior.design.y_scale)


def responsibilities(posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1) -> Array:
    """Probability of each component given x and y, averaged over all draws.

    Returns
    -------
    ndarray of shape (n, K)
    """
    draws = _flat(posterior.components)
    parts = _map_rows(posterior, _kernels.pointwise_responsibilities, draws, X, y, n_threads)
    out = np.concatenate([np.empty(0), *parts]).reshape(len(X), -1)
    return out.reshape(len(X), posterior.blocks.n_components)


def log_likelihood_draws(posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1) -> Array:
    """Log-likelihood of every row at every draw.

    Returns
    -------
    ndarray of shape (chains, draws, n)
    """
    draws = _flat(posterior.components)
    out = np.empty((len(draws.log_weights), len(X)))
    with RowBlocks(len(X), n_threads, _kernel_rows(X)) as blocks:

        def rows(start: int, stop: int) -> None:
            columns = posterior.design.columns(X[start:stop])
            target = posterior.design.target(y[start:stop])
            settings = posterior.family.kernel_settings()
            for s, arrays in enumerate(zip(*draws, strict=True)):
                out[s, start:stop] = _kernels.log_likelihood_rows(
                    0, stop - start, columns, target, *arrays, settings
                )

        blocks.map(rows)
    out -= np.log(posterior.design.y_scale)
    return out.reshape(*posterior.log_prior.shape, len(X))


def _kernel_rows(X: Array) -> int:
    return max(256, min(8192, KERNEL_NUMBERS // max(X.shape[1], 1)))


def _map_rows(
    posterior: Posterior,
    kernel: Callable[..., Array],
    draws: Components,
    X: Array,
    y: Array,
    n_threads: int,
) -> list[Array]:
    """What a kernel over (rows, draws) returns for every block of standardised rows."""
    settings = posterior.family.kernel_settings()

    def rows(start: int, stop: int) -> Array:
        columns = posterior.design.columns(X[start:stop])
        target = posterior.design.target(y[start:stop])
        return kernel(0, stop - start, columns, target, *draws, settings)

    with RowBlocks(len(X), n_threads, _kernel_rows(X)) as blocks:
        return blocks.map(rows)


def _flat(components: Components) -> Components:
    """One axis of draws, C-contiguous, as the kernels take it."""
    logs, intercept, coef, dispersion = components
    S = logs.shape[0] * logs.shape[1]
    return Components(
        np.ascontiguousarray(logs.reshape(S, -1)),
        np.ascontiguousarray(intercept.reshape(S, -1)),
        np.ascontiguousarray(coef.reshape(S, *coef.shape[2:])),
        np.ascontiguousarray(dispersion.reshape(S, -1)),
    )


# ---------------------------------------------------------------------- random predictions


def sample_y(posterior: Posterior, X: Array, n_samples: int, rng: np.random.Generator) -> Array:
    """Draws from the posterior predictive distribution.

    Every column is one data set: all its rows share one draw of the parameters, so that columns
    show how uncertain lines move rows together.  Draws are not repeated before all were used.

    Parameters
    ----------
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, n_samples)
    """
    draws = _flat(posterior.components)
    S = len(draws.log_weights)
    chosen = np.concatenate([rng.permutation(S) for _ in range(-(-n_samples // S))])[:n_samples]
    out = np.empty((len(X), n_samples))
    for column, s in enumerate(chosen):
        out[:, column] = _sample_rows(posterior, draws, s, X, rng)
    return out


def sample_y_draws(posterior: Posterior, X: Array, rng: np.random.Generator) -> Array:
    """One predictive data set for every posterior draw.

    Returns
    -------
    ndarray of shape (chains, draws, n)
    """
    draws = _flat(posterior.components)
    S = len(draws.log_weights)
    out = np.stack([_sample_rows(posterior, draws, s, X, rng) for s in range(S)])
    return out.reshape(*posterior.log_prior.shape, len(X))


def _sample_rows(
    posterior: Posterior, draws: Components, s: int, X: Array, rng: np.random.Generator
) -> Array:
    design = posterior.design
    out = np.empty(len(X))
    cumulative = np.cumsum(np.exp(draws.log_weights[s]))[:-1]
    rows = max(1, KERNEL_NUMBERS // (X.shape[1] + posterior.blocks.n_components))
    for start in range(0, len(X), rows):
        part = slice(start, start + rows)
        Z = (X[part] - design.x_mean) / design.x_scale
        z = np.searchsorted(cumulative, rng.random(len(Z)))
        eta = (Z @ draws.coef[s].T + draws.intercept[s])[np.arange(len(Z)), z]
        out[part] = posterior.family.sample(eta, np.exp(draws.log_dispersion[s])[z], rng)
    return design.y_mean + design.y_scale * out


# -------------------------------------------------- the predictive distribution at each row


class _RowMixtures:
    """Predictive distributions of some rows: mixtures of M = T x K terms, standardised.

    Attributes
    ----------
    eta : ndarray of shape (n, M)
    dispersion, weights : ndarray of shape (M,)
    centre, spread : ndarray of shape (n, K)
        Mean and standard deviation of y within each component.
    shares : ndarray of shape (K,)
    """

    def __init__(self, posterior: Posterior, draws: Components, X: Array):
        self.family = posterior.family
        Z = (X - posterior.design.x_mean) / posterior.design.x_scale
        T, K = draws.log_weights.shape
        p = Z.shape[1]
        # Column by column: a matrix product may round a row differently in other company.
        slopes = draws.coef.reshape(T * K, p)
        self.eta = np.repeat(draws.intercept.reshape(1, T * K), len(Z), axis=0)
        for j in range(p):
            self.eta += Z[:, j, None] * slopes[:, j]
        self.dispersion = np.exp(draws.log_dispersion).ravel()
        self.weights = (np.exp(draws.log_weights) / T).ravel()
        self.weights /= self.weights.sum()
        self.shares = self.weights.reshape(T, K).sum(axis=0)
        within = self.weights.reshape(T, K) / self.shares
        eta = self.eta.reshape(len(Z), T, K)
        location = self.family.mean(eta, self.dispersion.reshape(T, K))
        variance = self.family.variance(eta, self.dispersion.reshape(T, K))
        self.centre = (within * location).sum(axis=1)
        deviation = location - self.centre[:, None, :]
        self.spread = np.sqrt((within * (variance + deviation**2)).sum(axis=1))

    def cdf(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Distribution function at points ``y`` of rows ``row``, both of shape (m,)."""
        return self._average(self.family.cdf, y, row)

    def density(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Density at points ``y`` of rows ``row``."""

        def value(y: Array, eta: Array, dispersion: Array) -> Array:
            return np.exp(self.family.log_density(y, eta, dispersion))

        return self._average(value, y, row)

    def _average(self, function: Callable[..., Array], y: Array, row: NDArray[np.intp]) -> Array:
        out = np.empty(len(y))
        step = max(1, CACHED_NUMBERS // len(self.weights))
        for start in range(0, len(y), step):
            part = slice(start, start + step)
            values = function(y[part, None], self.eta[row[part]], self.dispersion)
            out[part] = (values * self.weights).sum(axis=1)
        return out

    def collapsed_cdf(self, y: Array, row: NDArray[np.intp]) -> Array:
        """The same with one term per component, of its mean and spread: a start for roots."""
        values = self.family.cdf(y[:, None], self.centre[row], self.spread[row])
        return (values * self.shares).sum(axis=1)


def quantiles(posterior: Posterior, X: Array, levels: Array, *, n_threads: int = 1) -> Array:
    """Posterior predictive quantiles, roots of the distribution function.

    Parameters
    ----------
    levels : ndarray of shape (q,)
        Probabilities inside (0, 1).

    Returns
    -------
    ndarray of shape (n, q)
    """
    levels = np.asarray(levels, dtype=np.float64)

    def rows(mixtures: _RowMixtures) -> Array:
        n, q = len(mixtures.eta), len(levels)
        row = np.repeat(np.arange(n), q)
        level = np.tile(levels, n)
        width = mixtures.spread.max(axis=1)[row]
        low = mixtures.centre.min(axis=1)[row] - 8.0 * width
        high = mixtures.centre.max(axis=1)[row] + 8.0 * width
        start = _root(mixtures.collapsed_cdf, low, high, row, level, tolerance=1e-4)
        step = 0.02 * mixtures.spread.min(axis=1)[row]
        return _root(mixtures.cdf, start - step, start + step, row, level).reshape(n, q)

    parts = _map_mixtures(posterior, rows, X, n_threads)
    out = np.concatenate([np.empty((0, len(levels))), *parts])
    return posterior.design.y_mean + posterior.design.y_scale * out


def interval(posterior: Posterior, X: Array, coverage: float, *, n_threads: int = 1) -> Array:
    """Equal-tailed posterior predictive interval.

    Returns
    -------
    ndarray of shape (n, 2)
    """
    tail = 0.5 * (1.0 - coverage)
    return quantiles(posterior, X, np.array([tail, 1.0 - tail]), n_threads=n_threads)


def _root(
    function: Callable[[Array, NDArray[np.intp]], Array],
    low: Array,
    high: Array,
    row: NDArray[np.intp],
    level: Array,
    tolerance: float | None = None,
) -> Array:
    """Where an increasing ``function(y, row)`` equals ``level``, from a first guess low..high."""

    def excess(y: Array, row: NDArray[np.intp], level: Array) -> Array:
        return function(y, row) - level

    bracket = elementwise.bracket_root(excess, low, high, args=(row, level), maxiter=200)
    tolerances = _ROOT_TOLERANCE if tolerance is None else {"xatol": 0.0, "xrtol": tolerance}
    result = elementwise.find_root(
        excess, bracket.bracket, args=(row, level), tolerances=tolerances, maxiter=200
    )
    return np.asarray(result.x)


def _thinned(posterior: Posterior) -> Components:
    draws = _flat(posterior.components)
    S = len(draws.log_weights)
    if S <= THINNED_DRAWS:
        return draws
    chosen = np.round((np.arange(THINNED_DRAWS) + 0.5) * S / THINNED_DRAWS - 0.5).astype(np.intp)
    return Components(*(a[chosen] for a in draws))


def _map_mixtures(
    posterior: Posterior,
    function: Callable[[_RowMixtures], Any],
    X: Array,
    n_threads: int,
    most_rows: int = 8192,
) -> list[Any]:
    draws = _thinned(posterior)
    per_block = min(most_rows, max(1, MIXTURE_NUMBERS // draws.log_weights.size))

    def rows(start: int, stop: int) -> Any:
        return function(_RowMixtures(posterior, draws, X[start:stop]))

    with RowBlocks(len(X), n_threads, per_block) as blocks:
        return blocks.map(rows)


# ---------------------------------------------------------------- highest-density regions


def highest_density_regions(
    posterior: Posterior, X: Array, coverage: float, *, n_threads: int = 1
) -> list[Array]:
    """Highest-density region of the posterior predictive distribution at every row.

    The set where the density exceeds the level at which the set has probability ``coverage``.
    Density and distribution function are evaluated on a grid of each row's own, refined where
    they are not resolved and then around the ends of the region, until the mass of the cells in
    which ends lie is below 1e-5: interpolation matters within these only.

    Returns
    -------
    list of n ndarrays of shape (m, 2)
        Disjoint intervals, ascending; m differs between rows.
    """

    def rows(mixtures: _RowMixtures) -> list[Array]:
        grid = _Grid(mixtures)
        level = grid.solve(coverage)
        ends, row = grid.ends(level)
        counts = np.bincount(row[::2], minlength=len(level))
        intervals = posterior.design.y_mean + posterior.design.y_scale * ends.reshape(-1, 2)
        return np.split(intervals, np.cumsum(counts)[:-1])

    parts = _map_mixtures(posterior, rows, X, n_threads, most_rows=128)
    return [region for part in parts for region in part]


_UNRESOLVED = 5e-4  # mass of a cell missed by the trapezium rule that calls for more nodes
_UNSETTLED = 1e-5  # mass of the cells with ends in them that calls for more nodes
_HALF = np.array([0.5, 1.0, 1.6, 2.3, 3.0, 4.0, 5.5, 8.0])
_OFFSETS = np.concatenate([-_HALF[::-1], [0.0], _HALF])
_QUARTERS = np.array([0.25, 0.5, 0.75])
_CLOSE = np.array([-0.02, 0.0, 0.02])  # in widths of the cell
_LOG_ZERO = -745.2  # below the log of every positive number


class _Grid:
    """Density and distribution function of each row's mixture on nodes of its own.

    Nodes lie around every component, wherever the trapezium rule shows that these were too few,
    and on the local extremes of the density, so that it is monotone between neighbours.

    Attributes
    ----------
    y, density, log_density, cdf : ndarray of shape (n, G)
        Nodes, ascending in every row.
    """

    def __init__(self, mixtures: _RowMixtures):
        self.mixtures = mixtures
        n = len(mixtures.eta)
        around = mixtures.centre[:, :, None] + mixtures.spread[:, :, None] * _OFFSETS
        reach = 10.0 * mixtures.dispersion
        low = (mixtures.eta - reach).min(axis=1, keepdims=True)
        high = (mixtures.eta + reach).max(axis=1, keepdims=True)
        nodes = np.sort(np.concatenate([low, around.reshape(n, -1), high], axis=1), axis=1)
        values = self._evaluate(nodes.ravel(), np.repeat(np.arange(n), nodes.shape[1]))
        self._set(nodes, *(a.reshape(nodes.shape) for a in values))
        for _ in range(8):
            trapezium = 0.5 * (self.density[:, 1:] + self.density[:, :-1]) * np.diff(self.y)
            row, j = np.nonzero(np.abs(np.diff(self.cdf) - trapezium) > _UNRESOLVED)
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
        rank = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        arrays = []
        for old, new in zip((self.y, self.density, self.cdf), values, strict=True):
            # Rows with fewer new nodes are filled up with copies of their first node.
            added = np.tile(old[:, :1, None], (1, counts.max(initial=0), t.shape[1]))
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
        settled = np.zeros(len(self.y), dtype=bool)
        for _ in range(25):
            level = self._level(coverage)
            row, j, t = self._crossings(level)
            mass = np.diff(self.cdf)[row, j]
            settled |= np.bincount(row, weights=mass, minlength=len(settled)) < _UNSETTLED
            open_ = ~settled[row]
            if not open_.any():
                break
            close = np.clip(t[open_, None] + _CLOSE, 0.0, 1.0)
            half = np.full((len(close), 1), 0.5)
            self._insert(row[open_], j[open_], np.concatenate([close, half], axis=1))
        return level

    def _level(self, coverage: float) -> Array:
        """Log density above which the interpolant has mass ``coverage``, (n,)."""
        high = self.log_density.max(axis=1)
        low = np.full(len(high), np.log(np.finfo(float).tiny))
        for _ in range(45):
            middle = 0.5 * (low + high)
            too_much = self._mass_above(middle) > coverage
            low, high = np.where(too_much, middle, low), np.where(too_much, high, middle)
        return 0.5 * (low + high)

    def _mass_above(self, level: Array) -> Array:
        """Mass above a level: log density linear, distribution function cubic within cells."""
        inside = self.log_density > level[:, None]
        both = inside[:, :-1] & inside[:, 1:]
        mass = np.where(both, np.diff(self.cdf, axis=1), 0.0).sum(axis=1)
        row, j, t = self._crossings(level)
        f0, f1 = self.density[row, j], self.density[row, j + 1]
        F0, F1 = self.cdf[row, j], self.cdf[row, j + 1]
        h = self.y[row, j + 1] - self.y[row, j]
        u = 1.0 - t
        at = F0 * u * u * (1 + 2 * t) + F1 * t * t * (1 + 2 * u) + h * t * u * (f0 * u - f1 * t)
        part = np.where(inside[row, j], at - F0, F1 - at)
        return mass + np.bincount(row, weights=part, minlength=len(mass))

    def _crossings(self, level: Array) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Row and cell of every crossing of the level, and how far into the cell it lies."""
        inside = self.log_density > level[:, None]
        row, j = np.nonzero(inside[:, :-1] != inside[:, 1:])
        log_f0 = np.maximum(self.log_density[row, j], _LOG_ZERO)
        log_f1 = np.maximum(self.log_density[row, j + 1], _LOG_ZERO)
        return row, j, (level[row] - log_f0) / (log_f1 - log_f0)

    def ends(self, level: Array) -> tuple[Array, NDArray[np.intp]]:
        """Where the density crosses the level, with the rows: starts and ends in turn."""
        row, j, _ = self._crossings(level)

        def excess(y: Array, row: NDArray[np.intp]) -> Array:
            return self.mixtures.density(y, row) / np.exp(level[row]) - 1.0

        cell = (self.y[row, j], self.y[row, j + 1])
        root = elementwise.find_root(excess, cell, args=(row,), tolerances=_ROOT_TOLERANCE)
        return np.asarray(root.x), row
