"""Continuous ranked probability scores from the distribution function itself.

For families of counts sums, and for other families without closed expectations integrals, of
(F(z) - 1{z >= y})^2 with F the mixture over some of the draws.

References
----------
Kronrod, A. S. (1965). Nodes and Weights of Quadrature Formulas. Consultants Bureau, New York.
"""

from __future__ import annotations

import numpy as np

from ..._support.arrays import Array
from .count_lattice import CountLattice
from .mixtures import Mixtures

# Kronrod's (1965) seven nodes for Gauss's three, which are among them.
_HALF = np.array([0.4342437493468026, 0.7745966692414834, 0.9604912687080202])
_SHARES = np.array([0.4013974147759622, 0.2684880898683334, 0.1046562260264673])
NODES = np.concatenate([-_HALF[::-1], [0.0], _HALF])
WEIGHTS = np.concatenate([_SHARES[::-1], [0.4509165386584741], _SHARES])
COARSE_NODES, COARSE_WEIGHTS = [1, 3, 5], np.array([5.0, 8.0, 5.0]) / 9.0
# Of a score.  The finer rule is exact to polynomials of degree 11, the coarser to those of 5, so
# that smooth cells are good to about 1e-10, and those at a pole of the density to about this.
UNSETTLED = 2e-6
ROUNDS = 40
# In spreads: tails as heavy as those of a t distribution are integrated octave by octave.
OCTAVES = 2.0 ** np.arange(-1.0, 46.0)


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
    """Integrals by `ROUNDS` of halving the cells in which two rules differ: (n,)."""
    low, high = (np.asarray(end)[:, None] for end in mixtures.outer())
    steps = mixtures.spread[:, :, None] * np.concatenate([-OCTAVES, [0.0], OCTAVES])
    nodes = [(mixtures.centre[:, :, None] + steps).reshape(len(y), -1), y[:, None], low, high]
    nodes += [np.full_like(low, edge) for edge in mixtures.edges]
    edges = np.sort(np.clip(np.concatenate(nodes, axis=1), low, high), axis=1)
    width = np.diff(edges, axis=1)
    row, cell = np.nonzero(width > 0.0)
    left, width = edges[row, cell], width[row, cell]
    out = np.maximum(low[:, 0] - y, 0.0) + np.maximum(y - high[:, 0], 0.0)
    for _ in range(ROUNDS):
        points = left[:, None] + width[:, None] * (0.5 * (NODES + 1.0))
        cdf = mixtures.cdf(points.ravel(), np.repeat(row, len(NODES))).reshape(points.shape)
        values = 0.5 * width[:, None] * np.where(points >= y[row, None], 1.0 - cdf, cdf) ** 2
        fine, coarse = values @ WEIGHTS, values[:, COARSE_NODES] @ COARSE_WEIGHTS
        whole = out + np.bincount(row, fine, minlength=len(y))
        settled = np.abs(fine - coarse) <= UNSETTLED * whole[row]
        if settled.all():
            break
        out += np.bincount(row[settled], fine[settled], minlength=len(y))
        row, left, width = row[~settled], left[~settled], 0.5 * width[~settled]
        row, left = np.repeat(row, 2), np.column_stack([left, left + width]).ravel()
        width = np.repeat(width, 2)
    return whole
