"""Tails of the t distribution of given degrees of freedom, by incomplete beta functions."""

from __future__ import annotations

import math

from ..._kernels.compile import part

MOST_FRACTIONS = 10_000
LEAST = 1e-300


@part
def _fraction(x, a, b):
    """The continued fraction of Abramowitz and Stegun (1964), 26.5.8, by Lentz's method."""
    ratio, inverse = 1.0, 0.0
    value = 1.0
    for n in range(1, MOST_FRACTIONS):
        m = n // 2
        if n % 2 == 0:
            term = m * (b - m) * x / ((a + n - 1.0) * (a + n))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + n - 1.0) * (a + n))
        inverse = 1.0 + term * inverse
        inverse = 1.0 / (inverse if abs(inverse) > LEAST else LEAST)
        ratio = 1.0 + term / ratio
        ratio = ratio if abs(ratio) > LEAST else LEAST
        value *= ratio * inverse
        if abs(ratio * inverse - 1.0) < 1e-16:
            break
    return 1.0 / value


@part
def _log_upper_tail(z, df, constant):
    """log P(T > z) of z >= 0."""
    square = z * z / df
    x, rest = 1.0 / (1.0 + square), square / (1.0 + square)
    a = 0.5 * df
    # The beta function of a and 1/2 follows from the density at 0.
    front = math.sqrt(rest * df) * math.exp(constant)
    log_power = -a * math.log1p(square)
    if x < (a + 1.0) / (a + 2.5):
        return log_power + math.log(0.5 * front * _fraction(x, a, 0.5) / a)
    return math.log(0.5 - front * math.exp(log_power) * _fraction(rest, 0.5, a))


@part
def student_t_tail(z, right, df, constant):
    """As `normal_tail`; ``constant`` is the log of the density at 0."""
    sign = 1.0 if right else -1.0
    log_tail = _log_upper_tail(abs(z), df, constant)
    if sign * z < 0.0:
        log_tail = math.log1p(-math.exp(log_tail))
    square = z * z / df
    log_density = constant - 0.5 * (df + 1.0) * math.log1p(square)
    hazard = math.exp(log_density - log_tail)
    pull = (df + 1.0) * z / (df + z * z)
    return z, log_tail, -sign * hazard, hazard * (sign * pull - hazard)
