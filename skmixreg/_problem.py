"""Problem: everything a solver may know, and nothing it may change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._blocks import Array, ParameterBlocks
from ._design import Design, Standardisation
from ._priors import NumericPriors
from ._rows import RowBlocks
from .families._base import Family

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
    mean_design : ndarray of shape (p, n)
        Standardised columns, feature-major and C-contiguous; no column of ones.
    target : ndarray of shape (n,)
        Standardised response.
    weights : ndarray of shape (n,)
        Positive frequencies; row i counts as ``weights[i]`` rows.
    family : Family
    blocks : ParameterBlocks
    priors : NumericPriors
    design : Design
        The way back to the user's units.
    rows : RowBlocks
        Executor for sums over rows.
    """

    mean_design: Array
    target: Array
    weights: Array
    family: Family
    blocks: ParameterBlocks
    priors: NumericPriors
    design: Design
    rows: RowBlocks

    @classmethod
    def from_data(
        cls,
        X: Array,
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
        X : ndarray of shape (n, p)
        y : ndarray of shape (n,)
        weights : ndarray of shape (n,), optional
            Frequencies; ones by default.
        standardisation : Standardisation, optional
            Locations and scales that are given; those of the data by default.
        """
        if weights is None:
            weights = np.ones(len(y))
        X, y, weights = canonical_rows(X, y, weights)
        design = Design.fit(X, y, weights, fit_intercept, standardisation)
        return cls(
            mean_design=design.columns(X),
            target=design.target(y),
            weights=np.ascontiguousarray(weights, dtype=np.float64),
            family=family,
            blocks=ParameterBlocks(
                n_components, X.shape[1], fit_intercept, family.shares_dispersion
            ),
            priors=priors,
            design=design,
            rows=RowBlocks(len(y), n_threads),
        )

    def with_components(self, n_components: int) -> Problem:
        """The same data and priors with another number of components."""
        blocks = ParameterBlocks(
            n_components,
            self.blocks.n_features,
            self.blocks.fit_intercept,
            self.blocks.shared_dispersion,
        )
        return Problem(
            self.mean_design, self.target, self.weights, self.family, blocks, self.priors,
            self.design, self.rows,
        )  # fmt: skip

    def subset(self, index: np.ndarray, weights: Array | None = None) -> Problem:
        """The problem on some of the rows, standardised as the whole; for searches."""
        return Problem(
            np.ascontiguousarray(self.mean_design[:, index]),
            np.ascontiguousarray(self.target[index]),
            np.ones(len(index)) if weights is None else np.ascontiguousarray(weights),
            self.family, self.blocks, self.priors, self.design, RowBlocks(len(index)),
        )  # fmt: skip

    @property
    def n_rows(self) -> int:
        """Rows held, after merging."""
        return self.target.shape[0]

    @property
    def total_weight(self) -> float:
        """The number of observations: the sum of the weights."""
        return float(self.weights.sum())

    @property
    def log_scale(self) -> float:
        """What to subtract from a log-likelihood in standardised units to have the user's."""
        return self.total_weight * float(np.log(self.design.y_scale))
