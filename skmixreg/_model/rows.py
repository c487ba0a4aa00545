"""Rows of a fit, wherever they are: parameters go in, sums come out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._kernels.rows import RowBlocks, spread_sample
from .._support.arrays import Array
from .._support.sampling import evenly_spaced
from ._scaling.resolution import Resolution, resolution_of, values_of
from .observations import Observations


class Rows(ABC):
    """Standardised rows, wherever they are: parameters go in, sums come out.

    Attributes
    ----------
    in_memory : bool
        Whether the rows are here, as ``observations``, and as kernels want them, ``arguments``.
    n_rows : int
    total_weight : float
        Sum of the weights.
    counts, repeated : bool
        Whether all weights are integers, and whether one exceeds 1.
    """

    in_memory: ClassVar[bool]
    observations: Observations
    arguments: Observations
    columns: Any
    target: Any
    weights: Any

    @property
    @abstractmethod
    def n_rows(self) -> int: ...

    @property
    @abstractmethod
    def total_weight(self) -> float: ...

    @property
    @abstractmethod
    def counts(self) -> bool: ...

    @property
    @abstractmethod
    def repeated(self) -> bool: ...

    @property
    @abstractmethod
    def unit_weight(self) -> float:
        """Sum of the weights of units."""

    @property
    @abstractmethod
    def n_units(self) -> int:
        """Groups of rows that share a membership; rows, where there are none."""

    @property
    @abstractmethod
    def plain(self) -> bool:
        """See `Observations.plain`."""

    @abstractmethod
    def spaced(self, size: int) -> tuple[Observations, Array]:
        """At most ``size`` units, evenly spaced, and what each of them weighs."""

    @abstractmethod
    def sum(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        """Sums over all rows of a kernel over data."""

    @abstractmethod
    def sum_of_parts(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        """Sums of a kernel that numbers rows: ``kernel(X, y, w, first_row, *parameters)``."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, size: int) -> NDArray[np.intp]:
        """Indices of random units: `spread_sample`, or by weight where weights differ."""

    @abstractmethod
    def subset(self, index: NDArray[np.intp], weights: Array | None = None) -> Rows:
        """Some of the units, with weights 1 unless given."""

    @abstractmethod
    def resolution(self) -> Resolution | None:
        """The resolution of the responses, where they look rounded."""

    def on_one_thread(self) -> Rows:
        """The same rows, for work that runs beside other work."""
        return self

    def for_components(self, n_components: int) -> Rows:
        """The same rows, of which labels may be known, for a mixture of more components."""
        return self

    def close(self) -> None:  # noqa: B027 (nothing to release, unless there is)
        """Release what summing needs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class HeldRows(Rows):
    """Rows in memory.

    Parameters
    ----------
    observations : Observations
    n_threads : int, default=1
    """

    in_memory = True

    def __init__(self, observations: Observations, n_threads: int = 1):
        self.observations = observations
        self.arguments = observations.for_kernels()
        self.blocks = RowBlocks(observations.n_units, n_threads)

    @property
    def columns(self) -> Array:
        """Standardised columns: (p, n)."""
        return self.observations.columns

    @property
    def target(self) -> Array:
        """Responses: (n,)."""
        return self.observations.target

    @property
    def weights(self) -> Array:
        """Frequencies: (n,)."""
        return self.observations.weights

    @property
    def n_rows(self) -> int:
        return self.observations.n_rows

    @property
    def total_weight(self) -> float:
        return float(self.weights.sum())

    @property
    def n_units(self) -> int:
        return self.observations.n_units

    @property
    def unit_weight(self) -> float:
        if self.observations.units is None:
            return self.total_weight
        return float(self.weights[self.observations.first_rows].sum())

    @property
    def plain(self) -> bool:
        return self.observations.plain

    def spaced(self, size: int) -> tuple[Observations, Array]:
        units = self.observations.n_units
        chosen = evenly_spaced(units, min(units, size))
        weights = self.weights[self.observations.first_rows[chosen]]
        return self.observations.take(chosen), weights

    @property
    def counts(self) -> bool:
        rows = self.blocks.block_rows
        parts = (self.weights[start : start + rows] for start in range(0, self.n_rows, rows))
        return all(bool((part == np.rint(part)).all()) for part in parts)

    @property
    def repeated(self) -> bool:
        return bool((self.weights > 1).any())

    def sum(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        return self.blocks.sum(kernel, self.arguments, *parameters)

    def sum_of_parts(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        return kernel(self.columns, self.target, self.weights, 0, *parameters)

    def sample(self, rng: np.random.Generator, size: int) -> NDArray[np.intp]:
        w = self.weights
        if self.observations.units is not None:
            w = w[self.observations.units[:-1]]
        if w.min() == w.max():
            return spread_sample(rng, len(w), size)
        return rng.choice(len(w), size, p=w / w.sum())

    def subset(self, index: NDArray[np.intp], weights: Array | None = None) -> HeldRows:
        return HeldRows(self.observations.take(index, weights))

    def resolution(self) -> Resolution | None:
        return resolution_of(values_of(self.target, self.weights), self.n_rows)

    def on_one_thread(self) -> HeldRows:
        return HeldRows(self.observations)

    def for_components(self, n_components: int) -> HeldRows:
        rows = copy(self)
        rows.observations = self.observations.for_components(n_components)
        rows.arguments = rows.observations.for_kernels()
        return rows

    def close(self) -> None:
        self.blocks.close()
