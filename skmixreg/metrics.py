"""Scores of predictive densities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._assessment.generalised_r2 import checked_weights, generalised_r2
from ._support.arrays import Array

__all__ = ["crps_scorer", "generalised_r2", "mean_log_predictive_density_scorer"]


def mean_log_predictive_density_scorer(
    estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean log predictive density of ``y``, for ``scoring=``; higher is better.

    Unlike the default score it is additive: its mean over folds is the mean over rows.

    Parameters
    ----------
    estimator : BayesianMixtureRegressor
        Fitted; or a Pipeline that ends in one, or a fitted search over either.
    X : array-like of shape (n, p)
    y : array-like of shape (n,)
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    float
        In nats per row, in the units of y.

    Raises
    ------
    TypeError
        If there is no ``log_predictive_density`` at the end of ``estimator``.
    ValueError
        If weights are negative or all zero.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> cross_val_score(model, X, y, scoring=mean_log_predictive_density_scorer)  # doctest: +SKIP
    """
    return _mean_over_rows(
        "mean_log_predictive_density_scorer",
        "log_predictive_density",
        estimator, X, y, sample_weight,
    )  # fmt: skip


def crps_scorer(
    estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean continuous ranked probability score, negated, for ``scoring=``; higher is better.

    It is minus the mean absolute error where a forecast is a point, and like it in units of y.
    Few bad rows count less than in `mean_log_predictive_density_scorer`.

    Parameters
    ----------
    estimator : BayesianMixtureRegressor
        Fitted; or a Pipeline that ends in one, or a fitted search over either.
    X : array-like of shape (n, p)
    y : array-like of shape (n,)
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    float
        At most 0, in units of y; see `BayesianMixtureRegressor.crps`.

    Raises
    ------
    TypeError
        If there is no ``crps`` at the end of ``estimator``.
    ValueError
        If weights are negative or all zero.

    References
    ----------
    Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
    estimation. Journal of the American Statistical Association 102, 359-378.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> cross_val_score(model, X, y, scoring=crps_scorer)  # doctest: +SKIP
    """
    return -_mean_over_rows("crps_scorer", "crps", estimator, X, y, sample_weight)


def _mean_over_rows(
    scorer: str, method: str, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None
) -> float:
    """Weighted mean of what a method of the regressor says of every row."""
    regressor, X = last_step(estimator, X)
    if not hasattr(regressor, method):
        raise TypeError(
            f"{scorer} needs a BayesianMixtureRegressor, or a Pipeline or search that ends in "
            f"one, got {type(regressor).__name__}."
        )
    values: Array = getattr(regressor, method)(X, y)
    return float(np.average(values, weights=checked_weights(sample_weight, len(values))))


def last_step(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The regressor inside pipelines and searches, and the rows as it sees them."""
    while True:
        # A BayesianMixtureRegressorCV answers itself, perhaps with an average over K.
        own = hasattr(estimator, "predict_components")
        if hasattr(estimator, "best_estimator_") and not own:
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            if len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator.steps[-1][1]
        else:
            return estimator, X
