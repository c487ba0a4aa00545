"""Sweeps for any family: labels, weights, then every component by a scoring proposal.

Given the labels, components are independent regressions with a prior.  Line and extras of one are
proposed from a t distribution around one step of Fisher scoring from where they are, whose scale
is the inverse information there, and accepted as Metropolis and Hastings have it (Gamerman 1997).
Nothing is conjugate, and nothing is tuned.

Randomness inside rows comes from counters, as in `sweep_kernels`.

References
----------
Gamerman, D. (1997). Sampling from the posterior distribution in generalized linear mixed models.
Statistics and Computing 7, 57-68.
"""

from __future__ import annotations

import math

import numpy as np

from ..._kernels.cholesky_kernels import solve_upper
from ..._kernels.compile import compiled, part
from ..._kernels.unit_kernels import number_of_units, unit_bounds, unit_odds
from ..._kernels.variate_kernels import (
    _GOLDEN,
    _ONE,
    _S12,
    COUNTED_TRIALS,
    binomial_draw,
    log_gamma_draw,
    mix,
    normal,
    uniform,
)
from ..._kernels.vector_kernels import copy_to
from ..._search.scoring_kernels import (
    all_log_densities,
    component_terms,
    coordinates_of,
    log_shares,
    number_of_labels,
    scoring_step,
    set_coordinates,
    squared_distance,
)
from .sweep_kernels import _sweep_key

# Of the t distribution of proposals: heavy enough for the tails of skew conditionals.
DF = 8.0


@part(allocates=True)
def _draw_labels(observations, log_weights, densities, key, counts):
    """Numbers of copies of every unit in every component, to the first U columns of ``counts``."""
    K = log_weights.shape[0]
    state = np.empty(1, dtype=np.uint64)
    share = np.empty(K)
    for u in range(number_of_units(observations.units, densities.shape[1])):
        start, _ = unit_bounds(observations.units, u)
        _, total = unit_odds(observations, log_weights, densities, u, 1.0, share)
        counts[:, u] = 0.0
        state[0] = mix(key ^ mix(np.uint64(start + 1)))
        copies = int(observations.weights[start])
        if copies > COUNTED_TRIALS:
            for k in range(K - 1):
                odds = share[k] / total if total > 0.0 else 0.0
                drawn = binomial_draw(copies, min(odds, 1.0), state)
                counts[k, u] = drawn
                copies -= drawn
                total -= share[k]
            counts[K - 1, u] = copies
            continue
        for _ in range(copies):
            state[0] += _GOLDEN
            v = (float(mix(state[0]) >> _S12) + 0.5) * 2.0**-52 * total
            k = 0
            reached = share[0]
            while k < K - 1 and reached <= v:
                k += 1
                reached += share[k]
            counts[k, u] += 1.0


@part
def _gather(values, rows, n, out):
    """Columns ``rows`` of an array (a, N) that may be absent."""
    if values is not None:
        for j in range(values.shape[0]):
            for i in range(n):
                out[j, i] = values[j, rows[i]]


@part
def _gather_vector(values, rows, n, out):
    if values is not None:
        for i in range(n if values.shape[0] > 0 else 0):
            out[i] = values[rows[i]]


@part
def _select(units, counts, rows, copies):
    """Rows of the units that a component holds, and how many copies of each."""
    n = 0
    for u in range(counts.shape[0]):
        if counts[u] > 0.0:
            start, stop = unit_bounds(units, u)
            for i in range(start, stop):
                rows[n] = i
                copies[n] = counts[u]
                n += 1
    return n


@part(allocates=True)
def _draw_weights(counts, background, concentration, raw, state):
    """Weights of the regressions and, if there is a background, its log odds."""
    K = raw.line.shape[0]
    total = 0.0
    for k in range(K):
        rows = counts[k].sum()
        total += rows
        raw.logits[k, 0] = log_gamma_draw(concentration + rows, state)
    log_shares(raw, None, raw.logits[:, 0])
    if background is not None:
        odds = log_gamma_draw(concentration + counts[K].sum(), state)
        odds -= log_gamma_draw(concentration + total, state)
        for k in range(K):
            raw.extra[k, raw.extra.shape[1] - 1] = odds


@part
def propose_by_scoring(theta, score, information, fit_intercept, centre, proposed, state):
    """Draw from the t distribution around a step of scoring from ``theta``.

    ``score`` and ``information``, those at ``theta``, are overwritten.

    Returns
    -------
    float
        Log density of what is proposed, up to a constant.
    """
    volume = scoring_step(theta, score, information, fit_intercept, centre)
    # A chi-square variate is twice a Gamma one.
    spread = math.sqrt(0.5 * DF) * math.exp(-0.5 * log_gamma_draw(0.5 * DF, state))
    D = theta.shape[0]
    for i in range(D):
        proposed[i] = spread * normal(state)
    solve_upper(information, proposed)
    for i in range(D):
        proposed[i] += centre[i]
    if not fit_intercept:
        proposed[0] = 0.0
    return volume + _log_kernel(proposed, centre, information, fit_intercept)


@part
def log_density_by_scoring(origin, theta, score, information, fit_intercept, centre):
    """Log density of ``theta`` around a step of scoring from ``origin``, up to a constant."""
    volume = scoring_step(origin, score, information, fit_intercept, centre)
    return volume + _log_kernel(theta, centre, information, fit_intercept)


@part
def _log_kernel(theta, centre, factor, fit_intercept):
    D = theta.shape[0] - (0 if fit_intercept else 1)
    return -0.5 * (DF + D) * math.log1p(squared_distance(theta, centre, factor) / DF)


@part(allocates=True)
def _move_component(own, copies, n, theta, priors, fit_intercept, settings, state):
    """One Metropolis-Hastings step of a component's coordinates, in place; whether it moved."""
    D = theta.shape[0]
    score, information = np.empty(D), np.empty((D, D))
    centre, proposed = np.empty(D), np.empty(D)
    here = component_terms(
        own, copies, n, theta, priors, fit_intercept, settings, score, information
    )
    forward = propose_by_scoring(theta, score, information, fit_intercept, centre, proposed, state)
    there = component_terms(
        own, copies, n, proposed, priors, fit_intercept, settings, score, information
    )
    backward = log_density_by_scoring(proposed, theta, score, information, fit_intercept, centre)
    # Not a number where the proposal lies outside the range of numbers: stay.
    if math.log(uniform(state)) < there + backward - here - forward:
        copy_to(proposed, theta)
        return True
    return False


@part
def keep_state(raw, row):
    """Write logits, lines and extras into the row of a kept sweep."""
    (K, Q), P, E = raw.logits.shape, raw.line.shape[1], raw.extra.shape[1]
    for k in range(K):
        copy_to(raw.logits[k], row[k * Q : (k + 1) * Q])
        copy_to(raw.line[k], row[K * Q + k * P : K * Q + (k + 1) * P])
        copy_to(raw.extra[k], row[K * (Q + P) + k * E : K * (Q + P) + (k + 1) * E])


@compiled
def metropolis_sweeps(
    observations, own, raw, settings, background, concentration, priors, fit_intercept, chain_key,
    first_sweep, n_keep, thin,
):  # fmt: skip
    """Run ``n_keep * thin`` sweeps in place and keep every ``thin``-th state.

    Parameters
    ----------
    observations, own : Observations
        The rows, and arrays of the same shapes to be overwritten with those of one component.
    raw : Raw
        State of the chain, changed in place; weights do not depend on columns.
    settings : NamedTuple
        Of the family.
    background : ndarray of shape (n,) or None
        Log densities of a background, whose log odds are the last extra.
    concentration : float
    priors : ndarray of shape (P + E, 3)
        Of intercept, slopes and extras that components do not share: `BlockPrior.row`.
    fit_intercept : bool
    chain_key : uint64
    first_sweep : int
        Sweeps this chain has done; with ``chain_key`` it selects the random numbers.
    n_keep, thin : int

    Returns
    -------
    ndarray of shape (n_keep, m + 2)
        ``[logits | line | extra | filled | accepted]`` per kept sweep: the parameters, the number
        of components that hold a row, and how many components moved since the last kept sweep.
    """
    n = observations.target.shape[0]
    K, P = raw.line.shape
    E = raw.extra.shape[1]
    n_units = number_of_units(observations.units, n)
    labels = number_of_labels(raw, background)
    densities, counts = np.empty((labels, n)), np.empty((labels, n_units))
    log_weights = np.empty(labels)
    rows, copies = np.empty(n, dtype=np.int64), np.empty(n)
    theta = np.empty(priors.shape[0])
    state = np.empty(1, dtype=np.uint64)
    out = np.empty((n_keep, K * (1 + P + E) + 2))
    moved = 0
    for t in range(n_keep * thin):
        key = _sweep_key(chain_key, first_sweep + t)
        state[0] = mix(key + _ONE)
        all_log_densities(observations, raw, settings, background, densities)
        log_shares(raw, background, log_weights)
        _draw_labels(observations, log_weights, densities, key, counts)
        _draw_weights(counts, background, concentration, raw, state)
        filled = 0
        for k in range(K):
            m = _select(observations.units, counts[k], rows, copies)
            filled += m > 0
            _gather(observations.columns, rows, m, own.columns)
            _gather(observations.auxiliary, rows, m, own.auxiliary)
            _gather_vector(observations.target, rows, m, own.target)
            _gather_vector(observations.offset, rows, m, own.offset)
            coordinates_of(raw, k, theta)
            moved += _move_component(own, copies, m, theta, priors, fit_intercept, settings, state)
            set_coordinates(theta, raw, k)
        if (t + 1) % thin == 0:
            row = out[t // thin]
            keep_state(raw, row)
            row[-2], row[-1] = filled, moved
            moved = 0
    return out
