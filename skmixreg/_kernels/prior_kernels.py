"""Priors of single coordinates inside compiled code; see `skmixreg.families._priors`."""

from __future__ import annotations

import math

import numpy as np

from .compile import compiled, part
from .stage_kernels import log_softmax


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


@compiled
def add_log_prior_terms(theta, rows, basis, concentration, gradient, hessian):
    """Log prior of the whole vector up to a constant; its derivatives are added in place.

    Parameters
    ----------
    theta : ndarray of shape (d,)
        First the K - 1 contrasts of the log odds of the weights, which follow Dirichlet's
        distribution.
    rows : ndarray of shape (d, 3)
        Priors of the other coordinates, where they stand in theta.
    basis : ndarray of shape (K, K - 1)
        Log odds from contrasts.
    concentration : float
        Of the Dirichlet distribution.
    gradient : ndarray of shape (d,)
    hessian : ndarray of shape (d, d), or (0, 0) where it is not wanted
    """
    K, wanted = basis.shape[0], hessian.shape[0] > 0
    weights = np.zeros(K)
    for k in range(K):
        for a in range(K - 1):
            weights[k] += basis[k, a] * theta[a]
    log_softmax(weights, weights)
    value = concentration * weights.sum()
    weights[:] = np.exp(weights)
    mean = np.zeros(K - 1)
    for k in range(K):
        for a in range(K - 1):
            mean[a] += weights[k] * basis[k, a]
    # Columns of the basis sum to zero.
    for a in range(K - 1):
        gradient[a] -= concentration * K * mean[a]
        if wanted:
            for b in range(K - 1):
                spread = -mean[a] * mean[b]
                for k in range(K):
                    spread += weights[k] * basis[k, a] * basis[k, b]
                hessian[a, b] -= concentration * K * spread
    for i in range(K - 1, theta.shape[0]):
        term, slope, precision = prior_terms(rows[i], theta[i])
        value += term
        gradient[i] += slope
        if wanted:
            hessian[i, i] -= precision
    return value


@compiled
def log_priors(rows, values):
    """Log prior of sets of coordinates that have the same priors, up to a constant.

    Parameters
    ----------
    rows : ndarray of shape (c, 3)
    values : ndarray of shape (S, c)

    Returns
    -------
    ndarray of shape (S,)
    """
    out = np.zeros(values.shape[0])
    for s in range(values.shape[0]):
        for i in range(values.shape[1]):
            out[s] += prior_terms(rows[i], values[s, i])[0]
    return out


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
