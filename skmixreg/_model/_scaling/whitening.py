r"""Which covariance the prior gives to slopes, as a linear map of the standardised columns.

Slopes of standardised columns :math:`z` have the prior :math:`N(0, s^2 C)` with

.. math::

    C = (1 - t) \, S^+ / r + t \, D, \qquad S = \overline{z z'},

:math:`r` the rank of :math:`S` and :math:`D` the identity, but for columns without spread.  With
:math:`t = 0` the prior variance of a line, averaged over the rows, is :math:`s^2`, whatever the
columns and however they are written: the prior is that of whitened columns with independent slopes
of variance :math:`s^2 / r`.  At a new row it is :math:`s^2` times the squared distance
:math:`z' S^{-1} z / r`, whose mean is about :math:`1 / (1 - r / n)` (a Hotelling statistic): where
columns are nearly as many as rows, directions hardly seen in the rows are left all but free, and
the prior covariance at the rows is the identity, so that no row tells of another.  There slopes of
the columns as they are are independent, :math:`t = 1`.  Between,

.. math::

    t = \min\{1, \max\{0, (r / n - a) / (b - a)\}\} .
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._support.arrays import Array

# Columns per row up to which columns are whitened, and from which on they are taken as they are.
WHITENED, AS_THEY_ARE = 0.2, 0.5
BLOCK_NUMBERS = 1 << 17
# Of the rounding of a column's values, below which a direction has no spread.
ROUNDING = 64.0


class Products(NamedTuple):
    """Sums over rows of standardised columns z with weights, which add up over parts.

    Attributes
    ----------
    root : ndarray of shape (p, p)
        Upper triangular R with R'R the sum of z z'; unlike that sum it keeps all digits.
    curved : ndarray of shape (p, p)
        Sum of g z z', g a bounded response.
    sloped : ndarray of shape (p,)
        Sum of g z.
    """

    root: Array
    curved: Array
    sloped: Array

    @classmethod
    def of(cls, columns: Array, response: Array, weights: Array | None) -> Products:
        """Those of some rows: ``columns`` (p, n), ``response`` (n,), ``weights`` (n,)."""
        p = len(columns)
        bounded = response / (1.0 + np.abs(response))
        if weights is not None:
            bounded = bounded * weights
        root, curved = np.zeros((p, p)), np.zeros((p, p))
        for at in _blocks(columns):
            rows = columns[:, at].T
            root = _joined(root, rows if weights is None else np.sqrt(weights[at, None]) * rows)
            curved += (columns[:, at] * bounded[at]) @ rows
        return cls(root, curved, columns @ bounded)

    def of_columns(self, at: list[int]) -> Products:
        """Those of some of the columns."""
        root = np.ascontiguousarray(np.linalg.qr(self.root[:, at], mode="r"))
        return Products(root, self.curved[np.ix_(at, at)], self.sloped[at])

    @classmethod
    def total(cls, parts: Sequence[Products]) -> Products:
        """Those of all parts together."""
        root = parts[0].root
        for part in parts[1:]:
            root = _joined(root, part.root)
        curved, sloped = ([getattr(part, name) for part in parts] for name in ("curved", "sloped"))
        return cls(root, np.sum(curved, axis=0), np.sum(sloped, axis=0))


def _blocks(columns: Array) -> Iterator[slice]:
    p, n = columns.shape
    rows = max(BLOCK_NUMBERS // max(p, 1), 4 * p, 1)
    return (slice(start, start + rows) for start in range(0, n, rows))


def _joined(root: Array, rows: Array) -> Array:
    out = np.linalg.qr(np.concatenate([root, rows]), mode="r")
    return np.ascontiguousarray(out)


def applied(matrix: Array, columns: Array) -> Array:
    """Columns (r, n) of matrix (r, p) @ columns (p, n), which are overwritten where r = p."""
    r, p = matrix.shape
    out = columns if r == p else np.empty((r, columns.shape[1]))
    for at in _blocks(columns):
        out[:, at] = matrix @ columns[:, at]
    return out


def prior_map_of_blocks(
    products: Products,
    total: float,
    noise: Array,
    share: float | None,
    axis: int | None,
    blocks: Sequence[Sequence[int]],
) -> Array | None:
    """As `prior_map`, without a slope that depends on columns of more than one block.

    A line has the prior variance that it has with one block, on average over the rows.
    """
    if len(blocks) < 2:
        return prior_map(products, total, noise, share, axis)
    p = len(products.sloped)
    parts = [(list(block), products.of_columns(list(block))) for block in blocks]
    ranks = [len(_Directions.of(part, total, noise[at]).scale) for at, part in parts]
    rows = []
    for (at, part), rank in zip(parts, ranks, strict=True):
        own_axis = at.index(axis) if axis in at else None
        found = prior_map(part, total, noise[at], share, own_axis, beside=sum(ranks) - rank)
        matrix = np.zeros((len(at) if found is None else len(found), p))
        matrix[:, at] = np.eye(len(at)) if found is None else found
        rows.append(matrix)
    return np.concatenate(rows)


class _Directions(NamedTuple):
    """Columns that spread (p,), and in which directions (r, p) by how much (r,)."""

    spread: NDArray[np.bool_]
    axes: Array
    scale: Array

    @classmethod
    def of(cls, products: Products, total: float, noise: Array) -> _Directions:
        p = len(products.sloped)
        seen = np.sqrt(np.einsum("ij,ij->j", products.root, products.root) / total)
        spread = seen > ROUNDING * noise
        if not spread.any():
            return cls(spread, np.zeros((0, p)), np.zeros(0))
        _, scale, axes = np.linalg.svd(products.root * spread / np.sqrt(total))
        found = scale > ROUNDING * np.sqrt(p) * max(float(noise[spread].max()), 1e-15)
        return cls(spread, axes[found], scale[found])


def prior_map(
    products: Products,
    total: float,
    noise: Array,
    share: float | None,
    axis: int | None = None,
    beside: int = 0,
) -> Array | None:
    """T of shape (r, p) with T'T = C: columns T z have slopes that are independent N(0, s^2).

    Where columns are whitened, T is turned so that T z does not depend on how columns were
    written: to the principal axes of the mean of g z z', with positive means of g z.

    Parameters
    ----------
    products : Products
        Of all rows.
    total : float
        Their total weight n.
    noise : ndarray of shape (p,)
        Relative rounding of the standardised columns.
    share : float or None
        t; None is the rule.
    axis : int or None, default=None
        A column whose slope depends on one slope of the columns T z alone: T is turned to it
        instead.
    beside : int, default=0
        Directions of other columns, with which these share the prior variance of a line.

    Returns
    -------
    ndarray of shape (r, p) or None
        None is the identity.  Where no column spreads, there is one row of zeros.
    """
    p = len(products.sloped)
    spread, axes, scale = _Directions.of(products, total, noise)
    if not spread.any():
        return np.zeros((1, p))
    both = len(scale) + beside
    if share is None:
        share = (both / total - WHITENED) / (AS_THEY_ARE - WHITENED)
    share = min(max(share, 0.0), 1.0)
    if share == 1.0 or (spread.sum() == 1 and both == 1):
        return None if spread.all() else np.eye(p)[spread]
    whitening = axes / (scale[:, None] * np.sqrt(both))
    if share > 0.0:
        parts = [np.sqrt(1.0 - share) * whitening, np.sqrt(share) * np.eye(p)[spread]]
        _, lengths, vectors = np.linalg.svd(np.concatenate(parts)[:, spread], full_matrices=False)
        out = np.zeros((int(spread.sum()), p))
        out[:, spread] = (vectors.T * lengths) @ vectors
    else:
        _, vectors = np.linalg.eigh(whitening @ products.curved @ whitening.T)
        out = vectors.T @ whitening
        out *= np.where(out @ products.sloped < 0.0, -1.0, 1.0)[:, None]
    return out if axis is None else _turned(out, axis)


def _turned(matrix: Array, axis: int) -> Array:
    """By a reflection after which only the first row has an entry in the column ``axis``."""
    normal = matrix[:, axis].copy()
    normal[0] += np.copysign(np.linalg.norm(normal), normal[0])
    length = float(normal @ normal)
    if length == 0.0:
        return matrix
    out: Array = matrix - np.outer(normal, normal @ matrix) * (2.0 / length)
    out[1:, axis] = 0.0
    return out
