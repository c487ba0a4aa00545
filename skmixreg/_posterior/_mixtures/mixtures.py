"""What quantiles and highest-density regions ask of the mixtures of many rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..._support.arrays import Array
from ...families._base import Support


class Mixtures(ABC):
    """One-dimensional mixtures of M terms in K components, one for every row.

    Attributes
    ----------
    weights : ndarray of shape (M,), or (n, M)
        Of the terms; of every row where rows differ.
    centre, spread : ndarray of shape (n, K)
        Mean and standard deviation of y within each component.
    shares : ndarray of shape (K,), or (n, K)
        Of the components.
    """

    weights: Array
    centre: Array
    spread: Array
    shares: Array

    @property
    def n_rows(self) -> int:
        """Rows n."""
        return len(self.centre)

    @property
    @abstractmethod
    def support(self) -> Support:
        """Where y lies."""

    @property
    def edges(self) -> list[float]:
        """Where a density may jump, since a support ends."""
        return [edge for edge in self.support[:2] if np.isfinite(edge)]

    @property
    def n_lines(self) -> int:
        """Components without a background, which is the last."""
        return self.centre.shape[1]

    @property
    def flat(self) -> bool:
        """Whether there may be intervals over which the density has no slope."""
        return False

    @property
    def term_weights(self) -> Array:
        """Weights of the terms that `term_moments` is of."""
        return self.weights

    @abstractmethod
    def outer(self) -> tuple[Array, Array]:
        """Bounds between which all but 1e-12 of y lies: (n,), (n,)."""

    @abstractmethod
    def term_moments(self) -> tuple[Array, Array]:
        """Mean and variance of every term: (n, M), (n, M)."""

    @abstractmethod
    def cdf(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Distribution function at points ``y`` of rows ``row``, both of shape (m,)."""

    @abstractmethod
    def density(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Density at points ``y`` of rows ``row``."""

    def collapsed_cdf(self, y: Array, row: NDArray[np.intp]) -> Array:
        """The same with one term per component, of its mean and spread: a start for roots."""
        values = special.ndtr((y[:, None] - self.centre[row]) / self.spread[row])
        shares = self.shares if self.shares.ndim == 1 else self.shares[row]
        return (values * shares).sum(axis=1)
