"""Predictions of new rows of groups of which some rows were seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._model._roles.units import Units
from ..._support.arrays import Array
from ..._support.failures import memory_advice
from ..family_average import FamilyAverage, Predictive
from ..posterior import Posterior
from .memberships import Seen
from .predictors import blocks_of_predictors
from .unit_rows import within_reach


@memory_advice(
    "One number is needed per draw, component and group: predict fewer groups at once, or lower "
    "the solver's draws."
)
def given_rows(predictive: Predictive, X: Array, seen_X: Array, seen_y: Array) -> Predictive:
    """The same given what was seen of the groups that rows X belong to."""
    if isinstance(predictive, FamilyAverage):
        parts = tuple(_given(part, X, seen_X, seen_y) for part in predictive.posteriors)
        return replace(predictive, posteriors=parts)
    return _given(predictive, X, seen_X, seen_y)


def _given(posterior: Posterior, X: Array, seen_X: Array, seen_y: Array) -> Posterior:
    group = posterior.design.roles.group
    assert group is not None
    wanted = np.isin(seen_X[:, group], X[:, group])
    if not wanted.any():
        return posterior
    seen_X, seen_y = seen_X[wanted], seen_y[wanted]
    units = Units.of(seen_X[:, group])
    seen_y = within_reach(posterior, seen_y)
    density = component_log_densities(posterior, seen_X[units.order], seen_y[units.order])
    joint = _against_the_largest(np.add.reduceat(density, units.starts[:-1], axis=1))
    return replace(posterior, seen=Seen(seen_X[units.first, group], joint))


def _against_the_largest(log_likelihood: Array) -> Array:
    """Log likelihoods (..., K) less the largest; 0 where all are those of the impossible."""
    # A density at an infinite predictor is nan.
    log_likelihood = np.where(np.isnan(log_likelihood), -np.inf, log_likelihood)
    largest = log_likelihood.max(axis=-1, keepdims=True)
    # Where no component can have had these rows, they tell none from another.
    none = np.isneginf(largest)
    return np.asarray(np.where(none, 0.0, log_likelihood - np.where(none, 0.0, largest)))


def component_log_densities(posterior: Posterior, X: Array, y: Array) -> Array:
    """Log densities, up to a constant per row, of each component at every draw: (S, n, K)."""
    family, draws = posterior.family, posterior.components.flattened()
    S, K = draws.log_weights.shape
    out = np.empty((S, len(X), K))
    extra = [value[:, None] for value in family.natural(draws.extra)]
    target = posterior.design.target(y)
    for part, eta, columns in blocks_of_predictors(posterior, X, draws):
        out[:, part] = family.log_density(target[part, None], eta, *extra, *columns)
    return out
