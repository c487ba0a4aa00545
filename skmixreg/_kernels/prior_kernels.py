"""Priors of single coordinates inside compiled code; see `skmixreg.families._priors`."""

from __future__ import annotations

import math

from .compile import compiled, part


@compiled
def prior_terms(row, value):
    """Log density up to a constant, its slope, and minus its second derivative.

    ``row`` is what `BlockPrior.row` returns: 0 and the sd of a normal prior around zero, 1 and
    the floor and ceiling of a wall prior, or 2 and a, b of log odds whose share is Beta(a, b).
    """
    if row[0] == 0.0:
        precision = 1.0 / (row[1] * row[1])
        return -0.5 * precision * value * value, -precision * value, precision
    if row[0] == 2.0:
        beyond = math.log1p(math.exp(-abs(value)))
        log_share, log_rest = min(value, 0.0) - beyond, min(-value, 0.0) - beyond
        share, total = math.exp(log_share), row[1] + row[2]
        return (
            row[1] * log_share + row[2] * log_rest,
            row[1] - total * share,
            total * share * math.exp(log_rest),
        )
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
