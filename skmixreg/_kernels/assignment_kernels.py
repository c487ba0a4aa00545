"""Assignments of least cost, and how much the second best costs more."""

from __future__ import annotations

import numpy as np

from .compile import compiled


@compiled
def best_assignments(cost):
    """By dynamic programming over the subsets of components that have a label.

    Parameters
    ----------
    cost : ndarray of shape (S, K, K)
        ``cost[s, k, l]``: cost of calling component k of draw s component l.

    Returns
    -------
    orders : ndarray of shape (S, K)
        ``orders[s, l]`` is the component of draw s that becomes component l.
    margin : ndarray of shape (S,)
        Total cost of the second best assignment minus that of the best.
    """
    S, K, _ = cost.shape
    size = 1 << K
    label = np.zeros(size, dtype=np.int64)
    for mask in range(1, size):
        label[mask] = label[mask >> 1] + (mask & 1)
    best, second = np.empty(size), np.empty(size)
    choice = np.empty(size, dtype=np.int64)
    orders = np.empty((S, K), dtype=np.int64)
    margin = np.empty(S)
    for s in range(S):
        best[0], second[0] = 0.0, np.inf
        for mask in range(1, size):
            low, high, chosen = np.inf, np.inf, -1
            for k in range(K):
                if (mask >> k) & 1:
                    before = mask ^ (1 << k)
                    here = cost[s, k, label[before]]
                    total = best[before] + here
                    # The first of those that tie but for rounding.
                    if chosen < 0 or total < low - 1e-9:
                        high = min(high, low)
                        low, chosen = total, k
                    else:
                        high = min(high, total)
                    high = min(high, second[before] + here)
            best[mask], second[mask], choice[mask] = low, high, chosen
        mask = size - 1
        for at in range(K - 1, -1, -1):
            orders[s, at] = choice[mask]
            mask ^= 1 << choice[mask]
        margin[s] = max(second[size - 1] - best[size - 1], 0.0)
    return orders, margin
