"""Block functions of the t family, of degrees of freedom v that are given or estimated.

With z = (y - eta) / sigma,

    log f = constant - log(sigma) - (v + 1) / 2 log(1 + z^2 / v).

Where v is estimated its coordinate c is that of `student_t.DF`.  With u = z^2 / (v + z^2), C(v) the
constant, and g = log(1 + z^2 / v) - u, which is positive,

    d/dv   log f = C'(v) + (u / v - g) / 2,
    d2/dv2 log f = C''(v) + (u^2 - u (2 - u) / v) / (2 v).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, inlined, part
from ..._kernels.vector_kernels import BLOCK, EXACT, log_positive
from .._distributions.special_kernels import located_tail
from .._distributions.student_t_tail_kernels import student_t_tail
from .base_kernels import (
    density_block,
    gradient_block,
    hessian_block,
    information_block,
    tail_terms,
)

# Residuals farther out are taken for this; its square is a number.
FARTHEST = 1e100
# Coordinates of df are not looked at beyond this on either side, where squares of df are numbers.
MOST_LOG_DF = 100.0
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# The constant is a series in 1 / v from here on.
LARGE_DF = 20.0
# log(1 + s) is a series below.
SMALL_SQUARE = 0.25


class StudentTSettings(NamedTuple):
    """Settings of the t family.

    Attributes
    ----------
    df : float
        Degrees of freedom.
    constant : float
        Log density at the centre where sigma is 1.
    """

    df: float
    constant: float


class EstimatedDfSettings(NamedTuple):
    """Settings of the t family whose degrees of freedom are the second extra parameter.

    Attributes
    ----------
    least, unit : float
        df is least + unit * exp(coordinate).
    """

    least: float
    unit: float


def _is(settings: Any, of: type) -> bool:
    return isinstance(settings, types.BaseNamedTuple) and settings.instance_class is of


@part(fastmath=EXACT)
def _residuals(y, eta, extra, settings, out):
    """Standardised residuals in place of ``eta``, and log densities."""
    half, share = 0.5 * (settings.df + 1.0), 1.0 / settings.df
    for k in range(eta.shape[0]):
        scale = math.exp(-extra[k, 0])
        constant = settings.constant - extra[k, 0]
        for i in range(BLOCK):
            z = (y[i] - eta[k, i]) * scale
            z = -FARTHEST if z < -FARTHEST else z
            z = FARTHEST if z > FARTHEST else z
            eta[k, i] = z
            out[k, i] = constant - half * log_positive(1.0 + (z * z) * share)


@part(fastmath=EXACT)
def _slopes(z, extra, df, d_eta, d_extra):
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            pull = (df + 1.0) * z[k, i] / (df + z[k, i] * z[k, i])
            d_eta[k, i] = pull * scale
            d_extra[0, k, i] = pull * z[k, i] - 1.0


@part(fastmath=EXACT)
def _curvatures(z, extra, df, d_eta2, d_eta_extra, d_extra2):
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            square = z[k, i] * z[k, i]
            inverse = 1.0 / (df + square)
            weight = (df + 1.0) * inverse
            share = df * inverse
            # (v - z^2) / (v + z^2), which does not overflow
            d_eta2[k, i] = -(weight * (2.0 * share - 1.0)) * (scale * scale)
            d_eta_extra[0, k, i] = -2.0 * (weight * share * z[k, i]) * scale
            d_extra2[0, k, i] = -2.0 * (weight * share * square)


@part(fastmath=EXACT)
def _expected_information(extra, df, i_eta2, i_eta_extra, i_extra2):
    for k in range(i_eta2.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            i_eta2[k, i] = (df + 1.0) / (df + 3.0) * (scale * scale)
            i_eta_extra[0, k, i] = 0.0
            i_extra2[0, k, i] = 2.0 * df / (df + 3.0)


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is(settings, StudentTSettings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _residuals(y, eta, extra, settings, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is(settings, StudentTSettings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _residuals(y, eta, extra, settings, out)
        _slopes(eta, extra, settings.df, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is(settings, StudentTSettings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _residuals(y, eta, extra, settings, out)
        _slopes(eta, extra, settings.df, d_eta, d_extra)
        _curvatures(eta, extra, settings.df, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is(settings, StudentTSettings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _residuals(y, eta, extra, settings, out)
        _slopes(eta, extra, settings.df, d_eta, d_extra)
        _expected_information(extra, settings.df, i_eta2, i_eta_extra, i_extra2)

    return block


@overload(tail_terms, jit_options=PART)
def _tail(value, coordinate, right, settings):
    if not _is(settings, StudentTSettings):
        return None
    return lambda value, coordinate, right, settings: located_tail(
        *student_t_tail(value, right, settings.df, settings.constant), coordinate
    )


# ------------------------------------------------------------------------------ df is estimated


@part
def _excess(coordinate, settings):
    """df - least, which is also the derivative of df in its coordinate."""
    return settings.unit * math.exp(min(max(coordinate, -MOST_LOG_DF), MOST_LOG_DF))


@part
def _peak(v):
    """C(v) = log Gamma((v + 1) / 2) - log Gamma(v / 2) - log(pi v) / 2.

    By recurrence from `LARGE_DF` on, where it is a series of Bernoulli numbers (Abramowitz and
    Stegun 1964, 6.1.40 at a and a + 1/2); nothing cancels.
    """
    product, large = 1.0, v
    while large < LARGE_DF:
        product *= large / (large + 1.0)
        large += 2.0
    x = 1.0 / large
    u = x * x
    series = 5461.0 / 52.0 - u * (929569.0 / 480.0 - u * (3202291.0 / 68.0))
    series = 17.0 / 112.0 - u * (31.0 / 36.0 - u * (691.0 / 88.0 - u * series))
    series = -x * (0.25 - u * (1.0 / 24.0 - u * (0.05 - u * series)))
    return series - HALF_LOG_2PI + (0.5 * math.log(large / v) + math.log(product))


@part
def _peak_slopes(v):
    """C'(v), and what -C''(v) is more than 1 / (2 v^3)."""
    slope, bend, large = 0.0, 0.0, v
    while large < LARGE_DF:
        both = 1.0 / (large * (large + 1.0))
        slope += both
        bend += (2.0 * large + 1.0) * both * both
        large += 2.0
    x = 1.0 / large
    u = x * x
    first = 5461.0 / 4.0 - u * (929569.0 / 32.0 - u * (3202291.0 / 4.0))
    first = 17.0 / 16.0 - u * (31.0 / 4.0 - u * (691.0 / 8.0 - u * first))
    first = u * (0.25 - u * (0.125 - u * (0.25 - u * first)))
    second = 3.5 * 5461.0 - u * (0.5 * 929569.0 - u * (4.5 * 3202291.0))
    second = 8.5 - u * (77.5 - u * (1.5 * 691.0 - u * second))
    second = -(u * u * x) * (0.5 - u * (1.5 - u * second))
    if large > v:
        gap = (large - v) / (2.0 * v * large)
        slope -= gap
        bend -= gap * (1.0 / v + 1.0 / large)
        bend += 0.5 * (u * x - 1.0 / (v * v * v))
    return slope + first, bend + second


@inlined
def _log_series(square):
    """t and log(1 + s) - 2 t of s up to `SMALL_SQUARE`, with t = s / (2 + s)."""
    t = square / (2.0 + square)
    w = t * t
    series = 1.0 / 9.0 + w * (1.0 / 11.0 + w * (1.0 / 13.0 + w * (1.0 / 15.0 + w / 17.0)))
    series = 1.0 / 3.0 + w * (1.0 / 5.0 + w * (1.0 / 7.0 + w * series))
    return t, 2.0 * t * w * series


@part(fastmath=EXACT)
def _tails(y, eta, extra, settings, tails):
    """Standardised residuals in place of ``eta``, and log(1 + z^2 / v)."""
    for k in range(eta.shape[0]):
        scale = math.exp(-extra[k, 0])
        over_df = 1.0 / (settings.least + _excess(extra[k, 1], settings))
        for i in range(BLOCK):
            z = (y[i] - eta[k, i]) * scale
            z = -FARTHEST if z < -FARTHEST else z
            z = FARTHEST if z > FARTHEST else z
            eta[k, i] = z
            square = (z * z) * over_df
            t, rest = _log_series(square)
            direct = log_positive(1.0 + square)
            tails[k, i] = 2.0 * t + rest if square < SMALL_SQUARE else direct


@part(fastmath=EXACT)
def _densities(extra, settings, tails, out):
    """Log densities; ``out`` may be ``tails``."""
    for k in range(out.shape[0]):
        df = settings.least + _excess(extra[k, 1], settings)
        constant, half = _peak(df) - extra[k, 0], 0.5 * (df + 1.0)
        for i in range(BLOCK):
            out[k, i] = constant - half * tails[k, i]


@part(fastmath=EXACT)
def _all_slopes(z, extra, settings, d_eta, d_extra):
    """First derivatives; ``d_extra`` holds log(1 + z^2 / v) in its last row."""
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        by_coordinate = _excess(extra[k, 1], settings)
        df = settings.least + by_coordinate
        over_df, slope = 1.0 / df, _peak_slopes(df)[0]
        for i in range(BLOCK):
            square = z[k, i] * z[k, i]
            inverse = 1.0 / (df + square)
            pull = (df + 1.0) * z[k, i] * inverse
            t, rest = _log_series(square * over_df)
            gap = 2.0 * (t * t) / (1.0 + t) + rest
            share = square * inverse
            gap = gap if square * over_df < SMALL_SQUARE else d_extra[1, k, i] - share
            d_eta[k, i] = pull * scale
            d_extra[0, k, i] = pull * z[k, i] - 1.0
            d_extra[1, k, i] = by_coordinate * (slope + 0.5 * (share * over_df - gap))


@part(fastmath=EXACT)
def _all_curvatures(z, extra, settings, d_extra, d_eta2, d_eta_extra, d_extra2):
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        by_coordinate = _excess(extra[k, 1], settings)
        df = settings.least + by_coordinate
        over_df = 1.0 / df
        bend = -_peak_slopes(df)[1] - 0.5 * (over_df * over_df) * over_df
        for i in range(BLOCK):
            square = z[k, i] * z[k, i]
            inverse = 1.0 / (df + square)
            weight = (df + 1.0) * inverse
            near, share = df * inverse, square * inverse
            # (z^2 - 1) / (v + z^2), and what df does to the weight of a row
            turn = by_coordinate * ((square - 1.0) * inverse)
            d_eta2[k, i] = -(weight * (2.0 * near - 1.0)) * (scale * scale)
            d_eta_extra[0, k, i] = -2.0 * (weight * near * z[k, i]) * scale
            d_eta_extra[1, k, i] = (z[k, i] * inverse * turn) * scale
            d_extra2[0, k, i] = -2.0 * (weight * near * square)
            d_extra2[1, k, i] = share * turn
            curve = bend + 0.5 * over_df * (share * share - share * (2.0 - share) * over_df)
            d_extra2[2, k, i] = by_coordinate * by_coordinate * curve + d_extra[1, k, i]


@part(fastmath=EXACT)
def _all_information(extra, settings, i_eta2, i_eta_extra, i_extra2):
    """Lange, Little and Taylor (1989, J. Amer. Statist. Assoc. 84, 881-896), appendix B."""
    for k in range(i_eta2.shape[0]):
        scale = math.exp(-extra[k, 0])
        by_coordinate = _excess(extra[k, 1], settings)
        df = settings.least + by_coordinate
        both = (df + 1.0) * (df + 3.0)
        # Terms 1 / (2 v^3) of either sign are left out.
        of_df = _peak_slopes(df)[1] + (3.5 * df + 1.5) / (df * df * df * both)
        of_df *= by_coordinate * by_coordinate
        cross = -2.0 * by_coordinate / both
        for i in range(BLOCK):
            i_eta2[k, i] = (df + 1.0) / (df + 3.0) * (scale * scale)
            i_eta_extra[0, k, i] = 0.0
            i_eta_extra[1, k, i] = 0.0
            i_extra2[0, k, i] = 2.0 * df / (df + 3.0)
            i_extra2[1, k, i] = cross
            i_extra2[2, k, i] = of_df


@overload(density_block, jit_options=PART)
def _density_of_df(y, aux, eta, extra, settings, out):
    if not _is(settings, EstimatedDfSettings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _tails(y, eta, extra, settings, out)
        _densities(extra, settings, out, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient_of_df(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is(settings, EstimatedDfSettings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _tails(y, eta, extra, settings, d_extra[1])
        _densities(extra, settings, d_extra[1], out)
        _all_slopes(eta, extra, settings, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian_of_df(
    y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2
):
    if not _is(settings, EstimatedDfSettings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _tails(y, eta, extra, settings, d_extra[1])
        _densities(extra, settings, d_extra[1], out)
        _all_slopes(eta, extra, settings, d_eta, d_extra)
        _all_curvatures(eta, extra, settings, d_extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information_of_df(
    y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2
):
    if not _is(settings, EstimatedDfSettings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _tails(y, eta, extra, settings, d_extra[1])
        _densities(extra, settings, d_extra[1], out)
        _all_slopes(eta, extra, settings, d_eta, d_extra)
        _all_information(extra, settings, i_eta2, i_eta_extra, i_extra2)

    return block
