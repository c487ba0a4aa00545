"""Numbers in the place of the values of a column of groups, which may be anything."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy import sparse

# Integers beyond it are not all floating point numbers.
LARGEST_EXACT = 2**53


def with_group_codes(X: Any, at: int | None) -> Any:
    """X with numbers that are equal where values of column ``at`` are, or X itself.

    Raises
    ------
    ValueError
        If a row has no group.
    """
    values = _group_values(X, at)
    return X if values is None or values.dtype.kind == "f" else _with_codes(X, at, _codes(values))


def with_joint_codes(X: Any, other: Any, at: int) -> tuple[Any, Any]:
    """Both with codes that are equal where values are, in the one and in the other.

    Warns
    -----
    UserWarning
        If the one has values of other types than the other, which are equal to none of them.
    """
    ours, theirs = _group_values(X, at), _group_values(other, at)
    if ours is None or theirs is None:
        return X, other
    exact = ours.dtype.kind == theirs.dtype.kind == "f"
    # As objects 7 and 7.0 are equal, and large integers are what they are.
    both = np.concatenate([ours.astype(object), theirs.astype(object)])
    codes, n = _codes(both), len(ours)
    if n and len(theirs) and not _types(ours) & _types(theirs):
        warnings.warn(
            f"No row of given is of a group that X has: groups of X are such as {ours[0]!r}, those "
            f"of given such as {theirs[0]!r}, and only what is equal is the same group. Nothing "
            "that was seen is used; convert one of them.",
            stacklevel=2,
        )
    if exact:
        return X, other
    return _with_codes(X, at, codes[:n]), _with_codes(other, at, codes[n:])


def _types(values: Any) -> set[type]:
    """Types of values, of which numbers have one."""
    return {Real if isinstance(v, Real) else type(v) for v in values.tolist()}


def _group_values(X: Any, at: int | None) -> Any:
    """Values of the group column, of floats where they are such without a loss, or else objects.

    None where there is no such column, or values that others have to refuse.
    """
    if at is None or sparse.issparse(X):
        return None
    if isinstance(X, pd.DataFrame):
        if not at < X.shape[1]:
            return None
        column = X.iloc[:, at]
        # Of categories a conversion is refused, whatever their values.
        categories = isinstance(column.dtype, pd.CategoricalDtype)
        values = column.to_numpy()
        return values if _are_floats(values) and not categories else column.to_numpy(dtype=object)
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        if not at < len(frame.columns):
            return None
        values = frame[frame.columns[at]].to_numpy()
        return values if _are_floats(values) else np.array(values.tolist(), dtype=object)
    array = np.asarray(X) if isinstance(X, np.ndarray) else np.array(X, dtype=object)
    if array.ndim != 2 or not at < array.shape[1]:
        return None
    values = array[:, at]
    if values.dtype.kind == "f":
        return None if np.isnan(values).any() else values
    if values.dtype.kind in "iub" and (not len(values) or _are_exact(values)):
        return values.astype(np.float64)
    # Codes are floats in an array of objects, and stay what they are.
    floats = len(values) and all(isinstance(v, float) and v == v for v in values.tolist())
    return values.astype(np.float64 if floats else object)


def _are_floats(values: Any) -> bool:
    """Whether a conversion leaves these as they are: that of large integers would not."""
    return values.dtype.kind == "f" and not np.isnan(values).any()


def _are_exact(values: Any) -> bool:
    return int(values.min()) >= -LARGEST_EXACT and int(values.max()) <= LARGEST_EXACT


def _with_codes(X: Any, at: int | None, codes: Any) -> Any:
    assert at is not None
    if isinstance(X, pd.DataFrame):
        out = X.copy(deep=False)
        out.isetitem(at, codes)
        return out
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        name = frame.columns[at]
        series = nw.new_series(name, codes, backend=frame.implementation)
        return frame.with_columns(series).to_native()
    array = np.array(X, dtype=object)
    array[:, at] = codes
    return array


def _codes(values: Any) -> Any:
    try:
        codes, _ = pd.factorize(values)
    except TypeError as error:
        raise TypeError(
            "group_feature: every value of the column named by this argument must be a string, a "
            f"number, a category or a date: {error}."
        ) from None
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise ValueError(
            f"the column of group_feature has no value in row {row} (one of "
            f"{int((codes < 0).sum())} such rows); a row without a group of its own needs a value "
            "that no other row has."
        )
    return codes.astype(np.float64)
