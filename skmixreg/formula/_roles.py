"""The words by which a formula gives columns another role than a slope per component."""

from __future__ import annotations

import re
from typing import NamedTuple


class Role(NamedTuple):
    """What a word stands for.

    Attributes
    ----------
    parameter : str
        Of the estimator, or of the family, that takes the column.
    several : bool
        Whether the word holds terms, of which there may be many, and not one expression.
    of_family : bool
        Whether the parameter is one of the family.
    as_it_is : bool
        Whether the column is taken whatever it holds, without any coding.
    """

    parameter: str
    several: bool = False
    of_family: bool = False
    as_it_is: bool = False


ROLES = {
    "gate": Role("gating_features", several=True),
    "shared": Role("shared_features", several=True),
    "offset": Role("offset_feature"),
    "exposure": Role("exposure_feature"),
    "group": Role("group_feature", as_it_is=True),
    "censoring": Role("censoring_feature"),
    "trials": Role("trials", of_family=True),
    "known_error": Role("known_error", of_family=True),
}

WORD = re.compile(rf"({'|'.join(ROLES)})\((.*)\)", flags=re.DOTALL)


def column_name(word: str, inside: str) -> str:
    """Name of the column that a word makes, which is how the formula writes it."""
    return f"{word}({inside})"


def columns_of_role(word: str) -> str:
    """Pattern of the names of the columns that a word makes."""
    return rf"^{word}\("
