"""Backgrounds by name: components without a line."""

from __future__ import annotations

from ._base import Background
from .normal import Normal
from .uniform import Uniform
from .zero import Zero

BACKGROUNDS: dict[str, type[Background]] = {
    background.name: background for background in (Zero, Uniform, Normal)
}

__all__ = ["BACKGROUNDS", "Background", "Normal", "Uniform", "Zero"]
