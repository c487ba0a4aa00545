"""The table of checks on a fit: what each found, what it means, what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._draws.advice import advise
from .._draws.judge import diagnose
from .._draws.limits import (
    AT_MOST,
    EVIDENCE_ERROR_LIMIT,
    LIMITS,
    NEGLIGIBLE_SHARE,
    SECOND_MODE_SHARE,
    SENSITIVITY_LIMIT,
    WEAK_SHARE,
    most_divergences,
)
from .._model.priors import NumericPriors
from .._posterior.filled import ELSEWHERE, empty_components, typical_draws
from .._posterior.parameters import diagnosed_draws
from .._posterior.posterior import Posterior
from .._search.mode_table import FEWEST_STARTS
from .._support.arrays import Array
from .identification import Identification
from .power_scaling import sensitivities
from .solutions import solution_shares


class Row(NamedTuple):
    """One row of the table.

    ``good`` is None where there is nothing to pass; ``grave`` says whether a bad value means that
    the fit did not converge, or is only to be noted.
    """

    check: str
    value: float
    threshold: float
    good: bool | None
    verdict: str
    grave: bool = False


@dataclass(frozen=True)
class Fit:
    """What the checks look at."""

    posterior: Posterior
    priors: NumericPriors
    feature_names: Sequence[str]
    options: Mapping[str, Any]

    @property
    def report(self) -> Mapping[str, Any]:
        """What the solver reports of itself."""
        return self.posterior.report


def diagnostics_table(
    posterior: Posterior,
    priors: NumericPriors,
    feature_names: Sequence[str],
    options: Mapping[str, Any],
) -> pd.DataFrame:
    """See `AssessedMixture.diagnostics`.

    Parameters
    ----------
    posterior : Posterior
    priors : NumericPriors
    feature_names : sequence of str of length p
    options : mapping
        Options of the solver that was used, by name.
    """
    fit = Fit(posterior, priors, feature_names, options)
    rows = [row for rows in ROWS for row in rows(fit)]
    # A check that the fit itself did not count as a failure is a note.
    fails = bool(posterior.failures)
    passed = [row.good if row.good or (row.grave and fails) else None for row in rows]
    verdicts = [
        f"note: {row.verdict}" if row.good is False and passed is None else row.verdict
        for row, passed in zip(rows, passed, strict=True)
    ]
    return pd.DataFrame(
        {
            "value": np.array([row.value for row in rows], dtype=np.float64),
            "threshold": np.array([row.threshold for row in rows], dtype=np.float64),
            "passed": pd.array(passed, dtype="boolean"),
            "verdict": verdicts,
        },
        index=pd.Index([row.check for row in rows], name="check"),
    )


# ---------------------------------------------------------------------------------------------
# The search for modes


def _converged(fit: Fit) -> list[Row]:
    failures = fit.posterior.failures
    verdict = "; ".join(failures) if failures else "every check of the search and the solver passed"
    return [Row("converged", len(failures), 0, not failures, verdict, grave=True)]


def _search(fit: Fit) -> list[Row]:
    table = fit.posterior.modes
    starts = int(table["starts"].iloc[0])
    shares = solution_shares(fit.posterior)
    found = starts >= FEWEST_STARTS
    rows = [
        Row(
            "starts_at_best_mode", starts, FEWEST_STARTS, found,
            "independent starts agree on the best mode" if found
            else "no second start reached the best mode, a better one may exist: raise n_init",
            grave=bool(fit.posterior.search_failures),
        ),
        Row("modes", len(table), np.nan, None, _modes_in_words(fit.posterior, shares)),
    ]  # fmt: skip
    if len(table) == 1:
        return rows
    evidence = table["log_evidence"].to_numpy()
    gap = float(evidence[0] - evidence[1])
    rows.append(
        Row(
            "second_mode_gap", gap, np.nan, None,
            "nats of evidence, by Laplace's approximation, from the first mode to the second",
        )
    )  # fmt: skip
    second = float(shares[1]) if len(shares) > 1 else 0.0
    alone = second <= SECOND_MODE_SHARE
    rows.append(
        Row(
            "second_mode_probability", second, SECOND_MODE_SHARE, alone,
            "no second solution holds a share that matters" if alone
            else "averages over distinct solutions mean little: use summary(by_mode=True)",
        )
    )  # fmt: skip
    return rows


def _modes_in_words(posterior: Posterior, shares: Array) -> str:
    count, solutions = len(posterior.modes), int((shares > NEGLIGIBLE_SHARE).sum())
    words = "one distinct solution" if solutions <= 1 else f"{solutions} distinct solutions"
    if count > 1:
        words += " among the modes, see modes_"
    far = float((posterior.draw_mode == ELSEWHERE).mean())
    if far > SECOND_MODE_SHARE:
        words += f"; {100 * far:.0f}% of the draws are near none, as where a component is empty"
    return words


# ---------------------------------------------------------------------------------------------
# What solvers report of themselves


def _limit_of(fit: Fit, key: str) -> float:
    """What a number of the report is held against; nan where this is not known."""
    depends = {
        "divergences": lambda: most_divergences(fit.posterior.log_prior.size),
        "khat": lambda: float(fit.report.get("khat_threshold", np.nan)),
        "change": lambda: float(fit.options.get("tolerance", np.nan)),
    }
    return depends[key]() if key in depends else LIMITS[key].value


def _reported(fit: Fit) -> list[Row]:
    rows = []
    worst = _worst_coordinates(fit)
    for key, item in LIMITS.items():
        if key not in fit.report:
            continue
        value, limit = float(fit.report[key]), _limit_of(fit, key)
        good = value <= limit if item.side == AT_MOST else value >= limit
        advice = advise(item.change, item.instead, fit.report.get("not_advised", ()))
        verdict = item.good if good else f"{item.bad}: {advice}"
        if key in worst:
            verdict += f" (worst: {worst[key]})"
        rows.append(Row(item.check, value, limit, good, verdict, grave=True))
    return rows


def _worst_coordinates(fit: Fit) -> dict[str, str]:
    """Which coordinate has the worst R-hat and effective sizes, by key of the report.

    Nothing where draws were resampled over modes: their chains mean nothing.
    """
    if "rhat" not in fit.report or fit.report.get("resampled_over_modes"):
        return {}
    names, values = diagnosed_draws(
        fit.posterior.components, fit.posterior.layout, fit.feature_names
    )
    each = [diagnose(values[..., j : j + 1]) for j in range(len(names))]
    if not names or not np.isfinite([verdict.rhat for verdict in each]).all():
        return {}
    return {
        "rhat": names[int(np.argmax([verdict.rhat for verdict in each]))],
        "ess_bulk": names[int(np.argmin([verdict.ess_bulk for verdict in each]))],
        "ess_tail": names[int(np.argmin([verdict.ess_tail for verdict in each]))],
    }


def _evidence(fit: Fit) -> list[Row]:
    value, error = fit.posterior.log_evidence, fit.posterior.log_evidence_error
    if value is None:
        return []
    if not np.isfinite(value):
        words = "could not be estimated, this fit cannot be compared by it: raise draws"
        return [Row("log_evidence", value, np.nan, False, words)]
    words = "to be compared with that of other fits to the same rows, not to be read alone"
    rows = [Row("log_evidence", value, np.nan, None, words)]
    if error is None:
        return rows
    precise = bool(error <= EVIDENCE_ERROR_LIMIT)
    words = (
        "Monte Carlo standard error, in nats"
        if precise
        else "the evidence is too uncertain to choose among models: raise draws"
    )
    # A solver that is made of these estimates fails with them.
    grave = "log_evidence_by_chain" in fit.report
    return [*rows, Row("log_evidence_error", error, EVIDENCE_ERROR_LIMIT, precise, words, grave)]


# ---------------------------------------------------------------------------------------------
# What the data and the prior say


def _identified(fit: Fit) -> list[Row]:
    found = Identification.of(fit.posterior, fit.priors)
    smallest = found.rows.min(axis=1)
    low, middle = np.quantile(smallest, [WEAK_SHARE, 0.5])
    filled = bool(found.unfilled <= WEAK_SHARE)
    which = int(np.bincount(found.rows.argmin(axis=1)).argmax())
    expected = f"{middle:.0f}" if middle >= 100.0 else f"{middle:.3g}"
    verdict = f"component {which} is mostly the smallest, {expected} expected rows in the median"
    if not filled:
        verdict += (
            f", fewer than its {found.rows_needed} parameters with probability "
            f"{found.unfilled:.2f}: lower n_components"
        )
    several = found.rows.shape[1] > 1
    if not several:
        verdict = "one component holds all rows" + ("" if filled else ", fewer than its parameters")
    rows = [Row("smallest_component", low, found.rows_needed, filled, verdict)]
    if several:
        clear = found.ambiguous_share <= WEAK_SHARE
        first, second = found.nearest
        rows.append(
            Row(
                "ambiguous_share", found.ambiguous_share, WEAK_SHARE, clear,
                "components can be told apart" if clear
                else f"components, most of all {first} and {second}, could exchange labels: read "
                "what does not depend on labels, or lower n_components",
            )
        )  # fmt: skip
    return [*rows, *_empty(fit)]


def _empty(fit: Fit) -> list[Row]:
    empty = empty_components(fit.posterior)
    share = float(empty.any(axis=-1).mean())
    if share == 0.0:
        return []
    kept = typical_draws(empty)
    verdict = "share of the draws with a component without rows, which lies where the prior has it"
    if not kept.all():
        verdict += (
            f"; summary() leaves out the {100.0 * (1.0 - kept.mean()):.1f}% of the draws in which "
            "other components are empty than in most"
        )
    return [Row("empty_component", share, np.nan, None, verdict)]


def _resolution(fit: Fit) -> list[Row]:
    found = fit.posterior.resolution
    if found is None:
        return []
    design = fit.posterior.design
    step, sd = design.unit * found.step, design.unit * found.sd
    floor = design.y_scale * fit.priors.sigma_floor
    what = fit.posterior.family.floor_words
    verdict = (
        f"y looks rounded to multiples of {step:.4g}, sd {sd:.3g}, with up to {found.most:g} rows "
        f"tied: the floor of {what} was raised to {floor:.3g}, so that no component is narrower "
        "on tied rows alone; Priors(sigma_floor=0.003) takes y to be exact"
    )
    return [Row("resolution_of_y", step, np.nan, None, verdict)]


def _prior_sensitivity(fit: Fit) -> list[Row]:
    table = sensitivities(fit.posterior, fit.feature_names)
    if table is None:
        return []
    worst, weakest = str(table["prior"].idxmax()), str(table["likelihood"].idxmin())
    prior, likelihood = float(table["prior"].max()), float(table["likelihood"].min())
    calm, informed = prior < SENSITIVITY_LIMIT, likelihood >= SENSITIVITY_LIMIT
    conflict = float(table["likelihood"][worst]) >= SENSITIVITY_LIMIT
    return [
        Row(
            "prior_sensitivity", prior, SENSITIVITY_LIMIT, calm,
            f"the prior matters little (most for {worst})" if calm
            else f"the prior matters for {worst}, "
            f"{'beside or against' if conflict else 'more than'} the data: see that Priors say "
            "what you mean, and fit with others",
        ),
        Row(
            "likelihood_sensitivity", likelihood, SENSITIVITY_LIMIT, informed,
            f"the data speak to every parameter (least to {weakest})" if informed
            else f"the data say little of {weakest}: lower n_components, or get more rows",
        ),
    ]  # fmt: skip


ROWS: tuple[Callable[[Fit], list[Row]], ...] = (
    _converged, _search, _reported, _evidence, _identified, _resolution, _prior_sensitivity,
)  # fmt: skip
