"""Log densities of every family by SciPy, from linear predictors and natural parameters."""

from __future__ import annotations

import numpy as np
from scipy import stats

LOG_DENSITIES = {
    "gaussian": lambda y, eta, sigma: stats.norm.logpdf(y, eta, sigma),
    "student_t": lambda y, eta, sigma: stats.t.logpdf(y, 4.0, eta, sigma),
    "poisson": lambda y, eta: stats.poisson.logpmf(y, np.exp(eta)),
    "gamma": lambda y, eta, shape: stats.gamma.logpdf(y, shape, scale=np.exp(eta) / shape),
    "exponential": lambda y, eta: stats.expon.logpdf(y, scale=np.exp(eta)),
}
