"""The contract of a background."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator

from .._support.arrays import Array
from ..families._distributions.notation import Notation, upright


class Background(BaseEstimator, ABC):
    """A distribution of y without parameters that are learned.

    Attributes
    ----------
    name : str
        What the user types.
    discrete : bool
        Whether it gives probabilities to values, or a density to intervals.
    """

    name: ClassVar[str]
    discrete: ClassVar[bool]

    @property
    def needs_rows(self) -> bool:
        """Whether something is not given that follows from the responses of a fit."""
        return any(value is None for value in self.get_params().values())

    def check_options(self) -> None:
        """Reject constructor parameters that make no sense; called before a fit."""

    @abstractmethod
    def standardised(self, y: Array, weights: Array, location: float, scale: float) -> Self:
        """The same for (y - location) / scale.

        What is not given follows from the responses ``y`` (n,) of a fit and their weights.
        """

    @abstractmethod
    def kernel_settings(self) -> NamedTuple:
        """Settings passed to the compiled kernels."""

    @abstractmethod
    def log_density(self, y: Array) -> Array:
        """Log density, or log probability."""

    @abstractmethod
    def cdf(self, y: Array) -> Array:
        """P(Y <= y)."""

    @abstractmethod
    def quantile(self, level: Array) -> Array:
        """Smallest y with P(Y <= y) >= level."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        """Draws."""

    @property
    @abstractmethod
    def mean(self) -> float:
        """Mean of y."""

    @property
    @abstractmethod
    def variance(self) -> float:
        """Variance of y."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """All but 1e-12 of y lies between them."""

    @property
    def jumps(self) -> tuple[float, ...]:
        """Where the density is not continuous."""
        return ()

    @abstractmethod
    def pymc_distribution(self, location: Any, scale: Any) -> Any:
        """The same for ``location + scale * y`` as an unnamed PyMC distribution."""

    def notation(self, location: float, scale: float) -> Notation:
        """How the same of ``location + scale * y`` is written; it has no link."""
        return Notation(self.name, rf"{upright(self.name)}(y_i)", "")


def check_number(label: str, value: Any) -> None:
    """Reject what is not a finite number."""
    if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(float(value)):
        raise ValueError(f"{label} must be a finite number or None, got {value!r}.")
