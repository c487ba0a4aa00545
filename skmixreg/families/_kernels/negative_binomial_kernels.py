"""Block functions of the negative binomial family with the log link.

With m the mean, r the shape, l = log(r) / -2 the coordinate, a = y + r and
g(x) = x log(x) - x - log Gamma(x),

    log f = y log(m / y) + {y log(y) - y - log(y!)} + a log{a / (r + m)} - g(a) + g(r).

Where a is small, b = a + 10 takes its place:

    a log(a) - g(a) = a log(b) - g(b) - 10 - log{a (a + 1) ... (a + 9) / b^10}.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, inlined, part
from ..._kernels.vector_kernels import BLOCK, EXACT, clipped, exp_any, log_positive
from .._distributions.special_kernels import (
    digamma_gap,
    row_excess,
    row_series,
    stirling_gap,
    trigamma_excess,
)
from .base_kernels import density_block, gradient_block, hessian_block, information_block

# Logarithms of means and shapes are not looked at farther out: densities there are as good as
# zero, or those of the Poisson distribution.
FARTHEST = 200.0
MOST_LOG_SHAPE = 14.0


class NegativeBinomialSettings(NamedTuple):
    """Settings of the negative binomial family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_negative_binomial(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple)
        and settings.instance_class is NegativeBinomialSettings
    )


@part
def _shape(coordinate):
    return math.exp(min(max(-2.0 * coordinate, -MOST_LOG_SHAPE), MOST_LOG_SHAPE))


@inlined
def _log_density(count, at_mean, log_y, eta, a, log_ratio, log_gap, constant):
    return (count * (eta - log_y) + at_mean) + (a * log_ratio + (log_gap + constant))


@part(fastmath=EXACT)
def _densities_of(y, aux, eta, k, location, r, constant, out):
    for i in range(BLOCK):
        at, count = clipped(eta[k, i] + location, FARTHEST), y[i]
        a, inverse = count + r, 1.0 / (r + exp_any(at))
        b, log_gap, _ = row_series(a)
        log_ratio = log_positive(b * inverse)
        out[k, i] = _log_density(count, aux[0, i], aux[1, i], at, a, log_ratio, log_gap, constant)


@part
def _densities(y, aux, eta, extra, location, out):
    """Log densities; ``aux`` is y log(y) - y - log(y!) and log(y), 0 for y = 0."""
    for k in range(eta.shape[0]):
        r = _shape(extra[k, 0])
        _densities_of(y, aux, eta, k, location, r, stirling_gap(r), out)


@part(fastmath=EXACT)
def _slopes_of(y, aux, eta, k, location, r, constant, gap, out, d_eta, d_extra):
    for i in range(BLOCK):
        at, count = clipped(eta[k, i] + location, FARTHEST), y[i]
        mean = exp_any(at)
        eta[k, i] = mean
        a, inverse = count + r, 1.0 / (r + mean)
        b, log_gap, slope_gap = row_series(a)
        log_ratio = log_positive(b * inverse)
        out[k, i] = _log_density(count, aux[0, i], aux[1, i], at, a, log_ratio, log_gap, constant)
        over = (count - mean) * inverse
        d_eta[k, i] = r * over
        d_extra[0, k, i] = -2.0 * (r * ((log_ratio - slope_gap) + (gap - over)))


@part
def _slopes(y, aux, eta, extra, location, out, d_eta, d_extra):
    """Log densities and first derivatives; means in place of ``eta``."""
    for k in range(eta.shape[0]):
        r = _shape(extra[k, 0])
        constant, gap = stirling_gap(r), digamma_gap(r)
        _slopes_of(y, aux, eta, k, location, r, constant, gap, out, d_eta, d_extra)


@part(fastmath=EXACT)
def _curvatures_of(y, mean, k, r, excess, d_extra, d_eta2, d_eta_extra, d_extra2):
    for i in range(BLOCK):
        m, count = mean[k, i], y[i]
        a, inverse = count + r, 1.0 / (r + m)
        share, over = m * inverse, (count - m) * inverse
        d_eta2[k, i] = -share * (r * (a * inverse))
        d_eta_extra[0, k, i] = -2.0 * (r * over * share)
        # r^2 {psi'(a) - psi'(r)}, without r^2 / a - r, which would cancel
        ratio = r / a
        square = row_excess(a) * (ratio * ratio) - excess - count * ratio
        square += r * share + (r * inverse) * (r * over)
        d_extra2[0, k, i] = 4.0 * square - 2.0 * d_extra[0, k, i]


@part
def _curvatures(y, mean, extra, d_extra, d_eta2, d_eta_extra, d_extra2):
    for k in range(mean.shape[0]):
        r = _shape(extra[k, 0])
        excess = trigamma_excess(r)
        _curvatures_of(y, mean, k, r, excess, d_extra, d_eta2, d_eta_extra, d_extra2)


@part
def _bound_of_information(mean, extra, i_eta2, i_eta_extra, i_extra2):
    """The exact one but for the shape, whose is bounded from above.

    Its limits for small means, large means and large shapes are exact; in between the bound is up
    to 1.5 times as large for r = 1, and 2.5 times for r = 0.3.
    """
    for k in range(mean.shape[0]):
        r = _shape(extra[k, 0])
        excess = trigamma_excess(r)
        least = 2.0 * excess * r * (r + 1.0)
        for i in range(BLOCK):
            m = mean[k, i]
            i_eta2[k, i] = r * (m / (r + m))
            i_eta_extra[0, k, i] = 0.0
            i_extra2[0, k, i] = 4.0 * excess / (1.0 + 2.0 * r / m + least / (m * m))


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_negative_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _densities(y, aux, eta, extra, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_negative_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _slopes(y, aux, eta, extra, settings.location, out, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_negative_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _slopes(y, aux, eta, extra, settings.location, out, d_eta, d_extra)
        _curvatures(y, eta, extra, d_extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_negative_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _slopes(y, aux, eta, extra, settings.location, out, d_eta, d_extra)
        _bound_of_information(eta, extra, i_eta2, i_eta_extra, i_extra2)

    return block
