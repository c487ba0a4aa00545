"""The t distribution: tails with derivatives, and distribution functions of many numbers.

Both are incomplete beta functions.  With a = df / 2, x = df / (df + z^2) and u = 1 - x, for z > 0

    P(T > z) = sqrt(u) x^a / (2 a B) F(a + 1/2, 1; a + 1; x)
             = 1/2 - sqrt(u) x^a / B F(a + 1/2, 1; 3/2; u),    B = B(a, 1/2)

(Abramowitz and Stegun 1964, 26.7.1, 26.5.23 and 15.3.3).  The terms of both series are positive;
the first serves from z = 3 or z^2 = df on, whichever is less, so that the second hardly cancels.
"""

from __future__ import annotations

import math

import numpy as np

from ..._kernels.compile import compiled, part
from ..._kernels.vector_kernels import EXACT, exp_any, log_positive

MOST_FRACTIONS = 10_000
LEAST = 1e-300
# Of the series, at most; those of up to so many degrees of freedom end before.
MOST_TERMS = 320
MOST_DF = 50.0
FAR_SQUARE = 9.0
LEAST_EXPONENT = -690.0
WIDTH = 64  # numbers at a time; a constant, so that loops are vectorised
MOST_RATIO = 1e280  # z^2 / df, where nothing is left of a tail


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


@part
def _series(a, below, most, out):
    """Coefficients of F(a + 1/2, 1; below; v), as far as they count for v <= most: how many."""
    term, power, total = 1.0, 1.0, 0.0
    for j in range(MOST_TERMS):
        out[j] = term
        total += term * power
        if term * power < 1e-17 * total:
            return j + 1
        term *= (a + 0.5 + j) / (below + j)
        power *= most
    return MOST_TERMS


@part(fastmath=EXACT)
def _polynomial(coefficients, n, v, out):
    for i in range(WIDTH):
        out[i] = coefficients[n - 1]
    for j in range(n - 2, -1, -1):
        for i in range(WIDTH):
            out[i] = out[i] * v[i] + coefficients[j]


@part(fastmath=EXACT)
def _arguments(square, df, far, x, v, w):
    """u in place of squares, and x, and these two where the series are of them."""
    for i in range(WIDTH):
        ratio = square[i] / df
        ratio = MOST_RATIO if ratio > MOST_RATIO else ratio
        x[i] = 1.0 / (1.0 + ratio)
        u = ratio * x[i]
        square[i] = u
        v[i] = x[i] if u > far else 0.0
        w[i] = 0.0 if u > far else u


@part(fastmath=EXACT)
def _upper_tails(u, x, df, front, far, tail, centre):
    """In place of ``tail``."""
    for i in range(WIDTH):
        exponent = 0.5 * df * log_positive(x[i])
        both = front * math.sqrt(u[i]) * exp_any(exponent)
        upper = both * tail[i] / df if u[i] > far else 0.5 - both * centre[i]
        nothing = x[i] < 2.0 / MOST_RATIO or exponent < LEAST_EXPONENT
        tail[i] = 0.0 if nothing else upper


@compiled
def student_t_distribution(z, df, out):
    """P(T <= z) of columns z[m] of ``df[m]`` degrees of freedom, up to `MOST_DF`, into ``out``."""
    of_tail, of_centre = np.empty(MOST_TERMS), np.empty(MOST_TERMS)
    u, x, v, w = np.zeros(WIDTH), np.empty(WIDTH), np.empty(WIDTH), np.empty(WIDTH)
    tail, centre = np.empty(WIDTH), np.empty(WIDTH)
    for m in range(df.shape[0]):
        a = 0.5 * df[m]
        front = math.exp(math.lgamma(a + 0.5) - math.lgamma(a)) / math.sqrt(math.pi)
        far = min(0.5, FAR_SQUARE / (FAR_SQUARE + df[m]))
        n_tail = _series(a, a + 1.0, 1.0 - far, of_tail)
        n_centre = _series(a, 1.5, far, of_centre)
        for start in range(0, z.shape[1], WIDTH):
            size = min(WIDTH, z.shape[1] - start)
            part_z, part_out = z[m, start : start + size], out[m, start : start + size]
            for i in range(size):
                u[i] = part_z[i] * part_z[i]
            _arguments(u, df[m], far, x, v, w)
            _polynomial(of_tail, n_tail, v, tail)
            _polynomial(of_centre, n_centre, w, centre)
            _upper_tails(u, x, df[m], front, far, tail, centre)
            for i in range(size):
                part_out[i] = tail[i] if part_z[i] < 0.0 else 1.0 - tail[i]
