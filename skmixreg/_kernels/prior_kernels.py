"""Priors of single coordinates inside compiled code; see `skmixreg.families._priors`."""

from __future__ import annotations

import math

from .compile import compiled, part


@compiled
def prior_terms(row, value):
    """Log density up to a constant, its slope, and minus its second derivative.

    ``row`` is what `BlockPrior.row` returns: 0 and the sd of a normal prior around zero, or 1 and
    the floor and ceiling of a wall prior.
    """
    if row[0] == 0.0:
        precision = 1.0 / (row[1] * row[1])
        return -0.5 * precision * value * value, -precision * value, precision
    low = (row[1] * math.exp(-value)) ** 2
    high = (math.exp(value) / row[2]) ** 2
    return -0.5 * (low + high), low - high, 2.0 * (low + high)


@part
def log_prior_of_component(priors, line, extra, fit_intercept):
    """Log prior of intercept, slopes and extras of one component, up to a constant."""
    P = line.shape[0]
    out = 0.0
    for j in range(P):
        if j > 0 or fit_intercept:
            out += prior_terms(priors[j], line[j])[0]
    for e in range(extra.shape[0]):
        out += prior_terms(priors[P + e], extra[e])[0]
    return out
