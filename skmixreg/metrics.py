"""Scores of predictive densities."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from ._support.arrays import Array
from .families._stable import negative_binomial_log_probability, poisson_log_probability

__all__ = ["crps_scorer", "generalised_r2", "mean_log_predictive_density_scorer"]

LEAST_EXCESS = 1e-10  # of the variance over the mean, relative: less is rounding


def generalised_r2(
    log_density: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    discrete: bool = False,
) -> float:
    r"""R^2 of predictive densities rather than of predictive means.

    .. math::

        R^2 = 1 - \exp\{-2 (\bar\ell - \bar\ell_0)\}

    with :math:`\bar\ell` the mean log predictive density and :math:`\bar\ell_0` that of a normal
    distribution with the mean and variance of ``y``: the share of variance explained for normal
    errors around one line, defined for any density (Cox and Snell 1989; Magee 1990).  On crossing
    lines it sees the lines, where R^2 of the means sees nothing.

    For counts the reference is the negative binomial distribution with the mean and variance of
    ``y``, or the Poisson distribution where the variance is not larger than the mean.

    It is at most 1, reaches 1 numerically for gains above about 18 nats, is not bounded
    below, and is not ``sklearn.metrics.r2_score`` of the predictions.

    Parameters
    ----------
    log_density : array-like of shape (n,)
        Log predictive density of every row at its ``y``.
    y : array-like of shape (n,)
        The same values of y, in the units of the densities.
    sample_weight : array-like of shape (n,), optional
    discrete : bool, default=False
        Whether y holds counts, and the densities are probabilities.

    Returns
    -------
    float
        0.0 if y is constant; nan, with an UndefinedMetricWarning, for fewer than two rows.

    Raises
    ------
    ValueError
        If weights are negative or all zero.

    References
    ----------
    Cox, D. R. and Snell, E. J. (1989). The Analysis of Binary Data, 2nd ed. Chapman and Hall.

    Magee, L. (1990). R^2 measures based on Wald and likelihood ratio joint significance tests.
    The American Statistician 44, 250-253.
    """
    density, target = np.asarray(log_density, np.float64), np.asarray(y, np.float64).ravel()
    weights = _checked_weights(sample_weight, len(target))
    rows = weights > 0
    density, target, weights = density[rows], target[rows], weights[rows]
    if len(target) < 2:
        warnings.warn(
            "The score is not defined with fewer than two rows.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    middle = np.average(target, weights=weights)
    deviation = target - middle
    size = np.abs(deviation).max()
    if np.ptp(target) == 0.0 or size == 0.0:
        return 0.0
    share = np.average((deviation / size) ** 2, weights=weights)
    if discrete:
        reference = log_probability_of_counts(target, middle, share * size**2)
        constant = np.average(reference, weights=weights)
    else:
        constant = -0.5 * (np.log(2.0 * np.pi) + 2.0 * np.log(size) + np.log(share) + 1.0)
    gain = np.average(density, weights=weights) - constant
    with np.errstate(over="ignore"):
        return float(-np.expm1(-2.0 * gain))


def log_probability_of_counts(y: Array, mean: float, variance: float) -> Array:
    """Of counts of this mean and variance: negative binomial, or Poisson of no larger variance."""
    alpha = (variance - mean) / mean**2
    if alpha * mean > LEAST_EXCESS:
        return negative_binomial_log_probability(y, np.asarray(mean), np.asarray(alpha))
    some = poisson_log_probability(np.maximum(y, 1.0), np.asarray(mean))
    return np.where(y < 1.0, -mean, some)


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
    return float(np.average(values, weights=_checked_weights(sample_weight, len(values))))


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


def _checked_weights(sample_weight: ArrayLike | None, n: int) -> Array:
    if sample_weight is None:
        return np.ones(n)
    weights = np.asarray(sample_weight, np.float64).ravel()
    if len(weights) != n:
        raise ValueError(f"sample_weight has {len(weights)} entries, but there are {n} rows.")
    if not np.isfinite(weights).all() or (weights < 0.0).any() or not (weights > 0.0).any():
        raise ValueError("sample_weight must be finite and not negative, and not all zero.")
    return weights
