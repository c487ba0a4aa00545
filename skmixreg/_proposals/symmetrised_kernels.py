"""Density of mixtures over the labellings of components."""

from __future__ import annotations

import math

import numpy as np

from .._kernels.compile import compiled, part
from .._kernels.vector_kernels import copy_to
from .part_kernels import Components, Scratch, place
from .product_kernels import add_parts

# As good as no density at all.
LEAST_LOG_DENSITY = -1e6


@part(allocates=True)
def _room(parts, C, L, E):
    """Components to be filled, and scratch."""
    M, K = parts.counts.shape
    size = max(parts.centres.shape[1], L + E)
    subsets = 1 << K if parts.product.any() else 1
    components = Components(
        np.empty(C), np.empty(C), np.empty((C, L)), np.empty((C, E)), np.empty(C), np.empty(C),
        np.empty((M, K, C)), np.empty((M, K, C)),
    )  # fmt: skip
    scratch = Scratch(
        np.empty(size), np.empty(K), np.empty(K, dtype=np.int64), np.empty((K, K), dtype=np.int64),
        np.empty(K, dtype=np.int64), np.empty(K, dtype=np.int64), np.empty(K, dtype=np.bool_),
        np.empty(K + 1), np.empty((K, K)), np.empty(subsets),
    )  # fmt: skip
    return components, scratch


@part
def _fill(parts, components, k, log_weight, line, extra, log_prior):
    components.log_weights[k] = log_weight
    components.weights[k] = math.exp(log_weight)
    copy_to(line, components.lines[k])
    copy_to(extra, components.extra[k])
    empty = parts.concentration * log_weight + log_prior
    # Bounds add it and take it away.
    components.empty[k] = empty if empty > LEAST_LOG_DENSITY else LEAST_LOG_DENSITY
    place(parts, components, k)


@part
def _fill_all(parts, components, log_weights, lines, extra, log_prior):
    for k in range(log_weights.shape[0]):
        _fill(parts, components, k, log_weights[k], lines[k], extra[k], log_prior[k])


@compiled
def symmetrised_log_density(parts, log_weights, lines, extra, log_prior):
    """Sum over parts and over relabellings of the density of draws.

    Parameters
    ----------
    parts : Parts
    log_weights, log_prior : ndarray of shape (S, K)
        ``log_prior`` is that of the line and extras of each component, should it be empty.
    lines, extra : ndarray of shape (S, K, L), (S, K, E)

    Returns
    -------
    ndarray of shape (S,)
    """
    S, K, L = lines.shape
    components, scratch = _room(parts, K, L, extra.shape[2])
    members = np.arange(K)
    out = np.empty(S)
    for s in range(S):
        for k in range(K):
            _fill(
                parts, components, k, log_weights[s, k], lines[s, k], extra[s, k], log_prior[s, k]
            )
        out[s] = add_parts(parts, components, members, 0.0, -np.inf, scratch)
    return out


@compiled
def add_merged(
    parts, log_weights, lines, extra, log_prior, pairs, offsets, merged_log_weight, merged_line,
    merged_extra, merged_log_prior, total,
):  # fmt: skip
    """Add, to logs of sums, the densities of draws in which two components are merged.

    Pairs that are most probable come first, so that the others are known not to matter.

    Parameters
    ----------
    parts : Parts
        Of mixtures with one component fewer.
    log_weights, lines, extra, log_prior
        As for `symmetrised_log_density`.
    pairs : ndarray of shape (P, 2)
        Components that are merged.
    offsets, merged_log_weight, merged_log_prior : ndarray of shape (S, P)
        ``offsets`` are the logs of what the densities are multiplied by.
    merged_line, merged_extra : ndarray of shape (S, P, L), (S, P, E)
    total : ndarray of shape (S,)
        Changed in place.
    """
    S, K, L = lines.shape
    components, scratch = _room(parts, K + 1, L, extra.shape[2])
    members = np.empty(K - 1, dtype=np.int64)
    for s in range(S):
        for k in range(K):
            _fill(
                parts, components, k, log_weights[s, k], lines[s, k], extra[s, k], log_prior[s, k]
            )
        for pair in np.argsort(-offsets[s]):
            if not offsets[s, pair] > -np.inf:
                continue
            _fill(
                parts, components, K, merged_log_weight[s, pair], merged_line[s, pair],
                merged_extra[s, pair], merged_log_prior[s, pair],
            )  # fmt: skip
            members[K - 2] = K
            at = 0
            for k in range(K):
                if k != pairs[pair, 0] and k != pairs[pair, 1]:
                    members[at] = k
                    at += 1
            total[s] = add_parts(parts, components, members, offsets[s, pair], total[s], scratch)
