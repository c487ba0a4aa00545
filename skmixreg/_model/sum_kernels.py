"""Sums over rows of the log-likelihood and its derivatives.

Every kernel takes ``start, stop`` (rows), ``X`` (p, N) without a column of ones, ``y`` (N,),
where rows are weighted ``w`` (N,), the parameters of K components (``log_weights`` (K,),
``intercept`` (K,), ``coef`` (K, p), ``log_dispersion`` (K,), or draws of these with a leading
axis S) and ``settings``, a NamedTuple whose type selects the family.  All arrays are C-contiguous
float64; other layouts, and read-only arrays, work but are compiled anew.

A kernel copies ``BLOCK`` rows at a time into the first-level cache and works on them in stages,
each a plain loop of constant length, because that becomes SIMD code:

1. linear predictor of every component;
2. log density, by the family's block functions (`skmixreg.families._kernels.base_kernels`);
3. log-sum-exp over components;
4. sums of products of responsibilities, derivatives and features.

The last block is padded with copies of its last row of weight zero.
"""

from __future__ import annotations

import numpy as np

from .._kernels.compile import compiled
from .._kernels.product_kernels import (
    add_cross_products,
    add_moments,
    add_products,
    add_second_moments,
    flat_cross_products,
    linear_predictor,
)
from .._kernels.stage_kernels import (
    add_log,
    all_ones,
    load,
    load_rows,
    log_sum_exp,
    normalise,
    product,
    weighted_total,
)
from .._kernels.vector_kernels import BLOCK, EXACT, REDUCE, dot, exp_nonpositive, total
from ..families._kernels import gaussian_kernels  # noqa: F401  (registers its block functions)
from ..families._kernels.base_kernels import block_gradient, block_hessian, block_log_density


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
        load_rows(lo, n, X, y, x_block, y_block)
        linear_predictor(x_block, intercept, coef, eta)
        block_log_density(y_block, eta, log_dispersion, settings, a)
        log_sum_exp(log_weights, a, top, norm)
        add_log(top, norm)
        for i in range(n):
            out[lo - start + i] = top[i]
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
        load_rows(lo, n, X, y, x_block, y_block)
        load(w[lo : lo + n], 0.0, w_block)
        unit = all_ones(w_block)
        for s in range(S):
            linear_predictor(x_block, intercept[s], coef[s], eta)
            block_log_density(y_block, eta, log_dispersion[s], settings, a)
            log_sum_exp(log_weights[s], a, top, norm)
            out[s] += weighted_total(w_block, unit, top, norm)
    return out


@compiled(fastmath=REDUCE)
def _add_scores(w, r, d_eta, d_phi, out):
    """Add the sums that need no features; ``d_eta`` is weighted by ``w r``."""
    K = d_eta.shape[0]
    at = out.shape[0] - K
    for k in range(K):
        sum_r = sum_eta = sum_phi = 0.0
        for i in range(BLOCK):
            c = w[i] * r[k, i]
            sum_r += c
            sum_phi += c * d_phi[k, i]
            d_eta[k, i] *= c
            sum_eta += d_eta[k, i]
        out[1 + k] += sum_r
        out[1 + K + k] += sum_eta
        out[at + k] += sum_phi


@compiled
def _add_gradient(x, w, r, d_eta, d_phi, out):
    """Add the sums of a block; overwrites ``d_eta``."""
    K, p = d_eta.shape[0], x.shape[0]
    _add_scores(w, r, d_eta, d_phi, out)
    by_feature = out[1 + 2 * K : 1 + 2 * K + K * p].reshape((K, p))
    add_products(d_eta, x, by_feature)


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
        load_rows(lo, n, X, y, x_block, y_block)
        load(w[lo : lo + n], 0.0, w_block)
        linear_predictor(x_block, intercept, coef, eta)
        block_gradient(y_block, eta, log_dispersion, settings, r, d_eta, d_phi)
        log_sum_exp(log_weights, r, top, norm)
        out[0] += weighted_total(w_block, all_ones(w_block), top, norm)
        normalise(r, norm)
        _add_gradient(x_block, w_block, r, d_eta, d_phi, out)
    return out


@compiled(fastmath=EXACT)
def _pair_weights(w, r, k, q, out):
    """Weights ``w (r_k (k == q) - r_k r_q)`` of a pair of components."""
    if k == q:
        for i in range(BLOCK):
            out[i] = w[i] * r[k, i] * (1.0 - r[k, i])
    else:
        for i in range(BLOCK):
            out[i] = -w[i] * r[k, i] * r[q, i]


@compiled(fastmath=EXACT)
def _add_product(x, y, out):
    for i in range(BLOCK):
        out[i] += x[i] * y[i]


@compiled
def _set_symmetric(matrix, i, j, value):
    matrix[i, j] = value
    matrix[j, i] = value


@compiled
def log_likelihood_hessian(
    start, stop, X, y, w, log_weights, intercept, coef, log_dispersion, settings
):
    """Weighted log-likelihood, its gradient and its Hessian, ``log_weights`` as if free.

    Row i enters through u_k = (1, g_k, g_k x_i, h_k), where g and h are the derivatives of the
    log density of component k in eta and phi.  The Hessian sums
    ``(r_k (k == q) - r_k r_q) u_k u_q'`` and, for k == q, r_k times the second derivatives.

    Returns
    -------
    ndarray of shape (1 + m + m * m,), m = K (3 + p)
        The result of `log_likelihood_gradient`, then the Hessian in the same coordinates.
    """
    K, p = coef.shape
    gradient = np.zeros(1 + 3 * K + K * p)
    x_block, y_block, w_block = np.empty((p, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    eta, r = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    g, h = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    gg, gh, hh = np.empty((K, BLOCK)), np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    c, ch, second = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    # by what multiplies (1, x): g of one component by 1 or h of the other; g by g
    v, v_g, scratch = np.empty((4, BLOCK)), np.empty((1, BLOCK)), np.empty((2, BLOCK))
    # sums by pairs of components
    one_one, one_h = np.zeros((K, K)), np.zeros((K, K))
    h_one, h_h = np.zeros((K, K)), np.zeros((K, K))
    moments = np.zeros((K, K, 4, p + 1))
    g_g = np.zeros((K, K, p + 1, p + 1))
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        load(w[lo : lo + n], 0.0, w_block)
        linear_predictor(x_block, intercept, coef, eta)
        block_hessian(y_block, eta, log_dispersion, settings, r, g, h, gg, gh, hh)
        log_sum_exp(log_weights, r, top, norm)
        gradient[0] += weighted_total(w_block, all_ones(w_block), top, norm)
        normalise(r, norm)
        for k in range(K):
            for q in range(k, K):
                _pair_weights(w_block, r, k, q, c)
                product(c, h[k], ch)
                one_one[k, q] += total(c, BLOCK)
                one_h[k, q] += dot(c, h[q], BLOCK)
                h_one[k, q] += total(ch, BLOCK)
                h_h[k, q] += dot(ch, h[q], BLOCK)
                product(c, g[k], v[0])
                product(c, g[q], v[1])
                product(ch, g[q], v[2])
                product(v[0], h[q], v[3])
                product(v[0], g[q], v_g[0])
                if k == q:
                    product(w_block, r[k], second)
                    h_h[k, k] += dot(second, hh[k], BLOCK)
                    _add_product(second, gh[k], v[2])
                    _add_product(second, gh[k], v[3])
                    _add_product(second, gg[k], v_g[0])
                add_moments(v, x_block, moments[k, q])
                add_moments(v_g, x_block, g_g[k, q])
                add_second_moments(v_g[0], x_block, scratch, g_g[k, q])
        _add_gradient(x_block, w_block, r, g, h, gradient)

    m = K * (3 + p)
    out = np.empty(1 + m + m * m)
    for i in range(1 + m):
        out[i] = gradient[i]
    hessian = out[1 + m :].reshape((m, m))
    for k in range(K):
        for q in range(k, K):
            h_k, h_q = 2 * K + K * p + k, 2 * K + K * p + q
            _set_symmetric(hessian, k, q, one_one[k, q])
            _set_symmetric(hessian, k, h_q, one_h[k, q])
            _set_symmetric(hessian, q, h_k, h_one[k, q])
            _set_symmetric(hessian, h_k, h_q, h_h[k, q])
            for j in range(p + 1):
                g_k = K + k if j == 0 else 2 * K + k * p + j - 1
                g_q = K + q if j == 0 else 2 * K + q * p + j - 1
                _set_symmetric(hessian, k, g_q, moments[k, q, 1, j])
                _set_symmetric(hessian, q, g_k, moments[k, q, 0, j])
                _set_symmetric(hessian, g_k, h_q, moments[k, q, 3, j])
                _set_symmetric(hessian, g_q, h_k, moments[k, q, 2, j])
                for i in range(j + 1):
                    f_k = K + k if i == 0 else 2 * K + k * p + i - 1
                    f_q = K + q if i == 0 else 2 * K + q * p + i - 1
                    _set_symmetric(hessian, f_k, g_q, g_g[k, q, i, j])
                    _set_symmetric(hessian, f_q, g_k, g_g[k, q, i, j])
    return out


@compiled
def weighted_moments(start, stop, X, y, w, log_weights, intercept, coef, log_dispersion, settings):
    """Sums for the expectation step of EM, with x~ = (1, x) and P = p + 1.

    Returns
    -------
    ndarray of shape (1 + K + K P (P + 1) / 2 + K P + K,)
        ``[ll | sum r | sum r x~ x~' (upper triangles by rows) | sum r x~ y | sum r y^2]``,
        all with row weights.
    """
    K, p = coef.shape
    log_likelihood = 0.0
    x_block, y_block, w_block = np.empty((p, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    eta, r = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    v, scratch = np.empty((2, BLOCK)), np.empty((2, BLOCK))
    lines, squares, yy = np.zeros((K, 2, p + 1)), np.zeros((K, p + 1, p + 1)), np.zeros(K)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        load(w[lo : lo + n], 0.0, w_block)
        linear_predictor(x_block, intercept, coef, eta)
        block_log_density(y_block, eta, log_dispersion, settings, r)
        log_sum_exp(log_weights, r, top, norm)
        log_likelihood += weighted_total(w_block, all_ones(w_block), top, norm)
        normalise(r, norm)
        add_cross_products(w_block, r, x_block, y_block, v, scratch, lines, squares, yy)
    return flat_cross_products(log_likelihood, lines, squares, yy)


@compiled(fastmath=EXACT)
def _add_row_densities(ll, best, mean):
    """Add exp(ll) to the sums ``mean * exp(best)``."""
    for i in range(BLOCK):
        new = ll[i] > best[i]
        small = exp_nonpositive(best[i] - ll[i] if new else ll[i] - best[i])
        mean[i] = mean[i] * small + 1.0 if new else mean[i] + small
        best[i] = ll[i] if new else best[i]


@compiled
def pointwise_log_predictive(
    start, stop, X, y, log_weights, intercept, coef, log_dispersion, settings
):
    """Log of the density of every row averaged over draws, shape (stop - start,)."""
    S, K, p = coef.shape
    out = np.empty(stop - start)
    x_block, y_block = np.empty((p, BLOCK)), np.empty(BLOCK)
    eta, a = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    best, mean = np.empty(BLOCK), np.empty(BLOCK)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        best[:] = -np.inf
        mean[:] = 0.0
        for s in range(S):
            linear_predictor(x_block, intercept[s], coef[s], eta)
            block_log_density(y_block, eta, log_dispersion[s], settings, a)
            log_sum_exp(log_weights[s], a, top, norm)
            add_log(top, norm)
            _add_row_densities(top, best, mean)
        for i in range(n):
            out[lo - start + i] = best[i] + np.log(mean[i] / S)
    return out


@compiled
def pointwise_responsibilities(
    start, stop, X, y, log_weights, intercept, coef, log_dispersion, settings
):
    """Responsibilities averaged over draws, flat of shape ((stop - start) * K,), by rows."""
    S, K, p = coef.shape
    out = np.empty((stop - start) * K)
    x_block, y_block = np.empty((p, BLOCK)), np.empty(BLOCK)
    eta, r = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    mean = np.empty((K, BLOCK))
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        mean[:] = 0.0
        for s in range(S):
            linear_predictor(x_block, intercept[s], coef[s], eta)
            block_log_density(y_block, eta, log_dispersion[s], settings, r)
            log_sum_exp(log_weights[s], r, top, norm)
            normalise(r, norm)
            for k in range(K):
                for i in range(BLOCK):
                    mean[k, i] += r[k, i]
        for i in range(n):
            for k in range(K):
                out[(lo - start + i) * K + k] = mean[k, i] / S
    return out
