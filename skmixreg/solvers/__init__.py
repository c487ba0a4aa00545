"""Solvers by name."""

from __future__ import annotations

from ._base import Solver
from .laplace import Laplace
from .nuts import NUTS

SOLVERS: dict[str, type[Solver]] = {solver.name: solver for solver in (Laplace, NUTS)}

__all__ = ["SOLVERS", "NUTS", "Laplace", "Solver"]
