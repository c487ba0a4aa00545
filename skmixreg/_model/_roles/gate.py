"""Standardising the columns that weights depend on, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..._support.arrays import Array
from .._scaling.column_moments import column_moments, means, root_mean_squares, scale_of
from .._scaling.outlying import settled
from .._scaling.whitening import Products, prior_map


@dataclass(frozen=True, eq=False)
class Gate:
    """Standardised gating columns are ``matrix @ (g - mean) / scale``.

    Log odds of the weights have slopes in these that are independent a priori, so that their prior
    does not depend on how gating columns are written, as that of the lines (`whitening`).

    Attributes
    ----------
    mean, scale : ndarray of shape (q,)
    matrix : ndarray of shape (r, q) or None
        None is the identity.
    """

    mean: Array
    scale: Array
    matrix: Array | None

    @classmethod
    def fit(cls, columns: Array, response: Array, weights: Array) -> Self:
        """From the gating columns (n, q) of units, a response of order one and weights."""
        total = float(weights.sum())
        moments, totals = column_moments(columns, response, weights)[None], np.array([total])
        location = means(moments, totals)
        spread = root_mean_squares(moments, totals, location)[:-1]
        mean, largest = location[:-1].copy(), moments[0, 0, :-1]
        scale = np.array([scale_of(*pair) for pair in zip(spread, largest, strict=True)])
        far = np.zeros(len(columns), dtype=bool)
        for j in range(columns.shape[1]):
            found = settled(columns[:, j], weights, float(mean[j]), float(scale[j]), True)
            if found is not None:
                mean[j], scale[j] = found[:2]
                far |= found[2]
        apart = cls(mean, scale, None)
        products = Products.of(apart.columns(columns), response, np.where(far, 0.0, weights))
        return apart.mapped(products, total, largest)

    @classmethod
    def from_moments(cls, moments: Array, totals: Array) -> Self:
        """As `fit`, without a map, from the moments (C, 4, q) of C parts of the units."""
        mean, largest = means(moments, totals), moments[:, 0].max(axis=0)
        spread = root_mean_squares(moments, totals, mean)
        scale = np.array([scale_of(*pair) for pair in zip(spread, largest, strict=True)])
        return cls(mean, scale, None)

    def mapped(self, products: Products, total: float, largest: Array) -> Self:
        """The same with the map that `prior_map` gives, from products of standardised columns."""
        noise = np.finfo(float).eps * largest / self.scale
        return replace(self, matrix=prior_map(products, total, noise, None))

    @property
    def n_directions(self) -> int:
        """Standardised columns r."""
        return len(self.mean if self.matrix is None else self.matrix)

    def columns(self, values: Array) -> Array:
        """Standardised columns (r, n) of rows (n, q)."""
        out = ((values - self.mean) / self.scale).T
        return np.ascontiguousarray(out if self.matrix is None else self.matrix @ out)

    def of_standardised(self, columns: Array) -> Array:
        """Rows (n, q) with these standardised columns (r, n)."""
        back = columns if self.matrix is None else np.linalg.pinv(self.matrix) @ columns
        return back.T * self.scale + self.mean

    def in_user_units(self, logits: Array) -> tuple[Array, Array]:
        """Intercepts (..., K) and slopes (..., K, q), each centred, from (..., K, 1 + r)."""
        slopes = logits[..., 1:]
        if self.matrix is not None:
            slopes = slopes @ self.matrix
        slopes = slopes / self.scale
        intercept = logits[..., 0] - slopes @ self.mean
        return (
            intercept - intercept.mean(axis=-1, keepdims=True),
            slopes - slopes.mean(axis=-2, keepdims=True),
        )
