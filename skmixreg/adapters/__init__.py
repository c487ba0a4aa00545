"""A mixture in the shape that other packages expect of a regressor."""

from __future__ import annotations

from ._quantile_view import QuantileRegressorView

__all__ = ["QuantileRegressorView"]
