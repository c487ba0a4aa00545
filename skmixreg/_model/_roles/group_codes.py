"""Numbers in the place of the values of a column of groups, which may be anything."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from .selection import position_before_fit


def with_group_codes(estimator: Any, X: Any) -> Any:
    """X with numbers that are equal where values of the group column are, or X itself.

    Raises
    ------
    ValueError
        If a row has no group.
    """
    column = getattr(estimator, "group_feature", None)
    if column is None:
        return X
    at = position_before_fit(column, X)
    if at is None:  # what is wrong with it is said where all columns are looked at
        return X
    if nw.dependencies.is_into_dataframe(X):
        return _frame_with_codes(X, at, column)
    array = np.asarray(X) if isinstance(X, np.ndarray) else np.array(X, dtype=object)
    if array.dtype.kind in "fiub":
        return X
    out = array.astype(object)
    out[:, at] = _codes(array[:, at], column)
    return out


def _frame_with_codes(X: Any, at: int, column: Any) -> Any:
    if isinstance(X, pd.DataFrame):
        out = X.copy(deep=False)
        out.isetitem(at, _codes(X.iloc[:, at], column))
        return out
    frame = nw.from_native(X, eager_only=True)
    name = frame.columns[at]
    codes = _codes(np.array(frame[name].to_list(), dtype=object), column)
    series = nw.new_series(name, codes, backend=frame.implementation)
    return frame.with_columns(series).to_native()


def _codes(values: Any, column: Any) -> Any:
    codes, _ = pd.factorize(values)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise ValueError(
            f"group_feature={column!r} has no value in row {row} (one of {int((codes < 0).sum())} "
            "such rows); a row without a group of its own needs a value that no other row has."
        )
    return codes.astype(np.float64)
