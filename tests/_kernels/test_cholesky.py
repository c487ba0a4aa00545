"""Cholesky factors in compiled code, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from from_python import from_python

from skmixreg._kernels import cholesky_kernels as kernels

factorise = from_python(kernels.factorise)
solve_lower = from_python(kernels.solve_lower)
solve_upper = from_python(kernels.solve_upper)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_factor_and_solutions(n):
    rng = np.random.default_rng(n)
    root = rng.normal(size=(n, n))
    matrix = root @ root.T + 0.1 * np.eye(n)
    factor = np.tril(matrix) + np.triu(np.full((n, n), np.nan), 1)  # only the lower half is read
    factorise(factor, np.full(n, 0.1))
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), rtol=1e-11)
    b = rng.normal(size=n)
    x = b.copy()
    solve_lower(factor, x)
    solve_upper(factor, x)
    np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-9)


def test_no_pivot_is_below_what_was_added_to_the_diagonal():
    """Collinear columns: rounding may leave less, or a negative number."""
    line = np.linspace(1.0, 2.0, 5)
    added = np.full(5, 1e-9)
    factor = np.outer(line, line) + np.diag(added)
    factorise(factor, added)
    assert (np.diagonal(factor) ** 2 >= added * (1 - 1e-12)).all()
