"""Continuous ranked probability scores from the distribution function itself.

For families of counts sums, and for other families without closed expectations integrals, of
(F(z) - 1{z >= y})^2 with F the mixture over some of the draws.
"""

from __future__ import annotations

import numpy as np

from ..._support.arrays import Array
from .count_lattice import CountLattice
from .density_grid import Grid
from .mixtures import Mixtures

NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
# In spreads: tails as heavy as those of a t distribution are integrated octave by octave.
OCTAVES = 8.0 * 2.0 ** np.arange(42)


def count_scores(mixtures: Mixtures, y: Array) -> Array:
    """Sums over all counts, (n,), to a relative error of about 1e-8."""
    lattice = CountLattice(mixtures, breaks=y)
    n, row, z, cdf = len(y), lattice.row, lattice.y, lattice.cdf
    at = y[row]
    squares = np.where(z >= at, 1.0 - cdf, cdf) ** 2
    out = np.bincount(row, lattice.summed(squares), minlength=n)
    # Between runs nothing happens: the distribution function is that of the node before.
    later = np.flatnonzero((lattice.step == 0.0) & (np.diff(row, prepend=-1) == 0))
    gap = z[later] - z[later - 1] - 1.0
    low = np.clip(at[later] - z[later - 1] - 1.0, 0.0, gap)
    below = cdf[later - 1]
    out += np.bincount(row[later], low * below**2 + (gap - low) * (1.0 - below) ** 2, minlength=n)
    first, last = z[lattice.starts[:-1]], z[lattice.starts[1:] - 1]
    return out + np.maximum(first - y, 0.0) + np.maximum(y - 1.0 - last, 0.0)


def integrated_scores(mixtures: Mixtures, y: Array) -> Array:
    """Integrals by eight Gauss-Legendre nodes in every cell of the density's grid: (n,)."""
    grid = Grid(mixtures)
    low, high = grid.y[:, :1], grid.y[:, -1:]
    steps = mixtures.spread[:, :, None] * np.concatenate([-OCTAVES, OCTAVES])
    far = (mixtures.centre[:, :, None] + steps).reshape(len(y), -1)
    breaks = np.clip(np.column_stack([y, far]), low, high)
    edges = np.sort(np.concatenate([grid.y, breaks], axis=1), axis=1)
    left, width = edges[:, :-1], np.diff(edges, axis=1)
    row, cell = np.nonzero(width > 0.0)
    points = left[row, cell, None] + width[row, cell, None] * (0.5 * (NODES + 1.0))
    cdf = mixtures.cdf(points.ravel(), np.repeat(row, len(NODES))).reshape(points.shape)
    values = np.where(points >= y[row, None], 1.0 - cdf, cdf) ** 2
    sums = 0.5 * width[row, cell] * (values @ WEIGHTS)
    outside = np.maximum(low[:, 0] - y, 0.0) + np.maximum(y - high[:, 0], 0.0)
    return np.bincount(row, sums, minlength=len(y)) + outside
