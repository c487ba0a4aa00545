"""Columns that hold something else than numbers, found and named before a conversion hides it.

A conversion takes dates for a count of the unit that they are stored in and text of digits for
measurements; where it fails, it does not say in which column.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Columns that a message names one by one.
LONGEST_LIST = 5

KINDS_OF_DTYPES = {
    "dates": (nw.Date, nw.Datetime, nw.Time),
    "durations": (nw.Duration,),
    "text": (nw.String, nw.Binary),
    "categories": (nw.Categorical, nw.Enum),
}
KINDS_OF_OBJECTS: dict[str, tuple[type, ...]] = {
    "text": (str, bytes),
    "dates": (datetime.date, datetime.time, np.datetime64, pd.Period),
    "durations": (datetime.timedelta, np.timedelta64),
    "categories": (pd.Interval,),
}
KINDS_OF_ARRAYS = {"M": "dates", "m": "durations", "U": "text", "S": "text", "T": "text"}

BY_UNIT = "which as numbers depend on the unit that they are stored in"
WHAT_THEY_ARE = {
    "text": "text",
    "categories": "categories",
    "dates": f"dates, {BY_UNIT}",
    "durations": f"durations, {BY_UNIT}",
}
ENCODE = (
    "with ColumnTransformer([('encoded', OneHotEncoder(sparse_output=False), {columns})], "
    "remainder='passthrough') of scikit-learn as a step before this one"
)
GROUPS = (
    "if it says which rows belong together, name it as group_feature, and if it says which are "
    "censored (censoring_feature), write 1, 0 or -1"
)
COUNT = (
    "count from a fixed day in a unit of your choice, "
    "({values} - numpy.datetime64('2000-01-01')) / numpy.timedelta64(1, 'D')"
)
DIVIDE = "divide by a unit of your choice, {values} / numpy.timedelta64(1, 'h')"
ADVICE_FOR_COLUMNS = {
    "text": f"encode categories {ENCODE}; convert text that stands for numbers to float; {GROUPS}",
    "categories": (
        f"encode them {ENCODE}; convert those that stand for amounts to float; {GROUPS}"
    ),
    "dates": COUNT,
    "durations": DIVIDE,
}
ADVICE_FOR_VALUES = {
    "text": "convert it with {values}.astype(float), or encode it if it stands for categories",
    "categories": "convert them with {values}.astype(float) if they stand for amounts",
    "dates": COUNT,
    "durations": DIVIDE,
}


def check_columns_of_numbers(X: Any) -> None:
    """Reject columns of text, categories, dates or durations, by name.

    What is neither a frame nor an array, and other objects, are left to scikit-learn.

    Raises
    ------
    ValueError
        It says which columns hold what, and how numbers are made of it.
    """
    found: dict[str, list[Any]] = {}
    for column, kind in _kinds_of_columns(X):
        if kind:
            found.setdefault(kind, []).append(column)
    if not found:
        return
    sentences = [
        f"{_listed(columns)} {WHAT_THEY_ARE[kind]}: "
        + ADVICE_FOR_COLUMNS[kind].format(columns=columns, values=_selected(X, columns[0]))
        for kind, columns in found.items()
    ]
    raise ValueError(f"X must hold numbers, but {'. And '.join(sentences)}.")


def check_numbers(values: Any, name: str) -> None:
    """Reject text, categories, dates or durations as a response or as weights.

    Raises
    ------
    ValueError
        It says what is there, and how numbers are made of it.
    """
    for _, kind in _kinds_of_columns(values):
        if kind:
            raise ValueError(
                f"{name} must hold numbers, since this is a regression, but it holds "
                f"{WHAT_THEY_ARE[kind]}; {ADVICE_FOR_VALUES[kind].format(values=name)}."
            )


def _kinds_of_columns(values: Any) -> Iterator[tuple[Any, str]]:
    """Name, or number, of every column and what it holds, "" for what is not refused here."""
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        yield 0, "categories"
        return
    if nw.dependencies.is_into_dataframe(values):
        frame = nw.from_native(values)
        for name, dtype in frame.schema.items():
            yield name, _kind_of_dtype(dtype, lambda name=name: frame[name].to_numpy())
        return
    if nw.dependencies.is_into_series(values):
        series = nw.from_native(values, series_only=True)
        yield 0, _kind_of_dtype(series.dtype, series.to_numpy)
        return
    array = _as_array(values)
    if array is None or array.dtype.kind not in "MmUSTO":
        return
    columns = array.T if array.ndim == 2 else array.ravel()[None]
    kinds = [KINDS_OF_ARRAYS.get(array.dtype.kind) or _kind_of_objects(v) for v in columns]
    if array.dtype.kind in "UST" and not all(map(_reads_as_numbers, columns)):
        # An array has one type: columns of numbers became text beside one of words.
        kinds = [
            "" if _reads_as_numbers(v) else kind for v, kind in zip(columns, kinds, strict=True)
        ]
    yield from enumerate(kinds)


def _as_array(values: Any) -> NDArray[Any] | None:
    """The values of an array or of nested lists, each as it is."""
    if not isinstance(values, (np.ndarray, list, tuple, pd.Index)) and not hasattr(
        values, "__array__"
    ):
        return None
    try:
        array = np.asarray(values)
        if array.dtype.kind in "US" and isinstance(values, (list, tuple)):
            # As one array of text, numbers beside a word are words too.
            array = np.array(values, dtype=object)
    except (TypeError, ValueError):  # ragged, say: scikit-learn's message is clear
        return None
    return array if array.ndim in (1, 2) else None


def _kind_of_dtype(dtype: nw.dtypes.DType, values: Any) -> str:
    for kind, dtypes in KINDS_OF_DTYPES.items():
        if isinstance(dtype, dtypes):
            return kind
    if dtype.is_numeric() or dtype.is_nested() or isinstance(dtype, nw.Boolean):
        return ""
    return _kind_of_objects(np.asarray(values()))


def _kind_of_objects(values: NDArray[Any]) -> str:
    types = set(map(type, values.tolist() if values.dtype.kind == "O" else ()))
    for kind, classes in KINDS_OF_OBJECTS.items():
        if any(issubclass(one, classes) for one in types):
            return kind
    return ""


def _reads_as_numbers(values: NDArray[Any]) -> bool:
    try:
        values.astype(np.float64)
    except ValueError:
        return False
    return True


def _listed(columns: list[Any]) -> str:
    named = ", ".join(repr(column) for column in columns[:LONGEST_LIST])
    if len(columns) > LONGEST_LIST:
        return f"columns {named} and {len(columns) - LONGEST_LIST} more hold"
    return f"columns {named} hold" if len(columns) > 1 else f"column {named} holds"


def _selected(X: Any, column: Any) -> str:
    return f"X[{column!r}]" if nw.dependencies.is_into_dataframe(X) else f"X[:, {column}]"
