"""Errors with tails heavier than normal ones: outliers pull little."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ._base import Extra
from ._distributions.known_error import KnownErrorFamily, total_scale, total_variance
from ._distributions.notation import Notation
from ._priors import BlockPrior, NormalPrior, WallPrior

SIGMA = Extra("sigma", in_units_of_y=True, symbol=r"\sigma")
# There is a mean; 10 in the middle of the prior.
DF = Extra("df", in_units_of_y=False, least=1.0, unit=9.0, symbol=r"\nu")
DF_PRIOR = NormalPrior(1.2)
# Where a search starts.
FIRST_DF = 8.0
# Where the sd is more the bulk of y is looked for within a few of these.
MOST_SCALES = 3.0


def _log_peak(df: Any) -> Any:
    """Log density of t at 0."""
    # The difference cancels, and what is left of the series is below rounding from here on.
    few = np.minimum(df, 100.0)
    ratio = special.gammaln(0.5 * few + 0.5) - special.gammaln(0.5 * few)
    x = 1.0 / np.maximum(df, 100.0)
    u = x * x
    series = -x * (0.25 - u * (1.0 / 24.0 - u * (0.05 - u * (17.0 / 112.0))))
    gap = np.where(df < 100.0, ratio - 0.5 * np.log(0.5 * few), series)
    return gap - 0.5 * np.log(2.0 * np.pi)


def _distribution(z: Array, df: Array) -> Array:
    """P(T <= z), in compiled code where many z have degrees of freedom in common."""
    from ._distributions.student_t_tail_kernels import MOST_DF, student_t_distribution

    if z.ndim != 2 or df.shape not in ((), (z.shape[1],)):
        return np.asarray(special.stdtr(df, z))
    # Every column has degrees of freedom of its own, or all numbers stand in one.
    columns = z.reshape(1, -1) if df.ndim == 0 else z.T
    each = np.atleast_1d(df)
    out = np.empty(columns.shape)
    student_t_distribution(np.ascontiguousarray(columns), np.minimum(each, MOST_DF), out)
    many = each > MOST_DF
    out[many] = special.stdtr(each[many, None], columns[many])
    return out.reshape(z.shape) if df.ndim == 0 else out.T


class StudentT(KnownErrorFamily):
    r"""Errors of a t distribution: :math:`y_i \mid z_i = k \sim t_\nu(b_{0k} + x_i^\top b_k,
    \sigma_k^2)`.

    :math:`\sigma_k` is the scale; the variance is :math:`\sigma_k^2 \nu / (\nu - 2)` where
    :math:`\nu > 2`, and infinite elsewhere.

    Parameters
    ----------
    df : float or None, default=4.0
        Degrees of freedom :math:`\nu`, more than 1, so that there is a mean.  4 gives an error of
        five scales about a hundredth of its influence under normal errors and costs some 4 to 9
        nats in several hundred rows where errors are normal; the fewer, the less do outliers pull.
        None estimates one :math:`\nu_k` per component, ``df_``, with the prior
        :math:`\log(\nu_k - 1) \sim N(\log 9, 1.2^2)`: 10 in the middle, and
        1.9 to 96 in 95 of 100.
    known_error : str, int or None, default=None
        The column of X, by name or position, with the standard deviation :math:`s_i` of an error
        that is known beside that of the component, in units of y: the squared scale of a row is
        then :math:`\sigma_k^2 + s_i^2`.  It is no regressor.  Predictions are of measurements with
        the errors of their rows; give zeros for y without them.

    Notes
    -----
    Where degrees of freedom are estimated the variance of y is, strictly, infinite, since values
    of 2 and below are never excluded.  ``predict(return_std=True)`` gives what the draws say: inf
    as soon as one of them has 2 or fewer, and an unstable number where some come close.  Use
    `predict_interval` and `predict_quantiles`.  Means, `crps` and `score`, which counts log
    densities, are finite.

    Expected information: Lange, Little and Taylor (1989, J. Amer. Statist. Assoc. 84, 881-896).
    """

    name = "student_t"
    link = "identity"
    response_scale = "affine"
    floor_of_rounding = "floor"

    def __init__(self, df: float | None = 4.0, known_error: str | int | None = None):
        self.df = df
        self.known_error = known_error

    @property
    def extras(self) -> tuple[Extra, ...]:  # type: ignore[override]
        """The scale, and degrees of freedom where they are not given."""
        return (SIGMA, DF) if self.df is None else (SIGMA,)

    @property
    def bend(self) -> int | None:  # type: ignore[override]
        """Known errors keep a line as uncertain as it is where sigma is small."""
        return 0 if self.known_error is None else None

    @property
    def censorable(self) -> bool:  # type: ignore[override]
        """The tails have no derivatives in degrees of freedom here."""
        return self.df is not None and self.known_error is None

    def notation(self, *extra: str) -> Notation:
        scale, *rest = extra
        df, known = (rest[0], rest[1:]) if self.df is None else (f"{self.df:g}", rest)
        degrees = "degrees of freedom estimated" if self.df is None else f"{df} degrees of freedom"
        return Notation(
            f"around a line with errors of a t distribution, of scale sigma and with {degrees}",
            rf"\mathrm{{t}}_{{{df}}}(y_i \mid \mu_{{ik}}, {total_variance((scale, *known))})",
            r"\mu_{ik}",
        )

    def check_options(self) -> None:
        if self.df is None:
            return
        if not isinstance(self.df, Real) or isinstance(self.df, bool) or not 1.0 < self.df < np.inf:
            raise ValueError(
                f"StudentT(df=...), unless it is None, must be a number above 1, got {self.df!r}."
            )

    def _parted(self, extra: tuple[Any, ...]) -> tuple[Any, Any]:
        """Scale of every row and degrees of freedom."""
        if self.df is not None:
            return total_scale(extra), self.df
        scale, df, *known = extra
        return total_scale((scale, *known)), df

    @property
    def _constant(self) -> float:
        df = float(self.df)  # type: ignore[arg-type]
        half = 0.5 * df
        ratio = special.gammaln(half + 0.5) - special.gammaln(half)
        return float(ratio - 0.5 * np.log(np.pi * df))

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.student_t_kernels import EstimatedDfSettings, StudentTSettings

        if self.df is None:
            return self._settings(EstimatedDfSettings(DF.least, DF.unit))
        return self._settings(StudentTSettings(float(self.df), self._constant))

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        sigma, df = self._parted(extra)
        # A square that overflows is a density of zero.
        with np.errstate(over="ignore"):
            z = (y - eta) / sigma
            tail = np.log1p(z * z / df)
        constant = _log_peak(df) if self.df is None else self._constant
        return constant - np.log(sigma) - 0.5 * (df + 1.0) * tail

    def mean(self, eta: Array, *extra: Array) -> Array:
        return np.broadcast_to(eta, np.broadcast_shapes(np.shape(eta), *map(np.shape, extra)))

    def variance(self, eta: Array, *extra: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(eta), *map(np.shape, extra))
        sigma, df = self._parted(extra)
        above = np.maximum(df - 2.0, 0.0)
        with np.errstate(divide="ignore"):
            return np.broadcast_to(df / above * sigma**2, shape)

    def mean_and_bulk(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        scale = self._parted(extra)[0]
        most = (MOST_SCALES * scale) ** 2
        return self.mean(eta, *extra), np.minimum(self.variance(eta, *extra), most)

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        sigma, df = self._parted(extra)
        return _distribution((y - eta) / sigma, np.asarray(df))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        sigma, df = self._parted(extra)
        return np.asarray(eta + sigma * special.stdtrit(df, level))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(eta), *map(np.shape, extra))
        sigma, df = self._parted(extra)
        return np.asarray(eta + sigma * rng.standard_t(df, shape))

    def extra_priors(self, priors: Any) -> tuple[BlockPrior, ...]:
        wall = WallPrior(priors.sigma_floor, priors.sigma_ceiling)
        return (wall, DF_PRIOR) if self.df is None else (wall,)

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm

        scale, *known = extra
        df = known.pop(0) if self.df is None else np.float64(self.df)
        if known:
            scale = pm.math.sqrt(scale**2 + known[0] ** 2)
        return pm.StudentT.dist(nu=df, mu=eta, sigma=scale)

    def pymc_log_tails(self, y: Any, eta: Any, *extra: Any) -> tuple[Any, Any]:
        import pytensor.tensor as pt

        df = np.float64(self.df)
        z = (y - eta) / extra[0]
        outer = 0.5 * pt.betainc(0.5 * df, 0.5, df / (df + z * z))
        outer, inner = pt.log(outer), pt.log1p(-outer)
        return pt.switch(z > 0.0, outer, inner), pt.switch(z > 0.0, inner, outer)

    def working_response(self, y: Array, *columns: Array) -> Array:
        return y

    def start_extras(self, spread: Array, priors: Any) -> Array:
        coordinates = np.log(np.clip(spread, priors.sigma_floor, priors.sigma_ceiling))[:, None]
        if self.df is not None:
            return coordinates
        first = np.full_like(coordinates, np.log((FIRST_DF - DF.least) / DF.unit))
        return np.concatenate([coordinates, first], axis=1)
