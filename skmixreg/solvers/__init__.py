"""Solvers by name."""

from __future__ import annotations

from ._base import Solver
from .auto import Auto
from .gibbs import Gibbs
from .laplace import Laplace
from .nuts import NUTS

SOLVERS: dict[str, type[Solver]] = {solver.name: solver for solver in (Auto, Laplace, Gibbs, NUTS)}

__all__ = ["SOLVERS", "NUTS", "Auto", "Gibbs", "Laplace", "Solver"]
