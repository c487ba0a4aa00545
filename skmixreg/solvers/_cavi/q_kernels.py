"""Variational Bayes for normal components, compiled: the row pass, the updates of q, the steps.

The approximation q is held in arrays that the updates change in place; K components, P = p + 1
with the intercept first (its entries are 0 without one), m = K dispersions, or 1 that is shared:

* ``log_weights`` (K,): E[log w_k], and ``counts`` (K,): expected numbers of observations;
* ``lines`` (K, P): means of the coefficients, ``factors`` (K, P, P): the inverse R of the lower
  Cholesky factor of their precision, so that their covariance is R'R;
* ``spreads`` (m, 7): of t = log(sigma^2), see `inverse_gaussian_moments`.

Sufficient statistics come in the order of `row_kernels.weighted_moments` without its first
element, as means per observation.
"""

from __future__ import annotations

import math

import numpy as np

from ..._kernels.cholesky_kernels import factorise
from ..._kernels.compile import compiled, part
from ..._kernels.product_kernels import add_cross_products, flat_cross_products
from ..._kernels.stage_kernels import (
    all_ones,
    load,
    load_rows,
    log_sum_exp,
    normalise,
    weighted_total,
)
from ..._kernels.variate_kernels import log_sigma_draw
from ..._kernels.vector_kernels import BLOCK, EXACT

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# The density of t is cut where it has fallen by this many nats.
FALL = 40.0
# Trapezoids: so many at least, and no wider than that.  The integrand is analytic around the real
# line, so that the error falls as exp(-pi^2 / width).
LEAST_TRAPEZOIDS = 64
WIDEST_TRAPEZOID = 0.2

ORDER, CHI, MODE, MEAN, RISE, SQUARE, LOG_INTEGRAL = range(7)


@part
def _digamma(x):
    """Derivative of log gamma, x > 0: recurrence, then the asymptotic series."""
    out = 0.0
    while x < 10.0:
        out -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    series = 1.0 / 12.0 - z * (
        1.0 / 120.0
        - z * (1.0 / 252.0 - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * 691.0 / 32760.0)))
    )
    return out + math.log(x) - 0.5 / x - z * series


@part
def _reach(up, down):
    """A distance s > 0 at which up (e^s - 1 - s) + down (e^-s - 1 + s) is at least `FALL`."""
    s = min(
        math.sqrt(2.0 * FALL / up), max(2.0, math.log(1.7 * FALL / up)), max(2.0, 2.0 * FALL / down)
    )
    for _ in range(8):  # Newton's method from outside stays outside, since the function is convex
        value = up * (math.expm1(s) - s) + down * (math.expm1(-s) + s)
        s -= (value - FALL) / (up * math.expm1(s) - down * math.expm1(-s))
    return s


@compiled
def inverse_gaussian_moments(order, psi, chi, out):
    """Moments of t = log(sigma^2) where sigma^2 ~ GIG(order, psi, chi), order <= 0.

    The density of t is proportional to exp(order t - psi e^t / 2 - chi e^-t / 2), which is
    log-concave; with s = t - mode it falls from its mode by
    A (e^s - 1 - s) + B (e^-s - 1 + s), A = psi e^mode / 2, B = chi e^-mode / 2.

    ``out`` becomes order, chi, the mode of t, E[s], E[e^-s] - 1, E[s^2] and the log of the
    integral of the density relative to its mode: differences from the mode, so that nothing
    cancels for 10^8 observations.
    """
    x = chi / (-order + math.sqrt(order * order + psi * chi))
    up, down = 0.5 * psi * x, 0.5 * chi / x
    right, left = _reach(up, down), _reach(down, up)
    n = max(LEAST_TRAPEZOIDS, math.ceil((right + left) / WIDEST_TRAPEZOID))
    step = (right + left) / n
    mass = first = inverse = second = 0.0
    for i in range(n + 1):
        s = i * step - left
        grow, shrink = math.expm1(s), math.expm1(-s)
        density = math.exp(-up * (grow - s) - down * (shrink + s))
        mass += density
        first += density * s
        inverse += density * shrink
        second += density * s * s
    out[ORDER] = order
    out[CHI] = chi
    out[MODE] = math.log(x)
    out[MEAN] = first / mass
    out[RISE] = inverse / mass
    out[SQUARE] = second / mass
    out[LOG_INTEGRAL] = math.log(mass * step)


@part
def _precision(spread):
    """E[1 / sigma^2]."""
    return math.exp(-spread[MODE]) * (1.0 + spread[RISE])


@part(fastmath=EXACT)
def _expected_log_density(x, y, lines, factors, precision, scratch, out):
    """Add -E[(y - x~'b)^2 / sigma^2] / 2 to ``out``, which holds the rest."""
    K, P = lines.shape
    for k in range(K):
        half = 0.5 * precision[k]
        for i in range(BLOCK):
            scratch[i] = y[i] - lines[k, 0]
        for j in range(1, P):
            b = lines[k, j]
            for i in range(BLOCK):
                scratch[i] -= b * x[j - 1, i]
        for i in range(BLOCK):
            out[k, i] = scratch[i] * scratch[i]
        for r in range(P):
            a = factors[k, r, 0]
            for i in range(BLOCK):
                scratch[i] = a
            for j in range(1, r + 1):
                b = factors[k, r, j]
                for i in range(BLOCK):
                    scratch[i] += b * x[j - 1, i]
            for i in range(BLOCK):
                out[k, i] += scratch[i] * scratch[i]
        for i in range(BLOCK):
            out[k, i] *= -half


@compiled
def variational_moments(start, stop, observations, log_weights, lines, factors, spreads):
    """Sums over rows for coordinate ascent.

    Returns
    -------
    ndarray of shape (1 + K + K P (P + 1) / 2 + K P + K,)
        As `row_kernels.weighted_moments`, at the responsibilities that maximise the
        evidence lower bound; the first element is the part of the bound that the rows enter.
    """
    return _variational_moments(
        start, stop, observations.columns, observations.target, observations.weights,
        log_weights, lines, factors, spreads,
    )  # fmt: skip


@part(allocates=True)
def _variational_moments(start, stop, X, y, w, log_weights, lines, factors, spreads):
    K, P = lines.shape
    p = P - 1
    constant, precision = np.empty(K), np.empty(K)
    for k in range(K):
        spread = spreads[min(k, spreads.shape[0] - 1)]
        constant[k] = log_weights[k] - 0.5 * (spread[MODE] + spread[MEAN]) - HALF_LOG_2PI
        precision[k] = _precision(spread)
    bound = 0.0
    x_block, y_block, w_block = np.empty((p, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    r = np.empty((K, BLOCK))
    top, norm, scratch = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    v, pair = np.empty((2, BLOCK)), np.empty((2, BLOCK))
    sums, squares, yy = np.zeros((K, 2, P)), np.zeros((K, P, P)), np.zeros(K)
    for lo in range(start, stop, BLOCK):
        n = min(BLOCK, stop - lo)
        load_rows(lo, n, X, y, x_block, y_block)
        load(w[lo : lo + n], 0.0, w_block)
        _expected_log_density(x_block, y_block, lines, factors, precision, scratch, r)
        log_sum_exp(constant, r, top, norm)
        bound += weighted_total(w_block, all_ones(w_block), top, norm)
        normalise(r, norm)
        add_cross_products(w_block, r, x_block, y_block, v, pair, sums, squares, yy)
    return flat_cross_products(bound, sums, squares, yy)


@part
def _inverse_factor(A, least, first, R):
    """R = L^-1 from A = L L' on the coordinates from ``first`` on; A is overwritten."""
    P = A.shape[0]
    for j in range(first):
        for i in range(P):
            A[i, j] = 0.0
        A[j, j] = 1.0
    factorise(A, least)
    for j in range(first, P):
        R[j, j] = 1.0 / A[j, j]
        for i in range(j + 1, P):
            v = 0.0
            for k in range(j, i):
                v -= A[i, k] * R[k, j]
            R[i, j] = v / A[i, i]


@part
def _update_line(n, S, xy, yy, precision, prior, first, A, line, R):
    """Normal distribution of one line given E[1 / sigma^2]; returns E[sum of squares]."""
    P = line.shape[0]
    for i in range(first, P):
        for j in range(first, P):
            A[i, j] = precision * S[i, j]
        A[i, i] += prior[i]
    _inverse_factor(A, prior, first, R)
    squares = yy
    for r in range(first, P):
        projected = spread = 0.0
        for i in range(first, r + 1):
            projected += R[r, i] * precision * xy[i]
            inner = 0.0
            for j in range(first, r + 1):
                inner += S[i, j] * R[r, j]
            spread += R[r, i] * inner
        A[r, r] = projected
        squares += spread
    for i in range(first, P):
        v = 0.0
        for r in range(i, P):
            v += R[r, i] * A[r, r]
        line[i] = v
    for i in range(first, P):
        inner = 0.0
        for j in range(first, P):
            inner += S[i, j] * line[j]
        squares += line[i] * (inner - 2.0 * xy[i])
    return squares


@compiled
def update(
    statistics, total, priors, fit_intercept, shared, repeats, counts, log_weights, lines, factors,
    spreads,
):  # fmt: skip
    """Update q(w), q(b_k) and q(sigma_k^2) from the sufficient statistics, in place.

    Parameters
    ----------
    statistics : ndarray
        Means per observation.
    total : float
        Observations.
    priors : tuple
        (concentration, coef scale, intercept scale, floor, ceiling).
    fit_intercept, shared : bool
    repeats : int
        How often lines and dispersions, which depend on each other, are updated in turn.
    """
    K, P = lines.shape
    packed = P * (P + 1) // 2
    at_xy = K + K * packed
    concentration, coef_scale, intercept_scale, floor, ceiling = priors
    psi = 1.0 / (ceiling * ceiling)
    first = 0 if fit_intercept else 1
    prior = np.full(P, 1.0 / (coef_scale * coef_scale))
    prior[0] = 1.0 / (intercept_scale * intercept_scale)
    A, S, xy = np.zeros((P, P)), np.zeros((K, P, P)), np.zeros((K, P))
    everything, observed = 0.0, 0.0
    for k in range(K):
        counts[k] = total * statistics[k]
        observed += counts[k]
        everything += counts[k] + concentration
        at = K + k * packed
        for i in range(P):
            xy[k, i] = total * statistics[at_xy + k * P + i]
            for j in range(i, P):
                S[k, i, j] = S[k, j, i] = total * statistics[at]
                at += 1
    for k in range(K):
        log_weights[k] = _digamma(counts[k] + concentration) - _digamma(everything)
    for _ in range(repeats):
        pooled = 0.0
        for k in range(K):
            precision = _precision(spreads[0 if shared else k])
            yy = total * statistics[at_xy + K * P + k]
            squares = _update_line(
                counts[k], S[k], xy[k], yy, precision, prior, first, A, lines[k], factors[k]
            )
            squares = max(squares, 0.0)
            pooled += squares
            if not shared:
                inverse_gaussian_moments(-0.5 * counts[k], psi, floor * floor + squares, spreads[k])
        if shared:
            inverse_gaussian_moments(-0.5 * observed, psi, floor * floor + pooled, spreads[0])


@compiled
def natural_gradient_steps(
    X, y, w, batch, done, delay, forgetting, priors, fit_intercept, shared, statistics, sums,
    counts, log_weights, lines, factors, spreads,
):  # fmt: skip
    """One natural-gradient step per ``batch`` rows, in their order, in place.

    Parameters
    ----------
    X, y, w : ndarray of shape (p, n), (n,), (n,)
        All rows, in random order.
    batch : int
        Rows per step; the last step may have fewer.
    done : int
        Steps done before.
    delay, forgetting : float
        Step t has the rate ``(t + delay) ** -forgetting``, less if it has fewer rows.
    statistics : ndarray
        Moving average of the expected sufficient statistics per observation.
    sums : ndarray
        The expected sufficient statistics of all rows, as they were met, are added to it.

    Returns
    -------
    float
        Sum over steps of the rows' part of the evidence lower bound.
    """
    n = y.shape[0]
    observations = w.sum()
    bound = 0.0
    for lo in range(0, n, batch):
        hi = min(lo + batch, n)
        moments = _variational_moments(lo, hi, X, y, w, log_weights, lines, factors, spreads)
        done += 1
        rate = (hi - lo) / min(batch, n) * (done + delay) ** -forgetting
        # n / (rows of the step) times their sums estimates the sums over all rows.
        scale = n / ((hi - lo) * observations)
        bound += moments[0]
        for i in range(statistics.shape[0]):
            statistics[i] += rate * (scale * moments[1 + i] - statistics[i])
            sums[i] += moments[1 + i]
        update(
            statistics, observations, priors, fit_intercept, shared, 1,
            counts, log_weights, lines, factors, spreads,
        )  # fmt: skip
    return bound


@compiled
def draw_log_sigmas(counts, chi, psi, key, out):
    """Independent draws of log(sigma), in place: (S, m)."""
    state = np.empty(1, dtype=np.uint64)
    state[0] = key
    for s in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[s, k] = log_sigma_draw(counts[k], chi[k], psi, state)
