"""A mixture as a probabilistic regressor of skpro."""

from __future__ import annotations

from typing import Any, Self

import pandas as pd
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from skpro.regression.base import BaseProbaRegressor

from .._estimators.regressor import BayesianMixtureRegressor
from ._skpro_distribution import MixtureDistribution


class SkproRegressorView(BaseProbaRegressor):
    """A probabilistic regressor of skpro whose predictions are whole mixtures.

    skpro's metrics, pipelines and searches take it.  ``predict_proba``
    returns a distribution of skpro with the densities, quantiles and moments of the model.  It
    needs skpro, ``pip install "skmixreg[skpro]"``.

    Parameters
    ----------
    model : estimator
        A `BayesianMixtureRegressor` or `BayesianMixtureRegressorCV`, or a Pipeline or search that
        ends in one.  `fit` fits a clone of it; one in scikit-learn's ``FrozenEstimator`` is not
        fitted again.
    random_state : int, RandomState, Generator or None, default=None
        Of samples from predicted distributions; an int gives the same draws in every call.

    Attributes
    ----------
    model_ : estimator
        The fitted clone, or the frozen model; after `fit`.
    response_names_ : pandas.Index
        Its only entry is the name of the response; after `fit`.

    Notes
    -----
    The response is one column; weights are not passed on.  Predictions are data frames with the
    index of X.  Columns of which some have names and others numbers are named by text.

    Examples
    --------
    >>> from skmixreg.adapters import SkproRegressorView  # doctest: +SKIP
    >>> view = SkproRegressorView(model).fit(X, y)  # doctest: +SKIP
    >>> view.predict_proba(X_new).pdf(0.5).shape  # doctest: +SKIP
    (100, 1)
    """

    _tags = {
        "capability:missing": False,
        "capability:multioutput": False,
        "capability:survival": False,
        "X_inner_mtype": "pd_DataFrame_Table",
        "y_inner_mtype": "pd_DataFrame_Table",
    }

    def __init__(self, model: Any, random_state: Any = None):
        self.model = model
        self.random_state = random_state
        super().__init__()

    def _fit(self, X: pd.DataFrame, y: pd.DataFrame) -> Self:
        self.response_names_ = y.columns
        self.model_ = clone(self.model).fit(_named(X), y.iloc[:, 0])
        return self

    def _predict_proba(self, X: pd.DataFrame) -> MixtureDistribution:
        return MixtureDistribution(
            FrozenEstimator(self.model_),
            _named(X),
            self.random_state,
            index=X.index,
            columns=self.response_names_,
        )

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters for the tests of skpro.

        Parameters
        ----------
        parameter_set : str, default="default"
            Of no effect.

        Returns
        -------
        list of dict
        """
        return [
            {"model": BayesianMixtureRegressor(1, solver="map", random_state=0)},
            {
                "model": BayesianMixtureRegressor(2, solver="laplace", random_state=0),
                "random_state": 0,
            },
        ]


def _named(X: pd.DataFrame) -> pd.DataFrame:
    """X with names that scikit-learn takes: all text, or none."""
    text = [isinstance(name, str) for name in X.columns]
    return X.set_axis(X.columns.map(str), axis=1) if any(text) and not all(text) else X
