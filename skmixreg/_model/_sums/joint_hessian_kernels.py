"""The reduction JointHessian: weights that depend on columns, or units that are groups of rows.

A unit enters through the derivatives u_k of the log density of component k, summed over its rows,
and of its logit: (1, gating columns).  They are kept for a block of units; the Hessian sums
``(r_k (k == q) - r_k r_q) u_k u_q'`` over units and, for k == q, r_k times second derivatives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..._kernels.compile import inlined, part
from ..._kernels.product_kernels import add_products
from ..._kernels.stage_kernels import normalise, product, weighted_total
from ..._kernels.vector_kernels import BLOCK, EXACT
from ...families._kernels.base_kernels import hessian_block
from .complete_kernels import (
    add_curvature,
    add_gate_information,
    curvature_buffers,
    curvature_element,
    load_gate,
    pair_weights,
    sum_responsibilities,
)
from .driver_kernels import (
    add_group_rows,
    add_rows,
    add_units,
    close_block,
    differentiate,
    open_block,
    stage,
)
from .gradient_kernels import add_scores


class JointHessian(NamedTuple):
    """The sums of a `Gradient`, of second derivatives, and of products by pairs k <= q.

    ``scores`` (K, M, BLOCK) are u_k at a block of units, of (logits, line, extra); ``pairs``
    (K, K, M, M) the sums of their products and ``gate_pairs`` (K, K, Q, Q) the information of
    weights that depend on columns.
    """

    eta: Any
    d_eta: Any
    d_extra: Any
    value: Any
    counts: Any
    rows: Any
    gate: Any
    line: Any
    extra: Any
    curvature: Any
    scores: Any
    v: Any
    pairs: Any
    gate_pairs: Any


@inlined
def joint_hessian_buffers(raw, n):
    """An empty `JointHessian`, for ``n`` components with a line."""
    (K, Q), E = raw.logits.shape, raw.extra.shape[1]
    M = Q + raw.line.shape[1] + E
    return JointHessian(
        np.empty((n, BLOCK)),
        np.empty((n, BLOCK)),
        np.empty((E, n, BLOCK)),
        np.zeros(1),
        np.zeros(K),
        np.zeros(K),
        np.zeros(raw.logits.shape),
        np.zeros(raw.line.shape),
        np.zeros(raw.extra.shape),
        curvature_buffers(raw, n),
        np.zeros((K, M, BLOCK)),
        np.empty((M, BLOCK)),
        np.zeros((K, K, M, M)),
        np.zeros((K, K, Q, Q)),
    )


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
def softmax_curvature(log_weights, total_weight, k, q):
    """Minus the second derivative of the sum of log weights in two constant logits."""
    weight = total_weight * np.exp(log_weights[0, k])
    return weight * ((1.0 if k == q else 0.0) - np.exp(log_weights[0, q]))


@part
def _clear_scores(scores):
    for k in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            for i in range(BLOCK):
                scores[k, j, i] = 0.0


@stage(open_block, JointHessian)
def _joint_open(work):
    _clear_scores(work.scores)


@stage(differentiate, JointHessian)
def _joint_derivatives(work, rows, point, model, r):
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
        work.curvature.d_eta2,
        work.curvature.d_eta_extra,
        work.curvature.d_extra2,
    )


@stage(add_units, JointHessian)
def _joint_units(work, units, ones, membership, s):
    work.value[0] += weighted_total(units.w, ones, membership.top, membership.total)
    normalise(membership.r, membership.norm)
    sum_responsibilities(units.w, membership.r, work.counts)


@part(fastmath=EXACT)
def _scores_of_rows(x, d_eta, d_extra, Q, scores):
    for k in range(d_eta.shape[0]):
        for i in range(BLOCK):
            scores[k, Q, i] = d_eta[k, i]
        for j in range(x.shape[0]):
            product(d_eta[k], x[j], scores[k, Q + 1 + j])
        for e in range(d_extra.shape[0]):
            for i in range(BLOCK):
                scores[k, Q + 1 + x.shape[0] + e, i] = d_extra[e, k, i]


@part
def _scores_of_groups(x, w, place, d_eta, d_extra, Q, scores):
    for k in range(d_eta.shape[0]):
        for i in range(BLOCK):
            if w[i] > 0.0:  # not a copy that fills the block
                u, g = place[i], d_eta[k, i]
                scores[k, Q, u] += g
                for j in range(x.shape[0]):
                    scores[k, Q + 1 + j, u] += g * x[j, i]
                for e in range(d_extra.shape[0]):
                    scores[k, Q + 1 + x.shape[0] + e, u] += d_extra[e, k, i]


@part
def _add_rows(work, rows, r):
    add_curvature(rows.w, r, rows.x, work.curvature)
    add_scores(rows.w, r, work.d_eta, work.d_extra, work.rows, work.line, work.extra)
    add_products(work.d_eta, rows.x, work.line)


@stage(add_rows, JointHessian)
def _joint_rows(work, rows, r):
    _scores_of_rows(rows.x, work.d_eta, work.d_extra, work.gate.shape[1], work.scores)
    _add_rows(work, rows, r)


@stage(add_group_rows, JointHessian)
def _joint_group_rows(work, rows, r):
    _scores_of_groups(
        rows.x, rows.w, rows.place, work.d_eta, work.d_extra, work.gate.shape[1], work.scores
    )
    _add_rows(work, rows, r)


@part
def _add_products_of_units(w, gating, r, prior, work):
    Q, c = work.gate.shape[1], work.curvature.c
    for k in range(r.shape[0]):
        load_gate(gating, work.scores[k][:Q])
    for k in range(r.shape[0]):
        for q in range(k, r.shape[0]):
            pair_weights(w, r, k, q, c)
            for j in range(work.v.shape[0]):
                product(c, work.scores[k, j], work.v[j])
            add_products(work.v, work.scores[q], work.pairs[k, q])
    add_gate_information(w, prior, work.scores[0][:Q], c, work.v[:Q], work.gate_pairs)


@stage(close_block, JointHessian)
def _joint_close(work, units, membership, at, n):
    _add_products_of_units(units.w, units.gating, membership.r, membership.prior, work)


@part
def _subtract_softmax(work, log_weights):
    """Fill the information of the gate where weights are constant."""
    weight = 0.0
    for k in range(work.counts.shape[0]):
        weight += work.counts[k]
    for k in range(work.counts.shape[0]):
        for q in range(k, work.counts.shape[0]):
            work.gate_pairs[k, q, 0, 0] = softmax_curvature(log_weights, weight, k, q)


@part
def flatten_joint_hessian(work, log_weights, hessian):
    """The Hessian in raw parameters from sums, flat."""
    (K, Q), P, E = work.gate.shape, work.line.shape[1], work.extra.shape[1]
    if Q == 1:
        _subtract_softmax(work, log_weights)
    M = Q + P + E
    for k in range(K):
        for q in range(k, K):
            for i in range(M):
                for j in range(i if k == q else 0, M):
                    value = work.pairs[k, q, i, j]
                    if i < Q and j < Q:
                        value -= work.gate_pairs[k, q, i, j]
                    elif k == q and i >= Q:
                        value += curvature_element(work.curvature, k, i - Q, j - Q)
                    set_symmetric(
                        hessian,
                        K * M,
                        place_in_raw(k, i, K, Q, P, E),
                        place_in_raw(q, j, K, Q, P, E),
                        value,
                    )
