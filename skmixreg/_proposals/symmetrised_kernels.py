"""Density of a mixture of t distributions, averaged over the labels of components."""

from __future__ import annotations

import math

import numpy as np

from .._kernels.compile import compiled


@compiled
def _pair_distances(
    lines, extra, shared, bend, roles, centre_sigma, funnel, locations, whiteners,
    gap, stretch, distance, nearest,
):  # fmt: skip
    """Squared marginal distances of every component from every role, and components by them."""
    K, L = lines.shape
    E = 0 if shared else extra.shape[1]
    for role in range(roles):
        for k in range(K):
            if funnel:
                ratio = extra[k, bend] - centre_sigma[role]
                stretch[role, k] = math.exp(min(max(ratio, -300.0), 300.0))
            else:
                stretch[role, k] = 1.0
            for j in range(L):
                gap[j] = (lines[k, j] - locations[role, j]) / stretch[role, k]
            for e in range(E):
                gap[L + e] = extra[k, e] - locations[role, L + e]
            total = 0.0
            for i in range(L + E):
                z = 0.0
                for j in range(i + 1):
                    z += whiteners[role, i, j] * gap[j]
                total += z * z
            distance[role, k] = total
            at = k
            while at > 0 and distance[role, nearest[role, at - 1]] > total:
                nearest[role, at] = nearest[role, at - 1]
                at -= 1
            nearest[role, at] = k


@compiled
def _squared_distance(
    log_weights, lines, extra, shared, intercept, roles, basis, centre, whitener,
    stretch, order, limit, gap,
):  # fmt: skip
    """Squared distance with component ``order[l]`` in role l, or more than ``limit``."""
    L = lines.shape[1]
    at = 0
    for j in range(roles - 1):
        contrast = 0.0
        for role in range(roles):
            contrast += basis[role, j] * log_weights[order[role]]
        gap[at] = contrast - centre[at]
        at += 1
    if intercept:
        for role in range(roles):
            k = order[role]
            gap[at] = (lines[k, 0] - centre[at]) / stretch[role, k]
            at += 1
    for role in range(roles):
        k = order[role]
        for j in range(intercept, L):
            gap[at] = (lines[k, j] - centre[at]) / stretch[role, k]
            at += 1
    for e in range(extra.shape[1]):
        for role in range(1 if shared else roles):
            gap[at] = extra[order[role], e] - centre[at]
            at += 1
    total = 0.0
    for i in range(at):
        z = 0.0
        for j in range(i + 1):
            z += whitener[i, j] * gap[j]
        total += z * z
        if total > limit:
            break
    return total


@compiled
def symmetrised_log_density(
    log_weights, lines, extra, log_prior, shared, bend, intercept, concentration, n, roles,
    sizes, df, funnel, constants, centres, centre_sigma, whiteners, locations, role_whiteners,
    bases, negligible,
):  # fmt: skip
    """Sum over parts and over relabellings of the density of draws.

    In a part, every one of some components plays a role, a place around the part's centre, and
    the others are empty.  Terms are left out where the marginal distance of one component from
    its role alone puts them ``negligible`` nats below the sum so far.

    Parameters
    ----------
    log_weights, log_prior : ndarray of shape (S, K)
        ``log_prior`` is that of the line and extras of each component, should it be empty.
    lines, extra : ndarray of shape (S, K, L), (S, K, E)
    shared : bool
        One value of every extra for all.
    bend : int
        The extra that scales lines in parts with a funnel; -1 if none does.
    intercept : int
        1 if the first of the L is an intercept, else 0.
    concentration, n : float
        Of the Dirichlet prior, and the number of observations.
    roles, sizes : ndarray of shape (M,)
        Components that play a role in a part, and coordinates of its t distribution.
    df, funnel, constants : ndarray of shape (M,)
        Constants are the logs of all that does not depend on the draw.
    centres, whiteners : ndarray of shape (M, d), (M, d, d)
        Padded; whiteners are lower triangular.
    centre_sigma : ndarray of shape (M, K)
    locations, role_whiteners : ndarray of shape (M, K, q), (M, K, q, q)
        Marginal distributions of the roles.
    bases : ndarray of shape (K + 1, K, K)
        Contrasts of the log weights by number of roles.
    negligible : float

    Returns
    -------
    ndarray of shape (S,)
    """
    S, K, L = lines.shape
    M = len(roles)
    out = np.empty(S)
    distance, stretch = np.empty((K, K)), np.empty((K, K))
    nearest = np.empty((K, K), dtype=np.int64)
    gap = np.empty(max(centres.shape[1], L + extra.shape[2]))
    order, pointer = np.empty(K, dtype=np.int64), np.empty(K, dtype=np.int64)
    used = np.empty(K, dtype=np.bool_)
    for s in range(S):
        total = -np.inf
        for m in range(M):
            R = roles[m]
            half = 0.5 * (df[m] + sizes[m])
            _pair_distances(
                lines[s], extra[s], shared, bend, R, centre_sigma[m], funnel[m], locations[m],
                role_whiteners[m], gap, stretch, distance, nearest,
            )  # fmt: skip
            following = (1 << R) - 1
            while following < 1 << K:
                subset = following
                # The next larger number with as many bits set (Gosper).
                lowest = subset & -subset
                ripple = subset + lowest
                following = ripple | (((subset ^ ripple) // lowest) >> 2)
                top = constants[m]
                if R < K:
                    playing = 0.0
                    for k in range(K):
                        if (subset >> k) & 1:
                            playing += math.exp(log_weights[s, k])
                        else:
                            top += concentration * log_weights[s, k] + log_prior[s, k]
                    if playing <= 0.0:
                        continue
                    top += (n + R * concentration) * math.log(playing)
                if funnel[m]:
                    shrinkage = 0.0
                    for k in range(K):
                        if (subset >> k) & 1:
                            shrinkage -= extra[s, k, bend]
                    for role in range(R):
                        shrinkage += centre_sigma[m, role]
                    top += L * shrinkage
                if not top > total - negligible:
                    continue
                used[:] = False
                pointer[0] = 0
                level = 0
                while level >= 0:
                    if pointer[level] == K:
                        level -= 1
                        if level >= 0:
                            used[order[level]] = False
                        continue
                    k = nearest[level, pointer[level]]
                    pointer[level] += 1
                    if used[k] or not (subset >> k) & 1:
                        continue
                    room = (top - total + negligible) / half
                    limit = df[m] * math.expm1(room) if room < 300.0 else np.inf
                    if distance[level, k] > limit:
                        # The others are further away.
                        pointer[level] = K
                        continue
                    order[level] = k
                    if level < R - 1:
                        used[k] = True
                        level += 1
                        pointer[level] = 0
                        continue
                    square = _squared_distance(
                        log_weights[s], lines[s], extra[s], shared, intercept, R,
                        bases[R], centres[m], whiteners[m], stretch, order, limit, gap,
                    )  # fmt: skip
                    term = top - half * math.log1p(square / df[m])
                    if square <= limit and term > -np.inf:
                        high = max(total, term)
                        total = high + math.log(math.exp(total - high) + math.exp(term - high))
        out[s] = total
    return out
