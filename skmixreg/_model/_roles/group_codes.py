"""Numbers in the place of the values of a column of groups, which may be anything."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy import sparse

from .selection import position_before_fit


def with_group_codes(estimator: Any, X: Any) -> Any:
    """X with numbers that are equal where values of the group column are, or X itself.

    Raises
    ------
    ValueError
        If a row has no group.
    """
    column = getattr(estimator, "group_feature", None)
    values = None if column is None else _group_values(X, column)
    return X if values is None else _with_codes(X, column, _codes(values, column))


def with_joint_codes(estimator: Any, X: Any, other: Any) -> tuple[Any, Any]:
    """Both with codes that are equal where values are, in the one and in the other."""
    column = estimator.group_feature
    values = [_group_values(rows, column) for rows in (X, other)]
    if values[0] is None or values[1] is None:
        return X, other
    codes = _codes(np.concatenate(values), column)
    n = len(values[0])
    return _with_codes(X, column, codes[:n]), _with_codes(other, column, codes[n:])


def _group_values(X: Any, column: Any) -> Any:
    """Values of the group column as objects; None where they are floating point numbers already."""
    at = position_before_fit(column, X)
    # What is wrong with it is said where all columns are looked at.
    if at is None or sparse.issparse(X):
        return None
    if isinstance(X, pd.DataFrame):
        values = X.iloc[:, at].to_numpy()
        return None if _are_floats(values) else X.iloc[:, at].to_numpy(dtype=object)
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        values = frame[frame.columns[at]].to_numpy()
        return None if _are_floats(values) else np.array(values.tolist(), dtype=object)
    array = np.asarray(X) if isinstance(X, np.ndarray) else np.array(X, dtype=object)
    return None if array.dtype.kind in "fiub" else array[:, at]


def _are_floats(values: Any) -> bool:
    """Whether a conversion leaves these as they are: that of large integers would not."""
    return values.dtype.kind == "f" and not np.isnan(values).any()


def _with_codes(X: Any, column: Any, codes: Any) -> Any:
    at = position_before_fit(column, X)
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


def _codes(values: Any, column: Any) -> Any:
    try:
        codes, _ = pd.factorize(values)
    except TypeError as error:
        raise TypeError(
            f"group_feature={column!r} as an argument must be a column of strings, numbers, "
            f"categories or dates: {error}."
        ) from None
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise ValueError(
            f"group_feature={column!r} has no value in row {row} (one of {int((codes < 0).sum())} "
            "such rows); a row without a group of its own needs a value that no other row has."
        )
    return codes.astype(np.float64)
