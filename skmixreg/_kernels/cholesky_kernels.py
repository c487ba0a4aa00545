"""Cholesky factors of small positive definite matrices, inside compiled code."""

from __future__ import annotations

import math

from .compile import part


@part
def factorise(A, least):
    """Lower Cholesky factor in place of the lower triangle of A.

    ``least`` holds what was added to the diagonal of a positive semidefinite matrix: no pivot is
    smaller, but by rounding, whose size is that of the diagonal.
    """
    n = A.shape[0]
    for i in range(n):
        smallest = max(least[i], 1e-14 * A[i, i])
        for j in range(i + 1):
            s = A[i, j]
            for m in range(j):
                s -= A[i, m] * A[j, m]
            if i == j:
                A[i, i] = math.sqrt(max(s, smallest))
            else:
                A[i, j] = s / A[j, j]


@part
def solve_lower(L, b):
    """Solve L x = b in place."""
    for i in range(L.shape[0]):
        s = b[i]
        for m in range(i):
            s -= L[i, m] * b[m]
        b[i] = s / L[i, i]


@part
def solve_upper(L, b):
    """Solve L' x = b in place."""
    for i in range(L.shape[0] - 1, -1, -1):
        s = b[i]
        for m in range(i + 1, L.shape[0]):
            s -= L[m, i] * b[m]
        b[i] = s / L[i, i]
