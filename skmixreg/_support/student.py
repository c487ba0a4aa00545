"""The multivariate t distribution.

Compiled loops have its kernel inline, `student_log_kernel` in other words.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from .arrays import Array


def student_log_constant(size: int, df: float) -> float:
    """Log density at the centre, where the scale matrix is the identity, in ``size`` dimensions."""
    constant = gammaln(0.5 * (df + size)) - gammaln(0.5 * df) - 0.5 * size * np.log(np.pi * df)
    return float(constant)


def student_log_kernel(squares: Array, size: int, df: float) -> Array:
    """Log density relative to the centre, from squared distances in units of the scale."""
    return np.asarray(-0.5 * (df + size) * np.log1p(squares / df))


def student_noise(rng: np.random.Generator, n: int, size: int, df: float) -> Array:
    """Draws around zero with the identity as scale matrix: (n, size)."""
    z = rng.standard_normal((n, size))
    z /= np.sqrt(rng.chisquare(df, n) / df)[:, None]
    return z
