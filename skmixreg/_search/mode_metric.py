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
    needed = layout.n_features + int(layout.fit_intercept) + 1
    spread = np.exp(layout.expand(mode.theta).extra[:, bend])
    few = (mode.counts > 1.0) & (mode.counts < needed + 0.5)
    return bool((few & (spread < 3.0 * min(prior.floor, problem.least_sigma))).any())


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
    rows, columns = linear_sum_assignment(cost)
    order = np.empty(K, dtype=np.intp)
    order[columns] = rows
    return order


def whitened_distance(problem: Problem, theta: Array, mode: Mode) -> float:
    """Squared distance from a mode in its own metric, labels matched."""
    order = matching(problem, theta, mode)
    gap = problem.layout.permute(theta, order) - mode.theta
    z = solve_triangular(mode.scale, gap, lower=True, check_finite=False)
    return float(z @ z)
