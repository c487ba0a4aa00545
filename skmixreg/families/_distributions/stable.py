"""Log probabilities of counts without cancellation, however large these are.

References
----------
Loader, C. (2000). Fast and accurate computation of binomial probabilities. Bell Laboratories.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ..._support.arrays import Array

# Standard deviations at which the normal tail is that of its series.
FAR = 30.0
# Of log means: the variance of more is no number.
MOST_LOG_MEAN = 300.0

HALF_LOG_2PI = 0.5 * float(np.log(2.0 * np.pi))
ASYMPTOTIC = 20.0


def stirling_error(x: Array) -> Array:
    """log Gamma(x + 1) - log(sqrt(2 pi x) (x / e)^x), x > 0."""
    inverse = 1.0 / np.maximum(x, ASYMPTOTIC)
    square = inverse * inverse
    series = (1 / 1680 - square * (1 / 1188 - square * (691 / 360360))) * square
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - series)))
    small = np.clip(x, np.finfo(float).tiny, ASYMPTOTIC)
    exact = special.gammaln(small + 1.0) - (small + 0.5) * np.log(small) + small - HALF_LOG_2PI
    return np.where(x < ASYMPTOTIC, exact, series)


def deviance(x: Array, mean: Array) -> Array:
    """x log(x / mean) + mean - x, x >= 0."""
    ratio = (x - mean) / mean
    return mean * (special.xlog1py(1.0 + ratio, ratio) - ratio)


def poisson_log_probability(y: Array, mean: Array) -> Array:
    """Log probability of counts y >= 1."""
    return -(HALF_LOG_2PI + 0.5 * np.log(y) + stirling_error(y) + deviance(y, mean))


def rate(eta: Array) -> Array:
    """Exponentials of log means, of which squares and inverses are numbers."""
    return np.exp(np.clip(eta, -MOST_LOG_MEAN, MOST_LOG_MEAN))


def negative_binomial_log_probability(y: Array, mean: Array, alpha: Array) -> Array:
    """Log probability of counts of this mean and the variance ``mean + alpha mean^2``."""
    none = -np.log1p(alpha * mean) / alpha
    r = 1.0 / alpha
    positive = np.maximum(y, 1.0)
    total = r + positive
    # r / total times the probability of r in binomial trials, each r / (r + mean).
    scale = 1.0 + alpha * mean
    some = (
        stirling_error(total) - stirling_error(r) - stirling_error(positive)
        - deviance(r, total / scale) - deviance(positive, total * (alpha * mean / scale))
        - HALF_LOG_2PI + 0.5 * (np.log(r) - np.log(total) - np.log(positive))
    )  # fmt: skip
    return np.where(y < 1.0, none, some)


def pymc_log_normal_tails(z: Any) -> tuple[Any, Any]:
    """Logs of the standard normal P(Z > z) and P(Z < z) in PyTensor."""
    import pytensor.tensor as pt

    def tail(z: Any) -> Any:
        # erfc underflows far out, and PyTensor's scaled one has errors of 1e-8.
        far = pt.maximum(z, FAR)
        series = pt.log1p((-1.0 + (3.0 - 15.0 / far**2) / far**2) / far**2)
        beyond = -0.5 * far**2 - pt.log(far) - 0.5 * np.log(2.0 * np.pi) + series
        near = pt.log(0.5 * pt.erfc(pt.minimum(z, FAR) / np.sqrt(2.0)))
        return pt.switch(z < FAR, near, beyond)

    return tail(z), tail(-z)
