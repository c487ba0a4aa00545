"""When two modes are one, and when a mode is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import linear_sum_assignment

from .._model.problem import Problem
from .._support.arrays import Array
from ..families._priors import WallPrior
from .mode_table import Mode

# So many times the rows that determine a line and a spread hardly leave a choice of rows.
FED = 1.5


def window(problem: Problem) -> float:
    """Nats of evidence below the best mode within which modes are listed."""
    return max(10.0, float(problem.layout.size))


def collapsed(problem: Problem, mode: Mode) -> bool:
    """Whether a component lives on too few rows to have a spread of its own."""
    layout, bend = problem.layout, problem.family.bend
    if layout.n_components == 1 or layout.own_extras.size == 0 or bend is None:
        return False
    prior = problem.extra_priors[bend]
    if not isinstance(prior, WallPrior):
        return False
    spread = np.exp(layout.expand(mode.theta).extra[:, bend])
    few = (mode.counts > 1.0) & (mode.counts < _rows_needed(problem) + 0.5)
    return bool((few & (spread < 3.0 * min(prior.floor, problem.least_sigma))).any())


def _rows_needed(problem: Problem) -> int:
    """Rows that determine a line and the spread around it."""
    return problem.layout.n_features + int(problem.layout.fit_intercept) + 1


def alike_where_fed(problem: Problem, mode: Mode, other: Mode) -> bool:
    """Whether two modes differ only in where components on few rows lie.

    Beside one or two outliers there is a mode for every few other rows that the line through them
    may pass.  The other components of these are the same to within a posterior sd, and all that a
    search can find.
    """
    enough = FED * _rows_needed(problem)
    fed, fed_other = mode.counts >= enough, other.counts >= enough
    if fed.all() or not fed.any() or fed.sum() != fed_other.sum():
        return False
    here, there = problem.layout.own[fed], problem.layout.own[fed_other]
    covariance = mode.scale @ mode.scale.T
    spread = np.sqrt(np.diagonal(covariance))[here]
    z = (other.theta[there][None] - mode.theta[here][:, None]) / spread[:, None]
    rows, columns = linear_sum_assignment(np.minimum((z * z).sum(axis=2), 1e12))
    gap = (other.theta[there[columns]] - mode.theta[here[rows]]).ravel()
    at = here[rows].ravel()
    return bool(gap @ np.linalg.solve(covariance[np.ix_(at, at)], gap) < len(at))


def matching(problem: Problem, theta: Array, mode: Mode) -> NDArray[np.intp]:
    """The relabelling of ``theta`` that brings its components nearest to the mode's."""
    index = problem.layout.own
    K = len(index)
    if K == 1:
        return np.zeros(1, dtype=np.intp)
    spread = np.sqrt((mode.scale**2).sum(axis=1))
    cost = np.empty((K, K))
    for k in range(K):
        z = (theta[index] - mode.theta[index[k]]) / spread[index[k]]
        cost[:, k] = np.minimum((z * z).sum(axis=1), 1e12)
    rows, columns = linear_sum_assignment(cost + 1e6 * problem.layout.forbidden[:K, :K])
    order = np.empty(K, dtype=np.intp)
    order[columns] = rows
    return order


def whitened_distance(problem: Problem, theta: Array, mode: Mode) -> float:
    """Squared distance from a mode in its own metric, labels matched."""
    order = matching(problem, theta, mode)
    gap = problem.layout.permute(theta, order) - mode.theta
    z = solve_triangular(mode.scale, gap, lower=True, check_finite=False)
    return float(z @ z)
