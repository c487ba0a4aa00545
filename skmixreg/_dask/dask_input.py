"""Dask arrays and dataframes as input: recognised, checked and split into chunks of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from .._model._roles.selection import remember_callables, roles_of
from .._model.held_data import CANONICAL_ROWS
from .._support.exceptions import import_optional
from .._support.number_columns import check_columns_of_numbers, check_numbers
from ..families._base import Family
from . import chunks as _chunks
from .chunk_rows import ChunkedData
from .stores import store_of


def is_dask(*values: Any) -> bool:
    """Whether one of these is a Dask collection; Dask is not imported to see it."""
    return any(type(value).__module__.partition(".")[0] == "dask" for value in values)


def is_frame(value: Any) -> bool:
    """Whether it is a Dask dataframe or series."""
    return type(value).__module__.startswith("dask.dataframe")


def empty_of(value: Any) -> Any:
    """No rows of a Dask collection, with its columns and types; anything else as it is."""
    if is_frame(value):
        from dask.dataframe.utils import make_meta

        return make_meta(value)
    if is_dask(value) and hasattr(value, "ndim"):
        from dask.array.utils import meta_from_array

        return meta_from_array(value)
    return value


def check_served(solver: Any, table: Mapping[str, Any], *data: Any) -> None:
    """Reject a solver, or the one of this name, that needs rows in memory, before any work.

    Raises
    ------
    ValueError
        If ``data`` are Dask collections; the message lists the solvers that take them.
    """
    row = table.get(solver) if isinstance(solver, str) else solver
    if row is None or not is_dask(*data) or "memory" not in getattr(row, "requires", ()):
        return
    able = [repr(name) for name, row in table.items() if "memory" not in row.requires]
    raise ValueError(
        f"solver={row.name!r} needs all rows in memory, and these are Dask collections; use one of "
        f"{', '.join(able)}, or fit a sample, such as X.compute() of some rows."
    )


def refuse(*values: Any) -> None:
    """Reject Dask collections where all rows must be in memory.

    Raises
    ------
    TypeError
        If one of the values is a Dask collection.
    """
    if is_dask(*values):
        raise TypeError(
            "This method needs rows in memory and was given a Dask collection; pass some rows of "
            "it, with X.compute(), or use X.map_blocks or X.map_partitions. What takes Dask "
            "collections: fit, predict, predict_components, predict_proba, assign, "
            "predict_quantiles, predict_interval, log_predictive_density, score, aic, bic, icl."
        )


def check_columns(estimator: BaseEstimator, X: Any, *, reset: bool) -> int:
    """Number of columns of X; sets or checks ``n_features_in_`` and ``feature_names_in_``.

    Raises
    ------
    TypeError
        If X is not a Dask array or dataframe.
    ValueError
        If its columns are not those of the fit.
    """
    if not is_dask(X) or not hasattr(X, "ndim"):
        raise TypeError(
            f"X is {type(X).__name__} while other arguments are Dask collections; pass X as a Dask "
            "array or dataframe as well, for example dask.array.from_array(X, chunks=(100_000, -1))"
            ", or the others in memory."
        )
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead: X must be a Dask array of shape "
            "(n, p), or a Dask dataframe. Reshape with X[:, None] if it is a single column."
        )
    if not is_frame(X) and np.isnan(X.shape[1]):
        raise ValueError("The number of columns of X is unknown; it must be known.")
    meta = empty_of(X) if is_frame(X) else np.empty((0, int(X.shape[1])), X.dtype)
    check_columns_of_numbers(meta)
    validate_data(estimator, meta, reset=reset, skip_check_array=True)
    return int(meta.shape[1])


def row_parts(X: Any, y: Any, sample_weight: Any = None) -> list[tuple[Any, Any, Any]]:
    """X, y and weights of every chunk of rows, delayed; chunks are those of X.

    Rows whose numbers are not known are paired chunk by chunk, if there are as many chunks, and
    counted otherwise, which computes X once.
    """
    values = _aligned([value for value in (X, y, sample_weight) if value is not None])
    lists = [list(np.ravel(value.to_delayed())) for value in values]
    none = [None] * len(lists[0])
    ys = lists[1] if y is not None else none
    weights = lists[-1] if sample_weight is not None else none
    return list(zip(lists[0], ys, weights, strict=True))


def row_arrays(X: Any, y: Any) -> list[Any]:
    """X and, unless it is None, y as Dask arrays with the same chunks of rows, X of one column.

    Chunks whose lengths are not known are paired as by `row_parts`.
    """
    values = _aligned([value for value in (X, y) if value is not None])
    arrays = [value.to_dask_array() if is_frame(value) else value for value in values]
    return [arrays[0], *(value[:, 0] if value.ndim == 2 else value for value in arrays[1:])]


def _aligned(values: list[Any]) -> list[Any]:
    """Collections of the same chunks of rows, in one chunk of columns, the first one leading."""
    if not all(is_dask(value) for value in values) or not _paired(values):
        values = [_with_known_rows(value) for value in values]
        rows = [value.shape[0] for value in values]
        if len(set(rows)) > 1:
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {rows}")
        values = [_as_chunked(value, values[0].chunks[0]) for value in values]
    first = values[0]
    if not is_frame(first) and first.numblocks[1] > 1:
        first = first.rechunk({1: -1})
    return [first, *values[1:]]


def _rows_of_chunks(value: Any) -> tuple[float, ...]:
    if is_frame(value):
        return (np.nan,) * value.npartitions
    return tuple(value.chunks[0])


def _paired(values: list[Any]) -> bool:
    """Whether chunks may be taken in pairs: as many, and of the same lengths where these are known.

    Lengths that are not known are compared when the chunks are there.
    """
    chunks = [np.array(_rows_of_chunks(value)) for value in values]
    if len({len(rows) for rows in chunks}) > 1:
        return False
    known = [rows for rows in chunks if not np.isnan(rows).any()]
    return all((rows == known[0]).all() for rows in known)


def _with_known_rows(value: Any) -> Any:
    """An array whose shape is known."""
    if not is_dask(value):
        return np.asarray(value)
    if is_frame(value):
        return value.to_dask_array(lengths=True)
    if np.isnan(value.shape[0]):
        return value.compute_chunk_sizes()
    return value


def _as_chunked(value: Any, rows: tuple[int, ...]) -> Any:
    import dask.array as da

    chunks = (rows, *((size,) for size in value.shape[1:]))
    if is_dask(value):
        return value.rechunk(chunks)
    return da.from_array(value, chunks=chunks)


def training_data(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    n_components: int,
    n_threads: int,
    *families: Family,
) -> tuple[Any, Any, Any]:
    """As `_validation.validate_training_data`; few rows come into memory, others as chunks.

    Returns
    -------
    X : ndarray of shape (n, p) or ChunkedData
    y, weights : ndarray of shape (n,), or None with chunks, which hold their own
    """
    delayed = import_optional("dask", extra="dask", needed_for="a fit of Dask collections").delayed
    n_features = check_columns(estimator, X, reset=True)
    check_numbers(empty_of(y), "y")
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    prepare = delayed(_chunks.prepare, pure=False)
    remember_callables(estimator, empty_of(X))
    roles = [roles_of(estimator, family) for family in families]
    own = list(zip(families, roles, strict=True))
    parts = [prepare(*part, *own) for part in row_parts(X, y, sample_weight)]
    data = ChunkedData.of(store_of(parts, n_threads), n_features)
    n, total = data.shape[0], data.total_weight
    if n == 0:
        raise ValueError(
            "No row is left: there are none, or every sample_weight is zero (all weights are zero)."
        )
    if max(n, total) < 2:
        raise ValueError(f"Found {n} sample(s) while a minimum of 2 is required.")
    if n_components > max(n, total):
        raise ValueError(
            f"n_components={n_components} needs at least as many rows as components, but there "
            f"are {max(n, total):g}; use fewer components or more data."
        )
    if n <= CANONICAL_ROWS:
        return data.gathered()
    if roles[0].group is not None:
        data.check_groups(roles[0].group)
    return data, None, None
