"""Priors of blocks of parameters: density with derivatives, draws, and the PyMC form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy import special

from .._support.arrays import Array

_HALF_LOG_2PI = 0.5 * float(np.log(2.0 * np.pi))
# How compiled code tells the priors apart; see `BlockPrior.row`.
NORMAL, WALL, LOG_ODDS = 0.0, 1.0, 2.0


class BlockPrior(Protocol):
    """One prior for every coordinate of a block, independently."""

    def terms(self, values: Array) -> tuple[Array, Array, Array]:
        """Log density, elementwise, with its first and second derivative."""

    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        """Draws."""

    def pymc(self, name: str, **where: Any) -> Any:
        """The same as a PyMC variable; ``where`` holds dims or shape."""

    def row(self) -> tuple[float, float, float]:
        """Kind and two numbers, for compiled code."""

    def latex(self, scale: str) -> str:
        """The prior of a coordinate whose exponential is ``scale``, in LaTeX."""

    @property
    def words(self) -> str:
        """The prior of the exponential of a coordinate, in words."""


class NormalPrior(NamedTuple):
    """N(0, scale^2)."""

    scale: float

    def terms(self, values: Array) -> tuple[Array, Array, Array]:
        precision = self.scale**-2
        slope = -precision * values
        density = 0.5 * slope * values - (np.log(self.scale) + _HALF_LOG_2PI)
        return density, slope, np.full(np.shape(values), -precision)

    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return self.scale * rng.standard_normal(size)

    def pymc(self, name: str, **where: Any) -> Any:
        import pymc as pm

        # PyTensor stores a Python 2.5 in single precision, and takes its logarithm there.
        return pm.Normal(name, 0.0, np.float64(self.scale), **where)

    def row(self) -> tuple[float, float, float]:
        return NORMAL, self.scale, 0.0

    def latex(self, scale: str) -> str:
        return rf"\log({scale}) \sim \mathrm{{N}}(0, {self.scale:g}^2)"

    @property
    def words(self) -> str:
        return f"lognormal, with median 1 and {self.scale:g} for the standard deviation of the log"


@lru_cache
def _log_normaliser(floor: float, ceiling: float) -> float:
    # From the scaled Bessel function: K_0 itself underflows for large f/u.
    ratio = floor / ceiling
    return float(np.log(special.k0e(ratio)) - ratio)


@lru_cache
def _quantile_table(floor: float, ceiling: float) -> tuple[Array, Array]:
    """Levels and quantiles of the logarithm of the scale, close enough to interpolate in."""
    # Around the middle of the walls the density is exp(-ratio cosh(2 t)).
    ratio = floor / ceiling
    end = 0.5 * np.arccosh(1.0 + 40.0 / ratio)
    t = np.linspace(-end, end, 8001)
    density = np.exp(-ratio * (np.cosh(2.0 * t) - 1.0))
    levels = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    levels, first = np.unique(levels / levels[-1], return_index=True)
    return levels, t[first] + 0.5 * np.log(floor * ceiling)


class WallPrior(NamedTuple):
    r"""Flat in the logarithm v of a scale s between two bounds, with Gaussian walls outside.

    :math:`p(v) = \exp\{-(f/s)^2/2 - (s/u)^2/2\} / K_0(f/u)`, :math:`s = e^v`: s^2 follows the
    generalised inverse Gaussian distribution GIG(0, 1/u^2, f^2) (Jorgensen 1982, eq. 2.2).
    """

    floor: float
    ceiling: float

    def terms(self, values: Array) -> tuple[Array, Array, Array]:
        constant = _log_normaliser(self.floor, self.ceiling)
        # An overflow is a scale of density zero.
        with np.errstate(over="ignore"):
            low = (self.floor * np.exp(-values)) ** 2
            high = (np.exp(values) / self.ceiling) ** 2
        return -0.5 * (low + high) - constant, low - high, -2.0 * (low + high)

    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        # Rejection sampling: between the walls the density is flat, and even draws to where it has
        # fallen by exp(-50) are mostly kept.
        ratio = self.floor / self.ceiling
        end = 0.5 * np.arccosh(1.0 + 50.0 / ratio)
        wanted = int(np.prod(size))
        t = np.empty(0)
        while len(t) < wanted:
            tried = rng.uniform(-end, end, 2 * (wanted - len(t)) + 8)
            kept = rng.random(len(tried)) < np.exp(-ratio * (np.cosh(2.0 * tried) - 1.0))
            t = np.append(t, tried[kept])
        return t[:wanted].reshape(size) + 0.5 * np.log(self.floor * self.ceiling)

    def pymc(self, name: str, **where: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt
        from pytensor.tensor.interpolate import interp

        constant = _log_normaliser(self.floor, self.ceiling)

        def logp(value: Any, floor: Any, ceiling: Any) -> Any:
            low = (floor * pt.exp(-value)) ** 2
            high = (pt.exp(value) / ceiling) ** 2
            return -0.5 * (low + high) - constant

        # A graph and not a function of NumPy, which compiled code would have to leave for.
        def dist(floor: Any, ceiling: Any, size: Any) -> Any:
            levels, quantiles = _quantile_table(self.floor, self.ceiling)
            return interp(pm.Uniform.dist(size=size), levels, quantiles)

        return pm.CustomDist(
            name, self.floor, self.ceiling, logp=logp, dist=dist,
            support_point=lambda variable, *_: pt.zeros_like(variable), **where,
        )  # fmt: skip

    def row(self) -> tuple[float, float, float]:
        return WALL, self.floor, self.ceiling

    def latex(self, scale: str) -> str:
        walls = (
            rf"({self.floor:.3g} / {scale})^2 / 2",
            rf"({scale} / {self.ceiling:.3g})^2 / 2",
        )
        return rf"p(\log {scale}) \propto \exp\{{-{' - '.join(walls)}\}}"

    @property
    def words(self) -> str:
        return (
            f"flat in the logarithm between {self.floor:.3g} and {self.ceiling:.3g}, with Gaussian "
            "walls outside"
        )
