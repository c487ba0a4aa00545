"""Standardising the data, and the way back to the user's units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ._blocks import Array, Components
from ._rows import MOST_ROWS

# Its square, a variance, is a floating point number still, and so is that of its inverse.
LARGEST = 1e150


def _weighted_sum(X: Array, weights: Array, of: Callable[[Array], Array]) -> Array:
    """Weighted sums over rows of a function of them, without a copy of all rows: (p,)."""
    total = np.zeros(X.shape[1])
    for start in range(0, len(X), MOST_ROWS):
        rows = slice(start, start + MOST_ROWS)
        total += weights[rows] @ of(np.asarray(X[rows], dtype=np.float64))
    return total


def _largest(X: Array) -> Array:
    """Largest absolute value of every column: (p,)."""
    most, least = (np.asarray(of(axis=0, initial=0.0), np.float64) for of in (X.max, X.min))
    return np.maximum(most, -least)


def _scales(X: Array, mean: Array, largest: Array, weights: Array) -> Array:
    """What columns are divided by: root mean squares around ``mean``, without overflow."""
    size = np.maximum(largest + np.abs(mean), np.finfo(float).tiny)
    squares = _weighted_sum(X, weights, lambda rows: ((rows - mean) / size) ** 2)
    spread = size * np.sqrt(squares / weights.sum())
    return np.array([_scale_of(*pair) for pair in zip(spread, largest, strict=True)])


def _scale_of(spread: float, largest: float) -> float:
    """What a column of this spread and largest absolute value is divided by."""
    # Rounding of large numbers is not small.
    return max(spread, 1.0) if spread <= 1e-13 * largest else spread


_RESCALE = f"Rescale X and y, so that their units and those of slopes are within {LARGEST:g}."


def check_size(name: str, largest: float) -> None:
    """Reject values, the largest of this size, whose squares are not finite."""
    if not largest <= LARGEST:
        raise ValueError(f"{name} has values of size {largest:.3g}. {_RESCALE}")


def _check_range(x_mean: Array, x_scale: Array, y_scale: float) -> None:
    if not 1.0 / LARGEST <= y_scale <= LARGEST:
        raise ValueError(f"y has a standard deviation of {y_scale:.3g}. {_RESCALE}")
    for j, (mean, scale) in enumerate(zip(x_mean.tolist(), x_scale.tolist(), strict=True)):
        if not 1.0 / LARGEST <= scale <= LARGEST:
            raise ValueError(f"Column {j} of X has a standard deviation of {scale:.3g}. {_RESCALE}")
        # Logarithms, since the ratio itself may overflow.
        slope = np.log10(y_scale) - np.log10(scale)
        share = slope + np.log10(max(abs(mean), scale))
        if max(abs(slope), share) > np.log10(LARGEST):
            raise ValueError(
                f"Column {j} of X has a standard deviation of {scale:.3g} and y one of "
                f"{y_scale:.3g}. {_RESCALE}"
            )


class Standardisation(NamedTuple):
    """Locations and scales that are given; None stands for those of the data.

    Attributes
    ----------
    x_location, x_scale : ndarray of shape (p,) or None
    y_location, y_scale : float or None
    """

    x_location: Array | None = None
    x_scale: Array | None = None
    y_location: float | None = None
    y_scale: float | None = None


@dataclass(frozen=True)
class Design:
    """Affine map between the user's units and the standardised ones.

    Parameters
    ----------
    x_mean, x_scale : ndarray of shape (p,)
    y_mean, y_scale : float
        Means are 0 without an intercept.
    fit_intercept : bool
    """

    x_mean: Array
    x_scale: Array
    y_mean: float
    y_scale: float
    fit_intercept: bool

    @classmethod
    def fit(
        cls,
        X: Array,
        y: Array,
        weights: Array,
        fit_intercept: bool,
        given: Standardisation | None = None,
    ) -> Design:
        """Weighted means and standard deviations (root mean squares without an intercept).

        Raises
        ------
        ValueError
            If slopes or intercepts could leave the range of floating point numbers.
        """
        given = given or Standardisation()
        Y = y[:, None]
        x_largest, y_largest = _largest(X), _largest(Y)
        check_size("X", float(x_largest.max(initial=0.0)))
        check_size("y", float(y_largest[0]))
        x_mean, y_mean = np.zeros(X.shape[1]), np.zeros(1)
        if fit_intercept:
            total = weights.sum()
            x_mean = _weighted_sum(X, weights, lambda rows: rows) / total
            y_mean = _weighted_sum(Y, weights, lambda rows: rows) / total
        if given.x_location is not None:
            x_mean = given.x_location
        if given.y_location is not None:
            y_mean = np.array([given.y_location])
        x_scale, y_scale = given.x_scale, given.y_scale
        if x_scale is None:
            x_scale = _scales(X, x_mean, x_largest, weights)
        if y_scale is None:
            y_scale = float(_scales(Y, y_mean, y_largest, weights)[0])
        _check_range(x_mean, x_scale, y_scale)
        return cls(x_mean, x_scale, float(y_mean[0]), y_scale, fit_intercept)

    @classmethod
    def from_moments(
        cls,
        location: Array,
        spread: Array,
        largest: Array,
        fit_intercept: bool,
        given: Standardisation,
    ) -> Design:
        """As `fit`, from root mean squares around locations; y comes last in each (p + 1,)."""
        scale = np.array([_scale_of(*pair) for pair in zip(spread, largest, strict=True)])
        x_scale = scale[:-1] if given.x_scale is None else given.x_scale
        y_scale = float(scale[-1]) if given.y_scale is None else given.y_scale
        _check_range(location[:-1], x_scale, y_scale)
        return cls(location[:-1], x_scale, float(location[-1]), y_scale, fit_intercept)

    @property
    def standardisation(self) -> Standardisation:
        """The same for other rows."""
        return Standardisation(self.x_mean, self.x_scale, self.y_mean, self.y_scale)

    def columns(self, X: Array) -> Array:
        """Standardised columns, feature-major: (p, n), C-contiguous."""
        out = np.ascontiguousarray(X.T, dtype=np.float64)
        if np.shares_memory(out, X):
            out = out.copy()
        out -= self.x_mean[:, None]
        out /= self.x_scale[:, None]
        return out

    def target(self, y: Array) -> Array:
        """Standardised response."""
        out = np.subtract(y, self.y_mean, dtype=np.float64)
        out /= self.y_scale
        return out

    def to_user(self, components: Components) -> Components:
        """Components in the user's units."""
        coef = components.coef * (self.y_scale / self.x_scale)
        intercept = self.y_mean + self.y_scale * components.intercept - coef @ self.x_mean
        return Components(
            components.log_weights,
            intercept,
            coef,
            components.log_dispersion + np.log(self.y_scale),
        )
