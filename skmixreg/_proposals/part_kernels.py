"""Density of one part of a mixture, summed over all ways in which components play its roles.

A role is a place around the centre of a part; components without a role are empty.  Components
are given by their positions in longer arrays, so that sets of them which share most members need
their distances from the roles only once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._kernels.compile import part
from .._support.arrays import Array


class Parts(NamedTuple):
    """Parts of a mixture as arrays, padded to the largest.

    Attributes
    ----------
    own_extras : int
        Extras that components do not share, which come first.
    bend : int
        The extra that scales lines in parts with a funnel; -1 if none does.
    intercept : int
        1 if the first coordinate of a line is an intercept, else 0.
    gating : int
        Slopes of the log odds of each component, its last extras.
    gating_scale : float
        Prior sd of their contrasts.
    classes : ndarray of shape (K + 2,)
        Components play roles of their own class only; `symmetrised_kernels.add_merged` has two
        more of them.
    concentration, n : float
        Of the Dirichlet prior, and the number of observations.
    negligible : float
        Terms are left out where a bound of theirs lies so many nats below the sum.
    roles, sizes : ndarray of shape (M,)
        Components that play a role in a part, and coordinates of its t distribution.
    df, funnel, constants : ndarray of shape (M,)
        Constants are the logs of all that does not depend on the draw.
    product : ndarray of shape (M,)
        Whether roles are independent.
    counts : ndarray of shape (M, K)
        Of the Dirichlet distribution of the weights, where roles are independent.
    bases : ndarray of shape (K + 1, K, K)
        Contrasts of the log weights by number of roles.
    centres, whiteners : ndarray of shape (M, d), (M, d, d)
        Of line and extras of each role in turn, then what all share, then the contrasts.
        Whiteners are lower triangular, so that first coordinates have a distance of their own.
    centre_sigma : ndarray of shape (M, K)
    locations, role_whiteners : ndarray of shape (M, K, q), (M, K, q, q)
        Marginal distributions of the roles.
    shared_extra : ndarray of shape (M, E, 2)
        Centres and scales of extras that all components share, where roles are independent.
    """

    own_extras: int
    bend: int
    intercept: int
    gating: int
    gating_scale: float
    classes: NDArray[np.int64]
    concentration: float
    n: float
    negligible: float
    roles: NDArray[np.int64]
    sizes: NDArray[np.int64]
    df: Array
    funnel: NDArray[np.bool_]
    constants: Array
    product: NDArray[np.bool_]
    counts: Array
    bases: Array
    centres: Array
    whiteners: Array
    centre_sigma: Array
    locations: Array
    role_whiteners: Array
    shared_extra: Array


class Components(NamedTuple):
    """Parameters of components, with what parts need to know of them.

    Attributes
    ----------
    log_weights, weights, lines, extra : ndarray of shape (C,), (C,), (C, L), (C, E)
    empty : ndarray of shape (C,)
        Log density of a component that is empty, but for what the weights of the others add.
    held : ndarray of shape (C,)
        What an empty component takes from the others at least: n log(1 - w), not above 0.
    distance, stretch : ndarray of shape (M, K, C)
        Squared marginal distances from the roles, and by how much the roles are stretched.
    """

    log_weights: Array
    weights: Array
    lines: Array
    extra: Array
    empty: Array
    held: Array
    distance: Array
    stretch: Array


class Scratch(NamedTuple):
    """Arrays that are written before they are read."""

    gap: Array
    gain: Array
    by_gain: NDArray[np.int64]
    nearest: NDArray[np.int64]
    order: NDArray[np.int64]
    pointer: NDArray[np.int64]
    used: NDArray[np.bool_]
    square: Array
    relative: Array
    ways: Array


@part
def place(parts, components, k):
    """Set what depends on component k alone."""
    lines, extra = components.lines[k], components.extra[k]
    L = lines.shape[0]
    E = parts.own_extras
    w = components.log_weights[k]
    # At a weight of one it must stay finite: it is added to and taken away.
    components.held[k] = parts.n * math.log(max(-math.expm1(w), 1e-15))
    for m in range(parts.roles.shape[0]):
        for role in range(parts.roles[m]):
            if parts.classes[role] != parts.classes[k]:
                components.distance[m, role, k] = np.inf
                components.stretch[m, role, k] = 1.0
                continue
            stretch = 1.0
            if parts.funnel[m]:
                ratio = extra[parts.bend] - parts.centre_sigma[m, role]
                stretch = math.exp(min(max(ratio, -300.0), 300.0))
            total = 0.0
            for i in range(L + E):
                z = 0.0
                for j in range(i + 1):
                    if j < L:
                        gap = (lines[j] - parts.locations[m, role, j]) / stretch
                    else:
                        gap = extra[j - L] - parts.locations[m, role, j]
                    z += parts.role_whiteners[m, role, i, j] * gap
                total += z * z
            components.distance[m, role, k] = total
            components.stretch[m, role, k] = stretch


@part
def shrinkage(parts, m, components, k):
    """Log Jacobian of the funnel for a component that plays a role."""
    if parts.funnel[m]:
        return -components.lines.shape[1] * components.extra[k, parts.bend]
    return 0.0


@part
def _bound(parts, m, components, members, scratch):
    """More than the log of any term of a part, and the same without distances and roles.

    What every member would gain by a role goes to ``scratch``, with their order by it.
    """
    size = members.shape[0]
    R = parts.roles[m]
    base = parts.constants[m]
    worst = 0.0
    for role in range(R):
        closest = np.inf
        for i in range(size):
            closest = min(closest, components.distance[m, role, members[i]])
        worst = max(worst, closest)
    for i in range(size):
        k = members[i]
        empty = components.empty[k] + components.held[k]
        base += empty
        gain = shrinkage(parts, m, components, k) - empty
        scratch.gain[i] = gain
        at = i
        while at > 0 and scratch.gain[scratch.by_gain[at - 1]] < gain:
            scratch.by_gain[at] = scratch.by_gain[at - 1]
            at -= 1
        scratch.by_gain[at] = i
        scratch.used[i] = False
    bound = base + _best_gains(R, -1, size, scratch)
    bound -= 0.5 * (parts.df[m] + parts.sizes[m]) * math.log1p(worst / parts.df[m])
    return bound, base


@part
def _best_gains(count, left_out, size, scratch):
    """Sum of the largest gains of members that have no role, and are not one of them."""
    total, at = 0.0, 0
    for _ in range(count):
        while at < size and (scratch.used[scratch.by_gain[at]] or scratch.by_gain[at] == left_out):
            at += 1
        if at < size:
            total += scratch.gain[scratch.by_gain[at]]
            at += 1
    return total


@part
def _log_top(parts, m, components, members, base_constant, scratch):
    """The log of a term but for its distance: members that are ``used`` play the roles."""
    size = members.shape[0]
    R = parts.roles[m]
    top, playing = base_constant, 0.0
    for i in range(size):
        k = members[i]
        if scratch.used[i]:
            top += shrinkage(parts, m, components, k)
            playing += components.weights[k]
        else:
            top += components.empty[k]
    if size > R:
        if playing <= 0.0:
            return -np.inf
        top += (parts.n + R * parts.concentration) * math.log(min(playing, 1.0))
        top -= _slopes_of_empty(parts, components, members, scratch) / (2.0 * parts.gating_scale**2)
    return top


@part
def _slopes_of_empty(parts, components, members, scratch):
    """Squares of the contrasts of gating slopes, less those among members that are ``used``."""
    E = components.extra.shape[1]
    squares = 0.0
    for g in range(E - parts.gating, E):
        both, playing, of_both, of_playing = 0.0, 0.0, 0.0, 0.0
        count = 0
        for i in range(members.shape[0]):
            slope = components.extra[members[i], g]
            both += slope
            of_both += slope * slope
            if scratch.used[i]:
                count += 1
                playing += slope
                of_playing += slope * slope
        squares += of_both - both * both / members.shape[0]
        squares -= of_playing - playing * playing / count
    return squares


@part
def _more_distance(parts, m, start, stop, gap):
    """What some more coordinates add to the squared distance."""
    total = 0.0
    for i in range(start, stop):
        z = 0.0
        for j in range(i + 1):
            z += parts.whiteners[m, i, j] * gap[j]
        total += z * z
    return total


@part
def _distance_of_role(parts, m, components, k, role, gap):
    """What component k in a role adds, given the components in the roles before it."""
    L = components.lines.shape[1]
    E = parts.own_extras
    start = role * (L + E)
    for j in range(L):
        centre = parts.centres[m, start + j]
        gap[start + j] = (components.lines[k, j] - centre) / components.stretch[m, role, k]
    for e in range(E):
        gap[start + L + e] = components.extra[k, e] - parts.centres[m, start + L + e]
    return _more_distance(parts, m, start, start + L + E, gap)


@part
def _distance_of_rest(parts, m, components, members, scratch):
    """What shared extras and weights add, given the lines of all roles."""
    R, L, E = parts.roles[m], components.lines.shape[1], parts.own_extras
    gap, order = scratch.gap, scratch.order
    start = R * (L + E)
    at = start
    first = components.extra.shape[1] - parts.gating
    for e in range(E, first):
        gap[at] = components.extra[members[0], e] - parts.centres[m, at]
        at += 1
    for j in range(R - 1):
        contrast = 0.0
        for role in range(R):
            contrast += parts.bases[R, role, j] * components.log_weights[members[order[role]]]
        gap[at] = contrast - parts.centres[m, at]
        at += 1
    for g in range(first, components.extra.shape[1]):
        for j in range(R - 1):
            contrast = 0.0
            for role in range(R):
                contrast += parts.bases[R, role, j] * components.extra[members[order[role]], g]
            gap[at] = contrast - parts.centres[m, at]
            at += 1
    return _more_distance(parts, m, start, at, gap)


@part
def log_add(a, b):
    high = max(a, b)
    return high + math.log(math.exp(a - high) + math.exp(b - high))


@part
def add_joint_part(parts, m, components, members, offset, total, scratch):
    """Add a part whose roles depend on each other, times exp(offset), to the log of a sum.

    Roles are given to members in turn, the nearest first, as long as a bound of what may follow
    is not negligible.
    """
    size = members.shape[0]
    R, df = parts.roles[m], parts.df[m]
    bound, base = _bound(parts, m, components, members, scratch)
    if not offset + bound > total - parts.negligible:
        return total
    base += offset
    constant = parts.constants[m] + offset
    half = 0.5 * (df + parts.sizes[m])
    distance, nearest = components.distance[m], scratch.nearest
    for role in range(R):
        for i in range(size):
            at = i
            here = distance[role, members[i]]
            while at > 0 and distance[role, members[nearest[role, at - 1]]] > here:
                nearest[role, at] = nearest[role, at - 1]
                at -= 1
            nearest[role, at] = i
    order, pointer, used = scratch.order, scratch.pointer, scratch.used
    square = scratch.square
    pointer[0] = 0
    level = 0
    gained = 0.0
    square[0] = 0.0
    while level >= 0:
        if pointer[level] == size:
            level -= 1
            if level >= 0:
                used[order[level]] = False
                gained -= scratch.gain[order[level]]
            continue
        i = nearest[level, pointer[level]]
        pointer[level] += 1
        if used[i]:
            continue
        far = half * math.log1p(distance[level, members[i]] / df)
        most = base + gained + _best_gains(R - level, -1, size, scratch)
        if not most - far > total - parts.negligible:
            # The others are further away.
            pointer[level] = size
            continue
        most = base + gained + scratch.gain[i] + _best_gains(R - level - 1, i, size, scratch)
        if not most - far > total - parts.negligible:
            continue
        more = _distance_of_role(parts, m, components, members[i], level, scratch.gap)
        square[level + 1] = square[level] + more
        far = half * math.log1p(square[level + 1] / df)
        if not most - far > total - parts.negligible:
            continue
        order[level] = i
        used[i] = True
        if level < R - 1:
            gained += scratch.gain[i]
            level += 1
            pointer[level] = 0
            continue
        top = _log_top(parts, m, components, members, constant, scratch)
        used[i] = False
        if not top - far > total - parts.negligible:
            continue
        whole = square[R] + _distance_of_rest(parts, m, components, members, scratch)
        term = top - half * math.log1p(whole / df)
        if term > -np.inf:
            total = log_add(total, term)
    return total
