"""The two phases of a Gibbs sweep apart, for rows that stay where they are.

Rows draw their labels and return sums, and parameters are drawn from the sums over all rows; the
functions and the random numbers are those of `sweep_kernels.sweeps`.
"""

from __future__ import annotations

import numpy as np

from ..._kernels.compile import compiled
from ..._kernels.variate_kernels import _ONE, mix
from .sweep_kernels import _draw_parameters, _keep, _sample_labels, _sweep_key


@compiled
def label_sums(
    X, y, w, first_row, repeated, fit_intercept, log_weights, intercept, coef, log_sigma,
    chain_keys, sweep,
):  # fmt: skip
    """The row phase of one sweep of every chain, for rows that are a part of all.

    Parameters
    ----------
    first_row : int
        How many rows come before these.
    log_weights, intercept, coef, log_sigma : ndarray of shape (C, ...)
        States of the chains.
    chain_keys : ndarray of shape (C,), uint64
    sweep : int
        Sweeps the chains have done.

    Returns
    -------
    ndarray of shape (C * K * (T + P + 2),)
        Statistics of the labelled rows, for `parameter_draws`, when summed over all parts.
    """
    C, K, p = coef.shape
    one = 1 if fit_intercept else 0
    P = p + one
    stats = np.zeros((C, K, P * (P + 1) // 2 + P + 2))
    for c in range(C):
        key = _sweep_key(chain_keys[c], sweep)
        _sample_labels(
            X, y, w, first_row, repeated, log_weights[c], intercept[c], coef[c], log_sigma[c],
            key, one, stats[c],
        )  # fmt: skip
    return stats.reshape(-1)


@compiled
def parameter_draws(
    stats, hyper, fit_intercept, shared, log_weights, intercept, coef, log_sigma, chain_keys, sweep
):
    """The other phase of one sweep of every chain, in place; see `label_sums` and `sweeps`.

    Returns
    -------
    ndarray of shape (C, 3 K + K p + 1)
    """
    C, K, p = coef.shape
    P = p + (1 if fit_intercept else 0)
    parts = stats.reshape((C, K, P * (P + 1) // 2 + P + 2))
    chol, line, sse = np.zeros((P, P)), np.zeros(P), np.zeros(K)
    state = np.zeros(1, dtype=np.uint64)
    out = np.empty((C, 3 * K + K * p + 1))
    for c in range(C):
        state[0] = mix(_sweep_key(chain_keys[c], sweep) + _ONE)
        _draw_parameters(
            parts[c], hyper, fit_intercept, shared, log_weights[c], intercept[c], coef[c],
            log_sigma[c], state, chol, line, sse,
        )  # fmt: skip
        _keep(log_weights[c], intercept[c], coef[c], log_sigma[c], parts[c], out[c])
    return out
