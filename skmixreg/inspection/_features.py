"""One feature varied, the others fixed, before whatever steps a pipeline has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._estimators._validation.arguments import check_count
from .._estimators.parameters import resolve_generator
from .._support.arrays import Array


def regressor_at(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The mixture at the end of pipelines and searches, and the rows as it sees them.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If there is no mixture at the end.
    """
    check_is_fitted(estimator)
    # Not into an estimator that chose its number of components: its predictions may be averages.
    while not hasattr(estimator, "predict_components"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            if len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator.steps[-1][1]
        else:
            raise TypeError(
                "This display needs a BayesianMixtureRegressor, or a Pipeline or search that ends "
                f"in one, got {type(estimator).__name__}."
            )
    return estimator, X


def take_rows(data: Any, index: NDArray[np.intp]) -> Any:
    """Rows of an array, or of a pandas or polars frame or series."""
    if hasattr(data, "iloc"):
        return data.iloc[index]
    return data[index] if hasattr(data, "shape") else np.asarray(data)[index]


def chosen_rows(n: int, subsample: float | int | None, random_state: Any) -> NDArray[np.intp]:
    """Which of n rows are drawn, ascending, without repetition.

    Raises
    ------
    ValueError
        If ``subsample`` is neither None, a positive integer nor a share inside (0, 1).
    """
    if subsample is None:
        return np.arange(n)
    if isinstance(subsample, Real) and not isinstance(subsample, Integral):
        if not 0.0 < float(subsample) < 1.0:
            raise ValueError(
                f"subsample must be a share inside (0, 1), a number of rows or None, got "
                f"{subsample!r}."
            )
        count = max(1, int(n * float(subsample)))
    else:
        count = check_count("subsample", subsample)
    if count >= n:
        return np.arange(n)
    return np.sort(resolve_generator(random_state).choice(n, count, replace=False))


class Rows(NamedTuple):
    """Rows in their columns.

    Attributes
    ----------
    names : list of str
    keys : list or None
        Labels of the columns of a frame, which need not be text; None of an array.
    kind : type or None
        Class of the frame.
    columns : list of ndarrays of shape (n,)
    """

    names: list[str]
    keys: list[Any] | None
    kind: Any
    columns: list[Array]

    @classmethod
    def of(cls, X: Any, estimator: Any) -> Rows:
        """The columns of an array or frame, with the names that the estimator knows."""
        if hasattr(X, "columns"):
            keys = list(X.columns)
            kind = pd.DataFrame if isinstance(X, pd.DataFrame) else type(X)
            return cls([str(key) for key in keys], keys, kind, [_values(X[key]) for key in keys])
        values = np.asarray(X)
        if values.ndim != 2:
            raise ValueError(f"X must have two dimensions, got {values.ndim}.")
        known = getattr(estimator, "feature_names_in_", None)
        if known is None or len(known) != values.shape[1]:
            known = [f"x{j}" for j in range(values.shape[1])]
        return cls([str(name) for name in known], None, None, [_values(a) for a in values.T])

    def position(self, feature: int | str) -> int:
        """Position of a column given by name or position.

        Raises
        ------
        ValueError
            If there is none.
        """
        if isinstance(feature, str):
            if feature in self.names:
                return self.names.index(feature)
        elif isinstance(feature, Integral) and not isinstance(feature, bool):
            p = len(self.names)
            if -p <= feature < p:
                return int(feature) % p
        if not self.names:
            raise ValueError(f"There is no feature {feature!r}: X has no columns.")
        raise ValueError(
            f"There is no feature {feature!r}; features are {self.names}, or positions from 0 to "
            f"{len(self.names) - 1}."
        )

    def numbers(self, j: int) -> Array:
        """Column j as numbers.

        Raises
        ------
        ValueError
            If it does not hold numbers, or a single one.
        """
        column = self.columns[j]
        if column.dtype.kind != "f":
            raise ValueError(
                f"Feature {self.names[j]!r} does not hold numbers, so that there is no line over "
                "it; choose another feature, and fix this one by at."
            )
        if not np.nanmin(column) < np.nanmax(column):
            raise ValueError(f"Feature {self.names[j]!r} has a single value; choose another.")
        return column

    def fixed(
        self, j: int, at: Mapping[Any, Any] | None, roles: Sequence[int] = ()
    ) -> dict[int, Any]:
        """Values of all columns but j: means, or the most frequent value where there is none.

        Of columns that have another role than that of a regressor it is a value that is there.

        Raises
        ------
        ValueError
            If ``at`` names the feature itself or none.
        """
        given = {self.position(feature): value for feature, value in (at or {}).items()}
        if j in given:
            raise ValueError(
                f"at fixes {self.names[j]!r}, the feature that varies; leave it out of at."
            )
        return {
            i: given[i]
            if i in given
            else (_middle if i in roles and column.dtype.kind == "f" else _typical)(column)
            for i, column in enumerate(self.columns)
            if i != j
        }

    def varied(self, j: int, values: Array, fixed: Mapping[int, Any]) -> Any:
        """Rows of the same kind with these values of column j, and the others fixed."""
        n = len(values)
        columns = [
            values if i == j else np.full(n, fixed[i], dtype=column.dtype)
            for i, column in enumerate(self.columns)
        ]
        if self.keys is None:
            return np.column_stack(columns)
        return self.kind(dict(zip(self.keys, columns, strict=True)))


def _values(column: Any) -> Array:
    """A column: floats where it holds numbers, objects where it does not, as truth values."""
    values = np.asarray(column)
    categories = str(getattr(column, "dtype", "")) in ("category", "Categorical", "Enum")
    if values.dtype.kind in "iuf" and not categories:
        return values.astype(np.float64)
    out = values.astype(object)
    missing = np.asarray(pd.isna(out), dtype=bool)
    numeric = [isinstance(v, Real) and not isinstance(v, (bool, np.bool_)) for v in out[~missing]]
    if categories or not all(numeric):
        return out
    numbers = np.full(len(out), np.nan)
    numbers[~missing] = out[~missing].astype(np.float64)
    return numbers


def _typical(column: Array) -> Any:
    if column.dtype.kind == "f":
        return float(np.nanmean(column))
    codes, values = pd.factorize(column)
    return values[np.bincount(codes[codes >= 0]).argmax()]


def _middle(column: Array) -> Any:
    """The value that is nearest to the median."""
    return float(np.nanquantile(column, 0.5, method="nearest"))


class Slice(NamedTuple):
    """A grid over one feature.

    Attributes
    ----------
    name : str
    column : ndarray of shape (n,)
        The feature in the rows given.
    grid : ndarray of shape (g,)
    rows : array-like or DataFrame of shape (g, p)
        Rows on the grid, for the estimator.
    same_rows : array-like or DataFrame of shape (n, p)
        The rows given, with the other features fixed.
    """

    name: str
    column: Array
    grid: Array
    rows: Any
    same_rows: Any


def slice_over(
    estimator: Any, X: Any, feature: int | str, at: Mapping[Any, Any] | None, resolution: int
) -> Slice:
    """Vary one feature over its range and fix the others.

    Raises
    ------
    ValueError
        If a feature does not exist, or holds no two numbers.
    """
    resolution = check_count("grid_resolution", resolution)
    if resolution < 2:
        raise ValueError(f"grid_resolution must be at least 2, got {resolution}.")
    rows = Rows.of(X, estimator)
    j = rows.position(feature)
    column = rows.numbers(j)
    # Of a pipeline the columns may be others.
    posterior = getattr(estimator, "posterior_", None)
    roles = () if posterior is None else posterior.design.roles.others
    fixed = rows.fixed(j, at, roles)
    grid = np.linspace(np.nanmin(column), np.nanmax(column), resolution)
    return Slice(
        rows.names[j], column, grid, rows.varied(j, grid, fixed), rows.varied(j, column, fixed)
    )


def target_name(y: Any) -> str:
    """Name of a series, or y."""
    name = getattr(y, "name", None)
    return "y" if name is None else str(name)
