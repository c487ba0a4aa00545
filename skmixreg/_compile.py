"""Compilation of the kernels."""

from __future__ import annotations

from numba import njit


def compiled(function=None, *, fastmath=frozenset()):
    """Compile a kernel."""
    if function is None:
        return lambda f: compiled(f, fastmath=fastmath)
    return njit(nogil=True, error_model="numpy", fastmath=set(fastmath) or False)(function)
