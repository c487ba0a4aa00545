"""The reduction Hessian: constant weights, and every row a unit.

Row i enters through u_k = (1, g_k, g_k x_i, h_k), where g and h are the derivatives of the
log density of component k in eta and extra.  The Hessian sums
``(r_k (k == q) - r_k r_q) u_k u_q'`` and, for k == q, r_k times the second derivatives; the
softmax of the logits takes their own second derivatives from it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..._kernels.compile import inlined, part
from ..._kernels.product_kernels import add_moments, add_products, add_second_moments
from ..._kernels.stage_kernels import normalise, product, weighted_total
from ..._kernels.vector_kernels import BLOCK, EXACT, dot, total
from ...families._kernels.base_kernels import hessian_block
from .complete_kernels import pair_weights
from .driver_kernels import add_rows, add_units, differentiate, stage
from .gradient_kernels import add_scores


class Hessian(NamedTuple):
    """The sums of a `Gradient`, and those of products by pairs of components k <= q.

    ``moments`` (K, K, 2 + 2 E, P) are sums of (1, x) times g_k, g_q, h_k g_q and g_k h_q;
    ``squares`` (K, K, P, P) those of (1, x) (1, x)' times g_k g_q.
    """

    eta: Any
    d_eta: Any
    d_extra: Any
    d_eta2: Any
    d_eta_extra: Any
    d_extra2: Any
    value: Any
    counts: Any
    gate: Any
    line: Any
    extra: Any
    c: Any
    own: Any
    v: Any
    v_square: Any
    scratch: Any
    one_one: Any
    one_h: Any
    h_one: Any
    h_h: Any
    moments: Any
    squares: Any


@inlined
def hessian_buffers(raw, n):
    """An empty `Hessian`, for ``n`` components with a line."""
    K, P = raw.line.shape
    E = raw.extra.shape[1]
    return Hessian(
        np.empty((n, BLOCK)),
        np.empty((n, BLOCK)),
        np.empty((E, n, BLOCK)),
        np.empty((n, BLOCK)),
        np.empty((E, n, BLOCK)),
        np.empty((E * (E + 1) // 2, n, BLOCK)),
        np.zeros(1),
        np.zeros(K),
        np.zeros(raw.logits.shape),
        np.zeros(raw.line.shape),
        np.zeros(raw.extra.shape),
        np.empty(BLOCK),
        np.empty(BLOCK),
        np.empty((2 + 2 * E, BLOCK)),
        np.empty((1, BLOCK)),
        np.empty((2, BLOCK)),
        np.zeros((K, K)),
        np.zeros((K, K, E)),
        np.zeros((K, K, E)),
        np.zeros((K, K, E, E)),
        np.zeros((K, K, 2 + 2 * E, P)),
        np.zeros((K, K, P, P)),
    )


@stage(differentiate, Hessian)
def _hessian_derivatives(work, rows, point, model, r):
    n = work.eta.shape[0]
    hessian_block(
        rows.y,
        rows.aux,
        work.eta,
        point.extra[:n],
        model.family,
        r[:n],
        work.d_eta,
        work.d_extra,
        work.d_eta2,
        work.d_eta_extra,
        work.d_extra2,
    )


@stage(add_units, Hessian)
def _hessian_units(work, units, ones, membership, s):
    work.value[0] += weighted_total(units.w, ones, membership.top, membership.norm)
    normalise(membership.r, membership.norm)


@part(fastmath=EXACT)
def _add_product(x, y, out):
    for i in range(BLOCK):
        out[i] += x[i] * y[i]


@part
def _add_own(w, r, k, work):
    """What second derivatives of component k add to the products of the pair (k, k)."""
    own, v, E = work.own, work.v, work.extra.shape[1]
    product(w, r[k], own)
    _add_product(own, work.d_eta2[k], work.v_square[0])
    at = 0
    for e in range(E):
        _add_product(own, work.d_eta_extra[e, k], v[2 + e])
        _add_product(own, work.d_eta_extra[e, k], v[2 + E + e])
        for f in range(e, E):
            curvature = dot(own, work.d_extra2[at, k], BLOCK)
            at += 1
            work.h_h[k, k, e, f] += curvature
            if f > e:
                work.h_h[k, k, f, e] += curvature


@part
def _add_pair(w, r, x, k, q, work):
    g, h, c, v = work.d_eta, work.d_extra, work.c, work.v
    E = h.shape[0]
    product(c, g[k], v[0])
    product(c, g[q], v[1])
    product(v[0], g[q], work.v_square[0])
    for e in range(E):
        work.one_h[k, q, e] += dot(c, h[e, q], BLOCK)
        work.h_one[k, q, e] += dot(c, h[e, k], BLOCK)
        product(v[1], h[e, k], v[2 + e])
        product(v[0], h[e, q], v[2 + E + e])
        product(c, h[e, k], work.own)
        for f in range(E):
            work.h_h[k, q, e, f] += dot(work.own, h[f, q], BLOCK)
    if k == q:
        _add_own(w, r, k, work)
    add_moments(v, x, work.moments[k, q])
    add_moments(work.v_square, x, work.squares[k, q])
    add_second_moments(work.v_square[0], x, work.scratch, work.squares[k, q])


@part
def _add_pair_with_background(x, k, q, work):
    """Products of component k with the background, which has only u = (1,)."""
    product(work.c, work.d_eta[k], work.v[0])
    add_moments(work.v[:1], x, work.moments[k, q][:1])
    for e in range(work.extra.shape[1]):
        work.h_one[k, q, e] += dot(work.c, work.d_extra[e, k], BLOCK)


@part
def add_pairs(w, r, x, work):
    """Add the products of a block, of all pairs."""
    n, K = work.d_eta.shape[0], r.shape[0]
    for k in range(K):
        for q in range(k, K):
            pair_weights(w, r, k, q, work.c)
            work.one_one[k, q] += total(work.c, BLOCK)
            if q < n:
                _add_pair(w, r, x, k, q, work)
            elif k < n:
                _add_pair_with_background(x, k, q, work)


@stage(add_rows, Hessian)
def _hessian_rows(work, rows, r):
    add_pairs(rows.w, r, rows.x, work)
    add_scores(rows.w, r, work.d_eta, work.d_extra, work.counts, work.line, work.extra)
    add_products(work.d_eta, rows.x, work.line)


@part
def place_in_raw(k, j, K, Q, P, E):
    """Where coordinate j of component k, of (logits, line, extra), stands in a raw vector."""
    if j < Q:
        return k * Q + j
    if j < Q + P:
        return K * Q + k * P + (j - Q)
    return K * (Q + P) + k * E + (j - Q - P)


@part
def set_symmetric(matrix, m, i, j, value):
    """Set an element of a flat (m, m) matrix and its mirror image."""
    matrix[i * m + j] = value
    matrix[j * m + i] = value


@part
def _pair_element(work, k, q, i, j):
    """Of the pair k <= q, in coordinate i of k and j of q, of (logit, line, extra)."""
    P, E = work.line.shape[1], work.extra.shape[1]
    if i == 0 and j == 0:
        return work.one_one[k, q]
    if i == 0:
        return work.moments[k, q, 1, j - 1] if j <= P else work.one_h[k, q, j - 1 - P]
    if j == 0:
        return work.moments[k, q, 0, i - 1] if i <= P else work.h_one[k, q, i - 1 - P]
    if i <= P and j <= P:
        return work.squares[k, q, min(i, j) - 1, max(i, j) - 1]
    if i <= P:
        return work.moments[k, q, 2 + E + (j - 1 - P), i - 1]
    if j <= P:
        return work.moments[k, q, 2 + (i - 1 - P), j - 1]
    return work.h_h[k, q, i - 1 - P, j - 1 - P]


@part
def softmax_curvature(log_weights, total_weight, k, q):
    """Minus the second derivative of the sum of log weights in two constant logits."""
    weight = total_weight * np.exp(log_weights[0, k])
    return weight * ((1.0 if k == q else 0.0) - np.exp(log_weights[0, q]))


@part
def flatten_hessian(work, log_weights, hessian):
    """The Hessian in raw parameters from sums, flat."""
    (K, P), E = work.line.shape, work.extra.shape[1]
    weight = 0.0
    for k in range(K):
        weight += work.counts[k]
    M = 1 + P + E
    for k in range(K):
        for q in range(k, K):
            work.one_one[k, q] -= softmax_curvature(log_weights, weight, k, q)
            for i in range(M):
                for j in range(i if k == q else 0, M):
                    set_symmetric(
                        hessian,
                        K * M,
                        place_in_raw(k, i, K, 1, P, E),
                        place_in_raw(q, j, K, 1, P, E),
                        _pair_element(work, k, q, i, j),
                    )
