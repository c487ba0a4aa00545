"""Values that columns with a role cannot have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._support.arrays import Array
from ...families import FAMILIES
from ...families._base import Family
from .column_roles import ColumnRoles
from .selection import column_label
from .units import Units


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


def check_roles(X: Array, weights: Array | None, roles: ColumnRoles, names: Any) -> None:
    """Reject exposures and groups that cannot be.

    Raises
    ------
    ValueError
    """
    check_exposure(X, roles)
    check_groups(X, weights, roles, names)


def check_exposure(X: Array, roles: ColumnRoles) -> None:
    """Reject an exposure that has no logarithm.

    Raises
    ------
    ValueError
    """
    if roles.exposure is None:
        return
    wrong = ~(X[:, roles.exposure] > 0.0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"exposure_feature must be positive, but in row {row} it is "
            f"{X[row, roles.exposure]:g} (one of {int(wrong.sum())} such rows)."
        )


def _takes(family: Family, y: Array) -> bool:
    try:
        family.check_response(y)
    except ValueError:
        return False
    return True


def check_groups(X: Array, weights: Array | None, roles: ColumnRoles, names: Any) -> None:
    """Reject groups whose rows differ in what belongs to the group.

    Raises
    ------
    ValueError
        It names a group, and which of its weights or gating columns varies.
    """
    if roles.group is None:
        return
    units = Units.of(X[:, roles.group])

    def where(values: Array) -> int:
        """The first row that differs from the first of its group."""
        first = units.spread(values[units.first])
        return int(np.argmax(values != first))

    if weights is not None and units.vary_within(weights[:, None]).any():
        row = where(weights)
        raise ValueError(
            f"sample_weight counts groups, so it must be the same in all rows of one, but that of "
            f"row {row} is {weights[row]:g} and another row of its group has a different one."
        )
    for at in roles.gating:
        values = np.asarray(X[:, at], dtype=np.float64)
        if units.vary_within(values[:, None]).any():
            row = where(values)
            name = column_label(at, names)
            raise ValueError(
                f"gating_features names column {name}, which varies within a group (row {row} has "
                f"{values[row]:g}, the first row of its group another value): weights are those of "
                "memberships, and a group has one. Use a column that is the same in all rows of a "
                "group, such as its mean or its first value."
            )


def remarks(X: Array, roles: ColumnRoles, names: Any) -> list[str]:
    """What is no error in columns with a role, and yet says nothing."""
    out = []
    for at in roles.gating:
        values = X[:, at]
        if len(values) and (values == values[0]).all():
            out.append(
                f"gating column {column_label(at, names)} is constant: the weights do not depend "
                "on it, and its gating slopes are 0"
            )
    if roles.group is not None and len(np.unique(X[:, roles.group])) == len(X):
        out.append("every row is a group of its own: group_feature changes nothing, as without it")
    return out
