"""Differences of gamma functions from their leading terms, which do not cancel.

Stirling's series from `LARGE` on, and recurrence below (Abramowitz and Stegun 1964, 6.1.40, 6.3.18
and 6.4.12); relative errors are about 1e-15, or absolute ones where values are below 1.  The
functions of rows are straight-line arithmetic, copied into loops, which LLVM can then vectorise:
divisions are few.  The others are for one number.
"""

from __future__ import annotations

import math

from ..._kernels.compile import inlined, part
from ..._kernels.vector_kernels import log_positive

LARGE = 10.0
# The normal survival function follows from its continued fraction from here on.
FAR = 6.0
FRACTIONS = 40
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@inlined
def _stirling_series(inverse, u):
    series = 1.0 / 1188.0 - u * (691.0 / 360360.0 - u / 156.0)
    series = 1.0 / 1260.0 - u * (1.0 / 1680.0 - u * series)
    return inverse * (1.0 / 12.0 - u * (1.0 / 360.0 - u * series))


@inlined
def _digamma_series(inverse, u):
    series = 1.0 / 132.0 - u * (691.0 / 32760.0 - u / 12.0)
    series = 1.0 / 252.0 - u * (1.0 / 240.0 - u * series)
    return 0.5 * inverse + u * (1.0 / 12.0 - u * (1.0 / 120.0 - u * series))


@inlined
def _trigamma_series(inverse, u):
    series = 691.0 / 2730.0 - u * (7.0 / 6.0 - u * (3617.0 / 510.0))
    series = 1.0 / 42.0 - u * (1.0 / 30.0 - u * (5.0 / 66.0 - u * series))
    return 0.5 + inverse * (1.0 / 6.0 - u * (1.0 / 30.0 - u * series))


@part
def stirling_gap(a):
    """a log(a) - a - log Gamma(a)."""
    if a < LARGE:
        return a * math.log(a) - a - math.lgamma(a)
    inverse = 1.0 / a
    return 0.5 * math.log(a) - HALF_LOG_2PI - _stirling_series(inverse, inverse * inverse)


@part
def digamma_gap(a):
    """log(a) - psi(a)."""
    b, more = a, 0.0
    while b < LARGE:
        more += 1.0 / b
        b += 1.0
    inverse = 1.0 / b
    gap = _digamma_series(inverse, inverse * inverse)
    return gap if b == a else gap + more + math.log(a / b)


@part
def trigamma_excess(a):
    """a^2 psi'(a) - a."""
    b, more = a, 0.0
    while b < LARGE:
        more += 1.0 / (b * b)
        b += 1.0
    inverse = 1.0 / b
    excess = _trigamma_series(inverse, inverse * inverse)
    if b == a:
        return excess
    return a * a * ((excess + b) * (inverse * inverse) + more) - a


# ------------------------------------------------------------------------- functions of rows


# Below LARGE they are those of b = a + 10.  With w = a (a + 9) the factors of
# a (a + 1) ... (a + 9) are w (w + 8) (w + 14) (w + 18) (w + 20).


@inlined
def row_gaps(a, c, log_a, log_c):
    """Sum of `stirling_gap` of a and c, and a times `digamma_gap` of each.

    Logarithms are given.  The product of both arguments lies between 1e-130 and 1e25.
    """
    b, d = (a + 10.0 if a < LARGE else a), (c + 10.0 if c < LARGE else c)
    both = 1.0 / (b * d)
    over_b, over_d = both * d, both * b
    log_b, log_d = log_positive(b), log_positive(d)
    far, other_far = (log_b - log_a if a < LARGE else 0.0), (log_d - log_c if c < LARGE else 0.0)
    w, v = a * (a + 9.0), c * (c + 9.0)
    rise, other_rise = _rise(w), _rise(v)
    # 1 / a + ... + 1 / (a + 9)
    both = 1.0 / (rise * other_rise)
    total = (2.0 * a + 9.0) * (_slope(w) * (both * other_rise))
    other = (2.0 * c + 9.0) * (_slope(v) * (both * rise))
    gap, other_gap = (
        _digamma_series(over_b, over_b * over_b),
        _digamma_series(over_d, over_d * over_d),
    )
    first = a * ((gap - far) + (total if a < LARGE else 0.0))
    second = c * ((other_gap - other_far) + (other if c < LARGE else 0.0))
    # a (a + 1) ... (a + 9) / b^10
    product = rise * _tenth(over_b) if a < LARGE else 1.0
    product *= other_rise * _tenth(over_d) if c < LARGE else 1.0
    gap = 0.5 * (log_b + log_d) + log_positive(product) - 2.0 * HALF_LOG_2PI
    gap += ((b - a) - a * far) + ((d - c) - c * other_far)
    gap -= _stirling_series(over_b, over_b * over_b) + _stirling_series(over_d, over_d * over_d)
    return gap, first, second


@inlined
def row_series(a):
    """b, the argument of the series, and what one of its own differs by from them.

    ``a log(a) - stirling_gap(a)`` is ``a log(b)`` plus the second, and
    ``log(a) - digamma_gap(a)`` is ``log(b)`` less the third.
    """
    b = a + 10.0 if a < LARGE else a
    w = a * (a + 9.0)
    # Of large numbers nothing is taken, and their powers might overflow.
    w = w if a < LARGE else 1.0
    rise = _rise(w)
    both = 1.0 / (b * rise)
    over = both * rise
    # a (a + 1) ... (a + 9) / b^10
    product = rise * _tenth(over) if a < LARGE else 1.0
    log_gap = _stirling_series(over, over * over) - 0.5 * log_positive(product * product * b)
    log_gap += HALF_LOG_2PI - 10.0 if a < LARGE else HALF_LOG_2PI
    # 1 / a + ... + 1 / (a + 9)
    total = (2.0 * a + 9.0) * (_slope(w) * (both * b))
    gap = _digamma_series(over, over * over)
    return b, log_gap, (gap + total if a < LARGE else gap)


@inlined
def _rise(w):
    return (w * (w + 20.0)) * ((w + 8.0) * (w + 18.0)) * (w + 14.0)


@inlined
def _slope(w):
    """Derivative of `_rise`."""
    p, q = w * (w + 20.0), (w + 8.0) * (w + 18.0)
    return p * q + (w + 14.0) * ((2.0 * w + 20.0) * q + (2.0 * w + 26.0) * p)


@inlined
def _tenth(x):
    square = x * x
    fourth = square * square
    return fourth * fourth * square


@inlined
def row_excess(a):
    """`trigamma_excess`."""
    b = a + 10.0 if a < LARGE else a
    inverse = 1.0 / b
    excess = _trigamma_series(inverse, inverse * inverse)
    w = a * (a + 9.0)
    r, s, t = 1.0 / w, 1.0 / (w + 8.0), 1.0 / (w + 14.0)
    x, y = 1.0 / (w + 18.0), 1.0 / (w + 20.0)
    slope = 2.0 * a + 9.0
    # 1 / a^2 + ... + 1 / (a + 9)^2
    squares = (slope * slope) * ((r * r + s * s) + t * t + (x * x + y * y))
    total = squares - 2.0 * ((r + s) + t + (x + y))
    small = (a * a) * ((excess + b) * (inverse * inverse) + total) - a
    return small if a < LARGE else excess


@part
def located_tail(z, log_tail, slope, curvature, coordinate):
    """A tail and its derivatives in eta and log(s), from those in z = (y - eta) / s."""
    inverse = math.exp(min(max(-coordinate, -40.0), 40.0))
    both = (z * curvature + slope) * inverse
    square = z * (slope + z * curvature)
    return log_tail, -slope * inverse, -z * slope, curvature * (inverse * inverse), both, square


@part
def extreme_value_tail(q, right):
    """Tails of z = log(q), q exponential: log, and two derivatives in z."""
    if right:
        return -q, -q, -q
    if q < 1e-10:
        return math.log(max(q, 1e-300)), 1.0, -0.5 * q
    rest = -math.expm1(-q)
    # q / (e^q - 1)
    slope = q * math.exp(-q) / rest
    return math.log(rest), slope, slope * (1.0 - q - slope)


@part
def normal_tail(value, right):
    """A standard normal z: z, the log of P(Z > z) or P(Z < z), and two derivatives in z.

    Far out by the continued fraction of Abramowitz and Stegun (1964), 26.2.14.
    """
    sign = 1.0 if right else -1.0
    z = min(max(sign * value, -1e100), 1e100)
    if z < FAR:
        log_tail = math.log(0.5 * math.erfc(z / math.sqrt(2.0)))
        hazard = math.exp(-0.5 * z * z - HALF_LOG_2PI - log_tail)
    else:
        rest = 0.0
        for n in range(FRACTIONS, 0, -1):
            rest = n / (z + rest)
        hazard = z + rest
        log_tail = -0.5 * z * z - HALF_LOG_2PI - math.log(hazard)
    return sign * z, log_tail, -sign * hazard, -hazard * (hazard - z)
