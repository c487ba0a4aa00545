"""Problem: everything a solver may know, and nothing it may change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._dask.chunk_rows import ChunkedData
from .._kernels.rows import HeldRows, Rows
from ..families._base import Family
from .blocks import Array, ParameterBlocks
from .design import Design, Standardisation
from .priors import NumericPriors

CANONICAL_ROWS = 10_000


def canonical_rows(X: Array, y: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Rows in a form that does not depend on how the data were written.

    Zero weights are dropped; up to `CANONICAL_ROWS` rows are sorted and exact duplicates merged,
    their weights added.  Larger data keep their order: there order matters to rounding only.
    """
    if not weights.all():
        keep = weights > 0
        X, y, weights = X[keep], y[keep], weights[keep]
    if len(y) > CANONICAL_ROWS:
        return X, y, weights
    rows = np.column_stack([X, y]) + 0.0  # -0.0 becomes 0.0
    unique, inverse = np.unique(rows, axis=0, return_inverse=True)
    merged = np.bincount(inverse.ravel(), weights=weights, minlength=len(unique))
    return unique[:, :-1], unique[:, -1], merged


@dataclass(frozen=True)
class Problem:
    """A posterior to be explored, on the standardised scale.

    Attributes
    ----------
    rows : Rows
        The standardised rows: sums over them, wherever they are.
    family : Family
    blocks : ParameterBlocks
    priors : NumericPriors
    design : Design
        The way back to the user's units.
    """

    rows: Rows
    family: Family
    blocks: ParameterBlocks
    priors: NumericPriors
    design: Design

    @classmethod
    def from_data(
        cls,
        X: Array | ChunkedData,
        y: Array,
        weights: Array | None = None,
        *,
        family: Family,
        n_components: int,
        priors: NumericPriors,
        fit_intercept: bool = True,
        n_threads: int = 1,
        standardisation: Standardisation | None = None,
    ) -> Problem:
        """Canonical rows, standardised.

        Parameters
        ----------
        X : ndarray of shape (n, p), or ChunkedData
            Rows in chunks come with their own y and weights.
        y : ndarray of shape (n,)
        weights : ndarray of shape (n,), optional
            Frequencies; ones by default.
        standardisation : Standardisation, optional
            Locations and scales that are given; those of the data by default.
        """
        blocks = ParameterBlocks(n_components, X.shape[1], fit_intercept, family.shares_dispersion)
        if isinstance(X, ChunkedData):
            design, chunks = X.standardised(fit_intercept, standardisation)
            return cls(chunks, family, blocks, priors, design)
        if weights is None:
            weights = np.ones(len(y))
        X, y, weights = canonical_rows(X, y, weights)
        design = Design.fit(X, y, weights, fit_intercept, standardisation)
        rows = HeldRows(
            design.columns(X),
            design.target(y),
            np.ascontiguousarray(weights, dtype=np.float64),
            n_threads,
        )
        return cls(rows, family, blocks, priors, design)

    def with_components(self, n_components: int) -> Problem:
        """The same data and priors with another number of components."""
        blocks = ParameterBlocks(
            n_components,
            self.blocks.n_features,
            self.blocks.fit_intercept,
            self.blocks.shared_dispersion,
        )
        return replace(self, blocks=blocks)

    def subset(self, index: np.ndarray, weights: Array | None = None) -> Problem:
        """The problem on some of the rows, standardised as the whole; for searches."""
        return replace(self, rows=self.rows.subset(index, weights))

    @property
    def mean_design(self) -> Array:
        """Standardised columns, (p, n), feature-major and C-contiguous; no column of ones."""
        return self.rows.columns

    @property
    def target(self) -> Array:
        """Standardised response: (n,)."""
        return self.rows.target

    @property
    def weights(self) -> Array:
        """Positive frequencies: row i counts as ``weights[i]`` rows."""
        return self.rows.weights

    @property
    def n_rows(self) -> int:
        """Rows held, after merging."""
        return self.rows.n_rows

    @property
    def total_weight(self) -> float:
        """The number of observations: the sum of the weights."""
        return self.rows.total_weight

    @property
    def log_scale(self) -> float:
        """What to subtract from a log-likelihood in standardised units to have the user's."""
        return self.total_weight * float(np.log(self.design.y_scale))
