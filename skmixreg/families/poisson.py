"""Counts, by their logarithmic mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from .._support.arrays import Array
from ._base import Family, Support

# Beyond it exp overflows; no count has such a mean.
LARGEST_PREDICTOR = 700.0


def _rate(eta: Array) -> Array:
    rate = np.minimum(eta, LARGEST_PREDICTOR)
    return np.exp(rate, out=rate) if isinstance(rate, np.ndarray) else np.exp(rate)


class Poisson(Family):
    r"""Counts: :math:`y_i \mid z_i = k \sim \mathrm{Poisson}(\exp(b_{0k} + x_i^\top b_k))`.

    Slopes are logarithms of ratios of means per unit of a column.
    """

    name = "poisson"
    link = "log"
    support = Support(0.0, np.inf, low_inclusive=True)
    discrete = True
    response_words = "counts (0, 1, 2, ...)"
    response_advice = "Use family='gaussian' for measurements."

    def __init__(self) -> None:
        pass

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.poisson_kernels import PoissonSettings

        return PoissonSettings(float(location))

    def location(self, mean: float, total: float) -> float:
        # Half a count where there is none at all keeps the logarithm finite.
        return float(np.log(max(mean, 0.5 / total)))

    def auxiliary(self, y: Array) -> Array:
        return -special.gammaln(y + 1.0)[None]

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        return y * eta - _rate(eta) - special.gammaln(y + 1.0)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return _rate(eta)

    def variance(self, eta: Array, *extra: Array) -> Array:
        return _rate(eta)

    def mean_and_variance(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        rate = _rate(eta)
        return rate, rate

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        floor = np.floor(y)
        return np.where(floor < 0.0, 0.0, special.pdtr(np.maximum(floor, 0.0), _rate(eta)))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        return np.asarray(stats.poisson.ppf(level, _rate(eta)))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        # NumPy has no Poisson draws of larger means than this.
        return rng.poisson(np.minimum(_rate(eta), 9e18)).astype(np.float64)

    def extra_priors(self, priors: Any) -> tuple[()]:
        return ()

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        return pm.Poisson.dist(mu=pt.exp(eta))

    def working_response(self, y: Array) -> Array:
        return np.log(y + 0.5)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.empty((len(spread), 0))
