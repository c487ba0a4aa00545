"""The cheapest exact solver whose own diagnostics pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._draws.advice import Failure, without
from .._draws.draws import Draws
from .._model.problem import Problem
from .._proposals.from_modes import has_spare_component
from .._search.mode_table import ModeTable
from .._support.progress import SILENT, Progress
from ._base import Solver
from .gibbs import Gibbs
from .laplace import Laplace
from .nuts import NUTS

# Relabellings of so many components, 120 and more, are what rounds of importance sampling cost.
MANY_COMPONENTS = 5


class Auto(Solver):
    """Laplace's approximation with importance weights, then Gibbs sampling, then NUTS.

    Each is tried only if the one before did not pass its own diagnostics, and `gibbs` only
    where the problem has sweeps.  Where a component with normal errors, or one of five and more
    with any, may stand empty, `laplace` gives up at the first sign that it will not pass: more
    rounds seldom do, and take longer than sweeps.  They are made up for where `gibbs` does not
    pass either.  After that `nuts` is left out where a component stands nearly empty, unless it
    was given: there it needs minutes and ends no better.  Of Dask collections, for which there
    is no `nuts`, the draws of `laplace` are taken where none passed, with a failure that says so.

    Parameters
    ----------
    laplace, gibbs, nuts : Solver, optional
        Solvers with options of their own; the defaults otherwise.

    Attributes
    ----------
    chosen_ : str
        Name of the solver whose draws were taken.
    why_ : list of str
        What every solver that ran said of itself.
    """

    name = "auto"
    summary = "the cheapest exact solver whose diagnostics pass"
    cost = "that of laplace, then of gibbs and of nuts where the one before did not pass"
    fails = "where all three fail, and then it says so"
    requires = ()

    def __init__(
        self,
        laplace: Laplace | None = None,
        gibbs: Gibbs | None = None,
        nuts: NUTS | None = None,
    ):
        self.laplace = laplace
        self.gibbs = gibbs
        self.nuts = nuts

    def check_options(self) -> None:
        for solver in (self.laplace, self.gibbs, self.nuts):
            if solver is not None:
                solver.check_options()

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        progress: Progress = SILENT,
    ) -> Draws:
        options: dict[str, Any] = {"n_threads": n_threads, "progress": progress}
        may_sweep, in_memory = Gibbs.serves(problem), problem.rows.in_memory
        laplace, brief = self.laplace, False
        if laplace is None:
            # Sweeps that are not in closed form take longer than rounds, unless these have many
            # labellings to sum over.
            many = problem.layout.n_components >= MANY_COMPONENTS
            swept = may_sweep and in_memory and (problem.conjugate or many)
            brief = swept and has_spare_component(problem, modes, rng)
            laplace = Laplace.brief() if brief else Laplace()
        draws = first = laplace.draw(problem, modes, rng, **options)
        history = [_verdict(draws)]
        if draws.failures and may_sweep:
            draws = (self.gibbs or Gibbs()).draw(problem, modes, rng, **options)
            history.append(_verdict(draws))
        if draws.failures and brief:
            whole = Laplace().draw(problem, modes, rng, **options)
            history.append(_verdict(whole))
            draws = draws if whole.failures else whole
        if draws.failures and not in_memory:
            draws = _unproven(first, history)
        elif draws.failures:
            if self.nuts is None and draws.solver == Gibbs.name and _nearly_empty(problem, draws):
                history.append("nuts was left out, since a component stands nearly empty")
            else:
                draws = (self.nuts or NUTS()).draw(problem, modes, rng, **options)
                history.append(_verdict(draws))
        self.chosen_, self.why_ = draws.solver, history
        draws.report["why"] = history
        return replace(draws, failures=without(draws.failures, self.not_advised))

    @property
    def not_advised(self) -> tuple[str, ...]:
        """Its solvers: what is left out would not do better."""
        return (self.name, Laplace.name, Gibbs.name, NUTS.name)


def _verdict(draws: Draws) -> str:
    if draws.failures:
        said = (each.what if isinstance(each, Failure) else each for each in draws.failures)
        return f"{draws.solver} did not pass: {'; '.join(said)}"
    return f"{draws.solver} passed its diagnostics"


def _unproven(draws: Draws, history: list[str]) -> Draws:
    """Laplace's draws where nothing exact passed: a sample of the rows has another posterior."""
    history.append("nuts was left out, since it needs all rows in memory")
    draws.failures.append(
        "no exact solver passed on these Dask collections: these are the draws of 'laplace', and "
        "'nuts' needs all rows in memory; fit them there, or with other n_components"
    )
    return draws


def _nearly_empty(problem: Problem, draws: Draws) -> bool:
    """Whether the smallest component typically holds under five rows per parameter."""
    smallest = np.exp(problem.layout.expand(draws.theta).log_weights.min(axis=-1))
    n_parameters = problem.layout.own.shape[1] + 1
    return bool(np.median(smallest) * problem.total_weight < 5 * n_parameters)
