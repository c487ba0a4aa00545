"""What input is accepted, and the errors where it is not.

The only module that imports private names of scikit-learn.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .._dask import dask_input
from .._support.arrays import Array
from ..families._base import Family
from . import parameters

MOST_OBSERVATIONS = 1e15  # a sum of more weights would not see single rows

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "fit_intercept": ["boolean"],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "n_jobs": [Integral, None],
    "random_state": ["random_state", np.random.Generator],
    "verbose": ["verbose"],
}


def check_parameters(estimator: BaseEstimator) -> None:
    """Reject constructor parameters of a wrong type or range.

    Raises
    ------
    sklearn.utils._param_validation.InvalidParameterError
        A ValueError and TypeError that names the parameter and what it may be.
    """
    validate_parameter_constraints(
        PARAMETER_CONSTRAINTS,
        {name: getattr(estimator, name) for name in PARAMETER_CONSTRAINTS},
        caller_name=type(estimator).__name__,
    )
    if estimator.n_jobs == 0:
        raise ValueError("n_jobs=0 means no worker at all; use None for all cores, or 1, 2, ...")


def check_numeric_target(y: Any) -> None:
    """Reject text as a response, before it fails somewhere inside a conversion.

    Raises
    ------
    ValueError
        If y holds strings.
    """
    try:
        values = np.asarray(y)
    except ValueError:  # ragged: scikit-learn's message is clear
        return
    if values.dtype.kind in "UST" or (
        values.dtype.kind == "O"
        and any(isinstance(value, (str, bytes)) for value in values.ravel()[:1000])
    ):
        raise ValueError(
            "y must hold numbers, since this is a regression, but it holds text; convert it with "
            "y.astype(float), or encode it if it stands for categories."
        )


def _validated(
    estimator: BaseEstimator, *data: Any, dtype: Any = np.float64, **options: Any
) -> Any:
    # Infinities of both signs add up to nan on the way to the error that names them.  A missing
    # value in a y of objects is nan only after scikit-learn has looked.
    with np.errstate(over="ignore", invalid="ignore"):
        checked = validate_data(estimator, *data, dtype=dtype, **options)
        if len(data) == 1:
            return checked
        X, y = checked
        y = np.ascontiguousarray(y, dtype=np.float64)
        assert_all_finite(y, estimator_name=type(estimator).__name__, input_name="y")
        return X, y


def validate_training_data(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    n_components: int,
    family: Family,
) -> tuple[Array, Array, Array | None]:
    """Arrays to fit, and ``n_features_in_`` and ``feature_names_in_`` set on the estimator.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array-like of shape (n, p)
    y : array-like of shape (n,)
    sample_weight : array-like of shape (n,), scalar or None
    n_components : int
    family : Family
        Which has to have such responses.

    Returns
    -------
    X : ndarray of shape (n, p), float64 or float32
        Of many rows in Dask collections, `ChunkedData`, which hold y and weights as well.
    y : ndarray of shape (n,), float64
    weights : ndarray of shape (n,), float64, or None

    Raises
    ------
    ValueError
        If there is anything that a fit cannot use.
    """
    if dask_input.is_dask(X, y, sample_weight):
        threads = parameters.resolve_threads(estimator.n_jobs)
        return dask_input.training_data(
            estimator, X, y, sample_weight, n_components, threads, family
        )
    if y is not None:
        check_numeric_target(y)
    # What is fitted is a standardised copy; another one only to convert would be too many.
    X, y = _validated(
        estimator, X, y, dtype=[np.float64, np.float32], y_numeric=True, ensure_min_samples=2
    )
    family.check_response(y)
    if sample_weight is None:
        weights, rows, total = None, len(y), float(len(y))
    else:
        weights = check_weights(sample_weight, X)
        rows, total = int(np.count_nonzero(weights)), float(weights.sum())
    # A row of weight 3 is three rows, so that weighting stays the same as repeating.
    available = max(rows, total)
    if n_components > available:
        raise ValueError(
            f"n_components={n_components} needs at least as many rows as components, but there "
            f"are {available:g}; use fewer components or more data."
        )
    return X, y, weights


def check_weights(sample_weight: Any, X: Array) -> Array:
    """Weights of rows as an array of shape (n,).

    Raises
    ------
    ValueError
        If weights are negative, not finite, all zero or of a wrong shape.
    """
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, allow_all_zero_weights=True)
    if (weights < 0).any():
        raise ValueError(
            f"Negative sample_weight: {int((weights < 0).sum())} of {len(weights)} weights are "
            f"below zero, the least is {weights.min():g}; weights are frequencies of rows. "
            "Remove these rows or give them weight 0."
        )
    if not weights.any():
        raise ValueError(
            "Every sample_weight is zero, so that no row is left (all weights are zero); "
            "give a positive weight to the rows to be used."
        )
    total, largest = weights.sum(), weights.max()
    if not total <= MOST_OBSERVATIONS or not largest >= 1.0 / MOST_OBSERVATIONS:
        raise ValueError(
            f"The sum of sample_weight is {total:.3g}, with a largest weight of {largest:.3g}; "
            "weights are frequencies, their sum is the number of observations, and numbers beyond "
            f"{MOST_OBSERVATIONS:.0g} or 1 over that cannot be counted. Rescale the weights."
        )
    return np.ascontiguousarray(weights)


def validate_rows(estimator: BaseEstimator, X: Any) -> Array:
    """Rows at which a fitted estimator is asked something, (n, p) float64.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If X does not have the columns of the fit, or is not finite.
    """
    check_is_fitted(estimator)
    dask_input.refuse(X)
    X = _validated(estimator, X, reset=False)
    return X


def validate_rows_and_target(estimator: BaseEstimator, X: Any, y: Any) -> tuple[Array, Array]:
    """Rows with their responses, as `validate_rows`; the family has to have these."""
    check_is_fitted(estimator)
    dask_input.refuse(X, y)
    if y is not None:
        check_numeric_target(y)
    X, y = _validated(estimator, X, y, reset=False, y_numeric=True)
    estimator.posterior_.family.check_response(y)
    return X, y


def check_coverage(coverage: Any, name: str = "coverage") -> float:
    """A probability strictly between 0 and 1.

    Raises
    ------
    ValueError
        Otherwise.
    """
    if not isinstance(coverage, Real) or not 0.0 < float(coverage) < 1.0:
        raise ValueError(
            f"{name} must be a number strictly between 0 and 1, such as 0.9, got {coverage!r}."
        )
    return float(coverage)


def check_quantiles(quantiles: ArrayLike) -> NDArray[np.float64]:
    """Levels of quantiles as a one-dimensional array, each strictly between 0 and 1.

    Raises
    ------
    ValueError
        Otherwise.
    """
    try:
        levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    except (TypeError, ValueError):
        levels = np.array([np.nan])
    if levels.ndim != 1 or levels.size == 0 or not ((levels > 0) & (levels < 1)).all():
        raise ValueError(
            "quantiles must be levels strictly between 0 and 1, such as (0.05, 0.5, 0.95), "
            f"got {quantiles!r}."
        )
    return levels


def check_count(name: str, value: Any) -> int:
    """A positive integer.

    Raises
    ------
    ValueError
        Otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)
