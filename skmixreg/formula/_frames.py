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
    return pd.DataFrame({name: _series(frame[name], index) for name in names}, index=index)


def _series(column: Any, index: pd.Index) -> pd.Series:
    if column.dtype in (nw.Categorical, nw.Enum):
        levels = column.cat.get_categories().to_list()
        return pd.Series(pd.Categorical(column.to_numpy(), categories=levels), index)
    # Text as objects: formulaic up to 1.2.0 takes pandas' own type of text for numbers.
    kind = object if column.dtype == nw.String else None
    return pd.Series(column.to_numpy(), index, dtype=kind)


def missing_in(frame: pd.DataFrame) -> list[str]:
    """Names of the columns with missing values."""
    return [str(name) for name in frame.columns if frame[name].isna().any()]
