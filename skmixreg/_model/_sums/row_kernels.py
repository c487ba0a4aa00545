"""Sums over rows of the log-likelihood and its derivatives.

Every kernel takes ``start, stop`` (units: rows, unless units are given), `Observations`, `Raw`
parameters and a `Model`.  All arrays are C-contiguous float64; other layouts, and read-only arrays,
work but are compiled anew.  Derivatives are those in raw parameters, the softmax included.
"""

from __future__ import annotations

import numpy as np

from ..._kernels.compile import compiled
from ..._kernels.product_kernels import flat_cross_products
from ..._kernels.vector_kernels import BLOCK
from .block_kernels import number_of_lines
from .complete_kernels import Moments, complete_buffers, flatten_complete, flatten_gate
from .driver_kernels import buffers, run
from .gate_kernels import finish_gate_scores
from .gradient_kernels import Value, flatten_gradient, gradient_buffers
from .hessian_kernels import plain_hessian
from .joint_hessian_kernels import flatten_joint_hessian, joint_hessian_buffers


@compiled
def log_likelihood_draws(start, stop, observations, raws, model):
    """Weighted log-likelihood at every draw, shape (S,)."""
    n, S = number_of_lines(raws.line, model.background), raws.line.shape[0]
    work = Value(np.empty((n, BLOCK)), np.zeros(S))
    run(start, stop, observations, raws, model, work, buffers(observations, raws, S))
    return work.out


@compiled
def log_likelihood_gradient(start, stop, observations, raw, model):
    """Weighted log-likelihood and its gradient.

    Returns
    -------
    ndarray of shape (1 + m,)
        ``[ll | logits | line | extra]``.
    """
    work = gradient_buffers(raw, number_of_lines(raw.line, model.background))
    parts = buffers(observations, raw, 1)
    run(start, stop, observations, raw, model, work, parts)
    finish_gate_scores(observations, parts.membership.log_weights, work.counts, work.gate)
    out = np.empty(1 + raw.logits.size + raw.line.size + raw.extra.size)
    flatten_gradient(work.value, work.gate, work.line, work.extra, out)
    return out


@compiled
def joint_hessian(start, stop, observations, raw, model):
    """As `log_likelihood_hessian`, whatever the observations have."""
    work = joint_hessian_buffers(raw, number_of_lines(raw.line, model.background))
    parts = buffers(observations, raw, 1)
    run(start, stop, observations, raw, model, work, parts)
    log_weights = parts.membership.log_weights
    finish_gate_scores(observations, log_weights, work.counts, work.gate)
    m = raw.logits.size + raw.line.size + raw.extra.size
    out = np.empty(1 + m + m * m)
    flatten_gradient(work.value, work.gate, work.line, work.extra, out)
    flatten_joint_hessian(work, log_weights, out[1 + m :])
    return out


def log_likelihood_hessian(start, stop, observations, raw, model):
    """Weighted log-likelihood, its gradient and its Hessian.

    Returns
    -------
    ndarray of shape (1 + m + m * m,)
        The result of `log_likelihood_gradient`, then the Hessian in the same coordinates.
    """
    stages = (
        observations.units, observations.gating, observations.allowed, model.background,
    )  # fmt: skip
    kernel = plain_hessian if all(a is None for a in stages) else joint_hessian
    return kernel(start, stop, observations, raw, model)


@compiled
def weighted_moments(start, stop, observations, raw, model):
    """Sums for the expectation step of EM with normal errors, x~ = (1, x) and P = 1 + p.

    Returns
    -------
    ndarray of shape (1 + K + K P (P + 1) / 2 + K P + K,)
        ``[ll | sum r | sum r x~ x~' (upper triangles by rows) | sum r x~ y | sum r y^2]``, with
        weights; the first sums are over units, the others over rows.
    """
    K, P = raw.line.shape
    n = number_of_lines(raw.line, model.background)
    work = Moments(
        np.empty((n, BLOCK)),
        np.zeros(1),
        np.zeros(K),
        np.empty((2, BLOCK)),
        np.empty((2, BLOCK)),
        np.zeros((K, 2, P)),
        np.zeros((K, P, P)),
        np.zeros(K),
    )
    run(start, stop, observations, raw, model, work, buffers(observations, raw, 1))
    out = flat_cross_products(work.value[0], work.lines, work.squares, work.yy)
    for k in range(K):
        out[1 + k] = work.counts[k]
    return out


@compiled
def complete_sums(start, stop, observations, raw, model):
    """Sums for one scoring step of every component at the responsibilities of ``raw``.

    With M = P + E coordinates of (line, extra) and Q = 1 + q logits of each component.

    Returns
    -------
    ndarray of shape (1 + K + K M + K M (M + 1) / 2 + K Q + (K Q)^2,)
        ``[ll | expected counts of units | scores (K, M) | expected information, upper triangles
        by rows | scores of the logits (K, Q) | their information (K Q, K Q)]``, with weights; the
        last two are absent where weights are constant.  The background has zeros.
    """
    work = complete_buffers(raw, number_of_lines(raw.line, model.background))
    run(start, stop, observations, raw, model, work, buffers(observations, raw, 1))
    (K, Q), M = raw.logits.shape, raw.line.shape[1] + raw.extra.shape[1]
    gate = K * Q + K * Q * K * Q if Q > 1 else 0
    out = np.empty(1 + K + K * M + K * (M * (M + 1) // 2) + gate)
    at = flatten_complete(work, out)
    if Q > 1:
        flatten_gate(work, at, out)
    return out
