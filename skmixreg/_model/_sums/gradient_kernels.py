"""The reductions Value and Gradient of `skmixreg._model._sums.driver_kernels`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..._kernels.compile import inlined, part
from ..._kernels.product_kernels import add_products
from ..._kernels.stage_kernels import normalise, weighted_total
from ..._kernels.vector_kernels import BLOCK, REDUCE, dot
from ...families._kernels.base_kernels import gradient_block
from .driver_kernels import add_rows, add_units, differentiate, stage


class Value(NamedTuple):
    """Log-likelihood of every draw, ``out`` (S,)."""

    eta: Any
    out: Any


@stage(add_units, Value)
def _value_units(work, units, ones, membership, s):
    work.out[s] += weighted_total(units.w, ones, membership.top, membership.total)


class Gradient(NamedTuple):
    """Log-likelihood ``value`` (1,) and its derivatives ``gate``, ``line``, ``extra``.

    ``counts`` (K,) are expected numbers of rows.
    """

    eta: Any
    d_eta: Any
    d_extra: Any
    value: Any
    counts: Any
    gate: Any
    line: Any
    extra: Any


@inlined
def gradient_buffers(raw, n):
    """An empty `Gradient`, for ``n`` components with a line."""
    K, E = raw.extra.shape
    return Gradient(
        np.empty((n, BLOCK)),
        np.empty((n, BLOCK)),
        np.empty((E, n, BLOCK)),
        np.zeros(1),
        np.zeros(K),
        np.zeros(raw.logits.shape),
        np.zeros(raw.line.shape),
        np.zeros(raw.extra.shape),
    )


@stage(differentiate, Gradient)
def _gradient_derivatives(work, rows, point, model, r):
    n = work.eta.shape[0]
    gradient_block(
        rows.y,
        rows.aux,
        work.eta,
        point.extra[:n],
        model.family,
        r[:n],
        work.d_eta,
        work.d_extra,
    )


@stage(add_units, Gradient)
def _gradient_units(work, units, ones, membership, s):
    work.value[0] += weighted_total(units.w, ones, membership.top, membership.total)
    normalise(membership.r, membership.norm)


@part(fastmath=REDUCE)
def add_scores(w, r, d_eta, d_extra, counts, line, extra):
    """Add the sums that need no features; ``d_eta`` is weighted by ``w r``."""
    n, E = d_eta.shape[0], d_extra.shape[0]
    for k in range(n):
        h = d_extra[0, k] if E > 0 else w  # without extras this sum is not used
        sum_r = sum_eta = sum_extra = 0.0
        for i in range(BLOCK):
            c = w[i] * r[k, i]
            sum_r += c
            sum_extra += c * h[i]
            d_eta[k, i] *= c
            sum_eta += d_eta[k, i]
        counts[k] += sum_r
        line[k, 0] += sum_eta
        if E > 0:
            extra[k, 0] += sum_extra
        for e in range(1, E):
            sum_extra = 0.0
            for i in range(BLOCK):
                sum_extra += w[i] * r[k, i] * d_extra[e, k, i]
            extra[k, e] += sum_extra
    for k in range(n, r.shape[0]):
        counts[k] += dot(w, r[k], BLOCK)


@stage(add_rows, Gradient)
def _gradient_rows(work, rows, r):
    add_scores(rows.w, r, work.d_eta, work.d_extra, work.counts, work.line, work.extra)
    add_products(work.d_eta, rows.x, work.line)


@part
def flatten_gradient(value, gate, line, extra, out):
    """``[ll | logits | line | extra]``."""
    out[0] = value[0]
    at = 1
    for k in range(gate.shape[0]):
        for j in range(gate.shape[1]):
            out[at] = gate[k, j]
            at += 1
    for k in range(line.shape[0]):
        for j in range(line.shape[1]):
            out[at] = line[k, j]
            at += 1
    for k in range(extra.shape[0]):
        for j in range(extra.shape[1]):
            out[at] = extra[k, j]
            at += 1
