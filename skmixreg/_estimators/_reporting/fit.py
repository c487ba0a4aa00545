"""What a report, a formula and a notebook ask of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..._assessment.criteria import Criterion
from ..._model._roles.column_roles import ColumnRoles
from ..._model.design import Design
from ..._model.layout import Layout
from ..._posterior.filled import n_observations, rows_per_unit
from ..._posterior.posterior import Posterior
from ...families import Family
from ...families._distributions.notation import Notation, upright
from ...solvers import Solver

if TYPE_CHECKING:
    from ..described import DescribedMixture

PROBABILITY = 0.9


@dataclass(frozen=True)
class Choice:
    """How a fit was chosen among candidates: what `BayesianMixtureRegressorCV` has of it."""

    criterion: Criterion
    table: pd.DataFrame
    best: Any
    resolved: bool
    averaged: bool


@dataclass(frozen=True)
class Fit:
    """A fit, as those see it that write it up.

    Attributes
    ----------
    posterior : Posterior
    family : Family
        Without background and censoring.
    solver : Solver
    column_names : sequence of str
        Of all columns of X.
    estimator : DescribedMixture
        Asked for its tables, each when it is first needed and once.
    choice : Choice or None
    """

    posterior: Posterior
    family: Family
    solver: Solver
    column_names: Sequence[str]
    estimator: DescribedMixture
    choice: Choice | None = None

    @cached_property
    def summary(self) -> pd.DataFrame:
        return self.estimator.summary(probability=PROBABILITY)

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        return self.estimator.contrast(probability=PROBABILITY)

    @cached_property
    def checks(self) -> pd.DataFrame:
        return self.estimator.diagnostics()

    @property
    def layout(self) -> Layout:
        return self.posterior.layout

    @property
    def design(self) -> Design:
        return self.posterior.design

    @property
    def roles(self) -> ColumnRoles:
        return self.posterior.design.roles

    @property
    def n_components(self) -> int:
        """Of the regressions."""
        return self.posterior.layout.n_components

    def names(self, positions: Sequence[int]) -> list[str]:
        """Of columns of X."""
        return [self.column_names[j] for j in positions]

    @property
    def family_columns(self) -> list[str]:
        """Columns that the family itself needs: trials, known errors."""
        return [] if self.censoring else self.names(self.roles.family)

    @property
    def censoring(self) -> str | None:
        """The column that says which rows are censored."""
        censored = "censoring" in self.posterior.family.of_regressions.column_options
        return self.column_names[self.roles.family[0]] if censored else None

    @property
    def background(self) -> Notation | None:
        """Notation of the background, in units of y; None without one."""
        background = self.posterior.family.background
        if background is None:
            return None
        zero, one = (float(self.posterior.response(np.array(at))) for at in (0.0, 1.0))
        found: Notation = background.notation(zero, one - zero)
        return found

    @property
    def notation(self) -> Notation:
        """Of the family, with the names of its columns."""
        columns = [f"{upright(name)}_i" for name in self.family_columns]
        return self.family.notation(*self.family.symbols, *columns)

    @property
    def n_units(self) -> float:
        """Total weight of the rows, or groups of rows, that the fit has seen."""
        stream = getattr(self.solver, "stream_", None)
        return n_observations(self.posterior) if stream is None else float(stream.total)

    @property
    def n_rows(self) -> float:
        return self.n_units * rows_per_unit(self.posterior)

    @property
    def n_draws(self) -> int:
        return int(self.posterior.log_prior.size)

    @property
    def is_point(self) -> bool:
        """Whether there is a single draw, and so no sd."""
        return self.n_draws == 1

    @cached_property
    def notes(self) -> dict[str, str]:
        """Verdicts of the checks that are notes."""
        found = self.checks["verdict"][self.checks["verdict"].str.startswith("note: ")]
        return {str(check): verdict.removeprefix("note: ") for check, verdict in found.items()}
