"""Solvers by name."""

from __future__ import annotations

from ._base import Solver

SOLVERS: dict[str, type[Solver]] = {solver.name: solver for solver in ()}

__all__ = ["SOLVERS", "Solver"]
