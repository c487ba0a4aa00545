"""Random variates inside compiled code, from a splitmix64 state.

The state is an array of shape (1,), so that functions can advance it.
"""

from __future__ import annotations

import math

import numpy as np

from .compile import part

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S12, _S27, _S30, _S31 = np.uint64(12), np.uint64(27), np.uint64(30), np.uint64(31)
_ONE_BITS = np.uint64(0x3FF0000000000000)
_ONE = np.uint64(1)
# Trials that are drawn one by one.
COUNTED_TRIALS = 32


@part
def mix(z):
    """Finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection that scrambles bits."""
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@part
def uniform(state):
    """Uniform on (0, 1); ``state`` of shape (1,) advances."""
    state[0] += _GOLDEN
    return (float(mix(state[0]) >> _S12) + 0.5) * 2.0**-52


@part
def normal(state):
    """Standard normal, by Marsaglia's polar method."""
    while True:
        a = 2.0 * uniform(state) - 1.0
        b = 2.0 * uniform(state) - 1.0
        r = a * a + b * b
        if 0.0 < r < 1.0:
            return a * math.sqrt(-2.0 * math.log(r) / r)


@part
def log_gamma_draw(shape, state):
    """Logarithm of a Gamma(shape, 1) variate (Marsaglia and Tsang 2000).

    The logarithm, because for small shapes the variate itself underflows.
    """
    boost = 0.0
    if shape < 1.0:
        boost = math.log(uniform(state)) / shape
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(state)
        v = c * x
        if v > -1.0:
            log_v = 3.0 * math.log1p(v)
            # 1 - (1 + v)^3, of which the 1 would cancel.
            if math.log(uniform(state)) < 0.5 * x * x + d * (log_v - v * (3.0 + v * (3.0 + v))):
                return boost + math.log(d) + log_v


@part
def binomial_draw(n, share, state):
    """How many of n trials succeed, in a number of steps that grows as log(n).

    Trials are uniforms below ``share``.  The middle one of them in order is a Beta variate, and
    tells which half is all on one side (Devroye 1986, Non-Uniform Random Variate Generation,
    section X.4.3).
    """
    count = 0
    while n > COUNTED_TRIALS:
        rank = 1 + n // 2
        odds = log_gamma_draw(float(rank), state) - log_gamma_draw(float(n + 1 - rank), state)
        middle = 1.0 / (1.0 + math.exp(-odds))
        if share <= middle:
            n = rank - 1
            share /= middle
        else:
            count += rank
            n -= rank
            share = (share - middle) * (1.0 + math.exp(odds))
    for _ in range(n):
        if uniform(state) < share:
            count += 1
    return count


@part
def _drop(h, n, low, high):
    """f(mode + h) - f(mode), computed without cancellation."""
    return -n * h - 0.5 * (low * math.expm1(-2.0 * h) + high * math.expm1(2.0 * h))


@part
def _tangent(n, low, high, side):
    """A distance from the mode at which f has dropped by about 1, and the slope there.

    Any point with a slope is valid: the distance only decides how often a proposal is accepted.
    """
    # Where f is nearly flat its curvature leads far out; beyond these points f has dropped by 1.
    if side > 0.0:
        most = 0.5 * math.log1p((2.0 + low) / high)
    else:
        most = max(0.65, 0.5 * math.log1p((4.0 + 2.0 * high) / low))
    h = side * min(1.0 / math.sqrt(low + high), most)
    fall, slope = 0.0, 0.0
    for _ in range(200):
        fall = _drop(h, n, low, high)
        slope = -n + low * math.exp(-2.0 * h) - high * math.exp(2.0 * h)
        if -2.0 < fall < -0.5:
            break
        # f is concave, so Newton's step overshoots at most once and then closes in from outside.
        h -= (fall + 1.0) / slope
    return h, fall, slope


@part
def log_sigma_draw(n, chi, psi, state):
    """Draw t = log(sigma) from exp(f), f(t) = -n t - chi exp(-2 t) / 2 - psi exp(2 t) / 2.

    That is sigma^2 ~ GIG(-n / 2, chi, psi).  f is concave, so a constant around the mode and two
    tangents further out bound it: exact rejection for every n >= 0 and chi, psi > 0 (Devroye
    2014, Statistics and Computing 24, 239-246).
    """
    s = 2.0 * chi / (n + math.sqrt(n * n + 4.0 * chi * psi))
    mode = 0.5 * math.log(s)
    low, high = chi / s, psi * s
    right, right_fall, right_slope = _tangent(n, low, high, 1.0)
    left, left_fall, left_slope = _tangent(n, low, high, -1.0)
    # Where the tangents reach the height of the mode.
    right_edge = right - right_fall / right_slope
    left_edge = left - left_fall / left_slope
    middle = right_edge - left_edge
    right_mass, left_mass = -1.0 / right_slope, 1.0 / left_slope
    total = middle + right_mass + left_mass
    while True:
        v = uniform(state) * total
        e = math.log(uniform(state))
        if v < middle:
            h = left_edge + v
            bound = 0.0
        elif v < middle + right_mass:
            h = right_edge + e / right_slope
            bound = e
            e = math.log(uniform(state))
        else:
            h = left_edge + e / left_slope
            bound = e
            e = math.log(uniform(state))
        if bound + e <= _drop(h, n, low, high):
            return mode + h
