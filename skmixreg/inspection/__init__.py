"""Pictures of a fit, in scikit-learn's Display convention.

Matplotlib is imported when something is drawn; ``pip install "skmixreg[plot]"`` brings it.
"""

from __future__ import annotations

from ._component_lines import ComponentLinesDisplay
from ._criterion import CriterionDisplay
from ._gating import GatingDisplay
from ._predictive_density import PredictiveDensityDisplay
from ._residual_quantile import ResidualQuantileDisplay
from ._responsibility import ResponsibilityDisplay

__all__ = [
    "ComponentLinesDisplay",
    "GatingDisplay",
    "ResponsibilityDisplay",
    "PredictiveDensityDisplay",
    "ResidualQuantileDisplay",
    "CriterionDisplay",
]
