"""The Hessian where every row is a unit and weights are constant, written out as one loop.

In stages it would take LLVM twice as long to compile, which every first fit waits for.  Groups,
gates, known labels and backgrounds go through `joint_hessian_kernels`.
"""

from __future__ import annotations

import numpy as np

from ..._kernels.compile import compiled, part
from ..._kernels.product_kernels import (
    add_moments,
    add_products,
    add_second_moments,
    predict_lines,
)
from ..._kernels.stage_kernels import (
    add_optional,
    all_ones,
    load,
    load_optional,
    load_rows,
    log_softmax,
    log_sum_exp,
    n_optional,
    normalise,
    product,
    weighted_total,
)
from ..._kernels.vector_kernels import BLOCK, EXACT, REDUCE, dot, total
from ...families._kernels.base_kernels import hessian_block


@part(fastmath=REDUCE)
def _add_scores(w, r, d_eta, d_extra, P, out):
    """Add the sums that need no features; ``d_eta`` is weighted by ``w r``."""
    K, E = d_eta.shape[0], d_extra.shape[0]
    at = 1 + K + K * P
    for k in range(K):
        sum_r = sum_eta = 0.0
        for i in range(BLOCK):
            c = w[i] * r[k, i]
            sum_r += c
            d_eta[k, i] *= c
            sum_eta += d_eta[k, i]
        out[1 + k] += sum_r
        out[1 + K + k * P] += sum_eta
        for e in range(E):
            s = 0.0
            for i in range(BLOCK):
                s += w[i] * r[k, i] * d_extra[e, k, i]
            out[at + k * E + e] += s


@part
def _add_gradient(x, w, r, d_eta, d_extra, out):
    """Add the sums of a block, in the order of raw parameters; overwrites ``d_eta``."""
    K, P = d_eta.shape[0], x.shape[0] + 1
    _add_scores(w, r, d_eta, d_extra, P, out)
    add_products(d_eta, x, out[1 + K : 1 + K + K * P].reshape((K, P)))


@part
def _subtract_normaliser(log_weights, out):
    """Derivatives in logits from those in free log weights, whose softmax they are."""
    K = log_weights.shape[0]
    n = 0.0
    for k in range(K):
        n += out[1 + k]
    for k in range(K):
        out[1 + k] -= n * np.exp(log_weights[k])
    return n


@part(fastmath=EXACT)
def _pair_weights(w, r, k, q, out):
    """Weights ``w (r_k (k == q) - r_k r_q)`` of a pair of components."""
    if k == q:
        for i in range(BLOCK):
            out[i] = w[i] * r[k, i] * (1.0 - r[k, i])
    else:
        for i in range(BLOCK):
            out[i] = -w[i] * r[k, i] * r[q, i]


@part(fastmath=EXACT)
def _add_product(x, y, out):
    for i in range(BLOCK):
        out[i] += x[i] * y[i]


@part
def _set_symmetric(matrix, i, j, value):
    matrix[i, j] = value
    matrix[j, i] = value


@compiled
def plain_hessian(start, stop, observations, raw, model):
    """Weighted log-likelihood, its gradient and its Hessian in the raw parameters.

    Row i enters through u_k = (1, g_k (1, x_i), h_k), where g and h are the derivatives of the
    log density of component k in eta and the extras.  The Hessian sums
    ``(r_k (k == q) - r_k r_q) u_k u_q'`` and, for k == q, r_k times the second derivatives.

    Returns
    -------
    ndarray of shape (1 + m + m * m,)
        As `row_kernels.log_likelihood_hessian`.
    """
    X, y, w = observations.columns, observations.target, observations.weights
    K, p, E = raw.line.shape[0], X.shape[0], raw.extra.shape[1]
    P = p + 1
    log_weights = np.empty(K)
    log_softmax(raw.logits[:, 0], log_weights)
    m = K * (1 + P + E)
    gradient = np.zeros(1 + m)
    x_block, y_block, w_block = np.empty((p, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    aux = np.empty((n_optional(observations.auxiliary), BLOCK))
    eta, r = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    g, h = np.empty((K, BLOCK)), np.empty((E, K, BLOCK))
    gg, gh = np.empty((K, BLOCK)), np.empty((E, K, BLOCK))
    hh = np.empty((E * (E + 1) // 2, K, BLOCK))
    top, norm = np.empty(BLOCK), np.empty(BLOCK)
    c, ch, second = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    # by what multiplies (1, x): g of one component by 1 or an h of the other; g by g
    v, v_g, scratch = np.empty((2 + 2 * E, BLOCK)), np.empty((1, BLOCK)), np.empty((2, BLOCK))
    # sums by pairs of components
    one_one, one_h, h_one = np.zeros((K, K)), np.zeros((K, K, E)), np.zeros((K, K, E))
    h_h = np.zeros((K, K, E, E))
    moments, g_g = np.zeros((K, K, 2 + 2 * E, P)), np.zeros((K, K, P, P))
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        load_optional(observations.auxiliary, lo, n, aux)
        load(w[lo : lo + n], 0.0, w_block)
        predict_lines(x_block, raw.line, eta)
        add_optional(observations.offset, lo, n, eta)
        hessian_block(y_block, aux, eta, raw.extra, model.family, r, g, h, gg, gh, hh)
        log_sum_exp(log_weights, r, top, norm)
        gradient[0] += weighted_total(w_block, all_ones(w_block), top, norm)
        normalise(r, norm)
        for k in range(K):
            for q in range(k, K):
                _pair_weights(w_block, r, k, q, c)
                one_one[k, q] += total(c, BLOCK)
                product(c, g[k], v[0])
                product(c, g[q], v[1])
                product(v[0], g[q], v_g[0])
                if k == q:
                    product(w_block, r[k], second)
                    _add_product(second, gg[k], v_g[0])
                at = 0
                for e in range(E):
                    product(c, h[e, k], ch)
                    one_h[k, q, e] += dot(c, h[e, q], BLOCK)
                    h_one[k, q, e] += total(ch, BLOCK)
                    product(ch, g[q], v[2 + e])
                    product(v[0], h[e, q], v[2 + E + e])
                    for f in range(E):
                        h_h[k, q, e, f] += dot(ch, h[f, q], BLOCK)
                        if k == q and f >= e:
                            s = dot(second, hh[at, k], BLOCK)
                            h_h[k, k, e, f] += s
                            if f > e:
                                h_h[k, k, f, e] += s
                            at += 1
                    if k == q:
                        _add_product(second, gh[e, k], v[2 + e])
                        _add_product(second, gh[e, k], v[2 + E + e])
                add_moments(v, x_block, moments[k, q])
                add_moments(v_g, x_block, g_g[k, q])
                add_second_moments(v_g[0], x_block, scratch, g_g[k, q])
        _add_gradient(x_block, w_block, r, g, h, gradient)
    n_all = _subtract_normaliser(log_weights, gradient)

    out = np.empty(1 + m + m * m)
    for i in range(1 + m):
        out[i] = gradient[i]
    hessian = out[1 + m :].reshape((m, m))
    lines, extras = K, K + K * P
    for k in range(K):
        for q in range(k, K):
            weight = np.exp(log_weights[k])
            share = weight * ((1.0 if k == q else 0.0) - np.exp(log_weights[q]))
            _set_symmetric(hessian, k, q, one_one[k, q] - n_all * share)
            for e in range(E):
                h_k, h_q = extras + k * E + e, extras + q * E + e
                _set_symmetric(hessian, k, h_q, one_h[k, q, e])
                _set_symmetric(hessian, q, h_k, h_one[k, q, e])
                for f in range(E):
                    _set_symmetric(hessian, h_k, extras + q * E + f, h_h[k, q, e, f])
            for j in range(P):
                g_k, g_q = lines + k * P + j, lines + q * P + j
                _set_symmetric(hessian, k, g_q, moments[k, q, 1, j])
                _set_symmetric(hessian, q, g_k, moments[k, q, 0, j])
                for e in range(E):
                    _set_symmetric(hessian, g_q, extras + k * E + e, moments[k, q, 2 + e, j])
                    _set_symmetric(hessian, g_k, extras + q * E + e, moments[k, q, 2 + E + e, j])
                for i in range(j + 1):
                    # first row and column of the cross products are those of the intercept
                    s = g_g[k, q, 0, j] if i == 0 else g_g[k, q, i, j]
                    _set_symmetric(hessian, lines + k * P + i, g_q, s)
                    _set_symmetric(hessian, lines + q * P + i, g_k, s)
    return out
