"""Continuous ranked probability score of the posterior predictive distribution.

At every row this is a mixture of M = T x K terms, T draws of K components, and the score of a
mixture F with weights w is

    int (F(z) - 1{z >= y})^2 dz = sum_m w_m E|Y_m - y| - 1/2 sum_m sum_l w_m w_l E|Y_m - Y_l|,

closed for every family that has the two expectations (Gneiting and Raftery 2007, eq. 21; for
normal mixtures Grimit, Gneiting, Berrocal and Johnson 2006).  Pairs cost M^2, so
that T is smaller here than where quantiles are computed.

References
----------
Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and estimation.
Journal of the American Statistical Association 102, 359-378.

Grimit, E. P., Gneiting, T., Berrocal, V. J. and Johnson, N. A. (2006). The continuous ranked
probability score for circular variables and its application to mesoscale forecast ensemble
verification. Quarterly Journal of the Royal Meteorological Society 132, 2925-2942.
"""

from __future__ import annotations

import numpy as np

from ._blocks import Array, Components
from ._posterior import Posterior
from ._row_mixtures import RowMixtures
from ._rows import RowBlocks

# 160 terms take about half a second per 1000 rows on one thread; that they come from so few
# draws moves the mean score by less than a tenth of its standard error over rows.
TERMS = 160
LEAST_DRAWS = 16
BLOCK_ROWS = 128  # terms of so many rows stay in the cache


def crps(posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1) -> Array:
    """Score of every row, over evenly spaced draws; smaller is better.

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
    design, draws = posterior.design, evenly_spaced(posterior.components)

    def rows(start: int, stop: int) -> Array:
        Z = (X[start:stop] - design.x_mean) / design.x_scale
        return _scores(RowMixtures(posterior.family, draws, Z), design.target(y[start:stop]))

    with RowBlocks(len(X), n_threads, BLOCK_ROWS) as blocks:
        return design.y_scale * np.concatenate([np.empty(0), *blocks.map(rows)])


def evenly_spaced(components: Components) -> Components:
    """At most `TERMS` / K draws, but at least `LEAST_DRAWS`, in the order of the draws."""
    K = components.log_weights.shape[-1]
    S = components.log_weights.size // K
    T = min(S, max(LEAST_DRAWS, TERMS // K))
    chosen = np.round((np.arange(T) + 0.5) * S / T - 0.5).astype(np.intp)
    return Components(*(a.reshape(S, *a.shape[2:])[chosen] for a in components))


def _scores(mixtures: RowMixtures, y: Array) -> Array:
    family, weights = mixtures.family, mixtures.weights
    eta = np.ascontiguousarray(mixtures.eta.T)  # (M, n): a term of all rows lies together
    dispersion = mixtures.dispersion[:, None]
    score = weights @ family.mean_absolute_error(y, eta, dispersion)
    for m in range(len(weights)):
        # Each pair once; a term with itself counts half as much as two different ones.
        others = weights[m:].copy()
        others[0] *= 0.5
        score -= weights[m] * (
            others @ family.mean_absolute_difference(eta[m:], dispersion[m:], eta[m], dispersion[m])
        )
    return score
