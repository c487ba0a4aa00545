"""The predictive distribution function, and lines and weights over draws, for the displays."""

from __future__ import annotations

import numpy as np

from .._kernels.rows import RowBlocks
from .._support.arrays import Array
from ._mixtures.row_mixtures import RowMixtures
from ._mixtures.thinned import chosen, thinned
from ._rows.memberships import blocks_of_memberships, row_log_weights
from .family_average import average, over_families
from .posterior import Posterior

BLOCK_ROWS = 1024


@over_families(average)
def distribution_function(posterior: Posterior, X: Array, Y: Array, *, n_threads: int = 1) -> Array:
    """Posterior predictive P(y <= Y[i, j] | X[i]), over the draws that quantiles are from.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    Y : ndarray of shape (n, q)

    Returns
    -------
    ndarray of shape (n, q)
    """
    draws, design = thinned(posterior), posterior.design
    targets = design.target(Y)
    q = Y.shape[1]

    def rows(start: int, stop: int) -> Array:
        Z = design.standardised(X[start:stop])
        columns = design.of_family(X[start:stop])
        mixtures = RowMixtures(
            posterior.family, draws, Z, design.location, columns=columns,
            offset=design.offset(X[start:stop]),
            log_weights=row_log_weights(posterior, X[start:stop], draws, chosen(posterior)),
        )  # fmt: skip
        row = np.repeat(np.arange(stop - start), q)
        return mixtures.cdf(targets[start:stop].ravel(), row)

    with RowBlocks(len(X), n_threads, BLOCK_ROWS) as layout:
        parts = layout.map(rows)
    # Weights of the terms add up to 1 within rounding only.
    return np.clip(np.concatenate([np.empty(0), *parts]), 0.0, 1.0).reshape(-1, q)


def component_bands(
    posterior: Posterior, X: Array, probability: float
) -> tuple[Array, Array, Array]:
    """Posterior mean of each component's mean, with equal-tailed credible bounds, pointwise.

    Returns
    -------
    mean, lower, upper : ndarray of shape (n, K)
    """
    design, K = posterior.design, posterior.layout.n_components
    draws = posterior.components.flattened()
    family = posterior.family.of_regressions
    extra = family.natural(draws.extra)
    Z, columns = design.standardised(X), design.of_family(X)[:, :, None]
    offset = design.offset(X)
    tail = 0.5 * (1.0 - probability)
    mean, lower, upper = np.empty((3, len(X), K))
    for k in range(K):
        eta = Z @ draws.coef[:, k].T + draws.intercept[:, k] + design.location
        eta += 0.0 if offset is None else offset[:, None]
        values = family.mean(eta, *(value[:, k] for value in extra), *columns)
        mean[:, k] = values.mean(axis=1)
        lower[:, k], upper[:, k] = np.quantile(values, [tail, 1.0 - tail], axis=1)
    return tuple(design.response(a) for a in (mean, lower, upper))  # type: ignore[return-value]


def gating_bands(posterior: Posterior, X: Array, probability: float) -> tuple[Array, Array, Array]:
    """Posterior mean of the mixing weights at rows, with equal-tailed credible bounds, pointwise.

    Parameters
    ----------
    posterior : Posterior
        Of weights that depend on columns.
    X : ndarray of shape (n, p)
    probability : float

    Returns
    -------
    mean, lower, upper : ndarray of shape (n, K), or (n, K + 1) with a background
    """
    tail = 0.5 * (1.0 - probability)
    parts = []
    for weights in blocks_of_memberships(posterior, X):
        bounds = np.quantile(weights, [tail, 1.0 - tail], axis=1)
        parts.append(np.stack([weights.mean(axis=1), *bounds]))
    mean, lower, upper = np.concatenate(parts, axis=1)
    return mean, lower, upper
