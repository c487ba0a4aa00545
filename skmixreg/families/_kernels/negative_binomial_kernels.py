"""Block functions of the negative binomial family with the log link.

With m the mean, r the shape, l = log(r) / -2 the coordinate and u = log{(r + y) / (r + m)},

    log f = y log(m) - log(y!) + S - (y + r) log(1 + m / r),
    S = log Gamma(y + r) - log Gamma(r) - y log(r) = sum over j < y of log(1 + j / r),

a product for small counts and by Stirling's series for large ones:

    log f = y log(m / y) + {y log(y) - y - log(y!)} + (y + r) u - g(y + r) + g(r),
    g(a) = a log(a) - a - log Gamma(a).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_any, log_positive
from .._distributions.special_kernels import digamma_gap, stirling_gap, trigamma_excess
from .base_kernels import density_block, gradient_block, hessian_block, information_block

# Logarithms of means and shapes are not looked at farther out: densities there are as good as
# zero, or those of the Poisson distribution.
FARTHEST = 200.0
MOST_LOG_SHAPE = 14.0
# Counts below this are sums over j; above, the series has converged for every shape.
SMALL = 12.0


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


@part(fastmath=EXACT)
def _clip(k, location, eta):
    for i in range(BLOCK):
        a = eta[k, i] + location
        a = -FARTHEST if a < -FARTHEST else a
        a = FARTHEST if a > FARTHEST else a
        eta[k, i] = a


@part
def _means(y, aux, eta, extra, location, out):
    """Means in place of ``eta``, and log densities.

    ``aux`` is y log(y) - y - log(y!) and log(y), 0 for y = 0.
    """
    for k in range(eta.shape[0]):
        r = _shape(extra[k, 0])
        constant, inverse = stirling_gap(r), 1.0 / r
        _clip(k, location, eta)
        for i in range(BLOCK):
            a, count = eta[k, i], y[i]
            mean = exp_any(a)
            eta[k, i] = mean
            value = count * (a - aux[1, i]) + aux[0, i]
            if count < SMALL:
                product, j = 1.0, 1.0
                while j < count:
                    product *= 1.0 + j * inverse
                    j += 1.0
                value += count + log_positive(product)
                value -= (count + r) * log_positive(1.0 + mean * inverse)
            else:
                value += (count + r) * log_positive((count + r) / (mean + r))
                value -= stirling_gap(count + r) - constant
            out[k, i] = value


@part
def _slopes(y, mean, extra, d_eta, d_extra):
    for k in range(mean.shape[0]):
        r = _shape(extra[k, 0])
        gap, inverse = digamma_gap(r), 1.0 / r
        for i in range(BLOCK):
            m, count = mean[k, i], y[i]
            over = (count - m) / (r + m)
            d_eta[k, i] = r * over
            if count < SMALL:
                # The sum of 1 / (r + j), as one fraction
                top, bottom, j = 0.0, 1.0, 0.0
                while j < count:
                    top = top * (r + j) + bottom
                    bottom *= r + j
                    j += 1.0
                slope = top / bottom - log_positive(1.0 + m * inverse)
            else:
                slope = log_positive((count + r) / (m + r)) - (digamma_gap(count + r) - gap)
            d_extra[0, k, i] = -2.0 * (r * (slope - over))


@part
def _curvatures(y, mean, extra, d_extra, d_eta2, d_eta_extra, d_extra2):
    for k in range(mean.shape[0]):
        r = _shape(extra[k, 0])
        excess = trigamma_excess(r)
        for i in range(BLOCK):
            m, count = mean[k, i], y[i]
            inverse = 1.0 / (r + m)
            share, over = m * inverse, (count - m) * inverse
            d_eta2[k, i] = -share * (r * ((r + count) * inverse))
            d_eta_extra[0, k, i] = -2.0 * (r * over * share)
            # r^2 {psi'(y + r) - psi'(r)}
            if count < SMALL:
                gap, j = 0.0, 0.0
                while j < count:
                    gap -= (r / (r + j)) ** 2
                    j += 1.0
            else:
                ratio = r / (count + r)
                # r^2 / (y + r) - r, which would cancel
                gap = trigamma_excess(count + r) * ratio * ratio - excess - count * ratio
            square = gap + r * share + (r * inverse) * (r * over)
            d_extra2[0, k, i] = 4.0 * square - 2.0 * d_extra[0, k, i]


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
        _means(y, aux, eta, extra, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_negative_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _means(y, aux, eta, extra, settings.location, out)
        _slopes(y, eta, extra, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_negative_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _means(y, aux, eta, extra, settings.location, out)
        _slopes(y, eta, extra, d_eta, d_extra)
        _curvatures(y, eta, extra, d_extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_negative_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _means(y, aux, eta, extra, settings.location, out)
        _slopes(y, eta, extra, d_eta, d_extra)
        _bound_of_information(eta, extra, i_eta2, i_eta_extra, i_extra2)

    return block
