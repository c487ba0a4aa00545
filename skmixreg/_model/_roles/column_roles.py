"""Which columns of X do what, by position."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from ..._support.arrays import Array


class ColumnRoles(NamedTuple):
    """Positions of columns of X.

    Attributes
    ----------
    slopes : tuple of int
        Columns with slopes, in the order of X.
    shared : tuple of int
        Those of them whose slope is the same in all components.
    gating : tuple of int
        Columns on which the mixing weights depend.
    family : tuple of int
        Columns that the family needs, in its order.
    offset, exposure : int or None
        Added to the linear predictor, as it is and as its logarithm.
    group : int or None
        Rows with equal values share one membership.
    gating_names : tuple of str
    """

    slopes: tuple[int, ...]
    shared: tuple[int, ...] = ()
    gating: tuple[int, ...] = ()
    family: tuple[int, ...] = ()
    offset: int | None = None
    exposure: int | None = None
    group: int | None = None
    gating_names: tuple[str, ...] = ()

    @classmethod
    def of_family(cls, n_columns: int, family: tuple[int, ...] = ()) -> Self:
        """Columns of which all but those of the family have a slope per component."""
        return cls(tuple(j for j in range(n_columns) if j not in family), family=family)

    @property
    def others(self) -> tuple[int, ...]:
        """Columns that neither lines nor weights have slopes for."""
        single = (self.offset, self.exposure, self.group)
        return (*self.family, *(at for at in single if at is not None))

    @property
    def moves(self) -> bool:
        """Whether there is an offset, or an exposure."""
        return self.offset is not None or self.exposure is not None

    @property
    def n_columns(self) -> int:
        """Columns of X."""
        return 1 + max((*self.slopes, *self.gating, *self.others), default=-1)

    @property
    def blocks_of_slopes(self) -> tuple[tuple[int, ...], ...]:
        """Positions of own and of shared columns among those with slopes."""
        shared = self.shared_slopes
        own = tuple(i for i in range(len(self.slopes)) if i not in shared)
        return tuple(block for block in (own, shared) if block)

    @property
    def shared_slopes(self) -> tuple[int, ...]:
        """Positions of the shared among the columns with slopes."""
        return tuple(i for i, j in enumerate(self.slopes) if j in self.shared)

    def regressors(self, X: Array) -> Array:
        """The columns with slopes, (n, p)."""
        if self.slopes == tuple(range(X.shape[1])):
            return X
        return X[:, list(self.slopes)]

    def predictor_offset(self, X: Array) -> Array | None:
        """What is added to the linear predictor in units of the link, (n,), or None."""
        out = None
        if self.offset is not None:
            out = np.asarray(X[:, self.offset], dtype=np.float64)
        if self.exposure is not None:
            log_exposure = np.log(np.asarray(X[:, self.exposure], dtype=np.float64))
            out = log_exposure if out is None else out + log_exposure
        return out
