"""One component at known labels: its log posterior, and a step of Fisher scoring from a point."""

from __future__ import annotations

import math

import numpy as np

from .._kernels.cholesky_kernels import factorise, solve_lower, solve_upper
from .._kernels.compile import part
from .._kernels.prior_kernels import prior_terms
from .._kernels.product_kernels import add_moments, add_second_moments, linear_predictor
from .._kernels.stage_kernels import (
    add_optional,
    load,
    load_optional,
    log_softmax,
    n_optional,
    product,
)
from .._kernels.vector_kernels import BLOCK, copy_to, dot
from ..families._kernels.base_kernels import density_block, information_block

# In units of the information: a longer step is cut to this.
LONGEST_STEP = 3.0


@part(allocates=True)
def likelihood_terms(own, c, start, stop, theta, settings, score, information):
    """Log-likelihood of one component's coordinates at known labels.

    Parameters
    ----------
    own : Observations
        Rows of the component, from ``start`` to ``stop`` of those held.
    c : ndarray
        Their numbers of copies.
    theta : ndarray of shape (P + E,)
        Intercept, slopes, extras.
    score : ndarray of shape (P + E,)
        Overwritten with the gradient.
    information : ndarray of shape (P + E, P + E)
        The lower triangle is overwritten with the expected information.
    """
    p = own.columns.shape[0]
    P, E = p + 1, theta.shape[0] - p - 1
    x, y, weight = np.empty((p, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    aux = np.empty((n_optional(own.auxiliary), BLOCK))
    eta, value, d_eta = np.empty((1, BLOCK)), np.empty((1, BLOCK)), np.empty((1, BLOCK))
    d_extra, i_cross = np.empty((E, 1, BLOCK)), np.empty((E, 1, BLOCK))
    i_eta, i_extra = np.empty((1, BLOCK)), np.empty((E * (E + 1) // 2, 1, BLOCK))
    v, scratch = np.empty((1, BLOCK)), np.empty((2, BLOCK))
    line, extra = theta[:P].copy(), theta[P:].copy().reshape((1, E))
    intercept, coef = line[:1], line[1:].reshape((1, p))
    squares, sums, slopes = np.zeros((P, P)), np.zeros((1, P)), np.zeros((1, P))
    crosses = np.zeros((E, P))
    score[:] = 0.0
    information[:] = 0.0
    out = 0.0
    for lo in range(start, stop, BLOCK):
        size = min(BLOCK, stop - lo)
        for j in range(p):
            load(own.columns[j, lo : lo + size], own.columns[j, lo + size - 1], x[j])
        load(own.target[lo : lo + size], own.target[lo + size - 1], y)
        load_optional(own.auxiliary, lo, size, aux)
        load(c[lo : lo + size], 0.0, weight)
        linear_predictor(x, intercept, coef, eta)
        add_optional(own.offset, lo, size, eta)
        information_block(
            y, aux, eta, extra, settings, value, d_eta, d_extra, i_eta, i_cross, i_extra
        )
        out += dot(weight, value[0], BLOCK)
        product(weight, d_eta[0], v[0])
        add_moments(v, x, slopes)
        product(weight, i_eta[0], v[0])
        add_moments(v, x, sums)
        add_second_moments(v[0], x, scratch, squares)
        at = 0
        for e in range(E):
            score[P + e] += dot(weight, d_extra[e, 0], BLOCK)
            product(weight, i_cross[e, 0], v[0])
            add_moments(v, x, crosses[e : e + 1])
            for f in range(e, E):
                information[P + f, P + e] += dot(weight, i_extra[at, 0], BLOCK)
                at += 1
    for i in range(P):
        score[i] = slopes[0, i]
        information[i, 0] = sums[0, i]
        for j in range(1, i + 1):
            information[i, j] = squares[j, i]
        for e in range(E):
            information[P + e, i] = crosses[e, i]
    return out


@part
def component_terms(own, c, n, theta, priors, fit_intercept, settings, score, information):
    """Log posterior of one component's coordinates, up to a constant, at known labels.

    Parameters are those of `likelihood_terms`, and ``priors`` (P + E, 3); the component has the
    first ``n`` rows of those held.  The prior adds to score and information.
    """
    out = likelihood_terms(own, c, 0, n, theta, settings, score, information)
    D = theta.shape[0]
    if not fit_intercept:
        score[0] = 0.0
        for i in range(1, D):
            information[i, 0] = 0.0
    for i in range(D):
        if i == 0 and not fit_intercept:
            information[0, 0] = 1.0
            continue
        value_i, slope, precision = prior_terms(priors[i], theta[i])
        out += value_i
        score[i] += slope
        information[i, i] += precision
    return out


@part
def coordinates_of(raw, k, theta):
    """Copy intercept, slopes and extras of component k into ``theta``."""
    P = raw.line.shape[1]
    copy_to(raw.line[k], theta[:P])
    copy_to(raw.extra[k], theta[P:])  # without what components share, which comes last


@part
def set_coordinates(theta, raw, k):
    """Make ``theta`` the intercept, slopes and extras of component k."""
    P = raw.line.shape[1]
    copy_to(theta[:P], raw.line[k])
    copy_to(theta[P:], raw.extra[k, : theta.shape[0] - P])


@part(allocates=True)
def scoring_step(theta, score, information, fit_intercept, centre):
    """One step of scoring from ``theta`` into ``centre``; ``information`` becomes its factor.

    Returns
    -------
    float
        Half the log determinant of the information.
    """
    D = theta.shape[0]
    least = np.zeros(D)
    factorise(information, least)
    for i in range(D):
        centre[i] = score[i]
    solve_lower(information, centre)
    length = math.sqrt(dot(centre, centre, D))
    if length > LONGEST_STEP:
        for i in range(D):
            centre[i] *= LONGEST_STEP / length
    solve_upper(information, centre)
    half_log_determinant = 0.0
    for i in range(D):
        centre[i] += theta[i]
        half_log_determinant += math.log(information[i, i])
    if not fit_intercept:
        centre[0] = 0.0
    return half_log_determinant


@part
def squared_distance(theta, centre, factor):
    """Squared distance in units of the information whose factor is given: |L' (theta - c)|^2."""
    D = theta.shape[0]
    out = 0.0
    for j in range(D):
        s = 0.0
        for i in range(j, D):
            s += factor[i, j] * (theta[i] - centre[i])
        out += s * s
    return out


@part
def log_shares(raw, background, out):
    """Logs of the weights of the regressions and, if there is one, of the background last.

    The last extra is then the log odds of the background.
    """
    K = raw.line.shape[0]
    log_softmax(raw.logits[:, 0], out[:K])
    if background is not None:
        t = raw.extra[0, raw.extra.shape[1] - 1]
        rest = -math.log1p(math.exp(t)) if t < 0.0 else -t - math.log1p(math.exp(-t))
        for k in range(K):
            out[k] += rest
        out[K] = rest + t


@part
def number_of_labels(raw, background):
    """Regressions, and the background if there is one."""
    if background is None:
        return raw.line.shape[0]
    return raw.line.shape[0] + 1


@part(allocates=True)
def all_log_densities(observations, raw, settings, background, out):
    """Log densities of every component at every row: (K, n), or (K + 1, n).

    ``background`` (n,) holds those of the background, or is None.
    """
    if background is not None:
        copy_to(background, out[raw.line.shape[0]])
    p, n = observations.columns.shape
    K = raw.line.shape[0]
    x, y = np.empty((p, BLOCK)), np.empty(BLOCK)
    aux = np.empty((n_optional(observations.auxiliary), BLOCK))
    eta, a = np.empty((K, BLOCK)), np.empty((K, BLOCK))
    intercept = np.ascontiguousarray(raw.line[:, 0])
    coef = np.ascontiguousarray(raw.line[:, 1:])
    for lo in range(0, n, BLOCK):
        size = min(BLOCK, n - lo)
        for j in range(p):
            last = observations.columns[j, lo + size - 1]
            load(observations.columns[j, lo : lo + size], last, x[j])
        load(observations.target[lo : lo + size], observations.target[lo + size - 1], y)
        load_optional(observations.auxiliary, lo, size, aux)
        linear_predictor(x, intercept, coef, eta)
        add_optional(observations.offset, lo, size, eta)
        density_block(y, aux, eta, raw.extra, settings, a)
        for k in range(K):
            for i in range(size):
                out[k, lo + i] = a[k, i]
