"""From a formula to its response, its terms with slopes, and its columns with other roles."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from .._support.exceptions import import_optional
from ._roles import ROLES, WORD

# Of terms with a slope per component; no word of a role.
SLOPES = "slopes"
INTERCEPT = "1"


class Parts(NamedTuple):
    """What a formula says.

    Attributes
    ----------
    response : str or None
        The column on the left; None where nothing is there.
    intercept : bool
    terms : dict of str to list of formulaic.parser.types.Term
        What formulaic codes: ``SLOPES``, and words of roles.
    inside : dict of str to str
        The expression in a word that stands for one column.
    group : str or None
        The column in ``group(...)``.
    """

    response: str | None
    intercept: bool
    terms: dict[str, list[Any]]
    inside: dict[str, str]
    group: str | None

    @property
    def words(self) -> list[str]:
        """Words of roles in the formula."""
        named = [word for word in self.terms if word != SLOPES]
        return named if self.group is None else [*named, "group"]


def formulaic() -> ModuleType:
    """The package, or a `MissingPackageError` that says how to get it."""
    return import_optional("formulaic", extra="formula", needed_for="A formula")


@contextmanager
def errors_of(formula: str) -> Iterator[None]:
    """Errors of formulaic as a ValueError that names the formula."""
    own = formulaic().errors.FormulaicError
    try:
        yield
    except (own, SyntaxError, NameError) as error:
        raise ValueError(f"In the formula {formula!r}: {error}") from error


def parts_of(formula: str, columns: Sequence[str]) -> Parts:
    """Read a formula.

    Parameters
    ----------
    formula : str
    columns : sequence of str
        Those of the frame; ``.`` stands for all but those that the formula names for y or a role.

    Raises
    ------
    TypeError
        If ``formula`` is no string.
    ValueError
        If it cannot be read; the message says where.
    MissingPackageError
        If formulaic is not installed.
    """
    if not isinstance(formula, str):
        raise TypeError(f"formula must be a string such as 'y ~ x', got {formula!r}.")
    with errors_of(formula):
        parts = _split(formula, columns)
        taken = variables_of({word: parts.terms[word] for word in parts.inside})
        for word in ("gate", "shared"):
            taken |= variables_of({word: parts.terms.get(word, [])})
        taken |= {parts.group}
        return _split(formula, [column for column in columns if column not in taken])


def variables_of(terms: dict[str, list[Any]]) -> set[Any]:
    """Names in terms that may be columns, among them text, since ``Q("x y")`` names one.

    formulaic's ``required_variables`` knows those of stateful transforms only with the data.
    """
    factors = (factor for part in terms.values() for term in part for factor in term.factors)
    return {name for factor in factors for name in _names_in(factor)}


def _names_in(factor: Any) -> set[str]:
    if factor.eval_method.value != "python":
        return {factor.expr}
    aliases: dict[str, str] = {}
    sanitized = import_optional(
        "formulaic.utils.code", extra="formula", needed_for="A formula"
    ).sanitize_variable_names(factor.expr, {}, aliases)
    nodes = list(ast.walk(ast.parse(sanitized, mode="eval")))
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in functions}
    text = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    return {aliases.get(name, name) for name in names} | text


def _split(formula: str, columns: Sequence[str]) -> Parts:
    sides = formulaic().Formula(
        formula, _context={"__formulaic_variables_available__": list(columns)}
    )
    left = getattr(sides, "lhs", None)
    right = getattr(sides, "rhs", None)
    if right is None:  # nothing is left of ~
        right = sides if isinstance(sides, formulaic().SimpleFormula) else sides.root
    terms: dict[str, list[Any]] = {SLOPES: []}
    inside: dict[str, str] = {}
    group = None
    for number, part in enumerate(right if isinstance(right, tuple) else (right,)):
        for term in part:
            word, expression = _word_of(term)
            if not word and number == 0:
                terms[SLOPES].append(term)
            elif not word and str(term) != INTERCEPT:
                raise ValueError(
                    f"{str(term)!r} stands after '|', where every column needs a role; write "
                    f"one of {', '.join(f'{role}(...)' for role in ROLES)} around it."
                )
            elif word and ROLES[word].several:
                known = terms.setdefault(word, [])
                known.extend(new for new in _terms_in(expression) if new not in known)
            elif word in inside or (word == "group" and group is not None):
                raise ValueError(f"{word}(...) takes one column, but stands there twice.")
            elif word and ROLES[word].as_it_is:
                group = _single_column(formulaic().Formula(f"0 + {expression}"))
                if group is None:
                    raise ValueError(
                        f"{word}(...) takes a column as it is, got {expression!r}; add a column "
                        "that holds it to the frame."
                    )
            elif word:
                terms[word] = list(formulaic().Formula(f"0 + I({expression})"))
                inside[word] = expression
    both = [str(term) for term in terms[SLOPES] if term in terms.get("shared", [])]
    both = [name for name in both if name != INTERCEPT]
    if both:
        raise ValueError(
            f"{both[0]!r} has a slope per component and, in shared(...), the same in all; leave "
            "it out of one of them."
        )
    intercept = any(str(term) == INTERCEPT for term in terms[SLOPES])
    return Parts(_response(left), intercept, terms, inside, group)


def _word_of(term: Any) -> tuple[str, str]:
    """The word of a role and what it holds; both empty for a term with slopes."""
    matches = [match for factor in term.factors if (match := WORD.fullmatch(factor.expr))]
    if not matches:
        return "", ""
    if len(term.factors) > 1:
        raise ValueError(
            f"{str(term)!r} multiplies a column that has a role with another; a role stands by "
            "itself, with the product inside."
        )
    factor, match = term.factors[0], matches[0]
    if factor.eval_method.value == "lookup":
        raise ValueError(f"The column {factor.expr!r} reads like a role; give it another name.")
    return match[1], match[2]


def _terms_in(expression: str) -> list[Any]:
    terms = formulaic().Formula(expression)
    if not isinstance(terms, formulaic().SimpleFormula):
        raise ValueError(f"{expression!r} inside of a role has parts; write a role for each.")
    return list(terms)


def _single_column(formula: Any) -> str | None:
    """The column that a formula is, None where it is something else."""
    if not isinstance(formula, formulaic().SimpleFormula) or len(formula) != 1:
        return None
    factors = formula[0].factors
    if len(factors) != 1 or factors[0].eval_method.value != "lookup":
        return None
    return str(factors[0].expr)


def _response(left: Any) -> str | None:
    if left is None:
        return None
    response = _single_column(left)
    if response is None:
        raise ValueError(
            f"The response must be a column of the frame, got {str(left)!r}. Predictions would be "
            "of what stands there, not of the column: add it to the frame under a name of its "
            "own, or take a family that has the scale, such as the log-normal one for log(y); "
            "successes among trials are a column of counts and trials(...)."
        )
    return response
