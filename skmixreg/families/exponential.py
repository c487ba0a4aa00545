"""Waiting times without a memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._support.arrays import Array
from ._base import Family, Support
from ._distributions.notation import Notation
from ._distributions.stable import MOST_LOG_MEAN, rate


class Exponential(Family):
    r"""Waiting times: :math:`y_i \mid z_i = k` is exponential of mean
    :math:`\exp(b_{0k} + x_i^\top b_k)`.

    Slopes are logarithms of ratios of mean times per unit of a column (accelerated failure times);
    with the opposite sign they are those of hazards.
    """

    name = "exponential"
    link = "log"
    unimodal = True
    censorable = True
    support = Support(0.0, np.inf)
    largest_predictor = MOST_LOG_MEAN
    response_words = "positive numbers"

    def __init__(self) -> None:
        pass

    def notation(self, *extra: str) -> Notation:
        return Notation(
            "exponentially distributed, with a log mean that is linear",
            r"\mathrm{Exponential}(y_i \mid 1 / \mu_{ik})",
            r"\log \mu_{ik}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.exponential_kernels import ExponentialSettings

        return ExponentialSettings(float(location))

    def location(self, mean: float, total: float, *columns: float) -> float:
        return float(np.log(mean))

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            out = -eta - y * rate(-eta)
        return np.where(y >= 0.0, out, -np.inf)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return rate(eta)

    def variance(self, eta: Array, *extra: Array) -> Array:
        return rate(eta) ** 2

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        return -np.expm1(-np.maximum(y, 0.0) * rate(-eta))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        return -np.log1p(-np.asarray(level)) * rate(eta)

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        return rng.exponential(rate(eta))

    def extra_priors(self, priors: Any) -> tuple[()]:
        return ()

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        return pm.Exponential.dist(lam=pt.exp(-eta))

    def pymc_log_tails(self, y: Any, eta: Any, *extra: Any) -> tuple[Any, Any]:
        import pytensor.tensor as pt

        hazard = y * pt.exp(-eta)
        return -hazard, pt.log(-pt.expm1(-hazard))

    def working_response(self, y: Array, *columns: Array) -> Array:
        # The logarithm of a time is below that of its mean, by Euler's constant.
        return np.log(y) + np.euler_gamma

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.empty((len(spread), 0))
