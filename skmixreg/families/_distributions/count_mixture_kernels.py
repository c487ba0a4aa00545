"""Probabilities of counts under mixtures of many Poisson and Poisson-Gamma distributions."""

from __future__ import annotations

import math

import numpy as np

from ..._kernels.compile import compiled, part
from ..._kernels.vector_kernels import REDUCE, exp_nonpositive, log_positive
from .special_kernels import row_series, stirling_gap

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
LARGE = 1e4  # from here on log y! loses digits
FAR = 1600.0  # squared distance, in variances, at which nothing is left
MOST_SHAPE = 1e5  # from here on the sum of logarithms loses digits


@part
def _stirling_error(x):
    if x < 20.0:
        return math.lgamma(x + 1.0) - (x + 0.5) * math.log(x) + x - HALF_LOG_2PI
    s = 1.0 / (x * x)
    return (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188))))) / x


@part
def _deviance(x, mean):
    ratio = (x - mean) / mean
    if ratio <= -1.0:
        return mean
    return mean * ((1.0 + ratio) * math.log1p(ratio) - ratio)


@part(fastmath=REDUCE)
def _small_poisson(y, log_factorial, eta, mean, weights):
    out = 0.0
    for m in range(eta.shape[0]):
        out += weights[m] * exp_nonpositive((y * eta[m] - mean[m]) - log_factorial)
    return out


@part
def _large_poisson(y, mean):
    distance = y - mean
    if distance * distance > FAR * max(y, mean):
        return 0.0
    return math.exp(-_deviance(y, mean))


@part
def _poisson_gamma(y, error, mean, alpha):
    distance = y - mean
    if alpha < 4.0 and distance * distance > FAR * (mean + alpha * mean * mean):
        return 0.0
    if y < 1.0:
        return math.exp(-math.log1p(alpha * mean) / alpha)
    r = 1.0 / alpha
    total, scale = r + y, 1.0 + alpha * mean
    value = _stirling_error(total) - _stirling_error(r) - error
    value -= _deviance(r, total / scale) + _deviance(y, total * (alpha * mean / scale))
    return math.exp(value - HALF_LOG_2PI + 0.5 * math.log(r / total / y))


@part(fastmath=REDUCE)
def _small_poisson_gamma(y, log_y, at_mean, log_mean, mean, shape, gap, weights):
    """As the density block of the negative binomial family has it, for a row of terms."""
    out = 0.0
    for m in range(mean.shape[0]):
        a = y + shape[m]
        b, log_gap, _ = row_series(a)
        value = (y * (log_mean[m] - log_y) + at_mean) + (log_gap + gap[m])
        value += a * log_positive(b / (shape[m] + mean[m]))
        out += weights[m] * exp_nonpositive(min(value, 0.0))
    return out


@compiled
def mixture_probabilities(y, row, eta, variance, weights):
    """Probability of the counts ``y`` (G,) of rows ``row`` (G,), best in the order of rows.

    ``eta`` (n, M) are log means, ``variance`` (n, M) those of the error of the Poisson-Gamma
    terms, zero where a term is Poisson; ``weights`` (M,).
    """
    M = eta.shape[1]
    out = np.empty(y.shape[0])
    mean, alpha, own, wide = np.empty(M), np.empty(M), np.empty(M), np.empty(M)
    log_mean, shape, gap = np.empty(M), np.empty(M), np.empty(M)
    last = -1
    any_own, any_wide, small_shapes = False, False, True
    for g in range(y.shape[0]):
        i = row[g]
        if i != last:
            last = i
            any_own, any_wide, small_shapes = False, False, True
            for m in range(M):
                v = variance[i, m]
                alpha[m] = math.expm1(v)
                log_mean[m] = eta[i, m] + 0.5 * v
                mean[m] = math.exp(log_mean[m])
                own[m] = 0.0 if v > 0.0 else weights[m]
                wide[m] = weights[m] if v > 0.0 else 0.0
                any_own |= own[m] > 0.0
                any_wide |= wide[m] > 0.0
                shape[m], gap[m] = 1.0, 0.0
                if v > 0.0:
                    shape[m] = 1.0 / alpha[m]
                    gap[m] = stirling_gap(shape[m])
                    small_shapes &= shape[m] < MOST_SHAPE
        count = y[g]
        if count < 0.0:
            out[g] = 0.0
            continue
        error = _stirling_error(count) if count >= 1.0 else 0.0
        value = 0.0
        if any_own and count < LARGE:
            value = _small_poisson(count, math.lgamma(count + 1.0), eta[i], mean, own)
        elif any_own:
            for m in range(M):
                if own[m] > 0.0:
                    value += own[m] * _large_poisson(count, mean[m])
            value *= math.exp(-error - HALF_LOG_2PI) / math.sqrt(count)
        if any_wide and small_shapes and count < LARGE:
            log_count = math.log(max(count, 1.0))
            at_mean = -(error + HALF_LOG_2PI + 0.5 * log_count) if count >= 1.0 else 0.0
            value += _small_poisson_gamma(
                count, log_count, at_mean, log_mean, mean, shape, gap, wide
            )
        elif any_wide:
            for m in range(M):
                if wide[m] > 0.0:
                    value += wide[m] * _poisson_gamma(count, error, mean[m], alpha[m])
        out[g] = value
    return out
