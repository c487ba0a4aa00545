"""Draws that several rooms need: shares rounded at random, logs of Gamma draws, thinned draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, log_sum_exp


def systematic_counts(rng: np.random.Generator, shares: Array, n: int) -> NDArray[np.intp]:
    """How many of ``n`` go to each share, each its expected number rounded up or down at random.

    Parameters
    ----------
    rng : numpy.random.Generator
    shares : ndarray of shape (m,)
        They sum to 1.
    n : int
    """
    edges = np.concatenate([[0.0], np.cumsum(shares)])
    edges[-1] = 1.0
    ends = np.floor(edges * n + rng.random()).astype(np.intp)
    return ends[1:] - ends[:-1]


def systematic_index(rng: np.random.Generator, weights: Array, n: int) -> NDArray[np.intp]:
    """Which of the weighted items are taken when ``n`` are resampled, in ascending order.

    Parameters
    ----------
    rng : numpy.random.Generator
    weights : ndarray of shape (m,)
        They sum to 1.
    n : int
    """
    positions = (np.arange(n) + rng.random()) / n
    return np.minimum(np.searchsorted(np.cumsum(weights), positions), len(weights) - 1)


def log_gamma_draws(rng: np.random.Generator, shape: Array | float, size: tuple[int, ...]) -> Array:
    """Logs of draws from Gamma(shape, 1): those of a small shape underflow, their logs do not."""
    return np.log(rng.standard_gamma(shape + 1.0, size)) + np.log(rng.random(size)) / shape


def log_beta_draws(rng: np.random.Generator, a: Array, b: Array) -> tuple[Array, Array]:
    """Logs of v and of 1 - v, v from Beta(a, b); a and b may be tiny."""
    shapes = np.stack(np.broadcast_arrays(a, b), axis=-1)
    logs = log_gamma_draws(rng, shapes, shapes.shape)
    logs -= log_sum_exp(logs)
    return logs[..., 0], logs[..., 1]


def evenly_spaced(n: int, count: int) -> NDArray[np.intp]:
    """``count`` of the indices 0, ..., n - 1, as far apart as possible."""
    return np.round((np.arange(count) + 0.5) * n / count - 0.5).astype(np.intp)


def each_before_again(rng: np.random.Generator, n: int, count: int) -> NDArray[np.intp]:
    """Random indices below n, none of which comes again before all came: (count,)."""
    rounds = [rng.permutation(n) for _ in range(-(-count // n))]
    return np.concatenate([np.empty(0, dtype=np.intp), *rounds])[:count]
