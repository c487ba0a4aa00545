"""Scores by number of components, out of a search."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._support.arrays import Array


class SearchScores(NamedTuple):
    """Scores of every candidate, in the order of the number of components.

    Attributes
    ----------
    n_components : ndarray of shape (m,)
    means : ndarray of shape (m,)
    errors : ndarray of shape (m,) or None
        Of the means over splits, ``std(ddof=1) / sqrt(n_splits)``; None of a single split.
    chosen : int or None
    """

    n_components: NDArray[np.int64]
    means: Array
    errors: Array | None
    chosen: int | None

    @classmethod
    def of(cls, search: Any, metric: str) -> SearchScores:
        """Read them from a fitted search.

        Raises
        ------
        ValueError
            If other parameters vary, or there is no such score.
        """
        results = search.cv_results_
        n_components = _numbers_of_components(results["params"])
        names = [key for key in results if re.fullmatch(rf"split\d+_test_{re.escape(metric)}", key)]
        if not names:
            known = sorted({m[1] for key in results if (m := re.match(r"mean_test_(.+)", key))})
            raise ValueError(f"There is no score {metric!r}; there are {known}.")
        scores = np.column_stack([np.asarray(results[name], np.float64) for name in names])
        order = np.argsort(n_components)
        errors = None
        if len(names) > 1:
            errors = scores.std(axis=1, ddof=1)[order] / np.sqrt(len(names))
        best = getattr(search, "best_index_", None)
        chosen = None if best is None else int(n_components[best])
        return cls(n_components[order], scores.mean(axis=1)[order], errors, chosen)


def _numbers_of_components(params: Any) -> NDArray[np.int64]:
    """Number of components of every candidate, after checking that nothing else varies."""
    table = pd.DataFrame(list(params))
    names = [name for name in table.columns if str(name).split("__")[-1] == "n_components"]
    others = [name for name in table.columns if name not in names and _varies(table[name])]
    if len(names) != 1 or others or table[names[0]].duplicated().any():
        raise ValueError(
            "CriterionDisplay.from_search needs a search over n_components or "
            f"<step>__n_components and nothing else, but this one varies {list(table.columns)}."
        )
    return table[names[0]].to_numpy(dtype=np.int64)


def _varies(column: pd.Series) -> bool:
    return len({repr(value) for value in column}) > 1
