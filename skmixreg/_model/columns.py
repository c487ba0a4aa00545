"""Which columns of X are no regressors."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .._support.arrays import Array
from ..families import FAMILIES
from ..families._base import Family


def family_positions(estimator: Any, family: Family) -> tuple[int, ...]:
    """Positions of the columns that a family names, in its order.

    Parameters
    ----------
    estimator : BaseEstimator
        With ``n_features_in_`` and, where X has names, ``feature_names_in_``.
    family : Family

    Raises
    ------
    ValueError
        If there is no such column, or one is named twice.
    """
    names = getattr(estimator, "feature_names_in_", None)
    found: dict[int, str] = {}
    for option, column in family.columns.items():
        at = _position(column, names, estimator.n_features_in_)
        label = family.label_of(option)
        if at is None:
            last = estimator.n_features_in_ - 1
            known = f"X has no names, and positions from 0 to {last}."
            if names is not None:
                columns = [str(name) for name in names]
                known = f"columns are {columns}, or positions from 0 to {last}."
            raise ValueError(f"{label} is no column of X; {known}")
        if at in found:
            raise ValueError(f"{label} is the column that is {found[at]} already.")
        found[at] = option
    return tuple(found)


def _position(column: Any, names: Any, n_features: int) -> int | None:
    if isinstance(column, str):
        return list(names).index(column) if names is not None and column in names else None
    if isinstance(column, bool) or not isinstance(column, Integral):
        return None
    at = int(column)
    return at % n_features if -n_features <= at < n_features else None


def check_rows(family: Family, X: Array, y: Array | None, positions: tuple[int, ...]) -> None:
    """Reject responses, and values of its columns, that a family cannot have.

    Raises
    ------
    ValueError
    """
    columns = np.asarray(X[:, list(positions)].T, dtype=np.float64)
    family.check_columns(*columns)
    if y is None:
        return
    try:
        family.check_response(y, *columns)
    except ValueError as error:
        others = [f"family={name!r}" for name, row in FAMILIES.items() if _takes(row(), y)]
        raise ValueError(f"{error} This y would do for {' or '.join(others)}.") from None


def _takes(family: Family, y: Array) -> bool:
    try:
        family.check_response(y)
    except ValueError:
        return False
    return True
