"""All mass at zero."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from .._support.arrays import Array
from ..families._distributions.notation import Notation
from ._base import Background


class Zero(Background):
    """Rows whose count is zero, whatever their columns: zero-inflated counts (Lambert 1992).

    References
    ----------
    Lambert, D. (1992). Zero-inflated Poisson regression, with an application to defects in
    manufacturing. Technometrics 34, 1-14.
    """

    name = "zero"
    discrete = True

    def __init__(self) -> None:
        pass

    def standardised(self, y: Array, weights: Array, location: float, scale: float) -> Self:
        return self

    def kernel_settings(self) -> NamedTuple:
        from ._kernels.background_kernels import PointSettings

        return PointSettings(0.0)

    def log_density(self, y: Array) -> Array:
        return np.where(y == 0.0, 0.0, -np.inf)

    def cdf(self, y: Array) -> Array:
        return np.where(y >= 0.0, 1.0, 0.0)

    def quantile(self, level: Array) -> Array:
        return np.zeros(np.shape(level))

    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return np.zeros(size)

    @property
    def mean(self) -> float:
        return 0.0

    @property
    def variance(self) -> float:
        return 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, 0.0

    def notation(self, location: float, scale: float) -> Notation:
        return Notation("zeros whatever the columns are", r"1\{y_i = 0\}", "")

    def pymc_distribution(self, location: Any, scale: Any) -> Any:
        import pymc as pm

        return pm.DiracDelta.dist(0, size=location.shape)
