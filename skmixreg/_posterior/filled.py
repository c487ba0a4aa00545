"""Which draws have a component without rows of its own, and what a summary makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._support.arrays import Array

if TYPE_CHECKING:
    from .posterior import Posterior

ELSEWHERE = -1  # the mode of draws that are near none
# Under so many expected memberships, n w_k, a component may hold none: a uniform prior of the
# weights gives an empty component more with probability exp(-10).
MOST_EXPECTED = 10.0
# Draws of another kind, up to this share, rule the sd but hardly reach into an interval.
MINORITY = 0.2


def n_observations(posterior: Posterior) -> float:
    """Sum of the weights of the rows, or groups of rows, that the posterior has seen."""
    if "n_observations" in posterior.report:
        return float(posterior.report["n_observations"])
    # At a mode the gradient in the logits is zero: n_k + c = (n + K c) w_k.
    c, K = posterior.priors.weight_concentration, posterior.layout.n_components
    fewest = float(posterior.modes["smallest_component"].iloc[0])
    smallest = float(np.exp(posterior.mode_components.log_weights[0].min()))
    return (fewest + c) / smallest - K * c


def rows_per_unit(posterior: Posterior) -> float:
    """Rows that share a membership, in the mean: 1 where there are no groups."""
    return float(posterior.report.get("rows_per_unit", 1.0))


def empty_components(posterior: Posterior) -> NDArray[np.bool_]:
    """Components that hold fewer rows than parameters, if any: (chains, draws, K).

    In draws near a mode the rows decide where a component lies, however few it has.
    """
    units = n_observations(posterior) * np.exp(posterior.components.log_weights)
    few = units * rows_per_unit(posterior) < posterior.layout.own.shape[1]
    few |= units < MOST_EXPECTED
    return np.asarray(few & (posterior.draw_mode == ELSEWHERE)[..., None])


def typical_draws(empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Draws that a summary is of: (chains, draws).

    Where a component is empty the others take its rows, and all parameters are different.  Draws
    in which the same components are empty belong together; all but the largest of these groups
    are left out where they are few.
    """
    groups = empty @ 2 ** np.arange(empty.shape[-1])
    number, counts = np.unique(groups, return_counts=True)
    if counts.max() < (1.0 - MINORITY) * groups.size:
        return np.ones(groups.shape, dtype=bool)
    return np.asarray(groups == number[counts.argmax()])


def with_typical(table: pd.DataFrame, typical: pd.DataFrame | None, empty: Array) -> pd.DataFrame:
    """A summary of all draws with means, sds and intervals of the typical ones.

    Parameters
    ----------
    table : DataFrame
        Of all draws: diagnostics, which concern whole chains, and standard errors, which are
        scaled.
    typical : DataFrame or None
        Means, sds and intervals; None where all draws are typical.
    empty : ndarray of shape (K,)
        Share of the draws in which a component is empty, for the column ``empty``; 0 for a
        background, which has no parameters that would be without rows.
    """
    out = table.copy()
    if typical is not None:
        errors = [column for column in out.columns if column.startswith("mcse")]
        out[errors] = out[errors].mul(typical["sd"] / out["sd"], axis=0)
        out[typical.columns] = typical
    component = out.index.astype(str).str.extract(r"\[(\d+)", expand=False).fillna("-1")
    return out.assign(empty=np.append(empty, 0.0)[component.astype(int)])
