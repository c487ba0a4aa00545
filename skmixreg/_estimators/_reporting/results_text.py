"""What was found and how far it can be trusted, for a results section."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .component_rows import ComponentRow, column_titles, component_rows
from .fit import PROBABILITY, Choice, Fit
from .rounding import listed, probability_in_words, rounded, with_interval

# Components beside one another in a table that is read on a page.
ABREAST = 3
# More differences than these are not read one by one.
MOST_DIFFERENCES = 20


def trust_sentences(fit: Fit) -> list[str]:
    """Why numbers cannot be trusted, or mean little; empty where they can."""
    out = []
    if fit.posterior.failures:
        out.append(
            "THIS FIT DID NOT CONVERGE, and the numbers below cannot be trusted: "
            f"{'; '.join(fit.posterior.failures)}."
        )
    if fit.choice is not None and not fit.choice.resolved:
        out.append(
            "THE CHOICE BELOW IS NOT RESOLVED: a candidate has no criterion, or Monte Carlo error "
            "could have changed the choice; see criterion_table_."
        )
    if "second_mode_probability" in fit.notes:
        out.append(
            "THE POSTERIOR HAS SEVERAL DISTINCT SOLUTIONS, and the numbers below are averages over "
            "them, which mean little: report summary(by_mode=True)."
        )
    return out


def choice_sentences(choice: Choice) -> list[str]:
    """By what a candidate was chosen, and with which probability."""
    what, name = "The number of components K was", f"K = {choice.best}"
    if isinstance(choice.best, tuple):
        family, K = choice.best
        what, name = "Family and number of components K were", f"the family {family} with K = {K}"
    among = f"chosen among {len(choice.table)} candidates by {choice.criterion.words}"
    out = [f"{what} {among}: {name}."]
    share = float(choice.table["probability"][choice.best])
    if np.isfinite(share):
        words = choice.criterion.weight_words
        out.append(f"Its {words} is {probability_in_words(share, 1000)}.")
    if choice.averaged:
        out.append("Predictions average over the candidates with these weights.")
    return out


def choice_table(choice: Choice) -> list[str]:
    """The candidates and what was computed of them."""
    column, table = choice.criterion.column, choice.table
    error = f"{column}_error"
    head = [*(str(name) for name in table.index.names), column]
    lines = []
    for key, row in table.iterrows():
        of_key = list(key) if isinstance(key, tuple) else [key]
        sd = float(row[error]) if error in table else np.nan
        value = float(row[column])
        # An error far below 0.01 nats says nothing that a choice depends on.
        printed = rounded(value, max(sd, 0.01)) if sd == sd else f"{value:.2f}"
        lines.append([*map(str, of_key), printed])
        if error in table:
            lines[-1].append(f"{sd:.2g}")
        if choice.criterion.weighs:
            lines[-1].append(probability_in_words(float(row["probability"]), 1000))
    head += ["error"] if error in table else []
    head += [choice.criterion.weight_words.split(",")[0]] if choice.criterion.weighs else []
    return aligned([head, *lines])


def component_table(fit: Fit) -> list[str]:
    """Text of the table of components, at most some abreast."""
    rows = component_rows(fit)
    titles = column_titles(fit, rows)
    own = [row for row in rows if not row.shared]
    out: list[str] = []
    for start in range(0, len(titles), ABREAST):
        here = slice(start, start + ABREAST)
        # A background has a share and nothing else.
        body = [[row.label, *row.cells[here]] for row in own if row.cells[here]]
        out += aligned([["", *titles[here]], *body])
        out.append("")
    shared: list[ComponentRow] = [row for row in rows if row.shared]
    if shared:
        out += aligned([["", "all components"], *([row.label, *row.cells] for row in shared)])
        out.append("")
    return out[:-1]


def component_sentence(fit: Fit) -> str:
    """What the numbers of the table are."""
    if fit.is_point:
        return "Parameters at the mode, to three digits, without intervals:"
    shares = ", averaged over the rows of the fit," if fit.roles.gating else ""
    return (
        f"Posterior means with {100 * PROBABILITY:.0f}% intervals; shares{shares} are the mixing "
        "weights. Components are numbered from 0, as in summary()."
    )


def difference_lines(fit: Fit) -> list[str]:
    """Differences between components with the probability that they are positive."""
    table = fit.contrasts
    if fit.is_point or not len(table):
        return []
    if len(table) > MOST_DIFFERENCES:
        return [f"{len(table)} differences between components are in contrast()."]
    lines = []
    for key, row in zip(table.index.tolist(), table.to_numpy(), strict=True):
        parameter, component, reference = key
        *numbers, positive = map(float, row)
        lines.append(
            [
                _parameter(parameter),
                f"{component} - {reference}",
                with_interval(*numbers),
                probability_in_words(positive, fit.n_draws),
            ]
        )
    return aligned([["", "components", "difference", "P(> 0)"], *lines])


def _parameter(name: str) -> str:
    for prefix, words in (("gating_coef[", "log odds, effect of "), ("coef[", "effect of ")):
        if name.startswith(prefix):
            return f"{words}{name.removeprefix(prefix)[:-1]}"
    return name.replace("gating_intercept", "log odds, intercept")


def diagnostic_sentences(fit: Fit) -> list[str]:
    """Whether the fit converged, the numbers that say so, and notes."""
    checks = fit.checks
    values, limits = checks["value"].to_dict(), checks["threshold"].to_dict()
    failed = checks.index[checks["passed"].eq(False).fillna(False).astype(bool)].tolist()
    out = [
        f"The fit did not converge: {listed(failed)} did not pass."
        if fit.posterior.failures
        else "The fit converged: every check of the search for modes and of the solver passed."
    ]
    count = int(values["modes"])
    found = f"{count} mode{'s' if count > 1 else ''}"
    out.append(f"The search found {found}: {checks['verdict'].to_dict()['modes']}.")
    for check, words, digits in NUMBERS:
        if check in values:
            limit = "" if np.isnan(limits[check]) else f" (limit {limits[check]:.3g})"
            out.append(f"{words} is {values[check]:{digits}}{limit}.")
    out += [f"Note on {check}: {words}." for check, words in fit.notes.items()]
    return out


# Checks whose numbers are told although they passed.
NUMBERS = (
    ("khat", "Pareto k-hat", ".2f"),
    ("rhat", "The largest R-hat", ".3f"),
    ("ess_bulk", "The smallest bulk effective sample size", ".0f"),
    ("ess_tail", "The smallest tail effective sample size", ".0f"),
    ("divergences", "The number of divergences", ".0f"),
    ("log_evidence", "The log marginal likelihood", ".2f"),
)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of columns, to the left."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
