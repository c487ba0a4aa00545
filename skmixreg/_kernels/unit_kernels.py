"""Units, which are rows or groups of rows that share a label, and their responsibilities."""

from __future__ import annotations

import math

import numpy as np

from .compile import part


@part
def number_of_units(units, n_rows):
    """Rows, or groups of them, whose starts are given."""
    if units is None:
        return n_rows
    return units.shape[0] - 1


@part
def unit_bounds(units, u):
    """First row of a unit, and the row after its last."""
    if units is None:
        return u, u + 1
    return units[u], units[u + 1]


@part
def prior_odds(allowed, u, k):
    """Log prior odds of a label for a unit."""
    if allowed is None:
        return 0.0
    return allowed[u, k] if allowed.shape[0] > 0 else 0.0


@part
def unit_odds(observations, log_weights, densities, u, power, odds):
    """Odds of the labels of a unit at a power of its likelihood, the largest of them 1.

    Returns
    -------
    top : float
        Log of what the largest was.
    total : float
        Their sum.
    """
    K = log_weights.shape[0]
    start, stop = unit_bounds(observations.units, u)
    top = -np.inf
    for k in range(K):
        a = 0.0
        for i in range(start, stop):
            a += densities[k, i]
        odds[k] = log_weights[k] + prior_odds(observations.allowed, u, k) + power * a
        top = max(top, odds[k])
    total = 0.0
    for k in range(K):
        odds[k] = math.exp(odds[k] - top)
        total += odds[k]
    return top, total


@part(allocates=True)
def share_units(observations, log_weights, densities, power, shares):
    """Log-likelihood; ``shares`` (K, n) becomes weights times responsibilities, row by row.

    Responsibilities are those at a power of the likelihood.
    """
    K = log_weights.shape[0]
    odds = np.empty(K)
    out = 0.0
    for u in range(number_of_units(observations.units, densities.shape[1])):
        start, stop = unit_bounds(observations.units, u)
        weight = observations.weights[start]
        top, total = unit_odds(observations, log_weights, densities, u, 1.0, odds)
        out += weight * (top + math.log(total))
        if power != 1.0:
            _, total = unit_odds(observations, log_weights, densities, u, power, odds)
        for k in range(K):
            share = weight * odds[k] / total
            for i in range(start, stop):
                shares[k, i] = share
    return out
