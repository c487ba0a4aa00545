"""The stages of a kernel that do not depend on the family, each over one block of rows.

Arrays over rows have BLOCK elements, arrays over components and rows are (K, BLOCK).
"""

from __future__ import annotations

import numpy as np

from .compile import part
from .vector_kernels import BLOCK, EXACT, REDUCE, exp_nonpositive, log_positive

EIGHTH = BLOCK // 8


@part
def load(values, padding, out):
    """Copy values to the start of a block, and ``padding`` to its rest."""
    n = values.shape[0]
    for i in range(n):
        out[i] = values[i]
    for i in range(n, BLOCK):
        out[i] = padding


@part
def load_rows(lo, n, X, y, x_block, y_block):
    """Copy ``n`` rows from ``lo`` on; the last one fills the block."""
    for j in range(X.shape[0]):
        load(X[j, lo : lo + n], X[j, lo + n - 1], x_block[j])
    load(y[lo : lo + n], y[lo + n - 1], y_block)


@part
def n_optional(values):
    """Rows of an array (a, N) that may be absent."""
    if values is None:
        return 0
    return values.shape[0]


@part
def load_optional(values, lo, n, out):
    """Copy ``n`` columns of an array (a, N) that may be absent; the last one fills the block."""
    if values is not None:
        for j in range(out.shape[0]):
            load(values[j, lo : lo + n], values[j, lo + n - 1], out[j])


@part
def add_optional(values, lo, n, eta):
    """Add ``n`` elements of a vector that may be absent, or empty, to predictors (K, BLOCK)."""
    if values is not None:
        for k in range(eta.shape[0] if values.shape[0] > 0 else 0):
            for i in range(n):
                eta[k, i] += values[lo + i]


@part
def log_softmax(logits, out):
    """Logarithms of the weights that have these log odds."""
    top = logits[0]
    for k in range(1, logits.shape[0]):
        top = max(top, logits[k])
    norm = 0.0
    for k in range(logits.shape[0]):
        norm += np.exp(logits[k] - top)
    norm = top + np.log(norm)
    for k in range(logits.shape[0]):
        out[k] = logits[k] - norm


@part(fastmath=EXACT)
def log_sum_exp(log_weights, a, top, norm):
    """Stage 3: the log-likelihood of row i is ``top[i] + log(norm[i])``, norm in [1, K].

    Log densities ``a`` become responsibilities times ``norm``.
    """
    K = log_weights.shape[0]
    if K == 2:
        _two_terms(log_weights, a, top, norm)
    else:
        for i in range(BLOCK):
            a[0, i] += log_weights[0]
            top[i] = a[0, i]
            norm[i] = 0.0
        for k in range(1, K):
            for i in range(BLOCK):
                a[k, i] += log_weights[k]
                top[i] = top[i] if top[i] > a[k, i] else a[k, i]
        for k in range(K):
            for i in range(BLOCK):
                a[k, i] = exp_nonpositive(a[k, i] - top[i])
                norm[i] += a[k, i]


@part(fastmath=EXACT)
def _two_terms(log_weights, a, top, norm):
    # the larger term is 1, so that one exponential serves both
    for i in range(BLOCK):
        first = a[0, i] + log_weights[0]
        second = a[1, i] + log_weights[1]
        swap = second > first
        small = exp_nonpositive(first - second if swap else second - first)
        top[i] = second if swap else first
        norm[i] = 1.0 + small
        a[0, i] = small if swap else 1.0
        a[1, i] = 1.0 if swap else small


@part(fastmath=EXACT)
def normalise(a, norm):
    """Divide ``a`` by ``norm``; overwrites ``norm``."""
    for i in range(BLOCK):
        norm[i] = 1.0 / norm[i]
    for k in range(a.shape[0]):
        for i in range(BLOCK):
            a[k, i] *= norm[i]


@part(fastmath=EXACT)
def add_log(top, norm):
    """``top += log(norm)``."""
    for i in range(BLOCK):
        top[i] += log_positive(norm[i])


@part
def all_ones(w):
    """Whether all weights of a block are 1."""
    others = 0
    for i in range(BLOCK):
        others += w[i] != 1.0
    return others == 0


@part(fastmath=REDUCE)
def weighted_total(w, unit, top, norm):
    """Sum of ``w * (top + log(norm))``; ``unit`` tells that all ``w`` are 1."""
    out = 0.0
    if unit:
        for i in range(BLOCK):
            out += top[i]
        for i in range(EIGHTH):  # one logarithm per product of eight, at most K^8
            a, b = norm[i] * norm[EIGHTH + i], norm[2 * EIGHTH + i] * norm[3 * EIGHTH + i]
            c, d = norm[4 * EIGHTH + i] * norm[5 * EIGHTH + i], norm[6 * EIGHTH + i]
            out += log_positive((a * b) * ((c * d) * norm[7 * EIGHTH + i]))
    else:
        for i in range(BLOCK):
            out += w[i] * (top[i] + log_positive(norm[i]))
    return out


@part(fastmath=EXACT)
def product(x, y, out):
    """``out = x * y``."""
    for i in range(BLOCK):
        out[i] = x[i] * y[i]
