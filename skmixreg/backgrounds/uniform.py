"""The same density everywhere between two values."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from .._support.arrays import Array
from ..families._distributions.notation import Notation
from ._base import Background, check_number


class Uniform(Background):
    """Rows that follow no line, anywhere between two values: outliers (Hogg, Bovy and Lang 2010).

    Parameters
    ----------
    low, high : float or None, default=None
        In units of y.  None: the range of y in the fit, of n rows, each end moved out by a part
        in 2 n of it.  Outside of them no row is an outlier.

    References
    ----------
    Hogg, D. W., Bovy, J. and Lang, D. (2010). Data analysis recipes: fitting a model to data.
    arXiv:1008.4686, sec. 3.
    """

    name = "uniform"
    discrete = False

    def __init__(self, low: float | None = None, high: float | None = None):
        self.low = low
        self.high = high

    def check_options(self) -> None:
        for end in ("low", "high"):
            value = getattr(self, end)
            if value is not None:
                check_number(f"{type(self).__name__}({end}=...)", value)
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(
                f"Uniform needs low < high, got low={self.low!r} and high={self.high!r}."
            )

    def standardised(self, y: Array, weights: Array, location: float, scale: float) -> Self:
        least, largest = float(y.min()), float(y.max())
        more = 0.5 * (largest - least) / float(weights.sum())
        low = least - more if self.low is None else self.low
        high = largest + more if self.high is None else self.high
        if not low < high:
            raise ValueError(
                f"A uniform background needs a range of y, but the responses are from {least:g} "
                f"to {largest:g} and its ends are low={low:g} and high={high:g}; give both, "
                "Uniform(low=..., high=...)."
            )
        return type(self)((low - location) / scale, (high - location) / scale)

    @property
    def _ends(self) -> tuple[float, float]:
        assert self.low is not None and self.high is not None  # standardised
        return float(self.low), float(self.high)

    @property
    def _log_density(self) -> float:
        low, high = self._ends
        return -float(np.log(high - low))

    def kernel_settings(self) -> NamedTuple:
        from ._kernels.background_kernels import UniformSettings

        return UniformSettings(*self._ends, self._log_density)

    def log_density(self, y: Array) -> Array:
        low, high = self._ends
        return np.where((y >= low) & (y <= high), self._log_density, -np.inf)

    def cdf(self, y: Array) -> Array:
        low, high = self._ends
        return np.clip((y - low) / (high - low), 0.0, 1.0)

    def quantile(self, level: Array) -> Array:
        low, high = self._ends
        return np.asarray(low + np.asarray(level) * (high - low))

    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return rng.uniform(*self._ends, size=size)

    @property
    def mean(self) -> float:
        low, high = self._ends
        return 0.5 * (low + high)

    @property
    def variance(self) -> float:
        low, high = self._ends
        return (high - low) ** 2 / 12.0

    @property
    def bounds(self) -> tuple[float, float]:
        return self._ends

    @property
    def jumps(self) -> tuple[float, ...]:
        return self._ends

    def notation(self, location: float, scale: float) -> Notation:
        low, high = (location + scale * end for end in self._ends)
        return Notation(
            f"uniform between {low:.3g} and {high:.3g}",
            rf"\mathrm{{Uniform}}(y_i \mid {low:.3g}, {high:.3g})",
            "",
        )

    def pymc_distribution(self, location: Any, scale: Any) -> Any:
        import pymc as pm

        low, high = self._ends
        return pm.Uniform.dist(location + scale * low, location + scale * high)
