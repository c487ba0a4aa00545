"""Sums over rows of the log-likelihood and its derivatives.

Every kernel takes ``start, stop`` (rows), ``X`` (p, N) without a column of ones, ``y`` (N,),
where rows are weighted ``w`` (N,), the parameters of K components (``log_weights`` (K,),
``intercept`` (K,), ``coef`` (K, p), ``log_dispersion`` (K,), or draws of these with a leading
axis S) and ``settings``, a NamedTuple whose type selects the family.  All arrays are C-contiguous
float64; other layouts, and read-only arrays, work but are compiled anew.

A kernel copies ``BLOCK`` rows at a time into the first-level cache and works on them in stages,
each a plain loop of constant length, because that becomes SIMD code:

1. linear predictor of every component;
2. log density, by the family's block functions (`skmixreg.families._base_kernels`);
3. log-sum-exp over components;
4. sums of products of responsibilities, derivatives and features.

The last block is padded with copies of its last row of weight zero.
"""

from __future__ import annotations

import numpy as np

from ._compile import compiled
from ._vector_kernels import BLOCK, EXACT, REDUCE, exp_nonpositive, log_positive
from .families import _gaussian_kernels  # noqa: F401  (registers its block functions)
from .families._base_kernels import block_gradient, block_hessian, block_log_density


@compiled
def _load_rows(lo, n, X, y, x_block, y_block):
    for j in range(X.shape[0]):
        x_block[j, :n] = X[j, lo : lo + n]
        x_block[j, n:] = X[j, lo + n - 1]
    y_block[:n] = y[lo : lo + n]
    y_block[n:] = y[lo + n - 1]


@compiled
def _load_weights(lo, n, w, w_block):
    w_block[:n] = w[lo : lo + n]
    w_block[n:] = 0.0


@compiled(fastmath=EXACT)
def _linear_predictor(x, intercept, coef, eta):
    """Stage 1; two features at a time save half of the loads and stores."""
    K, p = coef.shape
    for k in range(K):
        a = intercept[k]
        if p % 2 == 0:
            for i in range(BLOCK):
                eta[k, i] = a
        else:
            b = coef[k, 0]
            for i in range(BLOCK):
                eta[k, i] = a + b * x[0, i]
        for j in range(p % 2, p, 2):
            b, c = coef[k, j], coef[k, j + 1]
            for i in range(BLOCK):
                eta[k, i] += b * x[j, i] + c * x[j + 1, i]


@compiled(fastmath=EXACT)
def _log_sum_exp(log_weights, a, top, norm):
    """Stage 3: the log-likelihood of row i is ``top[i] + log(norm[i])``, norm in [1, K].

    Log densities ``a`` become responsibilities times ``norm``.
    """
    K = log_weights.shape[0]
    if K == 2:
        _two_terms(log_weights, a, top, norm)
    else:
        for i in range(BLOCK):
            a[0, i] += log_weights[0]
            top[i] = a[0, i]
            norm[i] = 0.0
        for k in range(1, K):
            for i in range(BLOCK):
                a[k, i] += log_weights[k]
                top[i] = top[i] if top[i] > a[k, i] else a[k, i]
        for k in range(K):
            for i in range(BLOCK):
                a[k, i] = exp_nonpositive(a[k, i] - top[i])
                norm[i] += a[k, i]


@compiled(fastmath=EXACT)
def _two_terms(log_weights, a, top, norm):
    # the larger term is 1, so that one exponential serves both
    for i in range(BLOCK):
        first = a[0, i] + log_weights[0]
        second = a[1, i] + log_weights[1]
        swap = second > first
        small = exp_nonpositive(first - second if swap else second - first)
        top[i] = second if swap else first
        norm[i] = 1.0 + small
        a[0, i] = small if swap else 1.0
        a[1, i] = 1.0 if swap else small


@compiled(fastmath=REDUCE)
def _weighted_total(w, top, norm):
    out = 0.0
    for i in range(BLOCK):
        out += w[i] * (top[i] + log_positive(norm[i]))
    return out


@compiled(fastmath=EXACT)
def _row_values(top, norm):
    for i in range(BLOCK):
        top[i] += log_positive(norm[i])


@compiled
def log_likelihood_rows(start, stop, X, y, log_weights, intercept, coef, log_dispersion, settings):
    """Log-likelihood of every row start..stop, shape (stop - start,)."""
    K, p = coef.shape
    out = np.empty(stop - start)
    x_block, y_block = np.empty((p, BLOCK)), np.empty(BLOCK)
    eta, a = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        _load_rows(lo, n, X, y, x_block, y_block)
        _linear_predictor(x_block, intercept, coef, eta)
        block_log_density(y_block, eta, log_dispersion, settings, a)
        _log_sum_exp(log_weights, a, top, norm)
        _row_values(top, norm)
        out[lo - start : lo - start + n] = top[:n]
    return out


@compiled
def log_likelihood_draws(
    start, stop, X, y, w, log_weights, intercept, coef, log_dispersion, settings
):
    """Weighted log-likelihood of rows start..stop at every draw, shape (S,)."""
    S, K, p = coef.shape
    out = np.zeros(S)
    x_block, y_block, w_block = np.empty((p, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    eta, a = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        _load_rows(lo, n, X, y, x_block, y_block)
        _load_weights(lo, n, w, w_block)
        for s in range(S):
            _linear_predictor(x_block, intercept[s], coef[s], eta)
            block_log_density(y_block, eta, log_dispersion[s], settings, a)
            _log_sum_exp(log_weights[s], a, top, norm)
            out[s] += _weighted_total(w_block, top, norm)
    return out


@compiled(fastmath=REDUCE)
def _add_gradient(x, w, r, norm, d_eta, d_phi, out):
    K, p = d_eta.shape[0], x.shape[0]
    for i in range(BLOCK):
        norm[i] = w[i] / norm[i]
    for k in range(K):
        sum_r = sum_eta = sum_phi = 0.0
        for i in range(BLOCK):
            c = norm[i] * r[k, i]
            sum_r += c
            sum_phi += c * d_phi[k, i]
            d_eta[k, i] *= c
            sum_eta += d_eta[k, i]
        out[1 + k] += sum_r
        out[1 + K + k] += sum_eta
        out[1 + 2 * K + K * p + k] += sum_phi
        for j in range(p):
            sum_x = 0.0
            for i in range(BLOCK):
                sum_x += d_eta[k, i] * x[j, i]
            out[1 + 2 * K + k * p + j] += sum_x


@compiled
def log_likelihood_gradient(
    start, stop, X, y, w, log_weights, intercept, coef, log_dispersion, settings
):
    """Weighted log-likelihood and its gradient, ``log_weights`` as if free.

    Returns
    -------
    ndarray of shape (1 + 3 K + K p,)
        ``[ll | log_weights (K) | intercept (K) | coef (K p) | log_dispersion (K)]``.
    """
    K, p = coef.shape
    out = np.zeros(1 + 3 * K + K * p)
    x_block, y_block, w_block = np.empty((p, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    eta, r = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    d_eta, d_phi = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        _load_rows(lo, n, X, y, x_block, y_block)
        _load_weights(lo, n, w, w_block)
        _linear_predictor(x_block, intercept, coef, eta)
        block_gradient(y_block, eta, log_dispersion, settings, r, d_eta, d_phi)
        _log_sum_exp(log_weights, r, top, norm)
        out[0] += _weighted_total(w_block, top, norm)
        _add_gradient(x_block, w_block, r, norm, d_eta, d_phi, out)
    return out
