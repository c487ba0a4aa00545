"""Products with the features of one block of rows, x of shape (p, BLOCK).

With a few components and features no library of matrix products is as fast: those need larger
matrices (three times slower at K = 3 and p = 50).  Two rows of weights meet four features in one
loop, so that features, which do not fit into the first-level cache where p > 8, are read half as
often and sums stay in registers.
"""

from __future__ import annotations

import numpy as np

from .compile import part
from .stage_kernels import product
from .vector_kernels import BLOCK, EXACT, REDUCE, dot, total


@part(fastmath=EXACT)
def _predict_from_few(x, intercept, coef, eta):
    """``eta = intercept + coef x`` over the first p % 4 features."""
    K, p = eta.shape[0], x.shape[0]
    for k in range(K):
        a = intercept[k]
        if p % 4 == 0:
            for i in range(BLOCK):
                eta[k, i] = a
        elif p % 4 == 1:
            b = coef[k, 0]
            for i in range(BLOCK):
                eta[k, i] = a + b * x[0, i]
        else:
            b, c = coef[k, 0], coef[k, 1]
            for i in range(BLOCK):
                eta[k, i] = a + (b * x[0, i] + c * x[1, i])
            if p % 4 == 3:
                b = coef[k, 2]
                for i in range(BLOCK):
                    eta[k, i] += b * x[2, i]


@part(fastmath=EXACT)
def _add_four_features(x, b, j, eta):
    b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
    for i in range(BLOCK):
        eta[i] += (b0 * x[j, i] + b1 * x[j + 1, i]) + (b2 * x[j + 2, i] + b3 * x[j + 3, i])


@part(fastmath=EXACT)
def _add_four_features_twice(x, b, c, j, eta, zeta):
    b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
    c0, c1, c2, c3 = c[j], c[j + 1], c[j + 2], c[j + 3]
    for i in range(BLOCK):
        x0, x1, x2, x3 = x[j, i], x[j + 1, i], x[j + 2, i], x[j + 3, i]
        eta[i] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
        zeta[i] += (c0 * x0 + c1 * x1) + (c2 * x2 + c3 * x3)


@part
def linear_predictor(x, intercept, coef, eta):
    """``eta[k] = intercept[k] + coef[k] x``: (K, BLOCK)."""
    K, p = coef.shape
    _predict_from_few(x, intercept, coef, eta)
    for j in range(p % 4, p, 4):
        if K % 2 == 1:
            _add_four_features(x, coef[0], j, eta[0])
        for k in range(K % 2, K, 2):
            _add_four_features_twice(x, coef[k], coef[k + 1], j, eta[k], eta[k + 1])


@part
def predict_lines(x, line, eta):
    """``eta[k] = line[k] (1, x)``: (K, BLOCK)."""
    K, p = eta.shape[0], x.shape[0]
    _predict_from_few(x, line[:, 0], line[:, 1:], eta)
    for j in range(p % 4, p, 4):
        if K % 2 == 1:
            _add_four_features(x, line[0][1:], j, eta[0])
        for k in range(K % 2, K, 2):
            _add_four_features_twice(x, line[k][1:], line[k + 1][1:], j, eta[k], eta[k + 1])


@part(fastmath=REDUCE)
def _add_four_sums(a, x, j, out, at):
    s0 = s1 = s2 = s3 = 0.0
    for i in range(BLOCK):
        s0 += a[i] * x[j, i]
        s1 += a[i] * x[j + 1, i]
        s2 += a[i] * x[j + 2, i]
        s3 += a[i] * x[j + 3, i]
    out[at] += s0
    out[at + 1] += s1
    out[at + 2] += s2
    out[at + 3] += s3


@part(fastmath=REDUCE)
def _add_four_sums_twice(a, b, x, j, out, other, at):
    s0 = s1 = s2 = s3 = 0.0
    t0 = t1 = t2 = t3 = 0.0
    for i in range(BLOCK):
        x0, x1, x2, x3 = x[j, i], x[j + 1, i], x[j + 2, i], x[j + 3, i]
        s0 += a[i] * x0
        s1 += a[i] * x1
        s2 += a[i] * x2
        s3 += a[i] * x3
        t0 += b[i] * x0
        t1 += b[i] * x1
        t2 += b[i] * x2
        t3 += b[i] * x3
    out[at] += s0
    out[at + 1] += s1
    out[at + 2] += s2
    out[at + 3] += s3
    other[at] += t0
    other[at + 1] += t1
    other[at + 2] += t2
    other[at + 3] += t3


@part(fastmath=REDUCE)
def _add_few_products(a, x, out, at):
    for k in range(a.shape[0]):
        for j in range(x.shape[0] % 4):
            s = 0.0
            for i in range(BLOCK):
                s += a[k, i] * x[j, i]
            out[k, at + j] += s


@part
def add_products(a, x, out):
    """Add the sums of ``a[k] x[j]`` over the block to the last p columns of ``out``: (K, >= p)."""
    K, p = a.shape[0], x.shape[0]
    at, few, odd = out.shape[1] - p, p % 4, K % 2
    _add_few_products(a, x, out, at)
    for j in range(few, p, 4):
        if odd == 1:
            _add_four_sums(a[0], x, j, out[0], at + j)
        for k in range(odd, K, 2):
            _add_four_sums_twice(a[k], a[k + 1], x, j, out[k], out[k + 1], at + j)


@part
def add_moments(a, x, out):
    """Add the sums of ``a[k] (1, x)`` to ``out`` of shape (K, 1 + p)."""
    for k in range(a.shape[0]):
        out[k, 0] += total(a[k], BLOCK)
    add_products(a, x, out)


@part
def add_second_moments(weights, x, scratch, out):
    """Add the weighted sums of x x' to the upper triangle of ``out[1:, 1:]``, (1 + p, 1 + p).

    ``scratch`` is (2, BLOCK).
    """
    p = x.shape[0]
    a, b = scratch[0], scratch[1]
    if p % 2 == 1:
        product(weights, x[0], a)
        for q in range(p % 4):
            out[1, 1 + q] += dot(a, x[q], BLOCK)
        for q in range(p % 4, p, 4):
            _add_four_sums(a, x, q, out[1], 1 + q)
    for j in range(p % 2, p, 2):
        product(weights, x[j], a)
        product(weights, x[j + 1], b)
        few = (p - j) % 4
        for q in range(j, j + few):
            out[1 + j, 1 + q] += dot(a, x[q], BLOCK)
        for q in range(j + 1, j + few):
            out[2 + j, 1 + q] += dot(b, x[q], BLOCK)
        for q in range(j + few, p, 4):
            _add_four_sums_twice(a, b, x, q, out[1 + j], out[2 + j], 1 + q)


@part
def add_cross_products(w, r, x, y, v, scratch, lines, squares, yy):
    """Add the sums of (1, x, y) (1, x, y)' of every component, with weights ``w r``.

    ``lines`` (K, 2, 1 + p) takes the sums of (1, x) and of y (1, x), the upper triangle of
    ``squares[:, 1:, 1:]`` those of x x', and ``yy`` (K,) those of y^2; ``v`` and ``scratch`` are
    (2, BLOCK).
    """
    for k in range(r.shape[0]):
        product(w, r[k], v[0])
        product(v[0], y, v[1])
        add_moments(v, x, lines[k])
        add_second_moments(v[0], x, scratch, squares[k])
        yy[k] += dot(v[1], y, BLOCK)


@part(allocates=True)
def flat_cross_products(first, lines, squares, yy):
    """``[first | sum r | sum r x~ x~' (upper triangles by rows) | sum r x~ y | sum r y^2]``."""
    K, _, P = lines.shape
    packed = P * (P + 1) // 2
    out = np.empty(1 + K + K * packed + K * P + K)
    out[0] = first
    at_xy = 1 + K + K * packed
    for k in range(K):
        out[1 + k] = lines[k, 0, 0]
        at = 1 + K + k * packed
        for i in range(P):
            for j in range(i, P):
                out[at] = lines[k, 0, j] if i == 0 else squares[k, i, j]
                at += 1
            out[at_xy + k * P + i] = lines[k, 1, i]
        out[at_xy + K * P + k] = yy[k]
    return out
