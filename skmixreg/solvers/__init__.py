"""Solvers by name."""

from __future__ import annotations

from ._base import Solver
from .advi import ADVI
from .auto import Auto
from .cavi import CAVI
from .fullrank_advi import FullRankADVI
from .gibbs import Gibbs
from .laplace import Laplace
from .map import MAP
from .nuts import NUTS
from .smc import SMC

SOLVERS: dict[str, type[Solver]] = {
    solver.name: solver
    for solver in (Auto, Laplace, Gibbs, NUTS, SMC, MAP, CAVI, ADVI, FullRankADVI)
}

__all__ = [
    "ADVI",
    "CAVI",
    "MAP",
    "NUTS",
    "SMC",
    "SOLVERS",
    "Auto",
    "FullRankADVI",
    "Gibbs",
    "Laplace",
    "Solver",
]
