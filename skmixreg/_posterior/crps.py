"""Continuous ranked probability score of the posterior predictive distribution.

At every row this is a mixture F over T draws of K components, and its score is

    int (F(z) - 1{z >= y})^2 dz = E|Y - y| - 1/2 E|Y - Y'|

with Y and Y' independent from F (Gneiting and Raftery 2007, eq. 21).  Given draw and component both
expectations are closed (for the normal distribution Grimit, Gneiting, Berrocal and Johnson 2006).
The first is a mean over draws.  The second is one over pairs of draws: over all pairs where they
are few, else over pairs a few fixed lags apart, which have all draws in them: an incomplete
U-statistic (Blom 1976), whose error is that of a mean over all draws and not of few.

Families without these closed forms, and all families of counts, have the sum or integral itself,
for the mixture over the draws that quantiles are from.

References
----------
Blom, G. (1976). Some properties of incomplete U-statistics. Biometrika 63, 573-580.

Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and estimation.
Journal of the American Statistical Association 102, 359-378.

Grimit, E. P., Gneiting, T., Berrocal, V. J. and Johnson, N. A. (2006). The continuous ranked
probability score for circular variables and its application to mesoscale forecast ensemble
verification. Quarterly Journal of the Royal Meteorological Society 132, 2925-2942.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._kernels.rows import RowBlocks
from .._model.raw import Raw
from .._support.arrays import Array
from .._support.sampling import evenly_spaced
from ..families._base import Family
from ._mixtures.cdf_scores import count_scores, integrated_scores
from ._mixtures.thinned import map_mixtures
from ._rows.memberships import row_log_weights
from .posterior import Posterior

# Pairs of components per row: half a second per 2000 rows on one thread, within 0.5% of all pairs
# of all draws and, in means over rows, a hundredth of their standard error.
PAIRS = 10_000
BLOCK_NUMBERS = 1 << 16  # terms of a block of rows, few enough for the cache


def crps(posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1) -> Array:
    """Score of every row; smaller is better.

    Parameters
    ----------
    posterior : Posterior
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    n_threads : int

    Returns
    -------
    ndarray of shape (n,)
        In the user's units of y.
    """
    design, family = posterior.design, posterior.family
    if family.discrete or not family.closed_crps:
        score = count_scores if family.discrete else integrated_scores
        target = design.target(y)
        parts = map_mixtures(
            posterior, lambda mixtures, start, stop: score(mixtures, target[start:stop]), X,
            n_threads, most_rows=128, widened=family.discrete,
        )  # fmt: skip
        return design.unit * np.concatenate([np.empty(0), *parts])
    draws, lags, chosen = pairing(posterior.components)

    def rows(start: int, stop: int) -> Array:
        Z = design.standardised(X[start:stop])
        # Column by column: a matrix product may round a row differently in other company.
        eta = np.repeat(draws.intercept[:, :, None], len(Z), axis=2)
        for j in range(Z.shape[1]):
            eta += draws.coef[:, :, j, None] * Z[:, j]
        offset = design.offset(X[start:stop])
        eta += 0.0 if offset is None else offset
        by_row = row_log_weights(posterior, X[start:stop], draws, chosen)
        by_row = draws.log_weights[None] if by_row is None else by_row
        weights = np.exp(np.moveaxis(by_row, 0, -1))
        columns = list(design.of_family(X[start:stop]))
        return _scores(family, draws, weights, eta, design.target(y[start:stop]), columns, lags)

    per_block = max(1, BLOCK_NUMBERS // draws.log_weights.size)
    with RowBlocks(len(X), n_threads, per_block) as layout:
        return design.unit * np.concatenate([np.empty(0), *layout.map(rows)])


def pairing(components: Raw) -> tuple[Raw, NDArray[np.intp], NDArray[np.intp]]:
    """Evenly spaced draws, as many as `PAIRS` allows, and the lags between those that are paired.

    Returns
    -------
    draws : Raw
        T draws in one axis.
    lags : ndarray of shape (L,)
        Draw t is paired with draw t + lag, modulo T.
    chosen : ndarray of shape (T,)
        Which of all draws these are.
    """
    K = components.log_weights.shape[-1]
    S = components.log_weights.size // K
    T = min(S, max(2, PAIRS // K**2))
    chosen = evenly_spaced(S, T)
    draws = Raw(*(a.reshape(S, *a.shape[2:])[chosen] for a in components))
    n_lags = max(1, PAIRS // (T * K**2))
    if 2 * n_lags + 1 >= T:
        return draws, np.arange(T), chosen
    # Up to half of T, since lag T - j gives the pairs of lag j.
    lags = np.round(np.arange(1, n_lags + 1) * T / (2 * n_lags + 1)).astype(np.intp)
    return draws, lags, chosen


def _scores(
    family: Family,
    draws: Raw,
    weights: Array,
    eta: Array,
    y: Array,
    columns: list[Array],
    lags: NDArray[np.intp],
) -> Array:
    """Scores of rows (n,) from their weights and linear predictors, (T, K, 1 or n), (T, K, n)."""
    extra = [value[:, :, None] for value in family.natural(draws.extra)]
    score = _mean_over_draws(weights, family.mean_absolute_error(y, eta, *extra, *columns))
    for lag in lags:
        other = np.roll(np.arange(len(eta)), lag)
        for k in range(eta.shape[1]):
            difference = family.mean_absolute_difference(
                eta, [*extra, *columns],
                eta[other, k, None], [*(value[other, k, None] for value in extra), *columns],
            )  # fmt: skip
            pair = weights * weights[other, k][:, None]
            score -= 0.5 / len(lags) * _mean_over_draws(pair, difference)
    return score


def _mean_over_draws(weights: Array, values: Array | None) -> Array:
    assert values is not None  # a family that says they are closed has them
    return np.einsum("tki,tki->i", np.broadcast_to(weights, values.shape), values) / len(weights)
