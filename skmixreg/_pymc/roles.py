"""Columns with roles in the PyMC model: gates, groups, known labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._model._roles.units import Units
from .._model.definition import COMPONENT, GATING_FEATURE, OBSERVATION
from .._model.problem import Problem
from .._support.arrays import Array


def gate_in_user_units(problem: Problem, weights: Any, data: dict[str, Any]) -> None:
    """Name what the log odds of the weights are in the user's units; see `Gate.in_user_units`."""
    import pymc as pm
    import pytensor.tensor as pt

    slopes = _standardised_slopes(problem) @ data["gating_map"] / data["gating_scale"]
    intercept = pt.log(weights) - slopes @ data["gating_mean"]
    pm.Deterministic("gating_intercept", intercept - intercept.mean(), dims=COMPONENT)
    pm.Deterministic("gating_coef", slopes, dims=(COMPONENT, GATING_FEATURE))


def _standardised_slopes(problem: Problem) -> Any:
    """Slopes of the log odds, (K, q): they sum to zero over components."""
    import pymc as pm
    import pytensor.tensor as pt

    layout = problem.layout
    if layout.n_components == 1:
        return pt.zeros((1, layout.n_gating))
    return pt.as_tensor(layout.gating_basis) @ pm.modelcontext(None)["gating_coef_std"].T


def gating_data(problem: Problem, X: Array) -> Any:
    """Gating columns of rows (n, q) as data of the model, or None."""
    import pymc as pm

    if problem.design.gate is None:
        return None
    columns = np.asarray(X[:, list(problem.design.roles.gating)], dtype=np.float64)
    return pm.Data("gating", columns, dims=(OBSERVATION, GATING_FEATURE))


def gated_weights(problem: Problem, weights: Any, gating: Any) -> Any:
    """Weights of every row, (n, K), from those at the mean of the gating columns."""
    import pymc as pm
    import pytensor.tensor as pt

    model = pm.modelcontext(None)
    standard = (gating - model["gating_mean"]) / model["gating_scale"] @ model["gating_map"].T
    return pt.special.softmax(pt.log(weights) + standard @ _standardised_slopes(problem).T, axis=1)


def units_likelihood(
    problem: Problem,
    X: Array,
    y: Any,
    eta: Any,
    extras: list[Any],
    weights: Any,
    row_weights: Array | None,
    log_odds: Array | None,
) -> None:
    """A potential: log densities of rows are summed per unit, and memberships summed out.

    Parameters
    ----------
    problem : Problem
    X : ndarray of shape (n, p)
    y, eta : tensor variables of shape (n,), (n, K)
    extras : list of tensor variables
    weights : tensor variable of shape (K,) or (n, K)
    row_weights : ndarray of shape (n,) or None
    log_odds : ndarray of shape (n, K) or None
        Log prior odds of labels, equal within a group.
    """
    import pymc as pm
    import pytensor.tensor as pt

    densities = pm.logp(problem.family.pymc_distribution(eta, *extras), y[:, None])
    units = None
    if problem.design.roles.group is not None:
        units = Units.of(X[:, problem.design.roles.group])
    counts = np.ones(len(X)) if row_weights is None else np.asarray(row_weights)
    if units is not None:
        where = units.spread(np.arange(len(units.sizes)))
        zeros = pt.zeros((len(units.sizes), problem.layout.n_components))
        densities = pt.inc_subtensor(zeros[where], densities)
        counts = counts[units.first]
    log_weights = pt.log(weights)
    if log_weights.ndim == 2 and units is not None:
        log_weights = log_weights[units.first]
    odds = densities + log_weights
    if log_odds is not None:
        odds += log_odds if units is None else log_odds[units.first]
    pm.Potential("y_log_likelihood", (counts * pt.logsumexp(odds, axis=1)).sum())


def log_odds_of_rows(problem: Problem) -> Array | None:
    """Log prior odds of labels of the rows of the problem, (n, K), or None."""
    observations = problem.rows.observations
    if observations.allowed is None or observations.units is None:
        return observations.allowed
    return np.repeat(observations.allowed, np.diff(observations.units), axis=0)


def fill_columns(problem: Problem, X: Array) -> None:
    """Set the columns of X with roles that problems keep standardised, in place."""
    design, observations = problem.design, problem.rows.observations
    roles = design.roles
    if design.gate is not None and observations.gating is not None:
        X[:, list(roles.gating)] = design.gate.of_standardised(observations.gating)
    if observations.offset is not None:
        unit = 1.0 if design.response_scale == "none" else design.y_scale
        offset = observations.offset * unit
        if roles.offset is not None:
            X[:, roles.offset] = offset
            offset = np.zeros(len(X))
        if roles.exposure is not None:
            X[:, roles.exposure] = np.exp(offset)
    if roles.group is not None:
        units = observations.units
        codes = (
            np.arange(len(X))
            if units is None
            else np.repeat(np.arange(len(units) - 1), np.diff(units))
        )
        X[:, roles.group] = codes
