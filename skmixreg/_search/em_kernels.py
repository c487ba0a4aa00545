"""Expectation-maximisation for conjugate families, compiled: many short runs on few rows.

The fixed points are the modes of the log posterior on the unconstrained vector (Dempster, Laird
and Rubin 1977, section 1 remarks on posteriors).  One iteration maximises over the weights, over
each component's coefficients given its dispersion, and over each dispersion given its
coefficients (conditional maximisation, Meng and Rubin 1993): the log posterior never falls.
"""

from __future__ import annotations

import numpy as np

from .._kernels.cholesky_kernels import factorise, solve_lower, solve_upper
from .._kernels.compile import compiled, part
from .._kernels.stage_kernels import log_softmax
from .._model._sums.row_kernels import weighted_moments


@part
def log_sigma_update(n, squares, floor, ceiling):
    """Mode of log(sigma) given n observations with this sum of squared residuals."""
    squares = squares + floor * floor
    ratio = 4.0 * squares / (ceiling * ceiling)
    return 0.5 * np.log(2.0 * squares / (n + np.sqrt(n * n + ratio)))


@part(allocates=True)
def maximise(moments, raw, priors, fit_intercept, shared, least):
    """Maximisation step from the flat sufficient statistics; ``raw`` changes in place.

    ``priors`` is (concentration, coef scale, intercept scale, floor, ceiling); ``least`` is a
    lower bound of log(sigma), for annealing.
    """
    K, P = raw.line.shape
    log_sigma = raw.extra[:, 0]
    packed = P * (P + 1) // 2
    at_cross = 1 + K
    at_xy = at_cross + K * packed
    at_yy = at_xy + K * P
    concentration, coef_scale, intercept_scale, floor, ceiling = priors
    A = np.empty((P, P))
    b = np.empty(P)
    ridge = np.empty(P)
    S = np.empty((P, P))
    total = 0.0
    for k in range(K):
        total += moments[1 + k] + concentration
    pooled_n = 0.0
    pooled_squares = 0.0
    for k in range(K):
        n_k = moments[1 + k]
        raw.logits[k, 0] = np.log((n_k + concentration) / total)
        at = at_cross + k * packed
        for i in range(P):
            for j in range(i, P):
                S[i, j] = moments[at]
                S[j, i] = moments[at]
                at += 1
        variance = np.exp(2.0 * log_sigma[k])
        for i in range(P):
            for j in range(P):
                A[i, j] = S[i, j]
            scale = intercept_scale if i == 0 else coef_scale
            ridge[i] = variance / (scale * scale)
            A[i, i] += ridge[i]
            b[i] = moments[at_xy + k * P + i]
        if not fit_intercept:
            for i in range(1, P):
                A[0, i] = 0.0
                A[i, 0] = 0.0
            A[0, 0] = 1.0
            b[0] = 0.0
        factorise(A, ridge)
        solve_lower(A, b)
        solve_upper(A, b)
        for i in range(P):
            raw.line[k, i] = b[i]
        squares = moments[at_yy + k]
        for i in range(P):
            squares -= 2.0 * b[i] * moments[at_xy + k * P + i]
            for j in range(P):
                squares += b[i] * b[j] * S[i, j]
        squares = max(squares, 0.0)
        pooled_n += n_k
        pooled_squares += squares
        if not shared:
            log_sigma[k] = max(log_sigma_update(n_k, squares, floor, ceiling), least)
    if shared:
        value = max(log_sigma_update(pooled_n, pooled_squares, floor, ceiling), least)
        for k in range(K):
            log_sigma[k] = value


@compiled
def log_prior_kernel(raw, priors, fit_intercept, shared):
    """Log prior up to a constant."""
    K, P = raw.line.shape
    concentration, coef_scale, intercept_scale, floor, ceiling = priors
    log_weights = np.empty(K)
    log_softmax(raw.logits[:, 0], log_weights)
    total = 0.0
    for k in range(K):
        total += concentration * log_weights[k]
        if fit_intercept:
            total -= 0.5 * (raw.line[k, 0] / intercept_scale) ** 2
        for j in range(1, P):
            total -= 0.5 * (raw.line[k, j] / coef_scale) ** 2
        if k == 0 or not shared:
            low = floor * np.exp(-raw.extra[k, 0])
            high = np.exp(raw.extra[k, 0]) / ceiling
            total -= 0.5 * (low * low + high * high)
    return total


@compiled
def run_em(
    observations, raw, model, priors, fit_intercept, shared, n_iterations, tolerance, anneal_from,
    anneal_iterations,
):  # fmt: skip
    """Iterate from the given parameters, in place.

    Parameters
    ----------
    n_iterations : int
    tolerance : float
        Stop when an iteration gains less, in nats.
    anneal_from : float
        Lower bound of sigma in the first iteration; it falls geometrically over
        ``anneal_iterations`` iterations to the prior's floor.  0 for none.

    Returns
    -------
    objective : float
        Log posterior up to a constant, at the last E-step.
    iterations : int
    """
    # A literal 0 would have the kernel compiled once more.
    first, n = np.int64(0), observations.target.shape[0]
    previous = -np.inf
    objective = -np.inf
    done = 0
    for iteration in range(n_iterations):
        moments = weighted_moments(first, n, observations, raw, model)
        objective = moments[0] + log_prior_kernel(raw, priors, fit_intercept, shared)
        done = iteration + 1
        annealing = anneal_from > 0.0 and iteration < anneal_iterations
        if not annealing and objective - previous < tolerance:
            break
        previous = objective if not annealing else -np.inf
        least = -1e300
        if annealing:
            fraction = iteration / anneal_iterations
            least = (1.0 - fraction) * np.log(anneal_from) + fraction * np.log(priors[3])
        maximise(moments, raw, priors, fit_intercept, shared, least)
    return objective, done
