"""Distributions and quantiles of many one-dimensional mixtures at once.

Row i has the distribution of a mixture of M terms ``f(y | eta[i, m], extra[m])`` with
weights ``weights[m]``: the posterior predictive distribution, over T draws of K components.
Everything is deterministic, and no row's result depends on the other rows.  Rows are solved
together, by the bracketing root finder of Chandrupatla (1997) in `scipy.optimize.elementwise`.

References
----------
Chandrupatla, T. R. (1997). A new hybrid quadratic/bisection algorithm for finding the zero of a
nonlinear function without using derivatives. Advances in Engineering Software 28, 145-149.

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
from ..parameters import log_memberships
from .mixtures import Mixtures

CACHED_NUMBERS = 1 << 15  # terms evaluated at once, few enough for the cache

# In widths of the distribution: closer to the end of a support distances have a scale of their own.
CLOSE_TO_END = 1e-4

# The exponential of less is as good as none.
LEAST_LOG_MEAN = -300.0
# Of the numbers at which distribution functions are looked at.
SMALLEST, LARGEST = 1e-300, 1e300

TIGHT: Any = {"xatol": 1e-13, "xrtol": 1e-13}
_ROUGH: Any = {"xatol": 0.0, "xrtol": 1e-4}


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
    columns : ndarray of shape (c, n), optional
        Values of the columns that the family needs.
    offset : ndarray of shape (n,), optional
        Added to the linear predictors of rows.
    log_weights : ndarray of shape (n, T, K), optional
        Of the regressions, where they differ from row to row.

    Attributes
    ----------
    family : Family
        Distribution of the terms, without a background.
    background : Background or None
        One term more, of weight ``background_weight``.
    eta : ndarray of shape (n, M)
    extra : list of ndarrays of shape (M,) or (n, M)
        The family's extra parameters, on their natural scales, and its columns.
    weights : ndarray of shape (M,), or (n, M) where rows differ
    centre, spread : ndarray of shape (n, K), or (n, K + 1) with a background
        Mean and standard deviation of y within each component; see `Family.mean_and_bulk`.
    shares : ndarray of shape (K,), or (K + 1,); (n, ...) where rows differ
    """

    def __init__(
        self,
        family: Family,
        draws: Raw,
        Z: Array,
        location: float = 0.0,
        groups: NDArray[np.intp] | None = None,
        columns: Array | None = None,
        offset: Array | None = None,
        log_weights: Array | None = None,
    ):
        self.family, self.background = family.of_regressions, family.background
        T, K = draws.log_weights.shape
        p = Z.shape[1]
        # Column by column: a matrix product may round a row differently in other company.
        slopes = draws.coef.reshape(T * K, p)
        self.eta = np.repeat(draws.intercept.reshape(1, T * K) + location, len(Z), axis=0)
        for j in range(p):
            self.eta += Z[:, j, None] * slopes[:, j]
        self.eta += 0.0 if offset is None else offset[:, None]
        least = LEAST_LOG_MEAN if family.link == "log" else -np.inf
        np.clip(self.eta, least, family.largest_predictor, out=self.eta)
        self.extra = [value.ravel() for value in self.family.natural(draws.extra)]
        for column in () if columns is None else columns:
            self.extra.append(np.broadcast_to(column[:, None], self.eta.shape))
        by_row = log_memberships(draws, family, log_weights)
        weights = np.exp(by_row[..., :K]) / T
        self.background_weight = float(
            np.exp(by_row[..., K:]).mean(axis=-2).sum(axis=-1).ravel()[0]
        )
        weights /= weights.sum(axis=(-2, -1), keepdims=True) / (1.0 - self.background_weight)
        self.weights = weights.reshape(*weights.shape[:-2], T * K)
        self.shares = weights.sum(axis=-2)
        # A component that no draw gives a weight is nowhere, but its terms are somewhere.
        shares = self.shares[..., None, :]
        positive = np.maximum(shares, np.finfo(float).tiny)
        within = np.where(shares > 0.0, weights / positive, 1.0 / T)
        if groups is not None:
            self._widen(within, groups)
        eta = self.eta.reshape(len(Z), T, K)
        extra = [value.reshape(*value.shape[:-1], T, K) for value in self.extra]
        mean, variance = self.family.mean_and_bulk(eta, *extra)
        self.centre = (within * mean).sum(axis=1)
        deviation = mean - self.centre[:, None, :]
        self.spread = np.sqrt((within * (variance + deviation**2)).sum(axis=1))
        if self.background is not None:
            last = np.full((*self.shares.shape[:-1], 1), self.background_weight)
            self.shares = np.concatenate([self.shares, last], axis=-1)
            one = np.ones((len(Z), 1))
            self.centre = np.column_stack([self.centre, self.background.mean * one])
            self.spread = np.column_stack(
                [self.spread, np.sqrt(self.background.variance + 1e-12) * one]
            )

    def _widen(self, within: Array, groups: NDArray[np.intp]) -> None:
        """Let terms overlap that far from the data would be seen one by one.

        The predictors of a component at one row, over the draws of one mode, are nearly normal.
        Where their density is estimated from so few draws, each has a kernel whose bandwidth is
        Silverman's (1986, eq. 3.28); a term that is wider by itself has none.  Predictors shrink
        towards their mean by as much as the kernels add (West 1993), so that mean and variance
        stay.
        """
        T, K = within.shape[-2:]
        eta = self.eta.reshape(-1, T, K)
        centre, variance, width = np.empty_like(eta), np.empty_like(eta), np.empty_like(eta)
        members = [groups == g for g in np.unique(groups)]
        shares = []
        for member in members:
            share = within[..., member, :]
            total = share.sum(axis=-2, keepdims=True)
            size = int(member.sum())
            share = np.where(total > 0.0, share / np.maximum(total, 1e-300), 1.0 / size)
            shares.append(share)
            of_group = eta[:, member]
            middle = (share * of_group).sum(axis=1, keepdims=True)
            square = (share * (of_group - middle) ** 2).sum(axis=1, keepdims=True)
            centre[:, member], variance[:, member] = middle, square
            width[:, member] = np.sqrt(square) * (4.0 / (3.0 * size)) ** 0.2
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
        """That of the family, or the least interval that holds the background's as well."""
        own = self.family.support
        if self.background is None:
            return own
        low, high = self.background.bounds
        return Support(min(own.low, low), max(own.high, high), True, True)

    @property
    def edges(self) -> list[float]:
        """Where a density may jump."""
        own = [edge for edge in self.family.support[:2] if np.isfinite(edge)]
        return own if self.background is None else [*own, *self.background.jumps]

    @property
    def n_lines(self) -> int:
        """Components without a background."""
        return self.centre.shape[1] - (self.background is not None)

    @property
    def flat(self) -> bool:
        """Whether the density of a background may have no slope."""
        return self.background is not None and len(self.background.jumps) > 0

    def outer(self) -> tuple[Array, Array]:
        """The outermost bounds of all terms."""
        low, high = self.family.outer(self.eta, *self.extra)
        low, high = low.min(axis=1), high.max(axis=1)
        if self.background is None:
            return low, high
        ends = self.background.bounds
        return np.minimum(low, ends[0]), np.maximum(high, ends[1])

    def term_moments(self) -> tuple[Array, Array]:
        """As the family has them, and those of a background last."""
        mean, variance = self.family.mean_and_variance(self.eta, *self.extra)
        if self.background is None:
            return mean, variance
        ones = np.ones((len(mean), 1))
        return (
            np.hstack([mean, self.background.mean * ones]),
            np.hstack([variance, self.background.variance * ones]),
        )

    @property
    def term_weights(self) -> Array:
        """Weights of the terms, and of a background last."""
        if self.background is None:
            return self.weights
        last = np.full((*self.weights.shape[:-1], 1), self.background_weight)
        return np.concatenate([self.weights, last], axis=-1)

    def cdf(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Distribution function at points ``y`` of rows ``row``, both of shape (m,)."""
        out = self._average(self.family.cdf, y, row)
        if self.background is not None:
            out += self.background_weight * self.background.cdf(y)
        return out

    def density(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Density at points ``y`` of rows ``row``."""

        def value(y: Array, eta: Array, *extra: Array) -> Array:
            return np.exp(self.family.log_density(y, eta, *extra))

        out = None
        if self.weights.ndim == 1:
            out = self.family.mixture_density(y, row, self.eta, self.extra, self.weights)
        if out is None:
            out = self._average(value, y, row)
        if self.background is not None:
            out = out + self.background_weight * np.exp(self.background.log_density(y))
        return out

    def _average(self, function: Callable[..., Array], y: Array, row: NDArray[np.intp]) -> Array:
        out = np.empty(len(y))
        step = max(1, CACHED_NUMBERS // self.weights.shape[-1])
        for start in range(0, len(y), step):
            part = slice(start, start + step)
            at = row[part]
            extra = [value if value.ndim == 1 else value[at] for value in self.extra]
            values = function(y[part, None], self.eta[at], *extra)
            weights = self.weights if self.weights.ndim == 1 else self.weights[at]
            out[part] = (values * weights).sum(axis=1)
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
    out = _root(mixtures.cdf, start - step, start + step, row, level, TIGHT)
    # Components may be so different that a step of one is rounded away in another.
    lost = np.flatnonzero(~np.isfinite(out))
    if len(lost):
        out[lost] = _far_apart(mixtures, row[lost], level[lost])
    low_end, high_end = mixtures.support[:2]
    if np.isfinite(low_end):
        # Roots are exact to a part of the width, which is much where a density has no bound.
        near = np.flatnonzero(out - low_end < CLOSE_TO_END * width)
        ends = np.zeros(len(near)), 2.0 * CLOSE_TO_END * width[near]
        out[near] = low_end + _distances(mixtures, low_end, *ends, row[near], level[near])
    return np.clip(out, low_end, high_end).reshape(n, q)


def _far_apart(mixtures: Mixtures, row: NDArray[np.intp], level: Array) -> Array:
    """Quantiles between the outermost bounds, on a scale that has all decades."""
    low, high = (np.clip(end[row], -LARGEST, LARGEST) for end in mixtures.outer())
    low_end = mixtures.support.low
    if np.isfinite(low_end):
        return low_end + _distances(mixtures, low_end, low - low_end, high - low_end, row, level)
    narrowest = mixtures.spread[row].argmin(axis=1)[:, None]
    middle = np.take_along_axis(mixtures.centre[row], narrowest, axis=1)[:, 0]
    unit = 1e-12 * np.take_along_axis(mixtures.spread[row], narrowest, axis=1)[:, 0]

    def place(at: Array) -> Array:
        return np.asarray(middle + unit * np.sinh(at))

    low, high = np.arcsinh((low - middle) / unit), np.arcsinh((high - middle) / unit)
    return place(_bisected(lambda at: mixtures.cdf(place(at), row) < level, low, high))


def _distances(
    mixtures: Mixtures, end: float, low: Array, high: Array, row: NDArray[np.intp], level: Array
) -> Array:
    """Distances of quantiles from the lower end of the support, between two of them."""

    def below(at: Array) -> NDArray[np.bool_]:
        return np.asarray(mixtures.cdf(end + np.exp(at), row) < level)

    low, high = (np.log(np.maximum(distance, SMALLEST)) for distance in (low, high))
    return np.asarray(np.exp(_bisected(below, low, high)))


def _bisected(below: Callable[[Array], NDArray[np.bool_]], low: Array, high: Array) -> Array:
    """Where ``below`` ends, to rounding."""
    for _ in range(100):
        middle = 0.5 * (low + high)
        under = below(middle)
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return high


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
