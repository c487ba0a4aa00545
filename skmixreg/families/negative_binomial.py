"""Counts that scatter more than those of a Poisson distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from .._support.arrays import Array
from ._base import Extra, Family, Support
from ._distributions import stable
from ._distributions.notation import Notation
from ._priors import WallPrior

# The prior of shape^(-1/2) is flat in its logarithm between these.
FLOOR, CEILING = 0.05, 1.5
# Beyond it exp overflows; no count has such a mean.
LARGEST_PREDICTOR = 300.0


class NegativeBinomial(Family):
    r"""Counts: :math:`y_i \mid z_i = k` is negative binomial of mean
    :math:`\mu_{ik} = \exp(b_{0k} + x_i^\top b_k)` and shape :math:`r_k`.

    The variance is :math:`\mu_{ik} + \mu_{ik}^2 / r_k` (NB2, Cameron and Trivedi 2013, sec. 3.3):
    a Poisson distribution whose mean is multiplied by a Gamma variable of coefficient of variation
    :math:`r_k^{-1/2}`.  The logarithm of this has a flat prior between 0.05 and 1.5 with walls
    outside.  Slopes are logarithms of ratios of means per unit of a column.
    """

    name = "negative_binomial"
    link = "log"
    unimodal = True
    support = Support(0.0, np.inf, low_inclusive=True)
    discrete = True
    extras = (Extra("shape", in_units_of_y=False, power=-2.0, symbol="r"),)
    largest_predictor = float(np.log(1e13))  # not far below the last whole number
    response_words = "counts (0, 1, 2, ...)"

    def __init__(self) -> None:
        pass

    def notation(self, *extra: str) -> Notation:
        (shape,) = extra
        return Notation(
            "negative binomial counts, whose log mean is linear and whose variance is mean + "
            "mean^2 / shape",
            rf"\mathrm{{NegBinomial}}(y_i \mid \mu_{{ik}}, \mu_{{ik}} + \mu_{{ik}}^2 / {shape})",
            r"\log \mu_{ik}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.negative_binomial_kernels import NegativeBinomialSettings

        return NegativeBinomialSettings(float(location))

    def location(self, mean: float, total: float, *columns: float) -> float:
        # Half a count where there is none at all keeps the logarithm finite.
        return float(np.log(max(mean, 0.5 / total)))

    def auxiliary(self, y: Array, *columns: Array) -> Array:
        positive = np.maximum(y, 1.0)
        at_mean = stable.poisson_log_probability(positive, positive)
        return np.stack([np.where(y > 0.0, at_mean, 0.0), np.log(positive)])

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        count = np.clip(y, 0.0, 1e300)
        out = stable.negative_binomial_log_probability(count, self._rate(eta), 1.0 / shape)
        possible = (y >= 0.0) & (y == np.floor(y)) & (y < np.inf)
        return np.where(possible, out, -np.inf)

    @staticmethod
    def _rate(eta: Array) -> Array:
        return np.exp(np.minimum(eta, LARGEST_PREDICTOR))

    def mean(self, eta: Array, *extra: Array) -> Array:
        return self._rate(eta) + np.zeros_like(extra[0])

    def variance(self, eta: Array, *extra: Array) -> Array:
        mean = self._rate(eta)
        return mean + mean**2 / extra[0]

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        floor = np.floor(y)
        mean = self._rate(eta)
        # 1 - betainc(y + 1, r, m / (r + m)), from the other side
        inside = special.betainc(shape, np.maximum(floor, 0.0) + 1.0, shape / (shape + mean))
        return np.where(floor < 0.0, 0.0, inside)

    def mixture_density(
        self, y: Array, row: NDArray[Any], eta: Array, extra: Sequence[Array], weights: Array
    ) -> Array:
        from ._distributions.count_mixture_kernels import mixture_probabilities

        # A Poisson mean with an error whose exponential has the variance 1 / shape.
        variance = np.log1p(1.0 / extra[0])
        out: Array = mixture_probabilities(
            np.array(y, np.float64), np.array(row, np.int64), eta - 0.5 * variance,
            np.array(np.broadcast_to(variance, eta.shape)), np.array(weights, np.float64),
        )  # fmt: skip
        return out

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        return np.asarray(stats.nbinom.ppf(level, shape, shape / (shape + self._rate(eta))))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        (shape,) = extra
        mean = self._rate(eta)
        means = rng.standard_gamma(shape + np.zeros_like(mean)) * (mean / shape)
        # NumPy has no Poisson draws of larger means than this.
        return rng.poisson(np.minimum(means, 9e18)).astype(np.float64)

    def extra_priors(self, priors: Any) -> tuple[WallPrior]:
        return (WallPrior(FLOOR, CEILING),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        return pm.NegativeBinomial.dist(mu=pt.exp(eta), alpha=extra[0])

    def working_response(self, y: Array, *columns: Array) -> Array:
        return np.log(y + 0.5)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.log(np.clip(spread, 2.0 * FLOOR, 0.5 * CEILING))[:, None]
