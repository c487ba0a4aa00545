"""The cheapest exact solver whose own diagnostics pass."""

from __future__ import annotations

import numpy as np

from .._draws import Draws
from .._mode_table import ModeTable
from .._problem import Problem
from ._base import Solver
from .gibbs import Gibbs
from .laplace import Laplace
from .nuts import NUTS


class Auto(Solver):
    """Laplace's approximation with importance weights, then Gibbs sampling, then NUTS.

    Each is tried only if the one before did not pass its own diagnostics, and `gibbs` only where
    the family is conjugate and the weights are whole numbers.  ``solver_`` of the estimator and
    ``report["why"]`` say which one ran and why.

    Parameters
    ----------
    laplace, gibbs, nuts : Solver, optional
        Solvers with options of their own; the defaults otherwise.
    """

    name = "auto"
    summary = "the cheapest exact solver whose diagnostics pass"

    def __init__(
        self,
        laplace: Laplace | None = None,
        gibbs: Gibbs | None = None,
        nuts: NUTS | None = None,
    ):
        self.laplace = laplace
        self.gibbs = gibbs
        self.nuts = nuts

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        verbose: bool = False,
    ) -> Draws:
        chain: list[Solver] = [
            self.laplace or Laplace(),
            self.gibbs or Gibbs(),
            self.nuts or NUTS(),
        ]
        history: list[str] = []
        draws: Draws | None = None
        for solver in chain:
            if not solver.serves(problem):
                history.append(f"{solver.name} does not serve this problem")
                continue
            latest = solver.draw(problem, modes, rng, n_threads=n_threads, verbose=verbose)
            if not latest.failures:
                history.append(f"{latest.solver} passed its diagnostics")
                draws = latest
                break
            history.append(f"{latest.solver}: {'; '.join(latest.failures)}")
            draws = latest
        assert draws is not None  # laplace serves every problem
        draws.report["why"] = history
        return draws
