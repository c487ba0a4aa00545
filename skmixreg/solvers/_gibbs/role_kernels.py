"""Sweeps where weights depend on columns or components share parameters, for any family.

Given the labels of the units the posterior falls into parts, and each is proposed from a t
distribution around one step of scoring, as in `metropolis_kernels`: what a component has alone,
given what all share; what all share, given the rest, from the rows of all components; and the
gate, which is a multinomial logistic regression of the labels.

Randomness inside rows comes from counters, as in `sweep_kernels`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..._kernels.compile import compiled, part
from ..._kernels.prior_kernels import prior_terms
from ..._kernels.product_kernels import add_moments, predict_lines
from ..._kernels.stage_kernels import load, log_sum_exp, normalise, weighted_total
from ..._kernels.unit_kernels import number_of_units, unit_bounds
from ..._kernels.variate_kernels import _ONE, mix, uniform
from ..._kernels.vector_kernels import BLOCK, copy_to, dot
from ..._model._sums.complete_kernels import add_gate_information, load_gate
from ..._search.scoring_kernels import all_log_densities, likelihood_terms, log_shares
from .metropolis_kernels import (
    _draw_labels,
    _draw_weights,
    _gather,
    _gather_vector,
    _select,
    keep_state,
    log_density_by_scoring,
    propose_by_scoring,
)
from .sweep_kernels import _sweep_key

# Information added to that of a gate's intercepts, of which few labels say little.
LEAST_INFORMATION = 0.02


class Coordinates(NamedTuple):
    """Coordinates of lines and extras that are moved together.

    Attributes
    ----------
    at : ndarray of shape (P + E,), int64
        Which of them intercept, slopes and extras of a component are, ascending; -1 for none.
    priors : ndarray of shape (D, 3)
        `BlockPrior.row` of each.
    """

    at: Any
    priors: Any


class Gate(NamedTuple):
    """What the weights depend on.

    The prior of the weights at the mean row is the likelihood of labels of one unit more, which
    lies there and has ``concentration`` copies in every component.

    Attributes
    ----------
    columns : ndarray of shape (q, U + 1)
        Of every unit; the last is the mean row.
    copies : ndarray of shape (U + 1,)
    basis : ndarray of shape (K, K - 1)
        Orthonormal contrasts of the components.
    priors : ndarray of shape ((1 + q) (K - 1), 3)
        `BlockPrior.row` of each contrast; those at the mean row, which come first, have none.
    """

    columns: Any
    copies: Any
    basis: Any
    priors: Any


@part
def add_log_odds(gate, logits, units, densities):
    """Add what weights owe to columns to the log densities of the first row of every unit."""
    for k in range(logits.shape[0]):
        for j in range(gate.columns.shape[0]):
            slope = logits[k, 1 + j]
            for u in range(number_of_units(units, densities.shape[1])):
                start, _ = unit_bounds(units, u)
                densities[k, start] += slope * gate.columns[j, u]


@part
def gate_logits(basis, contrasts, logits):
    """Logits (K, 1 + q) from their contrasts."""
    K, Q = logits.shape
    for k in range(K):
        for j in range(Q):
            logits[k, j] = 0.0
            for c in range(K - 1):
                logits[k, j] += basis[k, c] * contrasts[j * (K - 1) + c]


@part
def _gate_contrasts(basis, logits, contrasts):
    """Contrasts of logits, or derivatives in the contrasts from those in the logits."""
    K, Q = logits.shape
    for j in range(Q):
        for c in range(K - 1):
            contrasts[j * (K - 1) + c] = 0.0
            for k in range(K):
                contrasts[j * (K - 1) + c] += basis[k, c] * logits[k, j]


@part
def _contract_pairs(basis, pairs, information):
    """The lower triangle of the information of contrasts, from that of pairs k <= q of logits."""
    K, Q = pairs.shape[0], pairs.shape[2]
    C = K - 1
    for a in range(Q * C):
        for b in range(a + 1):
            s = 0.0
            for k in range(K):
                for q in range(K):
                    of_pair = pairs[min(k, q), max(k, q), a // C, b // C]
                    s += basis[k, a % C] * basis[q, b % C] * of_pair
            information[a, b] = s


@part(allocates=True)
def gate_terms(gate, counts, contrasts, score, information):
    """Log posterior of the contrasts of the gate, up to a constant, at known labels.

    Parameters
    ----------
    gate : Gate
    counts : ndarray of shape (K, U + 1)
        Copies of every unit in every component.
    contrasts : ndarray of shape ((1 + q) (K - 1),)
    score, information : ndarray
        Overwritten with the gradient, and with minus the second derivatives (lower triangle).
    """
    K, (q, N) = counts.shape[0], gate.columns.shape
    Q = 1 + q
    logits, scores, pairs = np.empty((K, Q)), np.zeros((K, Q)), np.zeros((K, K, Q, Q))
    x, w, a, c = np.empty((q, BLOCK)), np.empty(BLOCK), np.empty((K, BLOCK)), np.empty((K, BLOCK))
    top, norm, g, v = np.empty(BLOCK), np.empty(BLOCK), np.empty((Q, BLOCK)), np.empty((Q, BLOCK))
    zero = np.zeros(K)
    gate_logits(gate.basis, contrasts, logits)
    out = 0.0
    for lo in range(0, N, BLOCK):
        stop = min(lo + BLOCK, N)
        for j in range(q):
            load(gate.columns[j, lo:stop], 0.0, x[j])
        load(gate.copies[lo:stop], 0.0, w)
        predict_lines(x, logits, a)
        for k in range(K):
            load(counts[k, lo:stop], 0.0, c[k])
            out += dot(c[k], a[k], BLOCK)
        log_sum_exp(zero, a, top, norm)
        out -= weighted_total(w, False, top, norm)
        normalise(a, norm)
        for k in range(K):
            for i in range(BLOCK):
                c[k, i] -= w[i] * a[k, i]
        add_moments(c, x, scores)
        load_gate(x, g)
        add_gate_information(w, a, g, top, v, pairs)
    _gate_contrasts(gate.basis, scores, score)
    _contract_pairs(gate.basis, pairs, information)
    for i in range(K - 1, contrasts.shape[0]):
        value, slope, precision = prior_terms(gate.priors[i], contrasts[i])
        out += value
        score[i] += slope
        information[i, i] += precision
    return out


@part
def _steady(information, n):
    for i in range(n):
        information[i, i] += LEAST_INFORMATION


@part(allocates=True)
def _move_gate(gate, counts, logits, state):
    """One Metropolis-Hastings step of all logits, in place; whether they moved."""
    D, C = logits.shape[1] * (logits.shape[0] - 1), logits.shape[0] - 1
    if D == 0:
        return False
    score, information = np.empty(D), np.empty((D, D))
    theta, centre, proposed = np.empty(D), np.empty(D), np.empty(D)
    _gate_contrasts(gate.basis, logits, theta)
    here = gate_terms(gate, counts, theta, score, information)
    _steady(information, C)
    forward = propose_by_scoring(theta, score, information, True, centre, proposed, state)
    there = gate_terms(gate, counts, proposed, score, information)
    _steady(information, C)
    backward = log_density_by_scoring(proposed, theta, score, information, True, centre)
    if math.log(uniform(state)) < there + backward - here - forward:
        gate_logits(gate.basis, proposed, logits)
        return True
    return False


@part
def get_coordinates(raw, k, at, values):
    """Copy those coordinates of component k that are among some to their places."""
    P = raw.line.shape[1]
    for i in range(at.shape[0]):
        if at[i] >= 0:
            values[at[i]] = raw.line[k, i] if i < P else raw.extra[k, i - P]


@part
def _set_coordinates(values, at, raw, k):
    P = raw.line.shape[1]
    for i in range(at.shape[0]):
        if at[i] >= 0 and i < P:
            raw.line[k, i] = values[at[i]]
        elif at[i] >= 0:
            raw.extra[k, i - P] = values[at[i]]


@part(allocates=True)
def coordinates_terms(
    rows, copies, starts, raw, first, last, moved, values, settings, score, information
):
    """Log posterior of some coordinates, up to a constant, at known labels.

    Parameters
    ----------
    rows : Observations
        Rows of all components, one component after the other; those of component k from
        ``starts[k]`` to ``starts[k + 1]``.
    copies : ndarray
    raw : Raw
        What holds of all other coordinates.
    first, last : int
        The components from ``first`` to before ``last`` have the coordinates.
    moved : Coordinates
    values : ndarray of shape (D,)
    settings : NamedTuple
        Of the family.
    score, information : ndarray
        Overwritten with the gradient, and with the expected information plus that of the prior
        (lower triangle).
    """
    at, P = moved.at, raw.line.shape[1]
    M = at.shape[0]
    theta, own_score, own_information = np.empty(M), np.empty(M), np.empty((M, M))
    score[:] = 0.0
    information[:] = 0.0
    out = 0.0
    for k in range(first, last):
        copy_to(raw.line[k], theta[:P])
        copy_to(raw.extra[k], theta[P:])
        for i in range(M):
            if at[i] >= 0:
                theta[i] = values[at[i]]
        out += likelihood_terms(
            rows, copies, starts[k], starts[k + 1], theta, settings, own_score, own_information
        )
        for i in range(M):
            if at[i] >= 0:
                score[at[i]] += own_score[i]
                for j in range(i + 1):
                    if at[j] >= 0:
                        information[at[i], at[j]] += own_information[i, j]
    for i in range(values.shape[0]):
        value, slope, precision = prior_terms(moved.priors[i], values[i])
        out += value
        score[i] += slope
        information[i, i] += precision
    return out


@part(allocates=True)
def _move(rows, copies, starts, raw, first, last, moved, settings, state):
    """One Metropolis-Hastings step of some coordinates, in place; whether they moved."""
    D = moved.priors.shape[0]
    if D == 0:
        return False
    score, information = np.empty(D), np.empty((D, D))
    values, centre, proposed = np.empty(D), np.empty(D), np.empty(D)
    get_coordinates(raw, first, moved.at, values)
    here = coordinates_terms(
        rows, copies, starts, raw, first, last, moved, values, settings, score, information
    )
    forward = propose_by_scoring(values, score, information, True, centre, proposed, state)
    there = coordinates_terms(
        rows, copies, starts, raw, first, last, moved, proposed, settings, score, information
    )
    backward = log_density_by_scoring(proposed, values, score, information, True, centre)
    # Not a number where the proposal lies outside the range of numbers: stay.
    if math.log(uniform(state)) < there + backward - here - forward:
        for k in range(first, last):
            _set_coordinates(proposed, moved.at, raw, k)
        return True
    return False


@compiled
def role_sweeps(
    observations, rows, raw, settings, gate, own, shared, concentration, chain_key, first_sweep,
    n_keep, thin,
):  # fmt: skip
    """Run ``n_keep * thin`` sweeps in place and keep every ``thin``-th state.

    Parameters
    ----------
    observations : Observations
    rows : Observations
        Arrays to be overwritten with the rows of all components, one component after the other;
        a row is there as often as components may hold it.
    raw : Raw
        State of the chain, changed in place.
    settings : NamedTuple
        Of the family.
    gate : Gate or None
        None where weights do not depend on columns.
    own, shared : Coordinates
        Of each component alone, and of all together.
    concentration : float
    chain_key : uint64
    first_sweep : int
        Sweeps this chain has done; with ``chain_key`` it selects the random numbers.
    n_keep, thin : int

    Returns
    -------
    ndarray of shape (n_keep, m + 4)
        ``[logits | line | extra | filled | own | shared | gate]`` per kept sweep: the parameters,
        the number of components that hold a row, and how many components, and how often what is
        shared and the gate, moved since the last kept sweep.
    """
    n = observations.target.shape[0]
    (K, Q), P, E = raw.logits.shape, raw.line.shape[1], raw.extra.shape[1]
    n_units = number_of_units(observations.units, n)
    # Behind the units, the copies that the prior of the weights is worth.
    densities, counts = np.empty((K, n)), np.full((K, n_units + 1), concentration)
    log_weights = np.empty(K)
    room = rows.target.shape[0]
    index, copies = np.empty(room, dtype=np.int64), np.empty(room)
    starts = np.zeros(K + 1, dtype=np.int64)
    state = np.empty(1, dtype=np.uint64)
    m = K * (Q + P + E)
    out = np.empty((n_keep, m + 4))
    tally = np.zeros(4)
    for t in range(n_keep * thin):
        key = _sweep_key(chain_key, first_sweep + t)
        state[0] = mix(key + _ONE)
        all_log_densities(observations, raw, settings, None, densities)
        log_shares(raw, None, log_weights)
        if gate is not None:
            add_log_odds(gate, raw.logits, observations.units, densities)
        _draw_labels(observations, log_weights, densities, key, counts)
        tally[0] = 0.0
        for k in range(K):
            free = starts[k]
            starts[k + 1] = free + _select(
                observations.units, counts[k, :n_units], index[free:], copies[free:]
            )
            tally[0] += starts[k + 1] > free
        _gather(observations.columns, index, starts[K], rows.columns)
        _gather(observations.auxiliary, index, starts[K], rows.auxiliary)
        _gather_vector(observations.target, index, starts[K], rows.target)
        _gather_vector(observations.offset, index, starts[K], rows.offset)
        if gate is None:
            _draw_weights(counts, None, 0.0, raw, state)
        else:
            tally[3] += _move_gate(gate, counts, raw.logits, state)
        for k in range(K):
            tally[1] += _move(rows, copies, starts, raw, k, k + 1, own, settings, state)
        tally[2] += _move(rows, copies, starts, raw, 0, K, shared, settings, state)
        if (t + 1) % thin == 0:
            row = out[t // thin]
            keep_state(raw, row)
            copy_to(tally, row[m:])
            tally[:] = 0.0
    return out
