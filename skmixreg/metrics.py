"""Scores of predictive densities."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import sklearn
from numpy.typing import ArrayLike
from sklearn.utils.metadata_routing import MetadataRequest

from ._assessment.generalised_r2 import checked_weights, generalised_r2
from ._estimators.validation import check_weights_of_groups
from ._support.arrays import Array

__all__ = [
    "PredictiveScorer",
    "crps_scorer",
    "generalised_r2",
    "mean_log_predictive_density_scorer",
]


class PredictiveScorer:
    """A score of predictive distributions, for ``scoring=`` in searches and cross-validation.

    With metadata routing enabled, `set_score_request` says whether weights are scored with.

    Parameters
    ----------
    name : str
        Of the scorer.
    method : str
        Of the regressor: what it says of every row.
    sign : {1.0, -1.0}
        So that higher is better.
    description : str
        Of the scorer.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skmixreg.metrics import crps_scorer, mean_log_predictive_density_scorer
    >>> cross_val_score(model, X, y, scoring=crps_scorer)  # doctest: +SKIP
    >>> cross_val_score(model, X, y, scoring=mean_log_predictive_density_scorer)  # doctest: +SKIP
    """

    def __init__(self, name: str, method: str, sign: float, description: str):
        self.__name__ = name
        self.__doc__ = description
        self._method = method
        self._sign = sign
        self._weights_requested: bool | str | None = None

    def __call__(
        self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Weighted mean over rows.

        Parameters
        ----------
        estimator : BayesianMixtureRegressor
            Fitted; or a Pipeline that ends in one, or a fitted search over either.
        X : array-like of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        TypeError
            If the regressor at the end of ``estimator`` has no such method.
        ValueError
            If weights are negative or all zero, or densities are those of groups and weights vary
            within one.
        """
        regressor, X = last_step(estimator, X)
        if not hasattr(regressor, self._method):
            raise TypeError(
                f"{self.__name__} needs a BayesianMixtureRegressor, or a Pipeline or search that "
                f"ends in one, got {type(regressor).__name__}."
            )
        values: Array = getattr(regressor, self._method)(X, y)
        weights = checked_weights(sample_weight, len(values))
        if sample_weight is not None and self._method == "log_predictive_density":
            # The density of a group is in equal parts in its rows.
            check_weights_of_groups(regressor, X, weights)
        return self._sign * float(np.average(values, weights=weights))

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """A copy that asks for weights, or for none, where metadata routing is enabled.

        Parameters
        ----------
        sample_weight : bool, str or None
            Whether weights are routed to this scorer; the name that they are passed by; None for
            an error where there are any.

        Returns
        -------
        PredictiveScorer
            The scorer itself, which is shared by all that import it, stays as it is.

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        """
        if not sklearn.get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                f"{self.__name__}.set_score_request needs metadata routing; enable it with "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        other = copy.copy(self)
        other._weights_requested = sample_weight
        return other

    def get_metadata_routing(self) -> MetadataRequest:
        """What scikit-learn asks before it routes weights."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self._weights_requested)
        return request

    def __repr__(self) -> str:
        return self.__name__


mean_log_predictive_density_scorer = PredictiveScorer(
    "mean_log_predictive_density_scorer",
    "log_predictive_density",
    1.0,
    """Mean log predictive density of ``y``, for ``scoring=``; higher is better.

    In nats per row, in the units of y.  Unlike the default score it is additive: its mean over
    folds is the mean over rows.  Called as ``scorer(estimator, X, y, sample_weight=None)``; see
    `PredictiveScorer`.
    """,
)
crps_scorer = PredictiveScorer(
    "crps_scorer",
    "crps",
    -1.0,
    """Mean continuous ranked probability score, negated, for ``scoring=``; higher is better.

    It is minus the mean absolute error where a forecast is a point, and like it in units of y, at
    most 0; see `BayesianMixtureRegressor.crps`.  Few bad rows count less than in
    `mean_log_predictive_density_scorer`.  Called as ``scorer(estimator, X, y,
    sample_weight=None)``; see `PredictiveScorer`.

    References
    ----------
    Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
    estimation. Journal of the American Statistical Association 102, 359-378.
    """,
)


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
