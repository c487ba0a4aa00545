"""Positive responses of a constant coefficient of variation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ._base import Extra, Family, Support
from ._distributions.notation import Notation
from ._distributions.stable import MOST_LOG_MEAN, rate
from ._priors import WallPrior

# What is not positive is taken for this, where the density is zero.
SMALLEST = 1e-300


class Gamma(Family):
    r"""Positive responses: :math:`y_i \mid z_i = k \sim \mathrm{Gamma}(a_k, a_k / \mu_{ik})`,
    :math:`\mu_{ik} = \exp(b_{0k} + x_i^\top b_k)`.

    The mean is :math:`\mu_{ik}` and the variance :math:`\mu_{ik}^2 / a_k`: a component has a
    coefficient of variation :math:`a_k^{-1/2}` of its own.  Its prior is that of a sigma in
    `Priors`: flat in the logarithm between ``sigma_floor`` and ``sigma_ceiling``, 0.003 and 1.5,
    with walls outside.  Where y looks rounded, to a step s, the floor is at least the largest of
    :math:`\sqrt{m} \, s / (\sqrt{12} \, y)` over the responses y, each of total weight m.  Slopes
    are logarithms of ratios of means per unit of a column.
    """

    name = "gamma"
    link = "log"
    unimodal = True
    support = Support(0.0, np.inf)
    extras = (Extra("shape", in_units_of_y=False, power=-2.0, symbol="a"),)
    bend = 0
    censorable = True
    floor_of_rounding = "relative_floor"
    floor_words = "the coefficient of variation"
    largest_predictor = MOST_LOG_MEAN
    response_words = "positive numbers"

    def __init__(self) -> None:
        pass

    def notation(self, *extra: str) -> Notation:
        (shape,) = extra
        return Notation(
            "Gamma distributed, with a log mean that is linear and a coefficient of variation "
            "shape^(-1/2)",
            rf"\mathrm{{Gamma}}(y_i \mid {shape}, {shape} / \mu_{{ik}})",
            r"\log \mu_{ik}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.gamma_kernels import GammaSettings

        return GammaSettings(float(location))

    def location(self, mean: float, total: float, *columns: float) -> float:
        return float(np.log(mean))

    def auxiliary(self, y: Array, *columns: Array) -> Array:
        return np.log(y)[None]

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        positive = np.maximum(y, SMALLEST)
        z = np.log(positive) - eta
        with np.errstate(over="ignore"):
            out = shape * (z - np.exp(z)) + _log_normaliser(shape) - np.log(positive)
        return np.where(y > 0.0, out, -np.inf)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return rate(eta) + np.zeros_like(extra[0])

    def variance(self, eta: Array, *extra: Array) -> Array:
        return rate(eta) ** 2 / extra[0]

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        return np.asarray(special.gammainc(shape, shape * np.maximum(y, 0.0) * rate(-eta)))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        return np.asarray(special.gammaincinv(shape, level) * (rate(eta) / shape))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        return rng.gamma(shape, rate(eta) / shape)

    def extra_priors(self, priors: Any) -> tuple[WallPrior]:
        return (WallPrior(priors.sigma_floor, priors.sigma_ceiling),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        (shape,) = extra
        return pm.Gamma.dist(alpha=shape, beta=shape * pt.exp(-eta))

    def pymc_log_tails(self, y: Any, eta: Any, *extra: Any) -> tuple[Any, Any]:
        import pytensor.tensor as pt

        (shape,) = extra
        at = shape * y * pt.exp(-eta)
        return pt.log(pt.gammaincc(shape, at)), pt.log(pt.gammainc(shape, at))

    def working_response(self, y: Array, *columns: Array) -> Array:
        return np.log(y)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.log(np.clip(spread, priors.sigma_floor, priors.sigma_ceiling))[:, None]


def _log_normaliser(shape: Array) -> Array:
    """a log(a) - log Gamma(a)."""
    return np.asarray(special.xlogy(shape, shape) - special.gammaln(shape))
