"""Rows as scikit-learn checks them, with what it does not say."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from ..._model._roles.selection import column_label, column_position


def checked(estimator: BaseEstimator, *data: Any, dtype: Any = np.float64, **options: Any) -> Any:
    """X, or X and y, as scikit-learn validates data, in y float64.

    Parameters
    ----------
    estimator : BaseEstimator
    *data : array-like
        X, or X and y.
    dtype : type or list of types
        Of X.
    **options : Any
        Of scikit-learn's ``validate_data``.

    Raises
    ------
    ValueError
        As scikit-learn's, but that what is missing in X is named.
    """
    # Infinities of both signs add up to nan on the way to the error that names them.  A missing
    # value in a y of objects is nan only after scikit-learn has looked.
    with np.errstate(over="ignore", invalid="ignore"):
        rows = _without_empty_frame(estimator, *data, **options)
        try:
            out = validate_data(estimator, *rows, dtype=dtype, ensure_min_features=0, **options)
        except ValueError as error:
            if str(error).startswith("Input X contains"):
                _name_not_finite(estimator, rows[0])
            raise
        if len(data) == 1:
            return out
        X, y = out
        y = np.ascontiguousarray(y, dtype=np.float64)
        assert_all_finite(y, estimator_name=type(estimator).__name__, input_name="y")
        return X, y


def _without_empty_frame(
    estimator: BaseEstimator, X: Any, *y: Any, reset: bool = True, **_: Any
) -> tuple[Any, ...]:
    """An array in the place of a frame without columns, which scikit-learn finds no type for."""
    if not nw.dependencies.is_into_dataframe(X) or len(nw.from_native(X).columns) > 0:
        return X, *y
    if not reset and estimator.n_features_in_ > 0:
        raise ValueError(
            f"X is a frame without columns, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    # Some frames forget their rows with their last column.
    return np.empty((len(X) or (len(y[0]) if y and y[0] is not None else 0), 0)), *y


def _name_not_finite(estimator: BaseEstimator, X: Any) -> None:
    """Say in which column of X, and where first, a number is missing or infinite.

    Raises
    ------
    ValueError
        If there is such a number.
    """
    try:
        values = check_array(X, dtype=np.float64, ensure_all_finite=False)
    except (TypeError, ValueError):  # objects that are missing and no numbers
        return
    wrong = ~np.isfinite(values)
    if not wrong.any():  # what float64 holds and float32 does not
        return
    # scikit-learn looks for nan first.
    what = "infinity"
    if np.isnan(values).any():
        what, wrong = "NaN", np.isnan(values)
    at = int(np.argmax(wrong.any(axis=0)))
    row, number = int(np.argmax(wrong[:, at])), int(wrong[:, at].sum())
    names = getattr(estimator, "feature_names_in_", None)
    name = column_label(at, names)
    others = int(wrong.any(axis=0).sum()) - 1
    more = f", and so {'has' if others == 1 else 'have'} {others} more" if others else ""
    advice = (
        "leave out these rows, or fill in what is missing with a step before this one, such as "
        "scikit-learn's SimpleImputer"
    )
    censoring = getattr(estimator, "censoring_feature", None)
    if column_position(censoring, names, values.shape[1]) == at:
        advice = "leave out the rows of which nobody knows whether they are censored"
    raise ValueError(
        f"Input X contains {what}: column {name} has it in row {row} (one of {number} such "
        f"rows){more}. {type(estimator).__name__} takes finite numbers only: {advice}."
    ) from None
