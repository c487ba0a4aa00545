"""Solvers by name."""

from __future__ import annotations

from ._base import Solver
from .laplace import Laplace

SOLVERS: dict[str, type[Solver]] = {solver.name: solver for solver in (Laplace,)}

__all__ = ["SOLVERS", "Laplace", "Solver"]
