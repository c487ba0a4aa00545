"""Models by formula, from data frames.

formulaic reads the formula and codes the columns; ``pip install "skmixreg[formula]"`` brings it.
"""

from __future__ import annotations

from ._fit import from_formula
from ._transformer import FormulaTransformer

__all__ = ["from_formula", "FormulaTransformer"]
