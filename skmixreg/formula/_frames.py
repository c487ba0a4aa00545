"""Columns of pandas and polars frames, in the one form that formulaic is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd


def opened(data: Any) -> Any:
    """The frame in narwhals.

    Raises
    ------
    TypeError
        If it is no pandas or polars frame in memory.
    """
    if not nw.dependencies.is_into_dataframe(data):
        raise TypeError(
            "A formula names columns, and needs a pandas or polars frame that has them, got "
            f"{type(data).__name__}."
        )
    return nw.from_native(data, eager_only=True)


def columns_of(frame: Any, names: Sequence[str]) -> pd.DataFrame:
    """Columns with NumPy's types, and categories with all their levels.

    Parameters
    ----------
    frame : narwhals.DataFrame
    names : sequence of str

    Returns
    -------
    DataFrame of shape (n, p)
        With the index of a pandas frame.
    """
    native = frame.to_native()
    index = native.index if isinstance(native, pd.DataFrame) else pd.RangeIndex(len(frame))
    return pd.DataFrame({name: _values(frame[name]) for name in names}, index=index)


def _values(column: Any) -> Any:
    if column.dtype in (nw.Categorical, nw.Enum):
        levels = column.cat.get_categories().to_list()
        return pd.Categorical(column.to_numpy(), categories=levels)
    values = column.to_numpy()
    # Text in one type: formulaic does not know all that pandas has.
    return values.astype(object) if column.dtype == nw.String else values


def missing_in(frame: pd.DataFrame) -> list[str]:
    """Names of the columns with missing values."""
    return [str(name) for name in frame.columns if frame[name].isna().any()]
