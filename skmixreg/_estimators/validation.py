"""What input is accepted, and the errors where it is not.

The only module that imports private names of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_is_fitted

from .._dask import dask_input
from .._model._roles import checks, selection
from .._model._roles.column_roles import ColumnRoles
from .._model._roles.group_codes import with_group_codes, with_joint_codes
from .._posterior._rows.seen import given_rows
from .._posterior.family_average import Predictive
from .._support.arrays import Array
from .._support.number_columns import check_columns_of_numbers, check_numbers
from ..families._base import Family
from . import parameters
from ._validation.checked_rows import checked
from .labels import NO_LABELS, Labels, labels_of, of_groups

# Rows of groups that were seen, and their responses.
type Given = tuple[Any, Any] | None

MOST_OBSERVATIONS = 1e15  # a sum of more weights would not see single rows

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "fit_intercept": ["boolean"],
    "shared_intercept": ["boolean"],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "n_jobs": [Integral, None],
    "random_state": ["random_state", np.random.Generator],
    "verbose": ["verbose"],
}
COUNTS = ("n_components", "n_init", "n_jobs")  # a bool is an integer to Python


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
    for name in COUNTS:
        if isinstance(getattr(estimator, name), bool):
            raise ValueError(f"{name} must be an integer, got {getattr(estimator, name)!r}.")
    if estimator.n_jobs == 0:
        raise ValueError("n_jobs=0 means no worker at all; use None for all cores, or 1, 2, ...")


def check_something_to_fit(
    X: Array, y: Array, n_regressors: int, fit_intercept: bool, *families: Family
) -> None:
    """Reject rows without columns that leave nothing to learn.

    Of a y of two distinct values it is their share, which one component has already; those of a
    mixture would each sit on one value.

    Raises
    ------
    ValueError
    """
    if n_regressors > 0:
        return
    if not fit_intercept and not all(family.extras for family in families):
        raise ValueError(
            "X has no columns, fit_intercept=False and the family has no dispersion: there is "
            "nothing to fit; use fit_intercept=True."
        )
    others = y[y != y[0]]
    if len(others) == 0 or (others == others[0]).all():
        none = "" if X.shape[1] == 0 else ", of which none is a regressor,"
        raise ValueError(
            f"X has {X.shape[1]} feature(s) (shape={X.shape}){none} while a minimum of 1 is "
            "required where y has no more than two distinct values; a mixture without columns "
            "needs a y with more."
        )


def validate_training_data(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    n_components: int,
    *families: Family,
) -> tuple[Array, Array, Array | None]:
    """Arrays to fit, and ``n_features_in_`` and ``feature_names_in_`` set on the estimator.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array-like of shape (n, p)
    y : array-like of shape (n,)
    sample_weight : array-like of shape (n,), scalar or None
    n_components : int
    *families : Family
        Which all have to have such responses.

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
        rows = dask_input.training_data(
            estimator, X, y, sample_weight, n_components, threads, *families
        )
        if isinstance(rows[0], np.ndarray):  # few came into memory
            roles = [selection.roles_of(estimator, family) for family in families]
            _check_roles(estimator, rows[0], rows[2], roles)
        return rows
    selection.remember_callables(estimator, X)
    X = with_group_codes(X, selection.group_position(estimator, X))
    check_columns_of_numbers(X)
    check_numbers(y, "y")
    # What is fitted is a standardised copy; another one only to convert would be too many.
    X, y = checked(
        estimator, X, y, dtype=[np.float64, np.float32], y_numeric=True, ensure_min_samples=2
    )
    if X.shape[1] == 0 and selection.has_roles(estimator):
        raise ValueError(
            f"X has 0 feature(s) (shape={X.shape}) while a minimum of 1 is required by the columns "
            "that are given roles."
        )
    roles = [selection.roles_of(estimator, family) for family in families]
    n_regressors = min(len(own.slopes) for own in roles)
    check_something_to_fit(X, y, n_regressors, bool(estimator.fit_intercept), *families)
    for family, own in zip(families, roles, strict=True):
        checks.check_rows(family, X, y, own.family)
    if sample_weight is None:
        weights, n_rows, total = None, len(y), float(len(y))
    else:
        weights = check_weights(sample_weight, X)
        n_rows, total = int(np.count_nonzero(weights)), float(weights.sum())
    _check_roles(estimator, X, weights, roles)
    # A row of weight 3 is three rows, so that weighting stays the same as repeating.
    available = max(n_rows, total)
    if n_components > available:
        raise ValueError(
            f"n_components={n_components} needs at least as many rows as components, but there "
            f"are {available:g}; use fewer components or more data."
        )
    return X, y, weights


def _check_roles(
    estimator: BaseEstimator, X: Array, weights: Array | None, roles: list[ColumnRoles]
) -> None:
    """Reject exposures and groups that cannot be; families differ in columns of their own only."""
    checks.check_roles(X, weights, roles[0], getattr(estimator, "feature_names_in_", None))


def validate_labels(
    estimator: BaseEstimator, labels: Any, X: Any, family: Family, n_components: int
) -> Labels:
    """What is known of the memberships of validated rows.

    Raises
    ------
    ValueError
        If labels are no labels, or rows of a group have different ones.
    """
    if labels is None:
        return NO_LABELS
    if not isinstance(X, np.ndarray):
        raise ValueError("labels need rows in memory, and these are in chunks; use X.compute().")
    found = labels_of(labels, len(X), n_components)
    roles = selection.roles_of(estimator, family)
    return of_groups(found, X[:, roles.group]) if roles.group is not None else found


def check_weights(sample_weight: Any, X: Array) -> Array:
    """Weights of rows as an array of shape (n,).

    Raises
    ------
    ValueError
        If weights are negative, not finite, all zero or of a wrong shape.
    """
    check_numbers(sample_weight, "sample_weight")
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


def validate_rows(estimator: BaseEstimator, X: Any, *, by_group: bool = False) -> Array:
    """Rows at which a fitted estimator is asked something, (n, p) float64.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array-like of shape (n, p)
    by_group : bool, default=False
        Whether rows of a group share one membership in the answer, and so a gate.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If X does not have the columns of the fit, is not finite, or has no such groups.
    """
    check_is_fitted(estimator)
    dask_input.refuse(X)
    return _coded_rows(estimator, _coded(estimator, X), by_group)


def validate_rows_and_target(
    estimator: BaseEstimator, X: Any, y: Any, *, by_group: bool = True
) -> tuple[Array, Array]:
    """Rows with their responses, as `validate_rows`; the family has to have these."""
    check_is_fitted(estimator)
    dask_input.refuse(X, y)
    return _coded_rows_and_target(estimator, _coded(estimator, X), y, by_group)


def validate_weighted_rows(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any
) -> tuple[Array, Array, Array | None]:
    """Rows with responses and weights, which are those of groups where there are any."""
    X, y = validate_rows_and_target(estimator, X, y)
    if sample_weight is None:
        return X, y, None
    weights = check_weights(sample_weight, X)
    _check_groups_of_fit(estimator, X, weights)
    return X, y, weights


def check_weights_of_groups(estimator: Any, X: Any, weights: Array) -> None:
    """Reject checked weights of rows as a fitted estimator takes them that vary within a group."""
    posterior = getattr(estimator, "posterior_", None)  # scorers take other regressors, too
    if posterior is not None and posterior.design.roles.group is not None:
        _check_groups_of_fit(estimator, validate_rows(estimator, X), weights)


def _coded(estimator: Any, X: Any) -> Any:
    return with_group_codes(X, estimator.posterior_.design.roles.group)


def validate_rows_given(
    estimator: BaseEstimator,
    X: Any,
    given: Given,
    predictive: Predictive,
    *,
    by_group: bool = False,
) -> tuple[Any, Array]:
    """As `validate_rows`, and the posterior or average given the memberships of rows seen before.

    Raises
    ------
    ValueError
        If there are no groups, ``given`` is no pair of rows and responses, or a group has another
        gate in X.
    """
    if given is None:
        return predictive, validate_rows(estimator, X, by_group=by_group)
    check_is_fitted(estimator)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(f"given must be a pair (X, y) of rows that were seen, got {given!r:.80}.")
    group = estimator.posterior_.design.roles.group
    if group is None:
        raise ValueError(
            "given says to which groups rows belong that were seen, and this fit has no groups: "
            "set group_feature."
        )
    dask_input.refuse(X, *given)
    seen_X, seen_y = given
    with _of_given():
        check_consistent_length(seen_X, seen_y)
        if _num_samples(seen_X) == 0:
            return predictive, validate_rows(estimator, X, by_group=by_group)
        _coded(estimator, seen_X)  # for the rows that its errors count
    # Codes of both together: one more coding of either would lose what they have in common.
    X, seen_X = with_joint_codes(X, seen_X, group)
    with _of_given():
        seen_X, seen_y = _coded_rows_and_target(estimator, seen_X, seen_y, by_group=True)
    X = _coded_rows(estimator, X, by_group)
    roles = estimator.posterior_.design.roles
    checks.check_groups_seen(X, seen_X, roles, getattr(estimator, "feature_names_in_", None))
    return given_rows(predictive, X, seen_X, seen_y), X


@contextmanager
def _of_given() -> Iterator[None]:
    """Errors that say that it is the rows of ``given`` that are wrong."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"In given=(X, y), whose rows are counted here: {error}") from None


def _coded_rows(estimator: BaseEstimator, X: Any, by_group: bool) -> Array:
    """Checked rows whose groups are numbers."""
    check_columns_of_numbers(X)
    X = checked(estimator, X, reset=False)
    return _as_in_fit(estimator, X, None, by_group)


def _coded_rows_and_target(
    estimator: BaseEstimator, X: Any, y: Any, by_group: bool
) -> tuple[Array, Array]:
    check_columns_of_numbers(X)
    check_numbers(y, "y")
    X, y = checked(estimator, X, y, reset=False, y_numeric=True)
    return _as_in_fit(estimator, X, y, by_group), y


def _as_in_fit(estimator: Any, X: Array, y: Array | None, by_group: bool) -> Array:
    """X, of which nothing is refused that `fit` would refuse."""
    posterior = estimator.posterior_
    roles = posterior.design.roles
    checks.check_rows(posterior.family, X, y, roles.family)
    checks.check_exposure(X, roles)
    if by_group:
        _check_groups_of_fit(estimator, X, None)
    return X


def _check_groups_of_fit(estimator: Any, X: Array, weights: Array | None) -> None:
    roles = estimator.posterior_.design.roles
    checks.check_groups(X, weights, roles, getattr(estimator, "feature_names_in_", None))
