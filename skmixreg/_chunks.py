"""One chunk of rows of a large data set: what happens to it where it lies.

These functions run on the workers of a cluster, so that they take and return plain arrays, and
know nothing of Dask.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d

from ._blocks import Array
from ._design import Design
from ._rows import RowBlocks


class Chunk(NamedTuple):
    """Rows of positive weight, feature-major as the kernels want them.

    Attributes
    ----------
    columns : ndarray of shape (p, n)
    target, weights : ndarray of shape (n,)
    """

    columns: Array
    target: Array
    weights: Array


class Summary(NamedTuple):
    """What is known of a chunk without looking at it.

    Attributes
    ----------
    n_rows : int
    total_weight, least_weight, largest_weight : float
    counts : bool
        Whether all weights are integers.
    """

    n_rows: int
    total_weight: float
    least_weight: float
    largest_weight: float
    counts: bool


def plain_rows(X: Any, y: Any, weights: Any) -> tuple[Array, Array, Array]:
    """Checked float64 arrays (n, p), (n,), (n,) of the parts of one chunk, zero weights dropped.

    Raises
    ------
    ValueError
        If something is not finite, negative where it may not be, or of another length.
    """
    if len(X) == 0:
        return np.empty((0, X.shape[1])), np.empty(0), np.empty(0)
    X = check_array(X, dtype=np.float64, ensure_min_features=0, input_name="X")
    y = _vector(y, "y")
    lengths = [len(X), len(y)]
    if weights is not None:
        weights = _vector(weights, "sample_weight")
        lengths.append(len(weights))
    if len(set(lengths)) > 1:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples in one chunk: {lengths}; "
            "X, y and sample_weight must be split into chunks at the same rows."
        )
    if weights is None:
        return X, y, np.ones(len(y))
    if (weights < 0).any():
        raise ValueError(
            f"Negative sample_weight: {int((weights < 0).sum())} weights of a chunk are below "
            f"zero, the least is {weights.min():g}; weights are frequencies of rows. Remove these "
            "rows or give them weight 0."
        )
    keep = weights > 0
    return X[keep], y[keep], weights[keep]


def _vector(values: Any, name: str) -> Array:
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    values = check_array(
        column_or_1d(values), dtype=np.float64, ensure_2d=False, ensure_min_samples=0,
        input_name=name,
    )  # fmt: skip
    return np.ascontiguousarray(values)


def prepare(X: Any, y: Any, weights: Any) -> Chunk:
    """A chunk in the user's units."""
    X, y, weights = plain_rows(X, y, weights)
    return Chunk(np.array(X.T, order="C"), np.array(y), np.array(weights))


def summary(chunk: Chunk, each: None) -> Summary:
    """What the owner of all chunks has to know of this one."""
    w = chunk.weights
    return Summary(
        len(w), float(w.sum()), float(w.min(initial=np.inf)), float(w.max(initial=0.0)),
        bool((w == np.rint(w)).all()),
    )  # fmt: skip


def _with_target(chunk: Chunk) -> list[Array]:
    return [*chunk.columns, chunk.target]


def weighted_sums(chunk: Chunk, each: None) -> Array:
    """Weighted sums and largest absolute values of columns and target: (2, p + 1)."""
    values = _with_target(chunk)
    return np.array(
        [[chunk.weights @ v for v in values], [np.abs(v).max(initial=0.0) for v in values]]
    )


def weighted_squares(chunk: Chunk, each: None, location: Array) -> Array:
    """Largest deviations from ``location``, and weighted sums of squares relative to these."""
    out = np.zeros((2, len(location)))
    for j, (values, middle) in enumerate(zip(_with_target(chunk), location, strict=True)):
        deviation = values - middle
        size = max(float(np.abs(deviation).max(initial=0.0)), np.finfo(float).tiny)
        out[:, j] = size, chunk.weights @ (deviation / size) ** 2
    return out


def root_mean_squares(parts: Sequence[Array], total: float) -> Array:
    """Root mean squares of all rows from `weighted_squares` of every chunk, without overflow."""
    stacked = np.stack(parts)
    size = stacked[:, 0].max(axis=0)
    return size * np.sqrt(((stacked[:, 0] / size) ** 2 * stacked[:, 1]).sum(axis=0) / total)


def standardise(chunk: Chunk, each: None, design: Design) -> Chunk:
    """The chunk on the standardised scale."""
    return Chunk(
        design.columns(chunk.columns.T), design.target(chunk.target), np.array(chunk.weights)
    )


def take(chunk: Chunk, each: NDArray[np.intp]) -> Chunk:
    """Some rows, with weights of 1."""
    columns, target = chunk.columns[:, each], chunk.target[each]
    return Chunk(np.ascontiguousarray(columns), target, np.ones(len(each)))


def find_by_weight(chunk: Chunk, each: Array) -> NDArray[np.intp]:
    """Rows in which given amounts of weight, counted from the first row of the chunk, end."""
    found = np.cumsum(chunk.weights).searchsorted(each, side="right")
    return np.minimum(found, len(chunk.weights) - 1)


def writeable(chunk: Chunk) -> Chunk:
    """Arrays that came over the network or from disk may be read-only: kernels compile anew."""
    return Chunk(*(a if a.flags.writeable else a.copy() for a in chunk))


def own_parameters(parameters: Sequence[Any]) -> list[Any]:
    """Parameters of kernels, writeable for the same reason."""
    return [np.array(a, order="C") if isinstance(a, np.ndarray) else a for a in parameters]


def name_of(kernel: Callable[..., Any]) -> tuple[str, str]:
    """A kernel as it travels: compiled code does not."""
    return kernel.__module__, kernel.__name__


def kernel_named(name: tuple[str, str]) -> Callable[..., Any]:
    """The kernel of this name, compiled or loaded where it is needed."""
    kernel: Callable[..., Any] = getattr(importlib.import_module(name[0]), name[1])
    return kernel


def sum_of_blocks(chunk: Chunk, each: None, kernel: tuple[str, str], *parameters: Any) -> Array:
    """Sums of a kernel over the rows of the chunk, block by block."""
    chunk = writeable(chunk)
    blocks = RowBlocks(len(chunk.target))
    return blocks.sum(kernel_named(kernel), *chunk, *own_parameters(parameters))


def sum_of_chunk(chunk: Chunk, each: int, kernel: tuple[str, str], *parameters: Any) -> Array:
    """What a kernel returns that is called once per chunk, with the number of its first row."""
    total: Array = kernel_named(kernel)(*writeable(chunk), each, *own_parameters(parameters))
    return total
