"""Values that columns with a role cannot have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.arrays import Array
from ...families import FAMILIES
from ...families._base import Family
from .column_roles import ColumnRoles
from .selection import column_label
from .units import Units

ONE_GATE = (
    "weights are those of memberships, and a group has one. Use a column that is the same in all "
    "rows of a group, such as its mean or its first value."
)


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
        It names two rows of a group, and which of their weights or gating columns differ.
    """
    if roles.group is None or (weights is None and not roles.gating):
        return
    units = Units.of(X[:, roles.group])
    first = units.spread(units.first)
    if weights is not None:
        row = _first(weights != weights[first])
        if row is not None:
            raise ValueError(
                f"sample_weight counts groups, so it must be the same in all rows of one, but that "
                f"of row {row} is {float(weights[row])!r} and that of row {first[row]}, the first "
                f"of its group, is {float(weights[first[row]])!r}."
            )
    for at in roles.gating:
        values = X[:, at]
        row = _first(values != values[first])
        if row is not None:
            raise ValueError(
                f"gating_features names column {column_label(at, names)}, which varies within a "
                f"group (row {row} has {float(values[row])!r}, row {first[row]}, the first of its "
                f"group, has {float(values[first[row]])!r}): {ONE_GATE}"
            )


def check_groups_seen(X: Array, seen_X: Array, roles: ColumnRoles, names: Any) -> None:
    """Reject rows of a group that differ from rows of it seen before in what belongs to the group.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    seen_X : ndarray of shape (m, p)
        With the same values of the group column, in groups that pass `check_groups`.
    roles : ColumnRoles
    names : sequence of str or None
        Of the columns.

    Raises
    ------
    ValueError
        It names the two rows.
    """
    if roles.group is None or not roles.gating:
        return
    codes, rows = np.unique(seen_X[:, roles.group], return_index=True)
    where = np.minimum(np.searchsorted(codes, X[:, roles.group]), len(codes) - 1)
    known, seen = codes[where] == X[:, roles.group], rows[where]
    for at in roles.gating:
        row = _first(known & (X[:, at] != seen_X[seen, at]))
        if row is not None:
            raise ValueError(
                f"gating_features names column {column_label(at, names)}, which is "
                f"{float(X[row, at])!r} in row {row} of X and {float(seen_X[seen[row], at])!r} in "
                f"row {seen[row]} of given, of the same group: {ONE_GATE}"
            )


def _first(wrong: NDArray[np.bool_]) -> int | None:
    """The first row where something is wrong."""
    return int(np.argmax(wrong)) if wrong.any() else None


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
