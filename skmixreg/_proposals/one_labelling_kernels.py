"""Density of a mixture of t distributions around modes, every part in its own labels."""

from __future__ import annotations

import math

import numpy as np

from .._kernels.compile import compiled, part
from .._kernels.stage_kernels import log_softmax


@part
def _assign(cost, order, taken):
    """Labels of low total cost: ``order[l]`` is the component that becomes component l.

    Cheapest pairs first, then exchanges of two labels while these help.  Nothing here depends on
    how components came numbered, and that is all the caller needs.
    """
    K = cost.shape[0]
    order[:] = -1
    taken[:] = False
    for _ in range(K):
        best, component, label = np.inf, -1, -1
        for a in range(K):
            if not taken[a]:
                for b in range(K):
                    if order[b] < 0 and (component < 0 or cost[a, b] < best):
                        best, component, label = cost[a, b], a, b
        order[label] = component
        taken[component] = True
    for _ in range(K * K):
        improved = False
        for b in range(K):
            for c in range(b + 1, K):
                now = cost[order[b], b] + cost[order[c], c]
                then = cost[order[c], b] + cost[order[b], c]
                if then < now:
                    order[b], order[c] = order[c], order[b]
                    improved = True
        if not improved:
            break


@compiled
def part_log_densities(
    thetas, basis, forbidden, index, n_gating, centres, scales, constants, df, locations, whiteners,
    volumes,
):  # fmt: skip
    """Log density of every part at every draw, in the part's labels.

    Parameters
    ----------
    thetas : ndarray of shape (S, d)
    basis : ndarray of shape (K, K - 1)
        Of the gating contrasts, the first ``n_gating`` = (1 + q) (K - 1) coordinates.
    forbidden : ndarray of shape (K, K)
        What labels cost that a component cannot have.
    index : ndarray of shape (K, q)
        Positions in theta of each component's own coordinates.
    centres, scales : ndarray of shape (M, d), (M, d, d)
        Scales are lower triangular.
    constants : ndarray of shape (M,)
        Logarithms of the normalising constants and shares.
    df : float
    locations, whiteners, volumes : ndarray of shape (M, K, m), (M, K, m, m), (M, K)
        By which components are recognised; m = q, or q + 1 with the log weight in front.

    Returns
    -------
    densities : ndarray of shape (S, M)
    orders : ndarray of shape (S, M, K)
        ``orders[s, m, l]``: the component of draw s that becomes component l.
    """
    S, d = thetas.shape
    M, K, size = locations.shape
    q = index.shape[1]
    first = size - q
    densities = np.empty((S, M))
    orders = np.empty((S, M, K), dtype=np.int64)
    points = np.empty((K, size))
    log_weights = np.zeros(K)
    cost = np.empty((K, K))
    contrasts = basis.shape[1]
    logits = np.zeros(K)
    order = np.empty(K, dtype=np.int64)
    taken = np.empty(K, dtype=np.bool_)
    gap, aligned = np.empty(size), np.empty(d)
    half = 0.5 * (df + size)
    for s in range(S):
        theta = thetas[s]
        for k in range(K):
            log_weights[k] = 0.0
            for j in range(contrasts):
                log_weights[k] += basis[k, j] * theta[j]
        log_softmax(log_weights, log_weights)
        for k in range(K):
            if first == 1:
                points[k, 0] = log_weights[k]
            for j in range(q):
                points[k, first + j] = theta[index[k, j]]
        for m in range(M):
            for b in range(K):
                for a in range(K):
                    for j in range(size):
                        gap[j] = points[a, j] - locations[m, b, j]
                    distance = 0.0
                    for i in range(size):
                        v = 0.0
                        for j in range(i + 1):
                            v += whiteners[m, b, i, j] * gap[j]
                        distance += v * v
                    cost[a, b] = half * math.log1p(distance / df) + volumes[m, b] + forbidden[a, b]
            _assign(cost, order, taken)
            aligned[:] = theta
            for start in range(0, n_gating, max(contrasts, 1)):
                for k in range(K):
                    logits[k] = 0.0
                    for j in range(contrasts):
                        logits[k] += basis[k, j] * theta[start + j]
                for j in range(contrasts):
                    aligned[start + j] = 0.0
                    for k in range(K):
                        aligned[start + j] += basis[k, j] * logits[order[k]]
            for k in range(K):
                for j in range(q):
                    aligned[index[k, j]] = theta[index[order[k], j]]
            distance = 0.0
            for i in range(d):
                v = aligned[i] - centres[m, i]
                for j in range(i):
                    v -= scales[m, i, j] * aligned[j]
                # The solution of the triangular system takes the place of what is used up.
                aligned[i] = v / scales[m, i, i]
                distance += aligned[i] * aligned[i]
            densities[s, m] = constants[m] - 0.5 * (df + d) * math.log1p(distance / df)
            orders[s, m] = order
    return densities, orders
