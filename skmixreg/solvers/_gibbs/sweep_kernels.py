"""Sweeps of the Gibbs sampler for normal components: labels, weights, lines, sigmas.

Randomness inside rows comes from counters, not from a state: the uniform of copy ``c`` of row
``i`` in sweep ``t`` is a hash of (chain key, t, c, i), whatever the blocks and threads.
"""

from __future__ import annotations

import math

import numpy as np

from ..._kernels.cholesky_kernels import factorise, solve_lower, solve_upper
from ..._kernels.compile import compiled, part
from ..._kernels.stage_kernels import log_softmax
from ..._kernels.variate_kernels import (
    _GOLDEN,
    _ONE,
    _ONE_BITS,
    _S12,
    COUNTED_TRIALS,
    binomial_draw,
    log_gamma_draw,
    log_sigma_draw,
    mix,
    normal,
)
from ..._kernels.vector_kernels import EXACT, REDUCE, bits_float, dot, exp_nonpositive, total

LABELLED_ROWS = 256  # at a time
# Up to this many columns it is cheaper to multiply by 0/1 than to gather the rows of a component.
MASKED_COLUMNS = 4


@part
def _uniforms(start, u, n):
    """Uniforms of consecutive rows; the exponent bits of [1, 2) make them without a division."""
    for i in range(n):
        bits = (mix(start + np.uint64(i) * _GOLDEN) >> _S12) | _ONE_BITS
        u[i] = bits_float(np.int64(bits)) - 1.0


@part(fastmath=EXACT)
def _start_residual(y, inverse, offset, a, n):
    for i in range(n):
        a[i] = y[i] * inverse - offset


@part(fastmath=EXACT)
def _subtract_multiple(b, x, a, n):
    for i in range(n):
        a[i] -= b * x[i]


@part(fastmath=EXACT)
def _finish_log_joint(constant, a, n):
    for i in range(n):
        a[i] = constant - 0.5 * (a[i] * a[i])


@part(fastmath=EXACT)
def _raise_to_maximum(a, top, n):
    for i in range(n):
        top[i] = a[i] if a[i] > top[i] else top[i]


@part(fastmath=EXACT)
def _exp_relative(a, top, n):
    for i in range(n):
        a[i] = exp_nonpositive(a[i] - top[i])


@part(fastmath=EXACT)
def _add(x, out, n):
    for i in range(n):
        out[i] += x[i]


@part(fastmath=EXACT)
def _multiply(x, out, n):
    for i in range(n):
        out[i] *= x[i]


@part(fastmath=EXACT)
def _indicate(cumulative, u, below, c, n):
    """c = 1 where u lies in this component's share; ``below`` = 1 where in it or an earlier one."""
    for i in range(n):
        inside = 1.0 if u[i] < cumulative[i] else 0.0
        c[i] = inside - below[i]
        below[i] = inside


@part(fastmath=REDUCE)
def _weighted_sums(c, x, y, cx, n):
    """Sums of c x, c x^2 and c x y; keeps c x."""
    s, sxx, sxy = 0.0, 0.0, 0.0
    for i in range(n):
        v = c[i] * x[i]
        cx[i] = v
        s += v
        sxx += v * x[i]
        sxy += v * y[i]
    return s, sxx, sxy


@part
def _accumulate(X, lo, n, y, c, one, cx, out):
    """Add sum c, sum c x~ x~' (upper triangle by rows), sum c x~ y, sum c y^2 of one component."""
    p = X.shape[0]
    P = p + one
    T = P * (P + 1) // 2
    count = total(c, n)
    cy, cyy, _ = _weighted_sums(c, y, y, cx, n)
    out[0] += count
    out[1 + T + P] += cyy
    t = 1
    if one == 1:
        out[1] += count
        out[1 + T] += cy
        t = 2 + p
    for j in range(p):
        s, sxx, sxy = _weighted_sums(c, X[j, lo : lo + n], y, cx, n)
        if one == 1:
            out[2 + j] += s
        out[1 + T + one + j] += sxy
        out[t] += sxx
        t += 1
        for q in range(j + 1, p):
            out[t] += dot(cx, X[q, lo : lo + n], n)
            t += 1


@part
def _select(c, index, n):
    """Positions where c > 0, and how many; written without a branch."""
    m = np.uint64(0)
    for i in range(n):
        index[m] = np.uint64(i)
        m += np.uint64(c[i] > 0.0)
    return np.int64(m)


@part
def _gather(x, index, out, n):
    for i in range(n):
        out[i] = x[index[i]]


@part(allocates=True)
def _sample_labels(
    X, y, w, first_row, repeated, log_weights, intercept, coef, log_sigma, key, one, stats
):
    """Draw every label and sum the sufficient statistics of each component into ``stats``.

    ``first_row`` is the number of the first of these rows among all: it decides the uniforms.
    """
    K, p = coef.shape
    N = y.shape[0]
    inverse, constant, offset = np.empty(K), np.empty(K), np.empty(K)
    slope = np.empty((K, p))
    for k in range(K):
        inverse[k] = math.exp(-log_sigma[k])
        constant[k] = log_weights[k] - log_sigma[k]
        offset[k] = intercept[k] * inverse[k]
        for j in range(p):
            slope[k, j] = coef[k, j] * inverse[k]
    a, counts = np.empty((K, LABELLED_ROWS)), np.empty((K, LABELLED_ROWS))
    top, u, cx = np.empty(LABELLED_ROWS), np.empty(LABELLED_ROWS), np.empty(LABELLED_ROWS)
    index = np.empty(LABELLED_ROWS, dtype=np.uint64)
    own = np.empty((p, LABELLED_ROWS))
    own_y, own_c = np.empty(LABELLED_ROWS), np.empty(LABELLED_ROWS)
    stats[:] = 0.0
    for lo in range(0, N, LABELLED_ROWS):
        n = min(LABELLED_ROWS, N - lo)
        y_block = y[lo : lo + n]
        for k in range(K):
            _start_residual(y_block, inverse[k], offset[k], a[k], n)
            for j in range(p):
                _subtract_multiple(slope[k, j], X[j, lo : lo + n], a[k], n)
            _finish_log_joint(constant[k], a[k], n)
        for i in range(n):
            top[i] = a[0, i]
        for k in range(1, K):
            _raise_to_maximum(a[k], top, n)
        for k in range(K):
            _exp_relative(a[k], top, n)
        for k in range(1, K):
            _add(a[k - 1], a[k], n)
        _uniforms(key + np.uint64(first_row + lo) * _GOLDEN, u, n)
        _multiply(a[K - 1], u, n)
        below = top
        below[:] = 0.0
        for k in range(K):
            _indicate(a[k], u, below, counts[k], n)
        if repeated:
            _label_copies(lo, n, w, first_row, key, a, counts)
        for k in range(K):
            if p <= MASKED_COLUMNS:
                _accumulate(X, lo, n, y_block, counts[k], one, cx, stats[k])
            else:
                m = _select(counts[k], index, n)
                _gather(counts[k], index, own_c, m)
                _gather(y_block, index, own_y, m)
                for j in range(p):
                    _gather(X[j, lo : lo + n], index, own[j], m)
                _accumulate(own, 0, m, own_y, own_c, one, cx, stats[k])


@part(allocates=True)
def _label_copies(lo, n, w, first_row, key, a, counts):
    """Labels of the second and further copies of rows whose frequency exceeds 1."""
    K = a.shape[0]
    own_state = np.empty(1, dtype=np.uint64)
    for i in range(n):
        state = mix(key ^ mix(np.uint64(first_row + lo + i + 1)))
        copies = int(w[lo + i]) - 1
        if copies > COUNTED_TRIALS:
            own_state[0] = state
            before = 0.0
            for k in range(K - 1):
                left = a[K - 1, i] - before
                share = (a[k, i] - before) / left if left > 0.0 else 0.0
                drawn = binomial_draw(copies, share, own_state)
                counts[k, i] += drawn
                copies -= drawn
                before = a[k, i]
            counts[K - 1, i] += copies
            continue
        for _ in range(copies):
            state += _GOLDEN
            v = (float(mix(state) >> _S12) + 0.5) * 2.0**-52 * a[K - 1, i]
            k = 0
            while k < K - 1 and a[k, i] <= v:
                k += 1
            counts[k, i] += 1.0


@part
def _draw_line(moments, P, variance, precision, state, chol, line):
    """Draw one component's line given its rows and sigma; return the sum of squared residuals.

    Everything is multiplied by sigma^2, so that a tiny sigma does not overflow:
    Q = X'X + sigma^2 D, line = Q^-1 X'y + sigma Q^-1/2 e.
    """
    T = P * (P + 1) // 2
    t = 1
    for i in range(P):
        for j in range(i, P):
            chol[j, i] = moments[t]
            t += 1
        # What the prior alone puts on the diagonal.
        line[i] = variance * precision[i]
        chol[i, i] += line[i]
    factorise(chol, line)
    scale = math.sqrt(variance)
    for i in range(P):
        line[i] = moments[1 + T + i]
    solve_lower(chol, line)
    for i in range(P):
        line[i] += scale * normal(state)
    solve_upper(chol, line)
    sse = moments[1 + T + P]
    t = 1
    for i in range(P):
        v = -2.0 * moments[1 + T + i] + moments[t] * line[i]
        t += 1
        for j in range(i + 1, P):
            v += 2.0 * moments[t] * line[j]
            t += 1
        sse += v * line[i]
    return max(sse, 0.0)


@part
def _sweep_key(chain_key, sweep):
    """What the random numbers of one sweep of a chain are hashed from; sweeps count from 0."""
    return mix(chain_key + mix(np.uint64(sweep + 1)))


@part(allocates=True)
def _draw_parameters(
    stats, hyper, fit_intercept, shared, log_weights, intercept, coef, log_sigma, state, chol, line,
    sse,
):  # fmt: skip
    """Draw weights, lines and sigmas given the statistics of the labelled rows, in place."""
    concentration, intercept_scale, coef_scale, floor, ceiling = hyper
    K, p = coef.shape
    one = 1 if fit_intercept else 0
    P = p + one
    precision = np.full(P, 1.0 / (coef_scale * coef_scale))
    if fit_intercept:
        precision[0] = 1.0 / (intercept_scale * intercept_scale)
    chi, psi = floor * floor, 1.0 / (ceiling * ceiling)
    for k in range(K):
        log_weights[k] = log_gamma_draw(concentration + stats[k, 0], state)
    log_softmax(log_weights, log_weights)
    for k in range(K):
        variance = math.exp(2.0 * log_sigma[k])
        sse[k] = _draw_line(stats[k], P, variance, precision, state, chol, line)
        if fit_intercept:
            intercept[k] = line[0]
        for j in range(p):
            coef[k, j] = line[one + j]
    if shared:
        log_sigma[:] = log_sigma_draw(stats[:, 0].sum(), chi + sse.sum(), psi, state)
    else:
        for k in range(K):
            log_sigma[k] = log_sigma_draw(stats[k, 0], chi + sse[k], psi, state)


@part
def _keep(log_weights, intercept, coef, log_sigma, stats, row):
    """Write a state, and how many components hold a row."""
    K, p = coef.shape
    filled = 0
    for k in range(K):
        row[k] = log_weights[k]
        row[K + k] = intercept[k]
        for j in range(p):
            row[2 * K + k * p + j] = coef[k, j]
        row[2 * K + K * p + k] = log_sigma[k]
        filled += stats[k, 0] != 0.0
    row[3 * K + K * p] = filled


@compiled
def sweeps(
    X, y, w, repeated, hyper, fit_intercept, shared, log_weights, intercept, coef, log_sigma,
    chain_key, first_sweep, n_keep, thin,
):  # fmt: skip
    """Run ``n_keep * thin`` sweeps in place and keep every ``thin``-th state.

    Parameters
    ----------
    X : ndarray of shape (p, N)
    y, w : ndarray of shape (N,)
        ``w`` holds integers.
    repeated : bool
        Whether any of ``w`` exceeds 1.
    hyper : tuple of float
        concentration, intercept_scale, coef_scale, sigma_floor, sigma_ceiling.
    fit_intercept, shared : bool
    log_weights, intercept, coef, log_sigma : ndarray
        State of the chain, updated in place.
    chain_key : uint64
    first_sweep : int
        Sweeps this chain has done; with ``chain_key`` it selects the random numbers.
    n_keep, thin : int

    Returns
    -------
    ndarray of shape (n_keep, 3 K + K p + 1)
        ``[log_weights | intercept | coef | log_sigma | filled]`` per kept sweep; the last is the
        number of components that hold a row.
    """
    K, p = coef.shape
    one = 1 if fit_intercept else 0
    P = p + one
    stats = np.zeros((K, P * (P + 1) // 2 + P + 2))
    chol, line, sse = np.zeros((P, P)), np.zeros(P), np.zeros(K)
    state = np.zeros(1, dtype=np.uint64)
    out = np.empty((n_keep, 3 * K + K * p + 1))
    for t in range(n_keep * thin):
        key = _sweep_key(chain_key, first_sweep + t)
        state[0] = mix(key + _ONE)
        _sample_labels(
            X, y, w, 0, repeated, log_weights, intercept, coef, log_sigma, key, one, stats
        )
        _draw_parameters(
            stats, hyper, fit_intercept, shared, log_weights, intercept, coef, log_sigma, state,
            chol, line, sse,
        )  # fmt: skip
        if (t + 1) % thin == 0:
            _keep(log_weights, intercept, coef, log_sigma, stats, out[t // thin])
    return out
