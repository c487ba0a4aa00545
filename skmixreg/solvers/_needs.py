"""What solvers may need of a problem, each with the sentence for problems that lack it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .._model.problem import Problem


class Need(NamedTuple):
    """Something a solver cannot do without.

    Attributes
    ----------
    label : str
        What is needed, for tables.
    holds : callable
        Whether a problem has it.
    words : callable
        What is needed, what the problem has, and what to use instead.
    """

    label: str
    holds: Callable[[Problem], bool]
    words: Callable[[Problem], str]


def _is_more(problem: Problem) -> bool:
    """Whether the family is conjugate by itself, and not as it is used."""
    family = problem.family
    return family.background is not None or bool(family.columns)


def _not_conjugate(problem: Problem) -> str:
    family = problem.family
    if family.conjugate and not _is_more(problem):
        return (
            "serves no columns with roles (groups, gates, shared slopes, offsets) and no labels: "
            "for them normal errors have no updates in closed form"
        )
    more = " with a background, known errors or censored rows" if _is_more(problem) else ""
    return f"needs a conjugate family, got family={family.name!r}{more}"


def _with_sweeps(problem: Problem) -> bool:
    return problem.rows.in_memory or problem.conjugate


def _with_labels_or_without(problem: Problem) -> bool:
    rows, layout = problem.rows, problem.layout
    return rows.counts or (rows.in_memory and not (layout.shared_extras or layout.has_roles))


NEEDS: dict[str, Need] = {
    "memory": Need(
        "all rows in memory",
        lambda problem: problem.rows.in_memory,
        lambda problem: (
            "needs all rows in memory, and these are in chunks; use solver='auto' or "
            "solver='laplace'."
        ),
    ),
    "plain": Need(
        "columns without roles and no labels",
        lambda problem: problem.plain,
        lambda problem: (
            "serves no columns with roles (groups, gates, shared slopes, offsets) and no labels; "
            "use solver='auto', 'laplace', 'gibbs' or 'nuts'."
        ),
    ),
    "conjugate": Need(
        "a conjugate family",
        lambda problem: problem.conjugate,
        lambda problem: _not_conjugate(problem) + "; use solver='nuts' or solver='laplace'.",
    ),
    "labels": Need(
        "weights that are counts, where there is a background, parameters are shared, mixing "
        "weights depend on columns or rows are in chunks",
        _with_labels_or_without,
        lambda problem: (
            "needs sample weights that are counts (integers) where there is a background, "
            "components share parameters, mixing weights depend on columns or rows are in chunks: "
            "a fractional weight is a "
            "power of the likelihood, for which rows have no labels to draw; use solver='laplace' "
            "or solver='nuts'."
        ),
    ),
    "sweeps": Need(
        "all rows in memory, unless the family is conjugate and columns have no roles",
        _with_sweeps,
        lambda problem: (
            f"needs all rows in memory for family={problem.family.name!r}"
            + (" where columns have roles" if problem.layout.has_roles else "")
            + ", and these are in chunks; use solver='laplace'."
        ),
    ),
}


def missing(requires: tuple[str, ...], problem: Problem) -> list[str]:
    """Sentences on what a problem lacks of what is required."""
    return [NEEDS[name].words(problem) for name in requires if not NEEDS[name].holds(problem)]


def in_words(requires: tuple[str, ...]) -> str:
    """What is required, for tables."""
    return "; ".join(NEEDS[name].label for name in requires) or "nothing"
