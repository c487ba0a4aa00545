"""Bayesian mixtures of regressions with the scikit-learn API."""

from __future__ import annotations

from . import adapters, formula, inspection, metrics, model_selection
from ._estimators.regressor import BayesianMixtureRegressor
from ._estimators.regressor_cv import BayesianMixtureRegressorCV
from ._model.priors import Priors
from ._support.exceptions import (
    ClusterLostError,
    MissingPackageError,
    MultimodalPosteriorWarning,
    WeaklyIdentifiedWarning,
)
from .families import Gaussian

__version__ = "0.1.0"

__all__ = [
    "BayesianMixtureRegressor",
    "BayesianMixtureRegressorCV",
    "Priors",
    "Gaussian",
    "MultimodalPosteriorWarning",
    "WeaklyIdentifiedWarning",
    "MissingPackageError",
    "ClusterLostError",
    "formula",
    "adapters",
    "inspection",
    "metrics",
    "model_selection",
    "__version__",
]
