"""Bayesian mixtures of regressions with the scikit-learn API."""

from __future__ import annotations

from . import metrics, model_selection
from ._exceptions import MissingPackageError, MultimodalPosteriorWarning
from ._priors import Priors
from ._regressor import BayesianMixtureRegressor
from .families import Gaussian

__version__ = "0.1.0"

__all__ = [
    "BayesianMixtureRegressor",
    "Priors",
    "Gaussian",
    "MultimodalPosteriorWarning",
    "MissingPackageError",
    "metrics",
    "model_selection",
    "__version__",
]
