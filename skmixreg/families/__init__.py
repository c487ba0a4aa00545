"""Likelihood families by name."""

from __future__ import annotations

from ._base import Family
from .gaussian import Gaussian
from .poisson import Poisson

FAMILIES: dict[str, type[Family]] = {family.name: family for family in (Gaussian, Poisson)}

__all__ = ["FAMILIES", "Family", "Gaussian", "Poisson"]
