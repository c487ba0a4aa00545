"""The weights of components at a block of units, and memberships.

Weights are one softmax for all units, or one for each where they depend on columns; prior odds of
labels multiply them afterwards.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ..._kernels.compile import PART, inlined, part
from ..._kernels.product_kernels import add_moments, predict_lines
from ..._kernels.stage_kernels import add_log, log_softmax, log_sum_exp, normalise
from ..._kernels.vector_kernels import BLOCK, EXACT, dot
from .block_kernels import absent, absent_fields, add_block, size_of


class Membership(NamedTuple):
    """Components of a block of units.

    Attributes
    ----------
    log_weights : ndarray of shape (S, K)
        Of every draw where weights are constant, else 0.
    prior, excess : ndarray of shape (K, BLOCK)
        Weights at every unit and a buffer, empty where weights are constant.
    r : ndarray of shape (K, BLOCK)
        Log densities, then responsibilities times ``norm``.
    top, norm : ndarray of shape (BLOCK,)
        The log-likelihood of unit u is ``top[u] + log(norm[u])``.
    """

    log_weights: Any
    prior: Any
    excess: Any
    r: Any
    top: Any
    norm: Any


@inlined
def membership_buffers(observations, K, S):
    """An empty `Membership`."""
    gates = K if size_of(observations.gating, 0) > 0 else 0
    return Membership(
        np.zeros((S, K)),
        np.empty((gates, BLOCK)),
        np.empty((gates, BLOCK)),
        np.empty((K, BLOCK)),
        np.empty(BLOCK),
        np.empty(BLOCK),
    )


def constant_weights(gating, logits, out):
    """Log weights (S, K) of every draw, where they are constant."""
    raise NotImplementedError


@overload(constant_weights, jit_options=PART)
def _constant_weights(gating, logits, out):
    if not absent(gating):
        return lambda gating, logits, out: None
    if logits.ndim == 2:
        return lambda gating, logits, out: log_softmax(logits[:, 0], out[0])

    def of_draws(gating, logits, out):
        for s in range(out.shape[0]):
            log_softmax(logits[s, :, 0], out[s])

    return of_draws


@part(fastmath=EXACT)
def _divide(top, r):
    """Subtract the normaliser of the weights from ``r``."""
    for k in range(r.shape[0]):
        for i in range(BLOCK):
            r[k, i] -= top[i]


@part(fastmath=EXACT)
def _copy(x, out):
    for i in range(BLOCK):
        out[i] = x[i]


@part
def add_log_prior(gating, logits, zero, membership):
    """Weights at every unit, and their logarithms added to ``r``."""
    prior, spare = membership.prior, membership.excess[0]
    predict_lines(gating, logits, prior)
    add_block(prior, membership.r)
    log_sum_exp(zero, prior, membership.top, membership.norm)
    _copy(membership.norm, spare)
    normalise(prior, spare)
    add_log(membership.top, membership.norm)
    _divide(membership.top, membership.r)


@part(fastmath=EXACT)
def _subtract_prior(w, r, prior, out):
    """``out = w (r - prior)``."""
    for k in range(out.shape[0]):
        for i in range(BLOCK):
            out[k, i] = w[i] * (r[k, i] - prior[k, i])


@part
def add_gate_scores(units, membership, out):
    """Add derivatives in the logits (K, 1 + q) at responsibilities."""
    _subtract_prior(units.w, membership.r, membership.prior, membership.excess)
    add_moments(membership.excess, units.gating, out)


@part
def add_counts(units, membership, out):
    """Add expected counts to ``out`` (K, 1): derivatives of constant weights until finished."""
    for k in range(out.shape[0]):
        out[k, 0] += dot(units.w, membership.r[k], BLOCK)


@part
def _finish_counts(log_weights, out):
    weight = 0.0
    for k in range(out.shape[0]):
        weight += out[k, 0]
    for k in range(out.shape[0]):
        out[k, 0] -= weight * np.exp(log_weights[0, k])


@part
def _finish_row_counts(log_weights, counts, out):
    for k in range(out.shape[0]):
        out[k, 0] = counts[k]
    _finish_counts(log_weights, out)


def finish_gate_scores(observations, log_weights, counts, out):
    """From expected counts to derivatives in the logits, where weights are constant.

    ``counts`` (K,) are those of rows.
    """
    raise NotImplementedError


@overload(finish_gate_scores, jit_options=PART)
def _finish_gate_scores(observations, log_weights, counts, out):
    none = absent_fields(observations)
    if "gating" not in none:
        return lambda observations, log_weights, counts, out: None
    if "units" in none:
        return lambda observations, log_weights, counts, out: _finish_row_counts(
            log_weights, counts, out
        )
    return lambda observations, log_weights, counts, out: _finish_counts(log_weights, out)
