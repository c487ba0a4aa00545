"""Criteria for the number of components and the family, and how each chooses from its table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from .._support.arrays import Array
from .candidates import Candidate, Key, draw_contenders, in_words, number_in, shares

# Two log evidences nearer than so many Monte Carlo standard errors are not told apart.
ERRORS_APART = 2.0


class Criterion(ABC):
    """One way to choose a candidate from a table with one row for each.

    A candidate is a number of components, or a family and a number of its components: see `Key`.

    Attributes
    ----------
    name : str
    column : str
        Of the table.
    leaves_out : bool
        Whether it needs what `BayesianMixtureRegressor.loo` returns.
    weighs : bool
        Whether it gives every candidate a probability or weight.
    words, weight_words : str
        What it takes, and what ``probability`` of the table is, for reports.
    """

    name: ClassVar[str]
    column: ClassVar[str]
    leaves_out: ClassVar[bool] = False
    weighs: ClassVar[bool] = True
    words: ClassVar[str]
    weight_words: ClassVar[str] = "weight"

    def draw(self, candidates: Sequence[Candidate], solve: Callable[[Candidate], None]) -> None:
        """Draw in full from those candidates for which the criterion needs it."""
        return

    def columns(self, fits: dict[Key, Any]) -> dict[str, list[float]]:
        """Columns of the table that are this criterion's own."""
        return {}

    @abstractmethod
    def choose(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Key:
        """The label of a row; the first of those that tie.

        Parameters
        ----------
        table : DataFrame
            Index ``n_components``, ascending; or ``family`` and ``n_components``, family by family.
        fits : dict
            Of each candidate, for criteria that leave rows out.
        """

    def weights(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Array:
        """Probability or weight of every candidate; they sum to 1, or all are nan.

        One whose criterion is not known may hold any share, and so may the others.
        """
        raise NotImplementedError

    @staticmethod
    def _shares(log_values: Array) -> Array:
        known = not np.isnan(log_values).any()
        return shares(log_values) if known else np.full(len(log_values), np.nan)

    def doubts(self, table: pd.DataFrame, chosen: Key) -> list[str]:
        """Why the choice is not resolved; empty if it is."""
        return [
            f"{in_words(key)} has no {self.column}: {_why_missing(table.loc[key])}"
            for key in table.index[table[self.column].isna()].tolist()
        ]


class EvidenceCriterion(Criterion):
    """Marginal likelihood: with equal prior odds, the posterior over candidates."""

    name = "evidence"
    column = "log_evidence"
    words = "the largest marginal likelihood, with equal prior probabilities"
    weight_words = "posterior probability"

    def draw(self, candidates: Sequence[Candidate], solve: Callable[[Candidate], None]) -> None:
        draw_contenders(candidates, solve)

    def choose(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Key:
        return _first(table[self.column], largest=True)

    def weights(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Array:
        return self._shares(table[self.column].to_numpy())

    def doubts(self, table: pd.DataFrame, chosen: Key) -> list[str]:
        out = super().doubts(table, chosen)
        best = table.index.get_loc(chosen)
        gaps = table["log_evidence"].iloc[best] - table["log_evidence"]
        error = table["log_evidence_error"]
        errors = pd.Series(np.hypot(error, error.iloc[best]), index=table.index)
        near = table["drawn"] & gaps.notna() & ~(gaps >= ERRORS_APART * errors)
        best_in_words = in_words(chosen) if isinstance(chosen, tuple) else f"{chosen}"
        for key in table.index[near].tolist():
            if key == chosen:
                continue
            out.append(
                f"the log evidence of {in_words(key)} lies {gaps[key]:.2f} below that of "
                f"{best_in_words}, and the Monte Carlo standard error of the difference is "
                f"{errors[key]:.2f}"
            )
        return out


class LOO(Criterion):
    """Leave-one-out predictive density: the smallest number within a standard error.

    Spare components empty themselves and hardly predict worse, so that the expected log density
    of larger numbers ties with the best within noise; the standard error is that of the
    difference to the best, row by row.  Of families with this number the one with the fewest
    parameters is chosen, and the better one of those that tie.
    """

    name = "loo"
    column = "elpd_loo"
    leaves_out = True
    words = (
        "the smallest number of components whose expected log predictive density, by leave-one-out "
        "cross-validation, is within one standard error of the best"
    )
    weight_words = "stacking weight"

    def columns(self, fits: dict[Key, Any]) -> dict[str, list[float]]:
        out = {
            "elpd_loo": [float(fit.elpd) for fit in fits.values()],
            "elpd_loo_error": [float(fit.se) for fit in fits.values()],
        }
        if len(fits) > 1:
            error = self._compare(fits)["dse"]
            out["elpd_loo_difference_error"] = [float(error[str(key)]) for key in fits]
        return out

    def draw(self, candidates: Sequence[Candidate], solve: Callable[[Candidate], None]) -> None:
        for candidate in candidates:
            solve(candidate)

    def choose(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Key:
        if len(fits) < 2:
            return _first(table[self.column], largest=True)
        compared = self._compare(fits)
        near = -compared["elpd_diff"] <= compared["dse"]
        keys = {str(key): key for key in fits}
        ranked = [keys[name] for name in compared.index[near]]  # the better one comes first
        return min(ranked, key=lambda key: (number_in(key), table.at[key, "n_parameters"]))

    def weights(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Array:
        if len(fits) < 2:
            return np.asarray(table[self.column].notna(), dtype=np.float64)
        weight = self._compare(fits)["weight"]
        return np.array(
            [weight.get(str(key), 0.0) for key in table.index.tolist()], dtype=np.float64
        )

    @staticmethod
    def _compare(fits: dict[Key, Any]) -> pd.DataFrame:
        import arviz as az

        return az.compare({str(key): fit for key, fit in fits.items()}, round_to="none")


class BIC(Criterion):
    """Schwarz's criterion; exp(-BIC / 2) for weights (Kass and Raftery 1995)."""

    name = "bic"
    column = "bic"
    words = "the smallest BIC at the most probable mode"
    weight_words = "approximate posterior probability, exp(-BIC / 2)"

    def choose(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Key:
        return _first(table[self.column], largest=False)

    def weights(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Array:
        return self._shares(-0.5 * table[self.column].to_numpy())


class ICL(Criterion):
    """Integrated completed likelihood: prefers components that do not overlap."""

    name = "icl"
    column = "icl"
    weighs = False
    words = "the smallest integrated completed likelihood criterion, at the most probable mode"

    def choose(self, table: pd.DataFrame, fits: dict[Key, Any]) -> Key:
        return _first(table[self.column], largest=False)


def _why_missing(row: pd.Series) -> str:
    """Why a candidate has no criterion, from its row of the table."""
    if not row["drawn"]:
        return "importance sampling around its modes found nothing"
    if bool(row.get("converged", False)):
        return "its draws are sound, but could not be bridged to a density that is known"
    return "its fit did not converge"


def _first(column: pd.Series, largest: bool) -> Key:
    """The best label, the first of those that tie; nan is never best."""
    if column.isna().all():
        families = " of any family" if column.index.nlevels > 1 else ""
        raise ValueError(
            f"No number of components{families} has a finite {column.name}: check the data, or fit "
            "one number with BayesianMixtureRegressor to see what is wrong."
        )
    best = column.argmax() if largest else column.argmin()
    key: Key = column.index.tolist()[best]
    return key


CRITERIA: dict[str, Criterion] = {
    criterion.name: criterion for criterion in (EvidenceCriterion(), LOO(), BIC(), ICL())
}
