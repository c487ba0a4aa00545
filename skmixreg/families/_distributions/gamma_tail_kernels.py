r"""Tails of the Gamma distribution, and derivatives in its shape.

With z the log of the ratio of a bound to the mean, a the shape, m(w) = w + 1 - e^w and
g(a) = a log(a) - a - log Gamma(a), the survival function is

.. math::

    e^{g(a) + a m(z)} J, \quad J = \int_z^\infty e^{a \{m(w) - m(z)\}} dw,

and the distribution function the same with the integral from minus infinity to z.  Derivatives of
log J in a are cumulants of m(w) - m(z).  The smaller of the two tails is integrated, from z
outwards, by Gauss and Legendre's rule; small shapes have the series of the lower one (Abramowitz
and Stegun 1964, 6.5.29), differentiated term by term.  The other tail is 1 minus it.
"""

from __future__ import annotations

import math

import numpy as np

from ..._kernels.compile import part
from .special_kernels import digamma_gap, stirling_gap, trigamma_excess

# So many nats below its largest value an integrand is left out.
NATS = 40.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
# Shapes up to this have the series.
SERIES = 30.0


@part
def _reach(a, ratio, sign):
    """How far from z an integrand falls by `NATS`, or a little farther."""
    # a {t - ratio (e^t - 1)} is concave, so that steps of Newton's from outside stay outside.
    reach = math.log1p(NATS / (a * ratio)) + 1.5 if sign > 0.0 else NATS / a + 1.0
    narrow = math.sqrt((2.0 if sign > 0.0 else 3.0) * NATS / a)
    if sign > 0.0 or narrow < 1.0:
        reach = min(reach, narrow)
    for _ in range(6):
        fall = -a * (sign * reach - ratio * math.expm1(sign * reach))
        slope = -a * (sign - sign * ratio * math.exp(sign * reach))
        reach -= (fall - NATS) / slope
    return reach


@part
def _integral(a, ratio, sign):
    """J of one side, with the first two cumulants of m(w) - m(z)."""
    half = 0.5 * _reach(a, ratio, sign)
    total, first, second = 0.0, 0.0, 0.0
    for i in range(NODES.shape[0]):
        t = sign * half * (1.0 + NODES[i])
        gap = t - ratio * math.expm1(t)
        weight = half * WEIGHTS[i] * math.exp(a * gap)
        total += weight
        first += weight * gap
        second += weight * (gap * gap)
    first /= total
    return total, first, second / total - first * first


@part
def _sum_of_series(a, ratio):
    """As `_integral`, of the lower side."""
    x = a * ratio
    term = 1.0 / a
    # Derivatives of the log of a term, whose numerator is (a ratio)^n.
    falls, squares = 1.0 / a, 1.0 / (a * a)
    total, first, second = term, -term * falls, term * (falls * falls + squares)
    n = 0.0
    while term > 1e-18 * total:
        n += 1.0
        inverse = 1.0 / (a + n)
        term *= x * inverse
        falls += inverse
        squares += inverse * inverse
        slope = n / a - falls
        total += term
        first += term * slope
        second += term * (slope * slope + squares - n / (a * a))
    first /= total
    return total, first, second / total - first * first


@part
def gamma_tail(ratio, a, right):
    """The log of a tail at ``ratio`` means, with derivatives in eta and log(a) / -2.

    Returns
    -------
    log_tail, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2 : float
    """
    z = math.log(ratio)
    upper = ratio > 1.0 if a > SERIES else a * ratio > a + 1.0
    sign = 1.0 if upper else -1.0
    if upper or a > SERIES:
        total, mean, variance = _integral(a, ratio, sign)
    else:
        total, mean, variance = _sum_of_series(a, ratio)
    at_z = (z + 1.0) - ratio
    value = stirling_gap(a) + a * at_z + math.log(total)
    of_a = digamma_gap(a) + at_z + mean
    of_a2 = variance - trigamma_excess(a) / (a * a)
    hazard = 1.0 / total
    of_z = -sign * hazard
    of_z2 = of_z * (a * (1.0 - ratio) - of_z)
    of_both = -of_z * mean
    if upper != right:
        # Of the log of 1 - p, from those of log(p)
        odds = 1.0 / math.expm1(-value)
        value = math.log(-math.expm1(value))
        of_z2 = -odds * (of_z2 + of_z * of_z) - (odds * of_z) ** 2
        of_both = -odds * (of_both + of_z * of_a) - odds * odds * of_z * of_a
        of_a2 = -odds * (of_a2 + of_a * of_a) - (odds * of_a) ** 2
        of_z, of_a = -odds * of_z, -odds * of_a
    d_extra2 = 4.0 * a * (a * of_a2 + of_a)
    return value, -of_z, -2.0 * a * of_a, of_z2, 2.0 * a * of_both, d_extra2
