"""What a posterior keeps of the rows of a fit whose columns have roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ..._model.problem import Problem
from ..._model.raw import Raw
from ..._support.arrays import Array, log_sum_exp

# That average weights are over, and of how many units they are made.
GATE_ROWS = 500
LOOKED_AT = 50_000
MOST_STEPS = 20


def gate_rows(problem: Problem, mode: Raw) -> Array | None:
    """Weights and standardised gating columns (1 + q, m) of rows that stand for all units.

    Averages of memberships over few random units would be less certain than the posterior.  So
    many units are sorted by their memberships at the best ``mode``, and taken at equal distances
    of weight; then the shares of those taken are moved as little as makes average memberships, and
    their derivatives in the log odds, at the mode those of all units.
    """
    if not problem.layout.n_gating:
        return None
    units, weights = problem.rows.spaced(LOOKED_AT)
    assert units.gating is not None
    gating = units.gating[:, units.first_rows]
    if len(weights) <= GATE_ROWS:
        return np.vstack([weights / weights.sum(), gating])
    shares = softmax(mode.logits[:, :1] + mode.logits[:, 1:] @ gating, axis=0)
    order = _by_membership(shares, weights)
    ends = np.cumsum(weights[order])
    amounts = (np.arange(GATE_ROWS) + 0.5) / GATE_ROWS * ends[-1]
    chosen = order[np.minimum(ends.searchsorted(amounts), len(order) - 1)]
    wanted = _moments(shares, gating)
    share = _shares_with(wanted[:, chosen], wanted @ weights / weights.sum())
    return np.vstack([share, gating[:, chosen]])


def _shares_with(moments: Array, means: Array) -> Array:
    """Positive shares (m,) at which ``moments`` (c, m) have these means: entropy balancing.

    Of all such shares the nearest to equal ones, proportional to exp(t' moments); the t is where
    log(sum of exp(t' (moments - means))) is least (Hainmueller 2012, Political Analysis 20, 25-46).
    """
    gap = moments - means[:, None]
    tilt = np.zeros(len(gap))
    share = np.full(gap.shape[1], 1.0 / gap.shape[1])
    value = np.log(len(share))
    for _ in range(MOST_STEPS):
        mean = gap @ share
        curvature = (gap * share) @ gap.T - np.outer(mean, mean)
        step = -np.linalg.lstsq(curvature, mean, rcond=1e-10)[0]
        for size in (1.0, 0.5, 0.25, 0.1):
            new = gap.T @ (tilt + size * step)
            there = float(log_sum_exp(new)[0])
            if there < value:
                break
        else:
            break
        tilt, value = tilt + size * step, there
        share = np.exp(new - value)
    return share


def _moments(shares: Array, gating: Array) -> Array:
    """1, shares, and as far as they are few their derivatives in the log odds: (c, U)."""
    K, U = shares.shape
    out = [np.ones((1, U)), shares]
    if K * K * (1 + len(gating)) <= GATE_ROWS // 4:
        pairs = np.array([shares[k] * shares[j] for k in range(K) for j in range(k, K)])
        out += [pairs, *(pairs * column for column in gating)]
        out += [shares * column for column in gating]
    return np.concatenate(out)


def _by_membership(shares: Array, weights: Array) -> NDArray[np.intp]:
    """Units sorted by the shares (K, U) that vary most: by one in strata of another."""
    varied = np.argsort(-shares.var(axis=1), kind="stable")
    first = np.argsort(shares[varied[0]], kind="stable")
    if len(shares) < 3:
        return first
    strata = np.empty(len(weights))
    ends = np.cumsum(weights[first])
    strata[first] = np.floor(ends / ends[-1] * (np.sqrt(GATE_ROWS) - 1.0))
    return np.lexsort((shares[varied[1]], strata))


def report_of(problem: Problem, report: Mapping[str, Any]) -> dict[str, Any]:
    """What a solver reports, and the number of memberships where modes do not tell it."""
    if problem.plain:
        return dict(report)
    units = problem.unit_weight
    return {"n_observations": units, "rows_per_unit": problem.total_weight / units, **report}
