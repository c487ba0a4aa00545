"""Normal errors around each line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ._base import Extra, Family
from ._distributions import stable
from ._distributions.known_error import KnownErrorFamily, total_scale, total_variance
from ._distributions.notation import Notation
from ._priors import WallPrior


def _folded_mean(mean: Array, sd: Array) -> Array:
    """E|Z| of a normal Z (Leone, Nelson and Nottingham 1961, Technometrics 3, 543-550)."""
    scale = np.sqrt(2.0) * sd
    z = mean / scale
    return scale * (z * special.erf(z) + np.exp(-z * z) / np.sqrt(np.pi))


class Gaussian(KnownErrorFamily):
    r"""Normal errors: :math:`y_i \mid z_i = k \sim N(b_{0k} + x_i^\top b_k, \sigma_k^2)`.

    Parameters
    ----------
    shared_sigma : bool, default=False
        One residual standard deviation for all components.
    known_error : str, int or None, default=None
        The column of X, by name or position, with the standard deviation :math:`s_i` of an error
        that is known beside that of the component, in units of y: the variance of a row is then
        :math:`\sigma_k^2 + s_i^2`.  It is no regressor.  Predictions are of measurements with the
        errors of their rows; give zeros for y without them.
    """

    name = "gaussian"
    link = "identity"
    response_scale = "affine"
    extras = (Extra("sigma", in_units_of_y=True, symbol=r"\sigma"),)
    floor_of_rounding = "floor"

    def __init__(self, shared_sigma: bool = False, known_error: str | int | None = None):
        self.shared_sigma = shared_sigma
        self.known_error = known_error

    @property
    def conjugate(self) -> bool:  # type: ignore[override]
        """Unless rows have variances of their own."""
        return self.known_error is None

    @property
    def unimodal(self) -> bool:  # type: ignore[override]
        """Known errors may leave rows to either of two lines."""
        return self.known_error is None

    @property
    def censorable(self) -> bool:  # type: ignore[override]
        """Unless rows have variances of their own."""
        return self.known_error is None

    @property
    def bend(self) -> int | None:  # type: ignore[override]
        """Known errors keep a line as uncertain as it is where sigma is small."""
        return 0 if self.known_error is None else None

    @property
    def shared_extras(self) -> tuple[str, ...]:
        return ("sigma",) if self.shared_sigma else ()

    def notation(self, *extra: str) -> Notation:
        return Notation(
            "normal around a line, with the residual standard deviation sigma",
            rf"\mathrm{{N}}(y_i \mid \mu_{{ik}}, {total_variance(extra)})",
            r"\mu_{ik}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.gaussian_kernels import GaussianSettings

        return self._settings(GaussianSettings())

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        sigma = total_scale(extra)
        # A square that overflows is a density of zero.
        with np.errstate(over="ignore"):
            z = (y - eta) / sigma
            return -0.5 * (z * z + np.log(2.0 * np.pi)) - np.log(sigma)

    def mean(self, eta: Array, *extra: Array) -> Array:
        return np.broadcast_to(eta, np.broadcast_shapes(np.shape(eta), *map(np.shape, extra)))

    def variance(self, eta: Array, *extra: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(eta), *map(np.shape, extra))
        return np.broadcast_to(total_scale(extra) ** 2, shape)

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        return special.ndtr((y - eta) / total_scale(extra))

    def outer(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        reach = 10.0 * total_scale(extra)
        return eta - reach, eta + reach

    def widened(self, eta: Array, width: Array, *extra: Array) -> tuple[Family, list[Array], Array]:
        own = total_scale(extra)
        sigma = np.maximum(own, width)
        return Gaussian(), [sigma], sigma**2 - own**2

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        return eta + total_scale(extra) * special.ndtri(level)

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        return rng.normal(eta, total_scale(extra))

    def mean_absolute_error(self, y: Array, eta: Array, *extra: Array) -> Array:
        return _folded_mean(y - eta, total_scale(extra))

    def mean_absolute_difference(
        self, eta: Array, extra: Sequence[Array], other_eta: Array, other_extra: Sequence[Array]
    ) -> Array:
        scales = total_scale(tuple(extra)), total_scale(tuple(other_extra))
        return _folded_mean(eta - other_eta, np.hypot(*scales))

    def extra_priors(self, priors: Any) -> tuple[WallPrior, ...]:
        return (WallPrior(priors.sigma_floor, priors.sigma_ceiling),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm

        scale, *known = extra
        if known:
            scale = pm.math.sqrt(scale**2 + known[0] ** 2)
        return pm.Normal.dist(mu=eta, sigma=scale)

    def pymc_log_tails(self, y: Any, eta: Any, *extra: Any) -> tuple[Any, Any]:
        return stable.pymc_log_normal_tails((y - eta) / extra[0])

    def working_response(self, y: Array, *columns: Array) -> Array:
        return y

    def start_extras(self, spread: Array, priors: Any) -> Array:
        coordinates = np.log(np.clip(spread, priors.sigma_floor, priors.sigma_ceiling))
        if self.shared_extras:
            coordinates = np.full(len(coordinates), coordinates.mean())
        return coordinates[:, None]
