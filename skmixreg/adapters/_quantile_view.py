"""One quantile of a mixture as the prediction of a regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._estimators._validation.arguments import check_quantiles
from .._support.arrays import Array
from ..metrics import last_step


class QuantileRegressorView(RegressorMixin, BaseEstimator):
    """A regressor whose prediction is one quantile of a mixture's predictive distribution.

    Conformal prediction and other tools take a regressor per quantile.  Views of one fit are that
    without further fits: put it into scikit-learn's ``FrozenEstimator``.

    Parameters
    ----------
    model : estimator
        A `BayesianMixtureRegressor` or `BayesianMixtureRegressorCV`, or a Pipeline or search that
        ends in one.  `fit` fits a clone of it.  A fitted model in ``FrozenEstimator`` is never
        fitted again, and the view of it is fitted from the start.
    quantile : float, default=0.5
        Level, strictly between 0 and 1.

    Attributes
    ----------
    model_ : estimator
        The fitted clone, or the frozen model; after `fit`.
    n_features_in_ : int
        Number of columns that the model was fitted to.
    feature_names_in_ : ndarray of str
        Their names, where the model has them.

    Notes
    -----
    ``score`` is R^2, as of scikit-learn's ``QuantileRegressor``; of a quantile,
    ``sklearn.metrics.mean_pinball_loss(y, view.predict(X), alpha=quantile)`` says more.  The
    predictions are deterministic, and those of several views of one fit never cross.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skmixreg.adapters import QuantileRegressorView
    >>> low, high = (
    ...     QuantileRegressorView(FrozenEstimator(model), level) for level in (0.05, 0.95)
    ... )  # doctest: +SKIP
    >>> bool((low.predict(X_new) <= high.predict(X_new)).all())  # doctest: +SKIP
    True
    """

    def __init__(self, model: Any, quantile: float = 0.5):
        self.model = model
        self.quantile = quantile

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit a clone of the model; of a frozen one this changes nothing.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            For the model's own ``fit``, where it takes weights.

        Returns
        -------
        QuantileRegressorView
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``quantile`` is no level.
        """
        self._level()
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.model_ = clone(self.model).fit(X, y, **weights)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """The quantile of the posterior predictive distribution.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)

        Returns
        -------
        ndarray of shape (n,)
            In units of y.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If neither `fit` was called nor ``model`` is a frozen, fitted one.
        ValueError
            If ``quantile`` is no level, or X cannot be used.
        """
        level = self._level()
        regressor, rows = last_step(self._fitted(), X)
        return np.asarray(regressor.predict_quantiles(rows, level)[:, 0])

    def __sklearn_is_fitted__(self) -> bool:
        try:
            self._fitted()
        except NotFittedError:
            return False
        return True

    @property
    def n_features_in_(self) -> int:
        """Number of columns that the model was fitted to."""
        return int(self._of_model("n_features_in_"))

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of the columns, where X had string names."""
        return np.asarray(self._of_model("feature_names_in_"))

    def _of_model(self, name: str) -> Any:
        try:
            return getattr(self._fitted(), name)
        except NotFittedError as error:
            raise AttributeError(str(error)) from None

    def _level(self) -> Array:
        levels = check_quantiles(self.quantile)
        if levels.shape != (1,):
            raise ValueError(f"quantile must be one number, got {self.quantile!r}.")
        return levels

    def _fitted(self) -> Any:
        """The model that answers."""
        model = getattr(self, "model_", None)
        if model is not None:
            return model
        # The class, as isinstance would ask the estimator inside.
        if type(self.model) is not FrozenEstimator:
            raise NotFittedError(
                "This QuantileRegressorView is not fitted: call fit, or view a fitted model by "
                "QuantileRegressorView(FrozenEstimator(model), quantile)."
            )
        check_is_fitted(self.model)
        return self.model
