"""Blocks of rows and of membership units, and the stages that fill them.

Where every row is a unit, both blocks are of the same rows.  Buffers of what is None in
`Observations` are empty.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, inlined, part
from ..._kernels.stage_kernels import load
from ..._kernels.vector_kernels import BLOCK, EXACT


class RowBlock(NamedTuple):
    """BLOCK rows: ``x`` (p, BLOCK), ``y``, ``w`` (BLOCK,), ``aux`` (a, BLOCK).

    ``offset`` is (1, BLOCK), or (0, BLOCK) where there is none.  ``place`` (BLOCK,) holds which
    unit of the block of units every row belongs to, where units are groups of rows.
    """

    x: Any
    y: Any
    w: Any
    aux: Any
    offset: Any
    place: Any


class UnitBlock(NamedTuple):
    """BLOCK units: ``w`` (BLOCK,), ``gating`` (q, BLOCK), ``allowed`` (K, BLOCK)."""

    w: Any
    gating: Any
    allowed: Any


def absent(value: Any) -> bool:
    """Whether a numba type is that of None."""
    return isinstance(value, types.NoneType)


def absent_fields(value: Any) -> set[str]:
    """Fields of the numba type of a NamedTuple that are None."""
    return {name for name, kind in zip(value.fields, value.types, strict=True) if absent(kind)}


def size_of(array, axis):
    """Length of an axis; 0 of None."""
    raise NotImplementedError


@overload(size_of, jit_options=PART)
def _size_of(array, axis):
    if absent(array):
        return lambda array, axis: 0
    return lambda array, axis: array.shape[axis]


def number_of_lines(line, background):
    """Components that have a line: all but the background."""
    raise NotImplementedError


@overload(number_of_lines, jit_options=PART)
def _number_of_lines(line, background):
    if absent(background):
        return lambda line, background: line.shape[line.ndim - 2]
    return lambda line, background: line.shape[line.ndim - 2] - 1


@inlined
def row_buffers(observations):
    """An empty `RowBlock`."""
    return RowBlock(
        np.empty((observations.columns.shape[0], BLOCK)),
        np.empty(BLOCK),
        np.empty(BLOCK),
        np.empty((size_of(observations.auxiliary, 0), BLOCK)),
        np.empty((min(size_of(observations.offset, 0), 1), BLOCK)),
        np.empty(BLOCK, np.int64),
    )


@inlined
def unit_buffers(observations):
    """An empty `UnitBlock`."""
    return UnitBlock(
        np.empty(BLOCK),
        np.empty((size_of(observations.gating, 0), BLOCK)),
        np.empty((size_of(observations.allowed, 1), BLOCK)),
    )


@part
def load_columns(lo, n, columns, block):
    """Copy ``n`` columns from ``lo`` on; the last one fills the block."""
    for j in range(columns.shape[0]):
        load(columns[j, lo : lo + n], columns[j, lo + n - 1], block[j])


@part
def load_array(lo, n, array, block):
    """Copy ``n`` elements from ``lo`` on; the last one fills the block."""
    load(array[lo : lo + n], array[lo + n - 1], block)


@part
def load_weights(lo, n, weights, block):
    """Copy ``n`` weights from ``lo`` on; the rest of the block weighs nothing."""
    load(weights[lo : lo + n], 0.0, block)


@part
def load_allowed(lo, n, allowed, block):
    """Copy the prior odds of ``n`` units; the last one fills the block."""
    for k in range(block.shape[0]):
        for i in range(BLOCK):
            block[k, i] = allowed[lo + min(i, n - 1), k]


@part
def load_first_columns(lo, n, units, columns, block):
    """Copy columns at the first row of ``n`` units; the last one fills the block."""
    for j in range(block.shape[0]):
        for i in range(BLOCK):
            block[j, i] = columns[j, units[lo + min(i, n - 1)]]


@part
def load_first_weights(lo, n, units, weights, block):
    """Copy weights of the first row of ``n`` units; the rest of the block weighs nothing."""
    for i in range(BLOCK):
        block[i] = weights[units[lo + i]] if i < n else 0.0


@part
def find_units(at, n, lo, u, units, place):
    """Units, counted from ``lo``, of the ``n`` rows from ``at`` on.

    ``u`` is the unit of an earlier row; that of the last one is returned.
    """
    for i in range(BLOCK):
        while i < n and at + i >= units[u + 1]:
            u += 1
        place[i] = u - lo
    return u


@part
def sum_to_units(n, place, a, out):
    """Add ``a`` of the first ``n`` rows to their units."""
    for k in range(out.shape[0]):
        for i in range(n):
            out[k, place[i]] += a[k, i]


@part
def spread_to_rows(place, a, out):
    """What the unit of every row has."""
    for k in range(out.shape[0]):
        for i in range(BLOCK):
            out[k, i] = a[k, place[i]]


@part
def clear(out):
    """Zeros in a block."""
    for k in range(out.shape[0]):
        for i in range(BLOCK):
            out[k, i] = 0.0


@part(fastmath=EXACT)
def add_block(a, out):
    """``out += a``, both (K, BLOCK)."""
    for k in range(out.shape[0]):
        for i in range(BLOCK):
            out[k, i] += a[k, i]


@part(fastmath=EXACT)
def add_to_each(a, out):
    """``out[k] += a``."""
    for k in range(out.shape[0]):
        for i in range(BLOCK):
            out[k, i] += a[i]
