"""How good a fit is, and how it compares with others."""

from __future__ import annotations

from ._fitted import FittedMixture


class AssessedMixture(FittedMixture):
    """A fitted mixture with criteria for choosing among models, and diagnostics."""
