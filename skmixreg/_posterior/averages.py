"""Means and variances of y averaged over all draws, where they are no linear functions of x."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from .._kernels.rows import RowBlocks
from .._model.raw import Raw
from .._support import caller
from .._support.arrays import Array
from .._support.exceptions import WeaklyIdentifiedWarning
from ..families._base import Family
from ._rows.memberships import row_log_weights, vary_by_row
from .posterior import Posterior

BLOCK_NUMBERS = 1 << 16  # terms at a time, few enough for the cache
# Of a mean: more of it in one draw of hundreds is no estimate.
LARGEST_SHARE = 0.1
FEWEST_DRAWS = 100


class _Draws:
    """All draws of all components, side by side: M = K x S terms."""

    def __init__(self, posterior: Posterior, family: Family):
        self.posterior, self.design, self.family = posterior, posterior.design, family
        components = posterior.components
        self.K, width = components.line.shape[-2:]
        line = np.moveaxis(components.line, -2, 0).reshape(-1, width)
        self.intercept = line[:, 0] + self.design.location
        self.slopes = np.ascontiguousarray(line[:, 1:].T)
        natural = family.natural(components.extra)
        self.extra = [np.moveaxis(value, -1, 0).ravel() for value in natural]
        weights = np.moveaxis(np.exp(components.log_weights), -1, 0).ravel()
        self.weights = weights / weights.sum()
        self.block_rows = max(1, BLOCK_NUMBERS // len(self.weights))

    def blocks(self, X: Array, start: int, stop: int) -> Iterator[tuple[slice, Array, list[Array]]]:
        """Linear predictors (rows, M) of some rows at a time, and what methods get beside them."""
        for first in range(start, stop, self.block_rows):
            part = slice(first, min(first + self.block_rows, stop))
            Z = self.design.standardised(X[part])
            eta = Z @ self.slopes
            eta += self.intercept
            offset = self.design.offset(X[part])
            if offset is not None:
                eta += offset[:, None]
            yield part, eta, [*self.extra, *self.design.of_family(X[part])[:, :, None]]

    def weights_at(self, X: Array) -> Array:
        """Weights of terms, which sum to 1: (M,), or those of every row (n, M)."""
        if not vary_by_row(self.posterior):
            return self.weights
        log_weights = row_log_weights(self.posterior, X, self.flat)
        assert log_weights is not None
        weights = np.exp(np.moveaxis(log_weights, -1, 1)) / log_weights.shape[1]
        return np.asarray(weights.reshape(len(X), -1))

    @cached_property
    def flat(self) -> Raw:
        """Draws in one axis."""
        return self.posterior.components.flattened()


def _averages(values: Array, weights: Array) -> Array:
    """Of values (n, M) with weights (M,) or (n, M): (n,)."""
    return np.asarray(
        values @ weights if weights.ndim == 1 else np.einsum("nm,nm->n", values, weights)
    )


def of_exponentials(family: Family) -> bool:
    """Whether the mean of y is one of exponentials of lines, which a few draws may dominate."""
    return "log" in (family.link, family.response_scale)


def mean_and_std(
    posterior: Posterior, X: Array, n_threads: int = 1, *, spread: bool = True
) -> tuple[Array, Array]:
    """Mean of y and, by the law of total variance around it, its standard deviation: (n,), (n,).

    Warns where a mean, of exponentials, is mostly that of one draw.
    """
    family = posterior.family
    draws = _Draws(posterior, family)
    mean, std = np.empty((2, len(X)))
    watched = of_exponentials(family) and len(draws.weights) >= FEWEST_DRAWS * draws.K
    share = np.zeros(len(X))

    # Far out means and variances may be infinite.
    @np.errstate(over="ignore", invalid="ignore")
    def rows(start: int, stop: int) -> None:
        for part, eta, extra in draws.blocks(X, start, stop):
            weights = draws.weights_at(X[part])
            if spread:
                values, variances = family.mean_and_variance(eta, *extra)
            else:
                values = family.mean(eta, *extra)
            mean[part] = _averages(values, weights)
            if watched:
                share[part] = (values * weights).max(axis=1) / mean[part]
            if not spread:
                continue
            # In units in which no square overflows.
            unit = np.maximum(np.maximum(values.max(axis=1), -values.min(axis=1)), 1.0)
            variance = _averages(np.broadcast_to(variances, values.shape), weights)
            values = values - mean[part, None]
            values /= unit[:, None]
            values *= values
            std[part] = unit * np.sqrt(_averages(values, weights) + variance / unit / unit)

    with RowBlocks(len(X), n_threads, 64 * draws.block_rows) as layout:
        layout.map(rows)
    _warn_of_single_draws(share)
    return posterior.design.response(mean), std * posterior.design.unit


def _warn_of_single_draws(share: Array) -> None:
    single = share > LARGEST_SHARE
    if single.any():
        caller.warn(
            f"The mean at {single.sum()} of {len(share)} rows hangs on few draws: up to "
            f"{100 * share[single].max():.0f}% of it are those of one. Where the data say little "
            "of a component its log mean may be anything, and the mean of y is that of the largest "
            "draw. Medians, predict_quantiles(X, [0.5]), do not hang on it.",
            WeaklyIdentifiedWarning,
        )


def component_means(posterior: Posterior, X: Array, n_threads: int = 1) -> Array:
    """Mean over draws of the mean of every regression: (n, K)."""
    draws = _Draws(posterior, posterior.family.of_regressions)
    out = np.empty((len(X), draws.K))

    def rows(start: int, stop: int) -> None:
        for part, eta, extra in draws.blocks(X, start, stop):
            values = draws.family.mean(eta, *extra)
            out[part] = values.reshape(len(values), draws.K, -1).mean(axis=2)

    with RowBlocks(len(X), n_threads, 64 * draws.block_rows) as layout:
        layout.map(rows)
    return posterior.design.response(out)
