"""Differences of gamma functions from their leading terms, which do not cancel.

Stirling's series from `LARGE` on, and recurrence below (Abramowitz and Stegun 1964, 6.1.40, 6.3.18
and 6.4.12); relative errors are about 1e-15.
"""

from __future__ import annotations

import math

from ..._kernels.compile import compiled

LARGE = 12.0
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@compiled
def stirling_gap(a):
    """a log(a) - a - log Gamma(a)."""
    if a < LARGE:
        return a * math.log(a) - a - math.lgamma(a)
    u = 1.0 / (a * a)
    series = (
        1.0 / 12.0 - u * (1.0 / 360.0 - u * (1.0 / 1260.0 - u * (1.0 / 1680.0 - u / 1188.0)))
    ) / a
    return 0.5 * math.log(a) - HALF_LOG_2PI - series


@compiled
def digamma_gap(a):
    """log(a) - psi(a)."""
    b, more = a, 0.0
    while b < LARGE:
        more += 1.0 / b
        b += 1.0
    u = 1.0 / (b * b)
    series = 1.0 / 132.0 - u * (691.0 / 32760.0)
    series = 1.0 / 240.0 - u * series
    series = 1.0 / 252.0 - u * series
    series = 1.0 / 120.0 - u * series
    series = 1.0 / 12.0 - u * series
    gap = 0.5 / b + u * series
    return gap if b == a else gap + more + math.log(a / b)


@compiled
def trigamma_excess(a):
    """a^2 psi'(a) - a."""
    b, more = a, 0.0
    while b < LARGE:
        more += 1.0 / (b * b)
        b += 1.0
    u = 1.0 / (b * b)
    series = 5.0 / 66.0 - u * (691.0 / 2730.0)
    series = 1.0 / 30.0 - u * series
    series = 1.0 / 42.0 - u * series
    series = 1.0 / 30.0 - u * series
    series = 1.0 / 6.0 - u * series
    # b^2 psi'(b) - b
    excess = 0.5 + series / b
    if b == a:
        return excess
    return a * a * ((excess + b) * u + more) - a
