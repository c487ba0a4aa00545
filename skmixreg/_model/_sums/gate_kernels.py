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
from ..._kernels.stage_kernels import log_softmax, log_sum_exp, normalise
from ..._kernels.vector_kernels import BLOCK, EXACT, dot
from .block_kernels import absent_fields, add_block, size_of


class Membership(NamedTuple):
    """Components of a block of units.

    Attributes
    ----------
    log_weights : ndarray of shape (S, K)
        Of every draw where weights are constant, else 0.
    prior, excess : ndarray of shape (K, BLOCK)
        Weights at every unit and a buffer, empty where weights are constant.
    prior_top, prior_norm : ndarray of shape (BLOCK,)
        What the logits of every unit are normalised by: ``prior_top - log(prior_norm)``.
    r : ndarray of shape (K, BLOCK)
        Log densities, then responsibilities times ``norm``.
    top, norm : ndarray of shape (BLOCK,)
        The log-likelihood of unit u is ``top[u] + log(norm[u])``.
    """

    log_weights: Any
    prior: Any
    excess: Any
    prior_top: Any
    prior_norm: Any
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
        np.empty(BLOCK),
        np.empty(BLOCK),
        np.empty((K, BLOCK)),
        np.empty(BLOCK),
        np.empty(BLOCK),
    )


def constant_weights(gating, logits, out):
    """Log weights (S, K) of every draw, where they are constant."""
    raise NotImplementedError


@overload(constant_weights, jit_options=PART)
def _constant_weights(gating, logits, out):
    if logits.ndim == 2:

        def of_point(gating, logits, out):
            if size_of(gating, 0) == 0:
                log_softmax(logits[:, 0], out[0])

        return of_point

    def of_draws(gating, logits, out):
        if size_of(gating, 0) == 0:
            for s in range(out.shape[0]):
                log_softmax(logits[s, :, 0], out[s])

    return of_draws


@part
def add_logits(gating, logits, zero, membership):
    """Weights at every unit, and their logits added to ``r``; see `divide_by_prior`."""
    prior = membership.prior
    predict_lines(gating, logits, prior)
    add_block(prior, membership.r)
    log_sum_exp(zero, prior, membership.prior_top, membership.prior_norm)
    normalise(prior, membership.prior_norm)


@part(fastmath=EXACT)
def divide_by_prior(membership):
    """From logits to log weights, after the sum: without a logarithm of each normaliser."""
    for i in range(BLOCK):
        membership.top[i] -= membership.prior_top[i]
        membership.norm[i] *= membership.prior_norm[i]
    for k in range(membership.r.shape[0]):
        for i in range(BLOCK):
            membership.r[k, i] *= membership.prior_norm[i]


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
    if "units" in absent_fields(observations):

        def of_rows(observations, log_weights, counts, out):
            if size_of(observations.gating, 0) == 0:
                _finish_row_counts(log_weights, counts, out)

        return of_rows

    def of_groups(observations, log_weights, counts, out):
        if size_of(observations.gating, 0) == 0:
            _finish_counts(log_weights, out)

    return of_groups
