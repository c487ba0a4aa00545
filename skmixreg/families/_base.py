"""The contract of a likelihood family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from .._model.blocks import Array
from .._model.priors import NumericPriors


class Family(BaseEstimator, ABC):
    """A distribution of y given a linear predictor and a dispersion.

    A family is stateless: its settings are constructor parameters, seen by the kernels as
    `kernel_settings`, whose type selects the family's compiled block functions.
    NumPy methods broadcast ``y``, ``eta`` (linear predictor) and ``dispersion``.
    """

    name: ClassVar[str]
    dispersion_name: ClassVar[str]
    conjugate: ClassVar[bool] = False

    @property
    @abstractmethod
    def shares_dispersion(self) -> bool:
        """Whether one dispersion serves all components."""

    @abstractmethod
    def kernel_settings(self) -> NamedTuple:
        """Settings passed to the compiled kernels."""

    @abstractmethod
    def log_density(self, y: Array, eta: Array, dispersion: Array) -> Array:
        """Log density of y."""

    @abstractmethod
    def mean(self, eta: Array, dispersion: Array) -> Array:
        """Mean of y."""

    @abstractmethod
    def variance(self, eta: Array, dispersion: Array) -> Array:
        """Variance of y."""

    @abstractmethod
    def cdf(self, y: Array, eta: Array, dispersion: Array) -> Array:
        """Distribution function of y."""

    @abstractmethod
    def mean_absolute_error(self, y: Array, eta: Array, dispersion: Array) -> Array:
        """E|Y - y| of a response Y around a given value."""

    @abstractmethod
    def mean_absolute_difference(
        self, eta: Array, dispersion: Array, other_eta: Array, other_dispersion: Array
    ) -> Array:
        """E|Y - Y'| of two independent responses."""

    @abstractmethod
    def sample(self, eta: Array, dispersion: Array, rng: np.random.Generator) -> Array:
        """One draw of y for every element."""

    @abstractmethod
    def log_dispersion_prior(
        self, log_dispersion: Array, priors: NumericPriors
    ) -> tuple[Array, Array, Array]:
        """Log prior density of the log dispersion with its first and second derivative.

        Elementwise; the caller sums over components (or counts a shared one once).
        """

    @abstractmethod
    def sample_log_dispersion_prior(
        self, size: tuple[int, ...], priors: NumericPriors, rng: np.random.Generator
    ) -> Array:
        """Draws of the log dispersion from its prior."""

    @abstractmethod
    def pymc_log_dispersion_prior(self, name: str, priors: NumericPriors, shape: Any) -> Any:
        """The same prior as a PyMC variable."""

    @abstractmethod
    def pymc_distribution(self, eta: Any, dispersion: Any) -> Any:
        """The distribution of y as an unnamed PyMC one; broadcasts like `log_density`."""
