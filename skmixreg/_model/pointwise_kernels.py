"""Log-likelihoods, densities and responsibilities of single rows."""

from __future__ import annotations

import numpy as np

from .._kernels.compile import compiled
from .._kernels.product_kernels import linear_predictor
from .._kernels.stage_kernels import (
    add_log,
    add_optional,
    load_optional,
    load_rows,
    log_softmax,
    log_sum_exp,
    n_optional,
    normalise,
)
from .._kernels.vector_kernels import BLOCK, EXACT, exp_nonpositive
from ..families._kernels.base_kernels import density_block


@compiled
def log_likelihood_rows(start, stop, observations, raw, model):
    """Log-likelihood of every row start..stop, shape (stop - start,)."""
    X, y = observations.columns, observations.target
    K, p = raw.line.shape[0], X.shape[0]
    log_weights = np.empty(K)
    log_softmax(raw.logits[:, 0], log_weights)
    intercept = np.ascontiguousarray(raw.line[:, 0])
    coef = np.ascontiguousarray(raw.line[:, 1:])
    out = np.empty(stop - start)
    x_block, y_block = np.empty((p, BLOCK)), np.empty(BLOCK)
    aux = np.empty((n_optional(observations.auxiliary), BLOCK))
    eta, a = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        load_optional(observations.auxiliary, lo, n, aux)
        linear_predictor(x_block, intercept, coef, eta)
        add_optional(observations.offset, lo, n, eta)
        density_block(y_block, aux, eta, raw.extra, model.family, a)
        log_sum_exp(log_weights, a, top, norm)
        add_log(top, norm)
        for i in range(n):
            out[lo - start + i] = top[i]
    return out


@compiled(fastmath=EXACT)
def _add_row_densities(ll, best, mean):
    """Add exp(ll) to the sums ``mean * exp(best)``."""
    for i in range(BLOCK):
        new = ll[i] > best[i]
        small = exp_nonpositive(best[i] - ll[i] if new else ll[i] - best[i])
        mean[i] = mean[i] * small + 1.0 if new else mean[i] + small
        best[i] = ll[i] if new else best[i]


@compiled
def pointwise_log_predictive(start, stop, observations, raw, model):
    """Log of the density of every row averaged over draws, shape (stop - start,)."""
    X, y = observations.columns, observations.target
    S, K, p = raw.line.shape[0], raw.line.shape[1], X.shape[0]
    log_weights = np.empty((S, K))
    for s in range(S):
        log_softmax(raw.logits[s, :, 0], log_weights[s])
    intercept = np.ascontiguousarray(raw.line[:, :, 0])
    coef = np.ascontiguousarray(raw.line[:, :, 1:])
    out = np.empty(stop - start)
    x_block, y_block = np.empty((p, BLOCK)), np.empty(BLOCK)
    aux = np.empty((n_optional(observations.auxiliary), BLOCK))
    eta, a = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    best, mean = np.empty(BLOCK), np.empty(BLOCK)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        load_optional(observations.auxiliary, lo, n, aux)
        best[:] = -np.inf
        mean[:] = 0.0
        for s in range(S):
            linear_predictor(x_block, intercept[s], coef[s], eta)
            add_optional(observations.offset, lo, n, eta)
            density_block(y_block, aux, eta, raw.extra[s], model.family, a)
            log_sum_exp(log_weights[s], a, top, norm)
            add_log(top, norm)
            _add_row_densities(top, best, mean)
        for i in range(n):
            out[lo - start + i] = best[i] + np.log(mean[i] / S)
    return out


@compiled
def pointwise_responsibilities(start, stop, observations, raw, model):
    """Responsibilities averaged over draws, flat of shape ((stop - start) * K,), by rows."""
    X, y = observations.columns, observations.target
    S, K, p = raw.line.shape[0], raw.line.shape[1], X.shape[0]
    log_weights = np.empty((S, K))
    for s in range(S):
        log_softmax(raw.logits[s, :, 0], log_weights[s])
    intercept = np.ascontiguousarray(raw.line[:, :, 0])
    coef = np.ascontiguousarray(raw.line[:, :, 1:])
    out = np.empty((stop - start) * K)
    x_block, y_block = np.empty((p, BLOCK)), np.empty(BLOCK)
    aux = np.empty((n_optional(observations.auxiliary), BLOCK))
    eta, r = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    mean = np.empty((K, BLOCK))
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        load_optional(observations.auxiliary, lo, n, aux)
        mean[:] = 0.0
        for s in range(S):
            linear_predictor(x_block, intercept[s], coef[s], eta)
            add_optional(observations.offset, lo, n, eta)
            density_block(y_block, aux, eta, raw.extra[s], model.family, r)
            log_sum_exp(log_weights[s], r, top, norm)
            normalise(r, norm)
            for k in range(K):
                for i in range(BLOCK):
                    mean[k, i] += r[k, i]
        for i in range(n):
            for k in range(K):
                out[(lo - start + i) * K + k] = mean[k, i] / S
    return out
