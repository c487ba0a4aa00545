"""Pairs of components made one, many at a time."""

from __future__ import annotations

import math

import numpy as np

from .._kernels.compile import compiled, part

# The share of a spare component follows half a Cauchy distribution, and what it is beside for
# Student distributions with so many degrees of freedom and these scales.
DF, LINE_SCALE, SIGMA_SCALE = 5.0, 1.1, 0.6
# Data that happen to favour a spare component let it take a few times the share of 1 / sqrt(n D).
LUCK = 3.0
LARGEST_EXPONENT = 16.0


@part
def share_scale(size, eta, weight, total_weight):
    """About the largest share that the data allow, 1 / sqrt(n D)."""
    apart = size + abs(math.expm1(min(2.0 * eta, LARGEST_EXPONENT)))
    # About the remainder of exp(size) beyond what the parent makes up for.
    distance = 0.5 * apart * math.exp(0.2 * min(apart, LARGEST_EXPONENT)) + 1e-12
    rows = max(weight * total_weight, 1.0)
    return max(LUCK / (math.sqrt(rows) * distance + LUCK), 1.0 / (rows + 1.0))


@part
def largest_share(size, eta):
    """The share at which nothing is left of the variance: a root of h."""
    # h = 1 - a (s + t) + a^2 t with s = exp(2 eta), t = |u|^2: its smaller root, if it has one.
    both = math.exp(min(2.0 * eta, 600.0)) + size
    left = both * both - 4.0 * size
    if left < 0.0:
        return 1.0
    return min(2.0 / (both + math.sqrt(left)), 1.0)


@compiled
def shares(size, eta, weight, total_weight):
    """Scale of the share of each of many spare components, and the largest share: (n,), (n,)."""
    scale, largest = np.empty(len(size)), np.empty(len(size))
    for i in range(len(size)):
        scale[i] = share_scale(size[i], eta[i], weight[i], total_weight)
        largest[i] = largest_share(size[i], eta[i])
    return scale, largest


@part
def _log_student(z, scale):
    """Log kernel of a t distribution with DF degrees of freedom."""
    return -0.5 * (DF + 1.0) * math.log1p((z / scale) ** 2 / DF)


@compiled
def merge_pairs(log_weights, lines, log_sigma, pairs, metric, total_weight, constant):
    """All ordered pairs of components of every draw, merged.

    Parameters
    ----------
    log_weights, log_sigma : ndarray of shape (S, K)
    lines : ndarray of shape (S, K, q)
    pairs : ndarray of shape (P, 2)
        The parent and the spare component.
    metric : ndarray of shape (q, q)
        Lower triangular factor of the mean of x x'.
    total_weight : float
        Number of rows.
    constant : float
        Logs of all that does not depend on the draw.

    Returns
    -------
    log_terms, log_weight, line, log_sigma : ndarray of shape (S, P), (S, P), (S, P, q), (S, P)
        See `Merged`.
    """
    S, _, q = lines.shape
    P = pairs.shape[0]
    terms, weight = np.full((S, P), -np.inf), np.empty((S, P))
    line, sigma = np.empty((S, P, q)), np.empty((S, P))
    moved = np.empty(q)
    for s in range(S):
        for at in range(P):
            parent, spare = pairs[at]
            high = max(log_weights[s, parent], log_weights[s, spare])
            low = min(log_weights[s, parent], log_weights[s, spare])
            both = high + math.log1p(math.exp(low - high))
            share = math.exp(log_weights[s, spare] - both)
            rest = math.exp(log_weights[s, parent] - both)
            distance = 0.0
            for j in range(q):
                moved[j] = 0.0
                for i in range(j, q):
                    moved[j] += (lines[s, spare, i] - lines[s, parent, i]) * metric[i, j]
                distance += moved[j] * moved[j]
                line[s, at, j] = lines[s, parent, j]
                line[s, at, j] += share * (lines[s, spare, j] - lines[s, parent, j])
            left = rest * math.exp(2.0 * log_sigma[s, parent])
            pooled = left + share * math.exp(2.0 * log_sigma[s, spare]) + share * rest * distance
            weight[s, at], sigma[s, at] = both, 0.5 * math.log(pooled)
            eta, size = log_sigma[s, spare] - sigma[s, at], distance / pooled
            largest = largest_share(size, eta)
            if not share < largest:
                continue
            scale = share_scale(size, eta, math.exp(both), total_weight)
            # The parent is chosen by its weight.
            value = both + math.log(scale / (scale * scale + share * share))
            value -= math.log(math.atan(largest / scale))
            for j in range(q):
                value += _log_student(moved[j] / math.sqrt(pooled), LINE_SCALE)
            value += _log_student(eta, SIGMA_SCALE)
            value += math.log(left / pooled) + math.log(share) + math.log(rest)
            value += constant - q * sigma[s, at]
            if -np.inf < value < np.inf:
                terms[s, at] = value
    return terms, weight, line, sigma
