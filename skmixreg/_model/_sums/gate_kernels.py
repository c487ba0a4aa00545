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
from ..._kernels.vector_kernels import BLOCK, EXACT, REDUCE, dot, exp_any
from .block_kernels import absent_fields, size_of

# Up to these log odds a product of eight normalisers is far from overflow.
LARGEST_ODDS = 70.0


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
    norm : ndarray of shape (BLOCK,)
    top, total : ndarray of shape (BLOCK,)
        The log-likelihood of unit u is ``top[u] + log(total[u])``; where weights are constant,
        ``total`` is ``norm``.
    """

    log_weights: Any
    prior: Any
    excess: Any
    prior_top: Any
    prior_norm: Any
    r: Any
    top: Any
    norm: Any
    total: Any


@inlined
def membership_buffers(observations, K, S):
    """An empty `Membership`."""
    gates = K if size_of(observations.gating, 0) > 0 else 0
    norm = np.empty(BLOCK)
    return Membership(
        np.zeros((S, K)),
        np.empty((gates, BLOCK)),
        np.empty((gates, BLOCK)),
        np.empty(BLOCK),
        np.empty(BLOCK),
        np.empty((K, BLOCK)),
        np.empty(BLOCK),
        norm,
        np.empty(BLOCK) if gates > 0 else norm,
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
    prior, top, norm = membership.prior, membership.prior_top, membership.prior_norm
    predict_lines(gating, logits, prior)
    if _add_and_compare(prior, membership.r, top) < LARGEST_ODDS**8:
        _softmax_beside_first(prior, norm)
    else:
        _softmax_beside_largest(prior, zero, top, norm)


@part(fastmath=REDUCE)
def _add_and_compare(prior, r, first):
    """Add logits to ``r``, and leave how far they are from the first, which is copied.

    Returns the sum of the eighth powers of these distances, which bounds the largest.
    """
    out = 0.0
    for i in range(BLOCK):
        first[i] = prior[0, i]
        r[0, i] += first[i]
    for k in range(1, prior.shape[0]):
        for i in range(BLOCK):
            r[k, i] += prior[k, i]
            prior[k, i] -= first[i]
            square = prior[k, i] * prior[k, i]
            out += (square * square) * (square * square)
    return out


@part(fastmath=EXACT)
def _softmax_beside_first(prior, norm):
    """One exponential less: the first odds are one."""
    for i in range(BLOCK):
        prior[0, i] = 1.0
        norm[i] = 1.0
    for k in range(1, prior.shape[0]):
        for i in range(BLOCK):
            prior[k, i] = exp_any(prior[k, i])
            norm[i] += prior[k, i]
    normalise(prior, norm)


@part(fastmath=EXACT)
def _softmax_beside_largest(prior, zero, top, norm):
    """The same where odds may overflow; ``top`` becomes the largest logit."""
    for i in range(BLOCK):
        prior[0, i] = top[i]
    for k in range(1, prior.shape[0]):
        for i in range(BLOCK):
            prior[k, i] += top[i]
    log_sum_exp(zero, prior, top, norm)
    normalise(prior, norm)


@part(fastmath=EXACT)
def divide_by_prior(membership):
    """From logits to log weights, after the sum: without a logarithm of each normaliser."""
    for i in range(BLOCK):
        membership.top[i] -= membership.prior_top[i]
        membership.total[i] = membership.norm[i] * membership.prior_norm[i]


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
