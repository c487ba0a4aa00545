"""Times until something happens: positive responses whose hazard rises or falls."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ._base import Extra, Family, Support
from ._distributions.notation import Notation
from ._priors import WallPrior

# Responses are taken to lie between these; what is not positive has density zero.
SMALLEST, LARGEST = 1e-300, 1e300
LOG_LARGEST = float(np.log(LARGEST))
# Errors of log(y), in units of 1 / shape, are not looked at farther out: a density of exp(-e^200)
# is one that can be compared with others, and as good as zero.
FARTHEST = 200.0
# Logarithms of means are cut here, so that their squares are numbers.
LARGEST_PREDICTOR = 300.0
# The standard deviation of log(y) is this, divided by the shape.
SD_OF_LOG = float(np.pi / np.sqrt(6.0))


class Weibull(Family):
    r"""Times: :math:`y_i \mid z_i = k` is Weibull of shape :math:`a_k` and scale
    :math:`\lambda_{ik} = \exp(b_{0k} + x_i^\top b_k)`.

    The chance to last beyond y is :math:`\exp\{-(y / \lambda_{ik})^{a_k}\}`: the hazard rises with
    time where :math:`a_k > 1` and falls where :math:`a_k < 1`.  Slopes are logarithms of ratios of
    times, of means and of quantiles alike, per unit of a column (accelerated failure time,
    Kalbfleisch and Prentice 2002, sec. 2.3.2); times :math:`-a_k` they are those of log hazards.

    The mean is :math:`\lambda_{ik} \Gamma(1 + 1 / a_k)` and not :math:`\lambda_{ik}`, of which it
    is between 0.89 and 1.33 times as much for shapes up to :math:`1.5^{-1}`: the logarithm of the
    mean response is as good a centre of intercepts.  :math:`1 / a_k` scales errors of log(y), and
    its prior is that of a sigma in `Priors`: flat in the logarithm between ``sigma_floor`` and
    ``sigma_ceiling``, 0.003 and 1.5, with walls outside.  Where y looks rounded, to a step s, the
    floor is at least the largest of :math:`\sqrt{m} \, s / (\sqrt{12} \, y)` over the responses y,
    each of total weight m.
    """

    name = "weibull"
    link = "log"
    unimodal = True
    censorable = True
    support = Support(0.0, np.inf)
    extras = (Extra("shape", in_units_of_y=False, power=-1.0, symbol="a"),)
    bend = 0
    floor_of_rounding = "relative_floor"
    floor_words = "1 / shape"
    largest_predictor = LARGEST_PREDICTOR
    response_words = "positive numbers"

    def __init__(self) -> None:
        pass

    def notation(self, *extra: str) -> Notation:
        (shape,) = extra
        return Notation(
            "Weibull distributed, with a log scale that is linear",
            rf"\mathrm{{Weibull}}(y_i \mid {shape}, \lambda_{{ik}})",
            r"\log \lambda_{ik}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.weibull_kernels import WeibullSettings

        return WeibullSettings(float(location))

    def location(self, mean: float, total: float, *columns: float) -> float:
        return float(np.log(mean))

    def auxiliary(self, y: Array, *columns: Array) -> Array:
        return np.log(y)[None]

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        log_y = np.log(np.maximum(y, SMALLEST))
        z = np.minimum(shape * (log_y - eta), FARTHEST)
        return np.where(y > 0.0, z - np.exp(z) + np.log(shape) - log_y, -np.inf)

    def mean(self, eta: Array, *extra: Array) -> Array:
        log_mean = eta + special.gammaln(1.0 + 1.0 / extra[0])
        return np.exp(np.minimum(log_mean, LARGEST_PREDICTOR))

    def variance(self, eta: Array, *extra: Array) -> Array:
        s = 1.0 / extra[0]
        half = special.gammaln(1.0 + s)
        log_ratio = np.maximum(special.gammaln(1.0 + 2.0 * s) - 2.0 * half, SMALLEST)
        # log(e^ratio - 1), which neither cancels nor overflows
        log_variance = 2.0 * (eta + half) + log_ratio + np.log(-np.expm1(-log_ratio))
        return np.exp(np.minimum(log_variance, 2.0 * LARGEST_PREDICTOR))

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        z = shape * (np.log(np.maximum(y, SMALLEST)) - eta)
        with np.errstate(over="ignore"):
            below = -np.expm1(-np.exp(z))
        return np.where(y > 0.0, below, 0.0)

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        with np.errstate(divide="ignore"):
            log_time = np.log(-np.log1p(-level))
        return np.exp(np.minimum(eta + log_time / extra[0], LOG_LARGEST))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        size = np.broadcast_shapes(np.shape(eta), np.shape(shape))
        log_time = np.log(np.maximum(rng.standard_exponential(size), SMALLEST))
        return np.exp(np.clip(eta + log_time / shape, -LOG_LARGEST, LOG_LARGEST))

    def extra_priors(self, priors: Any) -> tuple[WallPrior]:
        return (WallPrior(priors.sigma_floor, priors.sigma_ceiling),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        return pm.Weibull.dist(alpha=extra[0], beta=pt.exp(eta))

    def pymc_log_tails(self, y: Any, eta: Any, *extra: Any) -> tuple[Any, Any]:
        import pytensor.tensor as pt

        hazard = (y * pt.exp(-eta)) ** extra[0]
        return -hazard, pt.log(-pt.expm1(-hazard))

    def working_response(self, y: Array, *columns: Array) -> Array:
        return np.log(y)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        s = np.clip(spread / SD_OF_LOG, priors.sigma_floor, priors.sigma_ceiling)
        return np.log(s)[:, None]
