"""Counts whose logarithmic mean has an error of its own."""

from __future__ import annotations

import numpy as np
from scipy import special

from ..._support.arrays import Array
from ..poisson import Poisson, rate
from . import stable


class PoissonGamma(Poisson):
    """Counts whose mean is exp(eta) times the exponential of an error of variance ``variance``.

    The error's exponential has a Gamma distribution in place of a lognormal one.  Only for
    predictive distributions.
    """

    def _parameters(self, eta: Array, variance: Array) -> tuple[Array, Array]:
        """Mean and what its square is multiplied by in the variance."""
        return rate(eta + 0.5 * variance), np.expm1(variance)

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        mean, alpha = self._parameters(eta, extra[0])
        exact = super().log_density(y, eta)
        wide = stable.negative_binomial_log_probability(y, mean, np.where(alpha > 0.0, alpha, 1.0))
        return np.where(alpha > 0.0, wide, exact)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return self._parameters(eta, extra[0])[0]

    def variance(self, eta: Array, *extra: Array) -> Array:
        mean, alpha = self._parameters(eta, extra[0])
        return mean + alpha * mean**2

    def mean_and_variance(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        return self.mean(eta, *extra), self.variance(eta, *extra)

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        mean, alpha = self._parameters(eta, extra[0])
        count = np.maximum(np.floor(y), 0.0)
        positive = np.where(alpha > 0.0, alpha, 1.0)
        wide = special.betainc(1.0 / positive, count + 1.0, 1.0 / (1.0 + positive * mean))
        return np.where(y < 0.0, 0.0, np.where(alpha > 0.0, wide, super().cdf(y, eta)))
