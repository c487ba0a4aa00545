"""Posterior: aligned draws in the user's units, and what the solver reports of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ._blocks import Array, Components
from ._design import Design
from ._draws import Draws
from ._mode_table import ModeTable
from ._problem import Problem
from .families._base import Family


@dataclass(frozen=True)
class Posterior(Mapping[str, Array]):
    """``posterior["weights"|"intercept"|"coef"|"sigma"|"mode"|"log_prior"|"log_likelihood"|...]``"""

    solver: str
    report: dict[str, Any]
    failures: list[str]
    modes: pd.DataFrame
    log_evidence: float | None
    log_evidence_error: float | None
    ambiguous_share: float
    independent: bool
    family: Family
    design: Design
    components: Components  # standardised, leading axes (chains, draws)
    mode_components: Components  # standardised, leading axis (modes,), same order of components

    @classmethod
    def from_draws(cls, problem: Problem, modes: ModeTable, draws: Draws) -> Posterior:
        raise NotImplementedError

    def summary(
        self, feature_names: Sequence[str], by_mode: bool = False, probability: float = 0.9
    ) -> pd.DataFrame:
        raise NotImplementedError

    def contrast(self, feature_names: Sequence[str], probability: float = 0.9) -> pd.DataFrame:
        raise NotImplementedError

    def to_datatree(
        self,
        feature_names: Sequence[str],
        *,
        observed: Array | None = None,  # (n,)
        log_likelihood: Array | None = None,  # (chains, draws, n), see _prediction
        posterior_predictive: Array | None = None,  # (chains, draws, n), see _prediction
    ) -> Any:
        raise NotImplementedError
