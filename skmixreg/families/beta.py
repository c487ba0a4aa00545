"""Proportions: responses between 0 and 1."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from .._support.sampling import log_beta_draws
from ._base import Extra, Family, Support
from ._distributions.notation import Notation
from ._priors import WallPrior

# Responses drawn are kept between the smallest and the largest number inside the support.
SMALLEST, LARGEST = 1e-300, 1.0 - 2.0**-53
# Beyond these on either side exp overflows; a mean is then 0 or 1 as far as numbers tell.
FARTHEST = 600.0
# Starts do not run after responses that are closer to 0 or 1.
FARTHEST_START = 10.0


class Beta(Family):
    r"""Proportions: :math:`y_i \mid z_i = k \sim \mathrm{Beta}(\mu_{ik} \phi_k,
    (1 - \mu_{ik}) \phi_k)`, :math:`\mathrm{logit}(\mu_{ik}) = b_{0k} + x_i^\top b_k`.

    The mean is :math:`\mu_{ik}` and the variance :math:`\mu_{ik} (1 - \mu_{ik}) / (1 + \phi_k)`
    (Ferrari and Cribari-Neto 2004): a component has a precision :math:`\phi_k` of its own.
    :math:`\phi_k^{-1/2}` is about the standard deviation in units of that of a coin, and has the
    prior of a sigma in `Priors`: flat in the logarithm between ``sigma_floor`` and
    ``sigma_ceiling``, with walls outside.  The ceiling is 1.5; the floor is 0.003 times the root
    of the odds of the mean of all y, or of their inverse, whichever is below 1, unless it is given.
    Around a mean of a half precisions are then between 0.4, where nearly all of y is close to 0
    and to 1, and 100,000; 2 is the uniform distribution.  Where all of y is close to 0 or to 1,
    sds may be 0.3% of the distance.  Slopes are logarithms of ratios of odds of the mean per unit
    of a column.
    """

    name = "beta"
    link = "logit"
    unimodal = True
    support = Support(0.0, 1.0)
    extras = (Extra("precision", in_units_of_y=False, power=-2.0, symbol=r"\phi"),)
    bend = 0
    floor_words = "1 / sqrt(precision)"
    response_words = "proportions between 0 and 1, both excluded"
    response_advice = "Proportions of 0 and 1 have no such density."

    def __init__(self) -> None:
        pass

    def notation(self, *extra: str) -> Notation:
        (precision,) = extra
        return Notation(
            "Beta distributed, with a mean whose log odds are linear and a precision",
            rf"\mathrm{{Beta}}(y_i \mid \mu_{{ik}} {precision}, (1 - \mu_{{ik}}) {precision})",
            r"\log \frac{\mu_{ik}}{1 - \mu_{ik}}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.beta_kernels import BetaSettings

        return BetaSettings(float(location))

    def location(self, mean: float, total: float, *columns: float) -> float:
        return float(special.logit(np.clip(mean, SMALLEST, LARGEST)))

    def floor_factor(self, location: float) -> float:
        return float(np.exp(-0.5 * abs(location)))

    def auxiliary(self, y: Array, *columns: Array) -> Array:
        return np.stack([np.log(y), np.log1p(-y)])

    @staticmethod
    def _mean_and_rest(eta: Array) -> tuple[Array, Array]:
        """The mean and one minus it."""
        eta = np.clip(eta, -FARTHEST, FARTHEST)
        return special.expit(eta), special.expit(-eta)

    def _shapes(self, eta: Array, precision: Array) -> tuple[Array, Array]:
        mean, rest = self._mean_and_rest(eta)
        return precision * mean, precision * rest

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        a, b = self._shapes(eta, *extra)
        inside = np.clip(y, SMALLEST, LARGEST)
        out = (a - 1.0) * np.log(inside) + (b - 1.0) * np.log1p(-inside) - special.betaln(a, b)
        return np.where(self.support.contains(y), out, -np.inf)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return self._mean_and_rest(eta)[0] + np.zeros_like(extra[0])

    def variance(self, eta: Array, *extra: Array) -> Array:
        mean, rest = self._mean_and_rest(eta)
        return mean * rest / (1.0 + extra[0])

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        return np.asarray(special.betainc(*self._shapes(eta, *extra), np.clip(y, 0.0, 1.0)))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        y = special.betaincinv(*self._shapes(eta, *extra), level)
        return np.clip(y, SMALLEST, LARGEST)

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        log_y, log_rest = log_beta_draws(rng, *self._shapes(eta, *extra))
        y = np.where(log_y < log_rest, np.exp(log_y), -np.expm1(log_rest))
        return np.clip(y, SMALLEST, LARGEST)

    def extra_priors(self, priors: Any) -> tuple[WallPrior]:
        return (WallPrior(priors.sigma_floor, priors.sigma_ceiling),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm

        (precision,) = extra
        mean, rest = pm.math.sigmoid(eta), pm.math.sigmoid(-eta)
        return pm.Beta.dist(alpha=mean * precision, beta=rest * precision)

    def working_response(self, y: Array, *columns: Array) -> Array:
        return np.clip(np.log(y) - np.log1p(-y), -FARTHEST_START, FARTHEST_START)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        # Where the mean is a half, the sd of the logit is 2 phi^(-1/2), and more elsewhere.
        half = np.clip(0.5 * spread, priors.sigma_floor, priors.sigma_ceiling)
        return np.log(half)[:, None]
