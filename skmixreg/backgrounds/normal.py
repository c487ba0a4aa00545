"""A wide bump."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from scipy import special

from .._support.arrays import Array, mean_and_spread
from ..families._distributions.notation import Notation
from ._base import Background, check_number

REACH = 7.1  # standard deviations that hold all but 1e-12


class Normal(Background):
    """Rows that follow no line but are likelier near a value: a normal distribution.

    Parameters
    ----------
    loc, scale : float or None, default=None
        Mean and standard deviation, in units of y.  None: those of y in the fit.
    """

    name = "normal"
    discrete = False

    def __init__(self, loc: float | None = None, scale: float | None = None):
        self.loc = loc
        self.scale = scale

    def check_options(self) -> None:
        for option in ("loc", "scale"):
            value = getattr(self, option)
            if value is not None:
                check_number(f"{type(self).__name__}({option}=...)", value)
        if self.scale is not None and not self.scale > 0.0:
            raise ValueError(f"Normal(scale=...) must be positive, got {self.scale!r}.")

    def standardised(self, y: Array, weights: Array, location: float, scale: float) -> Self:
        mean, sd = mean_and_spread(y, weights)
        loc = mean if self.loc is None else self.loc
        spread = sd if self.scale is None else self.scale
        if not spread > 0.0:
            raise ValueError("A normal background needs a y that varies, or Normal(scale=...).")
        return type(self)((loc - location) / scale, spread / scale)

    @property
    def _both(self) -> tuple[float, float]:
        assert self.loc is not None and self.scale is not None  # standardised
        return float(self.loc), float(self.scale)

    def kernel_settings(self) -> NamedTuple:
        from ._kernels.background_kernels import NormalSettings

        return NormalSettings(*self._both)

    def log_density(self, y: Array) -> Array:
        loc, scale = self._both
        z = (y - loc) / scale
        return np.asarray(-0.5 * z * z - np.log(scale) - 0.5 * np.log(2.0 * np.pi))

    def cdf(self, y: Array) -> Array:
        loc, scale = self._both
        return np.asarray(special.ndtr((y - loc) / scale))

    def quantile(self, level: Array) -> Array:
        loc, scale = self._both
        return np.asarray(loc + scale * special.ndtri(level))

    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return rng.normal(*self._both, size=size)

    @property
    def mean(self) -> float:
        return self._both[0]

    @property
    def variance(self) -> float:
        return self._both[1] ** 2

    @property
    def bounds(self) -> tuple[float, float]:
        loc, scale = self._both
        return loc - REACH * scale, loc + REACH * scale

    def notation(self, location: float, scale: float) -> Notation:
        loc, spread = self._both
        loc, spread = location + scale * loc, scale * spread
        return Notation(
            f"normal, with mean {loc:.3g} and standard deviation {spread:.3g}",
            rf"\mathrm{{N}}(y_i \mid {loc:.3g}, {spread:.3g}^2)",
            "",
        )

    def pymc_distribution(self, location: Any, scale: Any) -> Any:
        import pymc as pm

        loc, spread = self._both
        return pm.Normal.dist(location + scale * loc, scale * spread)
