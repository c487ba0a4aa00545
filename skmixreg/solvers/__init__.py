"""Solvers by name."""

from __future__ import annotations

from ._base import Solver
from .auto import Auto
from .gibbs import Gibbs
from .laplace import Laplace
from .map import MAP
from .nuts import NUTS

SOLVERS: dict[str, type[Solver]] = {
    solver.name: solver for solver in (Auto, Laplace, Gibbs, NUTS, MAP)
}

__all__ = ["MAP", "NUTS", "SOLVERS", "Auto", "Gibbs", "Laplace", "Solver"]
