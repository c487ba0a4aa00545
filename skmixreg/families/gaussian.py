"""Normal errors around each line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ._base import Extra, Family
from ._priors import WallPrior


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
    link = "identity"
    response_scale = "affine"
    extras = (Extra("sigma", in_units_of_y=True),)
    linear_mean = True
    conjugate = True
    bend = 0
    floor_of_rounding = "floor"

    def __init__(self, shared_sigma: bool = False):
        self.shared_sigma = shared_sigma

    @property
    def shared_extras(self) -> tuple[str, ...]:
        return ("sigma",) if self.shared_sigma else ()

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.gaussian_kernels import GaussianSettings

        return GaussianSettings()

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        (sigma,) = extra
        # A square that overflows is a density of zero.
        with np.errstate(over="ignore"):
            z = (y - eta) / sigma
            return -0.5 * (z * z + np.log(2.0 * np.pi)) - np.log(sigma)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return np.broadcast_to(eta, np.broadcast_shapes(np.shape(eta), np.shape(extra[0])))

    def variance(self, eta: Array, *extra: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(eta), np.shape(extra[0]))
        return np.broadcast_to(extra[0] ** 2, shape)

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        return special.ndtr((y - eta) / extra[0])

    def outer(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        return eta - 10.0 * extra[0], eta + 10.0 * extra[0]

    def widened(self, eta: Array, width: Array, *extra: Array) -> tuple[Family, list[Array], Array]:
        sigma = np.maximum(extra[0], width)
        return self, [sigma], sigma**2 - extra[0] ** 2

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        return eta + extra[0] * special.ndtri(level)

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        return rng.normal(eta, extra[0])

    def mean_absolute_error(self, y: Array, eta: Array, *extra: Array) -> Array:
        return _folded_mean(y - eta, extra[0])

    def mean_absolute_difference(
        self, eta: Array, extra: Sequence[Array], other_eta: Array, other_extra: Sequence[Array]
    ) -> Array:
        return _folded_mean(eta - other_eta, np.hypot(extra[0], other_extra[0]))

    def extra_priors(self, priors: Any) -> tuple[WallPrior, ...]:
        return (WallPrior(priors.sigma_floor, priors.sigma_ceiling),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm

        return pm.Normal.dist(mu=eta, sigma=extra[0])

    def working_response(self, y: Array, *columns: Array) -> Array:
        return y

    def start_extras(self, spread: Array, priors: Any) -> Array:
        coordinates = np.log(np.clip(spread, priors.sigma_floor, priors.sigma_ceiling))
        if self.shared_extras:
            coordinates = np.full(len(coordinates), coordinates.mean())
        return coordinates[:, None]
