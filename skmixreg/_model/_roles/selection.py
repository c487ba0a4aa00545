"""Which columns of X the parameters of an estimator name."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from ...families._base import Family
from .column_roles import ColumnRoles

# Parameters that name one column, and those that name several.
ONE = ("offset_feature", "exposure_feature", "group_feature")
SEVERAL = ("component_features", "shared_features", "gating_features")
PARAMETERS = (*SEVERAL, *ONE)


def has_roles(estimator: Any) -> bool:
    """Whether any column of X is named to be more than a regressor of every component."""
    return any(getattr(estimator, name, None) is not None for name in PARAMETERS)


def remember_callables(estimator: Any, X: Any) -> None:
    """Ask callables among the parameters, which take X, for the columns that they choose."""
    chosen = {
        name: value(X) for name in SEVERAL if callable(value := getattr(estimator, name, None))
    }
    if chosen or hasattr(estimator, "_chosen_features"):
        estimator._chosen_features = chosen


def roles_of(estimator: Any, family: Family) -> ColumnRoles:
    """Positions of the columns that a family and the parameters of an estimator name.

    Parameters
    ----------
    estimator : BaseEstimator
        With ``n_features_in_`` and, where X has names, ``feature_names_in_``.
    family : Family

    Raises
    ------
    ValueError
        If there is no such column, or one is named for two things that exclude each other.
    """
    names, n_columns = getattr(estimator, "feature_names_in_", None), estimator.n_features_in_
    taken: dict[int, str] = {}

    def take(column: Any, label: str) -> int:
        at = column_position(column, names, n_columns)
        if at is None:
            raise ValueError(_no_column(label, names, n_columns))
        if at in taken:
            raise ValueError(f"{label} is the column that is {taken[at]} already.")
        taken[at] = label
        return at

    family_columns = tuple(
        take(column, family.label_of(option)) for option, column in family.columns.items()
    )
    if not has_roles(estimator):
        return ColumnRoles.of_family(n_columns, family_columns)
    single: dict[str, int | None] = {}
    for name in ONE:
        column = getattr(estimator, name, None)
        single[name] = None if column is None else take(column, f"{name}={column!r}")
    if single["exposure_feature"] is not None and family.link != "log":
        raise ValueError(
            f"exposure_feature needs a family with a log link, got family={family.name!r}; its "
            "logarithm is added to the linear predictor. For another link use offset_feature."
        )
    several: dict[str, tuple[int, ...] | None] = {}
    for name in SEVERAL:
        given = getattr(estimator, name, None)
        chosen = getattr(estimator, "_chosen_features", {}).get(name, given)
        several[name] = _positions(name, chosen, names, n_columns, taken)
    shared, gating = several["shared_features"] or (), several["gating_features"] or ()
    own = several["component_features"]
    if isinstance(getattr(estimator, "component_features", None), str) and own is not None:
        # All that are left, if any are.
        own = tuple(j for j in own if j not in shared) or own
    both = sorted(set(shared) & set(own or ()))
    if both:
        raise ValueError(
            "component_features and shared_features both name column "
            f"{column_label(both[0], names)}: a slope is either one per component or the same in "
            "all; leave it out of one of them."
        )
    # A column without any role has a slope per component.
    roleless = set(range(n_columns)) - {*shared, *gating, *taken}
    slopes = tuple(sorted({*(own or ()), *roleless, *shared}))
    return ColumnRoles(
        slopes, shared, gating, family_columns, single["offset_feature"],
        single["exposure_feature"], single["group_feature"],
        tuple(f"x{j}" if names is None else str(names[j]) for j in gating),
    )  # fmt: skip


def _positions(
    name: str, columns: Any, names: Any, n_columns: int, taken: dict[int, str]
) -> tuple[int, ...] | None:
    """Sorted positions of columns that a parameter names; None where it is None."""
    if columns is None:
        return None
    if isinstance(columns, str) and columns == "all":
        return tuple(j for j in range(n_columns) if j not in taken)
    if isinstance(columns, str | Integral) and not isinstance(columns, bool | np.bool_):
        columns = [columns]
    if isinstance(columns, bool | np.bool_) or not isinstance(columns, Iterable):
        raise ValueError(
            f"{name} must be names or positions of columns, a mask, a callable or 'all', got "
            f"{columns!r}."
        )
    columns = list(columns)
    if columns and all(isinstance(column, bool | np.bool_) for column in columns):
        if len(columns) != n_columns:
            raise ValueError(
                f"{name} is a mask of length {len(columns)}, but X has {n_columns} columns."
            )
        columns = np.flatnonzero(columns).tolist()
    found: set[int] = set()
    for column in columns:
        at = column_position(column, names, n_columns)
        if at is None:
            raise ValueError(
                f"{name} names {column!r}, which is no column of X; {_known(names, n_columns)}"
            )
        if at in taken:
            raise ValueError(
                f"{name} names column {column_label(at, names)}, which is {taken[at]} already."
            )
        found.add(at)
    return tuple(sorted(found))


def _known(names: Any, n_columns: int) -> str:
    last = n_columns - 1
    if names is None:
        return f"X has no names, and positions from 0 to {last}."
    return f"columns are {[str(name) for name in names]}, or positions from 0 to {last}."


def column_label(at: int, names: Any) -> str:
    """How a message names a column: by its name, or its position where there are none."""
    return str(at) if names is None else repr(str(names[at]))


def column_position(column: Any, names: Any, n_features: int) -> int | None:
    """Where a column is that is given by name or position; None where there is none."""
    if isinstance(column, str):
        return list(names).index(column) if names is not None and column in names else None
    if isinstance(column, bool) or not isinstance(column, Integral):
        return None
    at = int(column)
    return at % n_features if -n_features <= at < n_features else None


def group_position(estimator: Any, X: Any) -> int | None:
    """Where ``group_feature`` is in X as it was given, a frame or what becomes an array.

    None where there are no groups, or X is neither or has no column at all, which others refuse.

    Raises
    ------
    ValueError
        If there is no such column: said before all that the column itself may be refused for.
    """
    column = getattr(estimator, "group_feature", None)
    if column is None:
        return None
    names: Any = None
    if nw.dependencies.is_into_dataframe(X):
        names = nw.from_native(X).columns
        n_columns = len(names)
    else:
        # What is neither has no shape that NumPy could ask for, and may still become an array.
        shape = X.shape if hasattr(X, "shape") else np.array(X, dtype=object).shape
        if len(shape) != 2:
            return None
        n_columns = shape[1]
    if n_columns == 0:
        return None
    at = column_position(column, names, n_columns)
    if at is None:
        raise ValueError(_no_column(f"group_feature={column!r}", names, n_columns))
    return at


def _no_column(label: str, names: Any, n_columns: int) -> str:
    return f"{label} is no column of X; {_known(names, n_columns)}"
