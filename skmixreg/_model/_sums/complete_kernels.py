"""Reductions for expectation-maximisation: sums at the responsibilities of every unit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..._kernels.compile import inlined, part
from ..._kernels.product_kernels import (
    add_cross_products,
    add_moments,
    add_products,
    add_second_moments,
)
from ..._kernels.stage_kernels import normalise, product, weighted_total
from ..._kernels.vector_kernels import BLOCK, EXACT, dot
from ...families._kernels.base_kernels import information_block
from .driver_kernels import add_rows, add_units, differentiate, stage
from .gradient_kernels import add_scores


class Moments(NamedTuple):
    """Weighted sums of (1, x, y) (1, x, y)' of every component, and expected counts of units."""

    eta: Any
    value: Any
    counts: Any
    v: Any
    scratch: Any
    lines: Any
    squares: Any
    yy: Any


@part
def sum_responsibilities(w, r, counts):
    """Add expected counts (K,) of a block."""
    for k in range(r.shape[0]):
        counts[k] += dot(w, r[k], BLOCK)


@stage(add_units, Moments)
def _count_units(work, units, ones, membership, s):
    work.value[0] += weighted_total(units.w, ones, membership.top, membership.total)
    normalise(membership.r, membership.norm)
    sum_responsibilities(units.w, membership.r, work.counts)


@stage(add_rows, Moments)
def _moments_rows(work, rows, r):
    n = work.eta.shape[0]
    add_cross_products(
        rows.w, r[:n], rows.x, rows.y, work.v, work.scratch, work.lines, work.squares, work.yy
    )


class Curvature(NamedTuple):
    """Second derivatives at a block of rows, and their sums with responsibilities.

    ``moments`` (K, 1 + E, P) holds the sums of those in (eta, eta) and (eta, extra) times (1, x),
    the upper triangle of ``squares[:, 1:, 1:]`` those in (eta, eta) times x x', and that of
    ``extras`` (K, E, E) those in (extra, extra).
    """

    d_eta2: Any
    d_eta_extra: Any
    d_extra2: Any
    c: Any
    v: Any
    scratch: Any
    moments: Any
    squares: Any
    extras: Any


@inlined
def curvature_buffers(raw, n):
    """An empty `Curvature`, for ``n`` components with a line."""
    K, P = raw.line.shape
    E = raw.extra.shape[1]
    return Curvature(
        np.empty((n, BLOCK)),
        np.empty((E, n, BLOCK)),
        np.empty((E * (E + 1) // 2, n, BLOCK)),
        np.empty(BLOCK),
        np.empty((1 + E, BLOCK)),
        np.empty((2, BLOCK)),
        np.zeros((K, 1 + E, P)),
        np.zeros((K, P, P)),
        np.zeros((K, E, E)),
    )


@part
def add_curvature(w, r, x, curvature):
    """Add the sums of a block."""
    c, v = curvature.c, curvature.v
    E = curvature.extras.shape[1]
    for k in range(curvature.d_eta2.shape[0]):
        product(w, r[k], c)
        product(c, curvature.d_eta2[k], v[0])
        for e in range(E):
            product(c, curvature.d_eta_extra[e, k], v[1 + e])
        add_moments(v, x, curvature.moments[k])
        add_second_moments(v[0], x, curvature.scratch, curvature.squares[k])
        at = 0
        for e in range(E):
            for f in range(e, E):
                curvature.extras[k, e, f] += dot(c, curvature.d_extra2[at, k], BLOCK)
                at += 1


@part
def curvature_element(curvature, k, i, j):
    """Of component k in the coordinates i <= j of (line, extra)."""
    P = curvature.moments.shape[2]
    if j < P:
        return curvature.moments[k, 0, j] if i == 0 else curvature.squares[k, i, j]
    if i < P:
        return curvature.moments[k, 1 + j - P, i]
    return curvature.extras[k, i - P, j - P]


@part(fastmath=EXACT)
def pair_weights(w, r, k, q, out):
    """Weights ``w (r_k (k == q) - r_k r_q)`` of a pair of components."""
    if k == q:
        for i in range(BLOCK):
            out[i] = w[i] * r[k, i] * (1.0 - r[k, i])
    else:
        for i in range(BLOCK):
            out[i] = -w[i] * r[k, i] * r[q, i]


@part
def load_gate(gating, out):
    """(1, gating columns) of a block of units."""
    for i in range(BLOCK):
        out[0, i] = 1.0
    for j in range(1, out.shape[0]):
        for i in range(BLOCK):
            out[j, i] = gating[j - 1, i]


@part
def add_gate_information(w, prior, g, c, v, out):
    """Add minus the second derivatives of log weights to ``out`` (K, K, Q, Q), k <= q.

    ``g`` (Q, BLOCK) is (1, gating columns); nothing where ``prior`` is empty.
    """
    for k in range(prior.shape[0]):
        for q in range(k, prior.shape[0]):
            pair_weights(w, prior, k, q, c)
            for j in range(g.shape[0]):
                product(c, g[j], v[j])
            add_products(v, g, out[k, q])


class Complete(NamedTuple):
    """What one step of scoring needs of every component and of the gate.

    ``rows`` are expected counts of rows, ``counts`` of units; ``gate_pairs`` (K, K, Q, Q) is the
    information of logits that depend on columns, for k <= q.
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
    g: Any
    v: Any
    gate_pairs: Any


@inlined
def complete_buffers(raw, n):
    """An empty `Complete`, for ``n`` components with a line."""
    K, Q = raw.logits.shape
    E = raw.extra.shape[1]
    return Complete(
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
        np.empty((Q, BLOCK)),
        np.empty((Q, BLOCK)),
        np.zeros((K, K, Q, Q)),
    )


@stage(differentiate, Complete)
def _complete_derivatives(work, rows, point, model, r):
    n = work.eta.shape[0]
    information_block(
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


@stage(add_units, Complete)
def _complete_units(work, units, ones, membership, s):
    work.value[0] += weighted_total(units.w, ones, membership.top, membership.total)
    normalise(membership.r, membership.norm)
    sum_responsibilities(units.w, membership.r, work.counts)
    load_gate(units.gating, work.g)
    add_gate_information(
        units.w, membership.prior, work.g, work.curvature.c, work.v, work.gate_pairs
    )


@stage(add_rows, Complete)
def _complete_rows(work, rows, r):
    add_curvature(rows.w, r, rows.x, work.curvature)
    add_scores(rows.w, r, work.d_eta, work.d_extra, work.rows, work.line, work.extra)
    add_products(work.d_eta, rows.x, work.line)


@part
def flatten_complete(work, out):
    """``[ll | counts | scores of (line, extra) | information, upper triangles by rows]``.

    Returns how much of ``out`` is filled.
    """
    K, P = work.line.shape
    M = P + work.extra.shape[1]
    out[0] = work.value[0]
    at = 1 + K
    for k in range(K):
        out[1 + k] = work.counts[k]
        for j in range(M):
            out[at] = work.line[k, j] if j < P else work.extra[k, j - P]
            at += 1
    for k in range(K):
        for i in range(M):
            for j in range(i, M):
                out[at] = curvature_element(work.curvature, k, i, j)
                at += 1
    return at


@part
def flatten_gate(work, at, out):
    """Scores (K Q) and information (K Q, K Q) of the logits, from ``at`` on."""
    K, Q = work.gate.shape
    for k in range(K):
        for j in range(Q):
            out[at] = work.gate[k, j]
            at += 1
    for a in range(K * Q):
        for b in range(K * Q):
            k, q = min(a // Q, b // Q), max(a // Q, b // Q)
            i, j = (a % Q, b % Q) if a // Q <= b // Q else (b % Q, a % Q)
            out[at] = work.gate_pairs[k, q, i, j]
            at += 1
