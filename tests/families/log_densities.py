"""Log densities of every family by SciPy, from linear predictors and natural parameters."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from skmixreg.families import FAMILIES, Family

# Values of a family's columns, for families that need any; in place of names stand positions.
COLUMNS = {"binomial": [12.0, 40.0]}
KNOWN_ERRORS = [0.0, 0.3, 2.0]


def family_of(name: str) -> Family:
    """A family whose columns, if it needs any, are the first ones of X."""
    family = FAMILIES[name]()
    options = family.column_options if name in COLUMNS else ()
    return family.set_params(**{option: j for j, option in enumerate(options)})


def negative_binomial(y, eta, shape):
    """With both probabilities to full precision, which SciPy's own function lacks."""
    log_m = -np.logaddexp(0.0, np.log(shape) - eta)
    log_r = -np.logaddexp(0.0, eta - np.log(shape))
    return -np.log(y + shape) - special.betaln(shape, y + 1.0) + shape * log_r + y * log_m


def binomial(y, eta, trials):
    """As the negative binomial, and for the same reason."""
    coefficient = special.gammaln(trials + 1.0) - special.gammaln(y + 1.0)
    coefficient -= special.gammaln(trials - y + 1.0)
    return coefficient + y * special.log_expit(eta) + (trials - y) * special.log_expit(-eta)


def beta(y, eta, precision):
    return stats.beta.logpdf(y, precision * special.expit(eta), precision * special.expit(-eta))


def student_t(y, eta, sigma, df, known=0.0):
    """Of degrees of freedom that are an extra parameter."""
    return stats.t.logpdf(y, df, eta, np.hypot(sigma, known))


LOG_DENSITIES = {
    "gaussian": lambda y, eta, sigma, known=0.0: stats.norm.logpdf(y, eta, np.hypot(sigma, known)),
    "student_t": lambda y, eta, sigma, known=0.0: stats.t.logpdf(
        y, 4.0, eta, np.hypot(sigma, known)
    ),
    "poisson": lambda y, eta: stats.poisson.logpmf(y, np.exp(eta)),
    "negative_binomial": negative_binomial,
    "binomial": binomial,
    "gamma": lambda y, eta, shape: stats.gamma.logpdf(y, shape, scale=np.exp(eta) / shape),
    "lognormal": lambda y, eta, sigma: stats.lognorm.logpdf(y, sigma, scale=np.exp(eta)),
    "weibull": lambda y, eta, shape: stats.weibull_min.logpdf(y, shape, scale=np.exp(eta)),
    "exponential": lambda y, eta: stats.expon.logpdf(y, scale=np.exp(eta)),
    "beta": beta,
}


def log_density_of(family):
    """Its row of the table; of a family with an extra parameter more, that with it."""
    return student_t if "df" in family.extra_names else LOG_DENSITIES[family.name]
