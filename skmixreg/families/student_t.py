"""Errors with tails heavier than normal ones: outliers pull little."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ._base import Extra
from ._distributions.known_error import KnownErrorFamily, total_scale
from ._priors import WallPrior


class StudentT(KnownErrorFamily):
    r"""Errors of a t distribution: :math:`y_i \mid z_i = k \sim t_\nu(b_{0k} + x_i^\top b_k,
    \sigma_k^2)`.

    :math:`\sigma_k` is the scale; the variance is :math:`\sigma_k^2 \nu / (\nu - 2)` where
    :math:`\nu > 2`, and infinite elsewhere.

    Parameters
    ----------
    df : float, default=4.0
        Degrees of freedom :math:`\nu`, more than 1, so that there is a mean.  4 gives an error of
        five scales about a hundredth of its influence under normal errors and costs some 4 to 5
        nats in several hundred rows where errors are normal; the fewer, the less do outliers pull.
    known_error : str, int or None, default=None
        The column of X, by name or position, with the standard deviation :math:`s_i` of an error
        that is known beside that of the component, in units of y: the squared scale of a row is
        then :math:`\sigma_k^2 + s_i^2`.  It is no regressor.  Predictions are of measurements with
        the errors of their rows; give zeros for y without them.
    """

    name = "student_t"
    link = "identity"
    response_scale = "affine"
    extras = (Extra("sigma", in_units_of_y=True),)
    floor_of_rounding = "floor"

    def __init__(self, df: float = 4.0, known_error: str | int | None = None):
        self.df = df
        self.known_error = known_error

    @property
    def bend(self) -> int | None:  # type: ignore[override]
        """Known errors keep a line as uncertain as it is where sigma is small."""
        return 0 if self.known_error is None else None

    def check_options(self) -> None:
        if not isinstance(self.df, Real) or isinstance(self.df, bool) or not 1.0 < self.df < np.inf:
            raise ValueError(f"StudentT(df=...) must be a number above 1, got {self.df!r}.")

    @property
    def _constant(self) -> float:
        half = 0.5 * self.df
        ratio = special.gammaln(half + 0.5) - special.gammaln(half)
        return float(ratio - 0.5 * np.log(np.pi * self.df))

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.student_t_kernels import StudentTSettings

        return self._settings(StudentTSettings(float(self.df), self._constant))

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        sigma = total_scale(extra)
        # A square that overflows is a density of zero.
        with np.errstate(over="ignore"):
            z = (y - eta) / sigma
            tail = np.log1p(z * z / self.df)
        return self._constant - np.log(sigma) - 0.5 * (self.df + 1.0) * tail

    def mean(self, eta: Array, *extra: Array) -> Array:
        return np.broadcast_to(eta, np.broadcast_shapes(np.shape(eta), *map(np.shape, extra)))

    def variance(self, eta: Array, *extra: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(eta), *map(np.shape, extra))
        factor = self.df / (self.df - 2.0) if self.df > 2.0 else np.inf
        return np.broadcast_to(factor * total_scale(extra) ** 2, shape)

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        return np.asarray(special.stdtr(self.df, (y - eta) / total_scale(extra)))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        return np.asarray(eta + total_scale(extra) * special.stdtrit(self.df, level))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(eta), *map(np.shape, extra))
        return np.asarray(eta + total_scale(extra) * rng.standard_t(self.df, shape))

    def extra_priors(self, priors: Any) -> tuple[WallPrior]:
        return (WallPrior(priors.sigma_floor, priors.sigma_ceiling),)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm

        scale, *known = extra
        if known:
            scale = pm.math.sqrt(scale**2 + known[0] ** 2)
        return pm.StudentT.dist(nu=np.float64(self.df), mu=eta, sigma=scale)

    def working_response(self, y: Array, *columns: Array) -> Array:
        return y

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.log(np.clip(spread, priors.sigma_floor, priors.sigma_ceiling))[:, None]
