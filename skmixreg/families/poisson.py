"""Counts, by their logarithmic mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from .._support.arrays import Array
from ._base import Family, Support
from ._distributions import stable
from ._distributions.notation import Notation

# Beyond it exp overflows; no count has such a mean.
LARGEST_PREDICTOR = 700.0
# Counts from here on lose digits where log y! is subtracted.
LARGE_COUNT = 1e4


def rate(eta: Array) -> Array:
    """Means, from linear predictors."""
    capped = np.minimum(eta, LARGEST_PREDICTOR)
    return np.exp(capped, out=capped) if isinstance(capped, np.ndarray) else np.exp(capped)


class Poisson(Family):
    r"""Counts: :math:`y_i \mid z_i = k \sim \mathrm{Poisson}(\exp(b_{0k} + x_i^\top b_k))`.

    Slopes are logarithms of ratios of means per unit of a column.
    """

    name = "poisson"
    link = "log"
    unimodal = True
    support = Support(0.0, np.inf, low_inclusive=True)
    discrete = True
    largest_predictor = float(np.log(1e13))  # not far below the last whole number
    response_words = "counts (0, 1, 2, ...)"

    def __init__(self) -> None:
        pass

    def notation(self, *extra: str) -> Notation:
        return Notation(
            "Poisson counts, whose log mean is linear",
            r"\mathrm{Poisson}(y_i \mid \mu_{ik})",
            r"\log \mu_{ik}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.poisson_kernels import PoissonSettings

        return PoissonSettings(float(location))

    def location(self, mean: float, total: float, *columns: float) -> float:
        # Half a count where there is none at all keeps the logarithm finite.
        return float(np.log(max(mean, 0.5 / total)))

    def auxiliary(self, y: Array, *columns: Array) -> Array:
        return -special.gammaln(y + 1.0)[None]

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        mean = rate(eta)
        with np.errstate(invalid="ignore", over="ignore"):
            out = y * eta - mean - special.gammaln(y + 1.0)
            if np.max(y, initial=0.0) >= LARGE_COUNT:
                exact = stable.poisson_log_probability(np.maximum(y, LARGE_COUNT), mean)
                out = np.where(y >= LARGE_COUNT, exact, out)
        return np.where(self._possible(y), out, -np.inf)

    def _possible(self, y: Array) -> Array:
        return (y >= 0.0) & (y == np.floor(y)) & (y < np.inf)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return rate(eta)

    def variance(self, eta: Array, *extra: Array) -> Array:
        return rate(eta)

    def mean_and_variance(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        mean = rate(eta)
        return mean, mean

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        floor = np.floor(y)
        return np.where(floor < 0.0, 0.0, special.pdtr(np.maximum(floor, 0.0), rate(eta)))

    def mixture_density(
        self, y: Array, row: NDArray[Any], eta: Array, extra: Sequence[Array], weights: Array
    ) -> Array:
        from ._distributions.count_mixture_kernels import mixture_probabilities

        variance = extra[0] if extra else np.zeros(eta.shape)
        arrays = (np.require(a, np.float64, ("C", "W")) for a in (eta, variance, weights))
        out: Array = mixture_probabilities(
            np.array(y, np.float64), np.array(row, np.int64), *arrays
        )
        return out

    def widened(self, eta: Array, width: Array, *extra: Array) -> tuple[Family, list[Array], Array]:
        # On the scale of the predictor the Poisson noise has the variance 1 / mean.  No error is
        # wider than a factor of e: some hundred draws overlap as it is, and tails stay short.
        added = np.maximum(np.minimum(width, 1.0) ** 2 - 1.0 / rate(eta), 0.0)
        from ._distributions.poisson_gamma import PoissonGamma

        return PoissonGamma(), [added], added

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        return np.asarray(stats.poisson.ppf(level, rate(eta)))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        # NumPy has no Poisson draws of larger means than this.
        return rng.poisson(np.minimum(rate(eta), 9e18)).astype(np.float64)

    def extra_priors(self, priors: Any) -> tuple[()]:
        return ()

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        return pm.Poisson.dist(mu=pt.exp(eta))

    def working_response(self, y: Array, *columns: Array) -> Array:
        return np.log(y + 0.5)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.empty((len(spread), 0))
