"""Weights that are hardly the frequencies that they are taken for, roles that say nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._model._roles.checks import remarks
from .._model._roles.selection import has_roles, roles_of
from .._support import caller
from .._support.arrays import Array
from ..families import Family

# Observations per row, or rows per observation, from which weights with fractions are doubted.
# Weights that were meant as powers, or divided by their mean once, stay within.
FAR_FROM_ONE = 3.0


def doubt(X: Any, weights: Array | None) -> str | None:
    """Why weights are hardly frequencies, or None.

    Whole numbers are taken as such, however large.

    Parameters
    ----------
    X : ndarray of shape (n, p) or ChunkedData
        As validated.
    weights : ndarray of shape (n,) or None
        None of chunks, which hold their own.
    """
    if not isinstance(X, np.ndarray):
        parts = X.summaries
        whole, rows = all(part.counts for part in parts), sum(part.n_rows for part in parts)
        total = float(X.total_weight)
    elif weights is None:
        return None
    else:
        whole = bool((weights == np.rint(weights)).all())
        rows, total = int(np.count_nonzero(weights)), float(weights.sum())
    if whole or rows / FAR_FROM_ONE <= total <= rows * FAR_FROM_ONE:
        return None
    return (
        f"sample_weight holds fractions with a mean of {total / rows:.3g} and was taken for "
        f"frequencies: {rows} rows count as {total:,.6g} observations, and every sd is that of so "
        "many. Weights that say how much of a population a row stands for, or how precise it is, "
        "are no frequencies: divide them by their mean (sample_weight / sample_weight.mean()), "
        f"and the rows count as {rows} observations."
    )


def doubts(estimator: Any, X: Any, weights: Array | None, family: Family) -> list[str]:
    """That, and what columns with a role cannot have been meant for."""
    found = doubt(X, weights)
    out = [] if found is None else [found]
    if isinstance(X, np.ndarray) and has_roles(estimator):
        names = getattr(estimator, "feature_names_in_", None)
        out += remarks(X, roles_of(estimator, family), names)
    return out


def warn(complaints: list[str]) -> None:
    """Tell the caller of the fit."""
    for complaint in complaints:
        caller.warn(complaint, UserWarning)
