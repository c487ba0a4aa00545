"""Normal errors around each line."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from .._model.blocks import Array
from .._model.priors import NumericPriors
from ._base import Family


class GaussianSettings(NamedTuple):
    """What the compiled kernels need to know; one field, since NamedTuples dispatch by type."""

    unused: float = 0.0


@lru_cache
def _log_normaliser(floor: float, ceiling: float) -> float:
    # From the scaled Bessel function: K_0 itself underflows for large f/u.
    ratio = floor / ceiling
    return float(np.log(special.k0e(ratio)) - ratio)


def _folded_mean(mean: Array, sd: Array) -> Array:
    """E|Z| of a normal Z (Leone, Nelson and Nottingham 1961, Technometrics 3, 543-550)."""
    scale = np.sqrt(2.0) * sd
    z = mean / scale
    return scale * (z * special.erf(z) + np.exp(-z * z) / np.sqrt(np.pi))


class Gaussian(Family):
    r"""Normal errors: :math:`y_i \mid z_i = k \sim N(b_{0k} + x_i^\top b_k, \sigma_k^2)`.

    Parameters
    ----------
    shared_sigma : bool, default=False
        One residual standard deviation for all components.
    """

    name = "gaussian"
    dispersion_name = "sigma"
    conjugate = True

    def __init__(self, shared_sigma: bool = False):
        self.shared_sigma = shared_sigma

    @property
    def shares_dispersion(self) -> bool:
        return bool(self.shared_sigma)

    def kernel_settings(self) -> GaussianSettings:
        return GaussianSettings()

    def log_density(self, y: Array, eta: Array, dispersion: Array) -> Array:
        z = (y - eta) / dispersion
        return -0.5 * (z * z + np.log(2.0 * np.pi)) - np.log(dispersion)

    def mean(self, eta: Array, dispersion: Array) -> Array:
        return np.broadcast_to(eta, np.broadcast_shapes(np.shape(eta), np.shape(dispersion)))

    def variance(self, eta: Array, dispersion: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(eta), np.shape(dispersion))
        return np.broadcast_to(dispersion**2, shape)

    def cdf(self, y: Array, eta: Array, dispersion: Array) -> Array:
        return special.ndtr((y - eta) / dispersion)

    def mean_absolute_error(self, y: Array, eta: Array, dispersion: Array) -> Array:
        return _folded_mean(y - eta, dispersion)

    def mean_absolute_difference(
        self, eta: Array, dispersion: Array, other_eta: Array, other_dispersion: Array
    ) -> Array:
        return _folded_mean(eta - other_eta, np.hypot(dispersion, other_dispersion))

    def sample(self, eta: Array, dispersion: Array, rng: np.random.Generator) -> Array:
        return rng.normal(eta, dispersion)

    def log_dispersion_prior(
        self, log_dispersion: Array, priors: NumericPriors
    ) -> tuple[Array, Array, Array]:
        constant = _log_normaliser(priors.sigma_floor, priors.sigma_ceiling)
        # An overflow is a sigma of density zero.
        with np.errstate(over="ignore"):
            low = (priors.sigma_floor * np.exp(-log_dispersion)) ** 2
            high = (np.exp(log_dispersion) / priors.sigma_ceiling) ** 2
        return -0.5 * (low + high) - constant, low - high, -2.0 * (low + high)

    def sample_log_dispersion_prior(
        self, size: tuple[int, ...], priors: NumericPriors, rng: np.random.Generator
    ) -> Array:
        floor, ceiling = priors.sigma_floor, priors.sigma_ceiling
        variance = stats.geninvgauss.rvs(0.0, floor / ceiling, size=size, random_state=rng)
        return 0.5 * np.log(variance * floor * ceiling)

    def pymc_log_dispersion_prior(self, name: str, priors: NumericPriors, shape: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        constant = _log_normaliser(priors.sigma_floor, priors.sigma_ceiling)

        def logp(value: Any, floor: Any, ceiling: Any) -> Any:
            low = (floor * pt.exp(-value)) ** 2
            high = (pt.exp(value) / ceiling) ** 2
            return -0.5 * (low + high) - constant

        def random(
            floor: Any, ceiling: Any, rng: np.random.Generator | None = None, size: Any = None
        ) -> Array:
            generator = np.random.default_rng() if rng is None else rng
            return self.sample_log_dispersion_prior(size, priors, generator)

        return pm.CustomDist(
            name,
            priors.sigma_floor,
            priors.sigma_ceiling,
            logp=logp,
            random=random,
            shape=shape,
        )

    def pymc_distribution(self, eta: Any, dispersion: Any) -> Any:
        import pymc as pm

        return pm.Normal.dist(mu=eta, sigma=dispersion)
