"""Rows as the kernels over draws take them, rows of a group one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._kernels.rows import RowBlocks
from ..._model._roles.units import Units
from ..._model.observations import Observations
from ..._model.raw import Model, Raw
from ..._support.arrays import Array

if TYPE_CHECKING:
    from ..posterior import Posterior

FARTHEST = 1e100  # standardised response; squares of larger ones overflow
KERNEL_NUMBERS = 1 << 20  # standardised copies of rows, numbers per block


def units_at(posterior: Posterior, X: Array) -> Units | None:
    """Groups of rows that share a membership, if the fit has groups."""
    group = posterior.design.roles.group
    return None if group is None else Units.of(X[:, group])


def within_reach(posterior: Posterior, y: Array) -> Array:
    """Responses (n,) at which densities of components can be compared.

    Those further away are taken for the farthest, where what is compared is as at the end.
    """
    middle, far = posterior.design.y_mean, FARTHEST * posterior.design.unit
    return np.asarray(np.clip(y, middle - far, middle + far))


class UnitRows:
    """Rows with their responses, in units that share a membership.

    Parameters
    ----------
    posterior : Posterior
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    log_odds : ndarray of shape (n, K), optional
        Log prior odds of labels, equal within a group.
    """

    def __init__(self, posterior: Posterior, X: Array, y: Array, log_odds: Array | None = None):
        self.posterior = posterior
        self.units = units_at(posterior, X)
        if self.units is not None:
            X, y = X[self.units.order], y[self.units.order]
            log_odds = None if log_odds is None else log_odds[self.units.first]
        self.X, self.y = X, y
        self.allowed = None if log_odds is None else np.ascontiguousarray(log_odds)

    @property
    def n_units(self) -> int:
        """Units U, which are rows unless there are groups."""
        return len(self.X) if self.units is None else len(self.units.sizes)

    def map(
        self, kernel: Callable[..., Array], draws: Raw, model: Model, n_threads: int
    ) -> list[Array]:
        """What a kernel over (units, draws) returns for every block of units."""
        starts = None if self.units is None else self.units.starts

        def units(start: int, stop: int) -> Any:
            if starts is None:
                block = self._block(start, stop, None)
            else:
                block = self._block(
                    int(starts[start]), int(starts[stop]), starts[start : stop + 1] - starts[start]
                )
            allowed = None if self.allowed is None else self.allowed[start:stop]
            block = block._replace(allowed=allowed).for_kernels()
            return kernel(0, stop - start, block, draws, model)

        rows = max(256, min(8192, KERNEL_NUMBERS // max(self.X.shape[1], 1)))
        with RowBlocks(self.n_units, n_threads, rows) as layout:
            return layout.map(units)

    def _block(self, start: int, stop: int, units: NDArray[np.int64] | None) -> Observations:
        design, family = self.posterior.design, self.posterior.family
        X, y = self.X[start:stop], self.y[start:stop]
        return Observations(
            design.columns(X), design.target(y), np.ones(len(y)),
            gating=design.gating(X),
            offset=design.offset(X),
            auxiliary=family.of_rows(np.asarray(y, dtype=np.float64), design.of_family(X)),
            units=units,
        )  # fmt: skip

    def spread(self, of_units: Array) -> Array:
        """Values of units (U, ...) at all their rows (n, ...), in the order of X."""
        return of_units if self.units is None else np.asarray(self.units.spread(of_units))

    def shared_out(self, of_units: Array) -> Array:
        """Values of units (U, ...) in equal parts to their rows, so that they add up."""
        if self.units is None:
            return of_units
        return np.asarray(self.units.spread((of_units.T / self.units.sizes).T))
