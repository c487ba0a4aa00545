"""Rows in memory: put into an order of their own, merged, standardised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._support.arrays import Array
from ..families._base import Family
from ._roles.units import Units
from .design import Design
from .observations import Observations, canonical_rows
from .rows import HeldRows, Rows
from .standardisation import Standardisation

CANONICAL_ROWS = 10_000


@dataclass(frozen=True)
class HeldData:
    """Rows in memory.

    Attributes
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,) or None
        Frequencies; ones by default.
    n_threads : int, default=1
    allowed : ndarray of shape (n, K), optional
        Log prior odds of labels, equal within a group.
    """

    X: Array
    y: Array
    weights: Array | None = None
    n_threads: int = 1
    allowed: Array | None = None

    @property
    def n_features(self) -> int:
        """Columns."""
        return self.X.shape[1]

    def standardised(
        self, family: Family, fit_intercept: bool, given: Standardisation | None
    ) -> tuple[Design, Rows]:
        """Canonical rows, standardised."""
        given = given or Standardisation()
        group = None if given.roles is None else given.roles.group
        weights = np.ones(len(self.y)) if self.weights is None else self.weights
        X, y, allowed = self.X, self.y, self.allowed
        if group is not None:
            keep = weights > 0.0
            X, y, weights = X[keep], y[keep], weights[keep]
            allowed = None if allowed is None else allowed[keep]
        elif allowed is not None:
            p = X.shape[1]
            both, y, weights = canonical_rows(
                np.column_stack([X, allowed]), y, weights, CANONICAL_ROWS
            )
            X, allowed = both[:, :p], both[:, p:]
        else:
            X, y, weights = canonical_rows(X, y, weights, CANONICAL_ROWS)
        design, columns = Design.fit(X, y, weights, family, fit_intercept, given)
        order, units = None, None
        few = len(y) <= CANONICAL_ROWS
        if group is not None:
            keys = (*np.round(columns[::-1], 7), y) if few else ()
            order, starts = Units.of(X[:, group], keys)
            # Rows that are all alone are no groups.
            units = starts if len(starts) <= len(y) else None
        elif design.x_map is not None and few:
            # However columns were written; they are the same to some digits only.
            order = np.lexsort((*np.round(columns[::-1], 7), y))
        if order is not None:
            X, columns = X[order], np.ascontiguousarray(columns[:, order])
            y, weights = y[order], weights[order]
            allowed = None if allowed is None else allowed[order]
        first = slice(None) if units is None else units[:-1]
        design = design.with_gate(X[first], y[first], weights[first], family, given.gate)
        family = family.standardised(design.y_mean, design.y_scale)
        observations = Observations(
            columns=columns,
            target=design.target(y),
            weights=np.ascontiguousarray(weights, dtype=np.float64),
            gating=design.gating(X),
            offset=design.offset(X),
            auxiliary=family.of_rows(np.asarray(y, dtype=np.float64), design.of_family(X)),
            units=units,
            allowed=None if allowed is None else np.ascontiguousarray(allowed[first]),
        )
        return design, HeldRows(observations, self.n_threads)
