"""Positive responses whose logarithms have normal errors."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ._base import Extra, Family, Support
from ._distributions import stable
from ._distributions.notation import Notation
from ._priors import WallPrior

# What is not positive is taken for this, where the density is zero.
SMALLEST = 1e-300
LOG_LARGEST = float(np.log(1e300))
# Logarithms of means are cut here, so that their squares are numbers.
LARGEST_PREDICTOR = 300.0


class LogNormal(Family):
    r"""Normal errors of log y: :math:`\log y_i \mid z_i = k \sim N(b_{0k} + x_i^\top b_k,
    \sigma_k^2)`.

    The median is :math:`\exp(b_{0k} + x_i^\top b_k)` and the mean :math:`\exp(\sigma_k^2 / 2)`
    times as much.  Slopes are logarithms of ratios, of medians and of all other quantiles, per
    unit of a column.

    Lines and sigmas have the posterior that normal errors give to log y: log y is standardised
    before a fit, and `Priors` are in its standard deviations.  Densities, evidence and scores are
    those of y.  Where y looks rounded, to a step s, the floor of sigma, in units of log y, is at
    least the largest of :math:`\sqrt{m} \, s / (\sqrt{12} \, y)` over the responses y, each of
    total weight m.
    """

    name = "lognormal"
    link = "log"
    unimodal = True
    censorable = True
    support = Support(0.0, np.inf)
    response_scale = "log"
    extras = (Extra("sigma", in_units_of_y=True, symbol=r"\sigma"),)
    bend = 0
    floor_of_rounding = "relative_floor"
    response_words = "positive numbers"

    # Of log y, in whose units methods take predictors and sigmas: see `standardised`.
    _location: float = 0.0
    _scale: float = 1.0

    def __init__(self) -> None:
        pass

    def notation(self, *extra: str) -> Notation:
        (sigma,) = extra
        return Notation(
            "lognormal: their logarithms are normal around a line, with the standard deviation "
            "sigma",
            rf"\mathrm{{LogNormal}}(y_i \mid \mu_{{ik}}, {sigma}^2)",
            r"\mu_{ik}",
        )

    def standardised(self, location: float, scale: float) -> LogNormal:
        family = copy.copy(self)
        family._location, family._scale = float(location), float(scale)
        return family

    def _of_log(self, eta: Array, sigma: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of log y."""
        return self._location + self._scale * eta, self._scale * sigma

    @property
    def largest_predictor(self) -> float:  # type: ignore[override]
        """That of log y, standardised."""
        return (LARGEST_PREDICTOR - self._location) / self._scale

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.lognormal_kernels import LogNormalSettings

        return LogNormalSettings(float(location))

    def auxiliary(self, y: Array, *columns: Array) -> Array:
        return np.stack([self.working_response(y), -np.log(y) - np.log(self._scale)])

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        mean, sd = self._of_log(eta, *extra)
        log_y = np.log(np.maximum(y, SMALLEST))
        # A square that overflows is a density of zero.
        with np.errstate(over="ignore"):
            z = (log_y - mean) / sd
            value = -0.5 * (z * z + np.log(2.0 * np.pi)) - np.log(sd) - log_y
        return np.where(y > 0.0, value, -np.inf)

    def mean(self, eta: Array, *extra: Array) -> Array:
        mean, sd = self._of_log(eta, *extra)
        return np.exp(np.minimum(mean + 0.5 * sd * sd, LARGEST_PREDICTOR))

    def variance(self, eta: Array, *extra: Array) -> Array:
        mean, sd = self._of_log(eta, *extra)
        square = np.maximum(sd * sd, SMALLEST)
        # log(e^square - 1), which neither cancels nor overflows
        log_variance = 2.0 * mean + 2.0 * square + np.log(-np.expm1(-square))
        return np.exp(np.minimum(log_variance, 2.0 * LARGEST_PREDICTOR))

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        mean, sd = self._of_log(eta, *extra)
        below = special.ndtr((np.log(np.maximum(y, SMALLEST)) - mean) / sd)
        return np.where(y > 0.0, below, 0.0)

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        mean, sd = self._of_log(eta, *extra)
        return np.exp(np.clip(mean + sd * special.ndtri(level), -LOG_LARGEST, LOG_LARGEST))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        return np.exp(np.clip(rng.normal(*self._of_log(eta, *extra)), -LOG_LARGEST, LOG_LARGEST))

    def widened(self, eta: Array, width: Array, *extra: Array) -> tuple[Family, list[Array], Array]:
        (own,) = extra
        sigma = np.maximum(own, width)
        return self, [sigma], sigma**2 - own**2

    def mean_absolute_error(self, y: Array, eta: Array, *extra: Array) -> Array:
        mean, sd = self._of_log(eta, *extra)
        z = (np.log(y) - mean) / sd
        expected = np.exp(np.minimum(mean + 0.5 * sd * sd, LARGEST_PREDICTOR))
        out: Array = y * (2.0 * special.ndtr(z) - 1.0)
        return out + expected * (1.0 - 2.0 * special.ndtr(z - sd))

    def mean_absolute_difference(
        self, eta: Array, extra: Sequence[Array], other_eta: Array, other_extra: Sequence[Array]
    ) -> Array:
        # Twice the mean of the larger, less both means.
        ends = (eta, *extra), (other_eta, *other_extra)
        (mean, sd), (other_mean, other_sd) = (self._of_log(*end) for end in ends)
        gap, both = mean - other_mean, np.hypot(sd, other_sd)
        out: Array = self.mean(*ends[0]) * (2.0 * special.ndtr((gap + sd * sd) / both) - 1.0)
        share = 2.0 * special.ndtr((other_sd * other_sd - gap) / both) - 1.0
        return out + self.mean(*ends[1]) * share

    def extra_priors(self, priors: Any) -> tuple[WallPrior]:
        return (WallPrior(priors.sigma_floor, priors.sigma_ceiling),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm

        return pm.LogNormal.dist(mu=eta, sigma=extra[0])

    def pymc_log_tails(self, y: Any, eta: Any, *extra: Any) -> tuple[Any, Any]:
        import pytensor.tensor as pt

        return stable.pymc_log_normal_tails((pt.log(y) - eta) / extra[0])

    def working_response(self, y: Array, *columns: Array) -> Array:
        return np.asarray((np.log(y) - self._location) / self._scale)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.log(np.clip(spread, priors.sigma_floor, priors.sigma_ceiling))[:, None]
