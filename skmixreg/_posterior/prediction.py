"""Formulas over stored draws.

Everywhere ``X`` has shape (n, p) and ``y`` shape (n,), float64, in the user's units, and so have
the results.  Inside, rows are standardised block by block, so that memory stays bounded and
an offset in X or y cancels nothing.  Only `sample_y` and `sample_y_draws` are random.  No row's
result depends on the other rows.

Mean, standard deviation and component means come from `Posterior.moments` where the mean is the
linear predictor; else they average over all draws, as responsibilities and densities always do.
Quantiles, intervals and highest-density regions are those of the mixture over some draws, evenly
spaced in their order (`thinned.THINNED_DRAWS`); for regions, and all three of counts, terms that
would be seen one by one are widened (see `RowMixtures`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._model._sums import pointwise_kernels
from .._model.observations import Observations
from .._model.raw import Model, Raw
from .._support.arrays import Array
from .._support.failures import memory_advice
from .._support.sampling import each_before_again
from . import averages
from ._mixtures import count_regions, density_grid, row_mixtures
from ._mixtures.mixtures import Mixtures
from ._mixtures.thinned import map_mixtures
from ._rows.memberships import blocks_of_memberships, sampled_labels, vary_by_row
from ._rows.unit_rows import UnitRows, within_reach
from .family_average import (
    Predictive,
    average,
    average_of_logs,
    average_of_moments,
    columns_over_families,
    over_families,
)
from .moments import Moments
from .parameters import log_memberships, with_background
from .posterior import Posterior

BLOCK_NUMBERS = 65_536  # numbers per block of rows in closed formulas
LEAST_PROBABILITY = 1e-300
KERNEL_NUMBERS = 1 << 20  # standardised copies of rows, numbers per block


# ------------------------------------------------------------------------- closed formulas


@over_families(average)
def mean(posterior: Posterior, X: Array, *, n_threads: int = 1) -> Array:
    """Posterior predictive mean.

    Returns
    -------
    ndarray of shape (n,)
    """
    design, moments = posterior.design, posterior.moments
    if moments is None or vary_by_row(posterior):
        return averages.mean_and_std(posterior, X, n_threads, spread=False)[0]
    out = _linear(posterior, X, moments.mean[1:])
    out += design.y_mean + design.y_scale * moments.mean[0]
    return _with_offset(posterior, X, out)


@over_families(average_of_moments)
def mean_and_std(posterior: Posterior, X: Array, *, n_threads: int = 1) -> tuple[Array, Array]:
    """Posterior predictive mean and standard deviation, by the law of total variance.

    Returns
    -------
    mean, std : ndarray of shape (n,)
    """
    if posterior.moments is None or vary_by_row(posterior):
        return averages.mean_and_std(posterior, X, n_threads)
    return mean(posterior, X), _std(posterior, X, posterior.moments)


def component_means(posterior: Posterior, X: Array, *, n_threads: int = 1) -> Array:
    """Posterior mean of the mean of every component.

    Returns
    -------
    ndarray of shape (n, K)
    """
    design, moments = posterior.design, posterior.moments
    if moments is None:
        return averages.component_means(posterior, X, n_threads)
    out = _linear(posterior, X, moments.lines[:, 1:].T)
    out += design.y_mean + design.y_scale * moments.lines[:, 0]
    return _with_offset(posterior, X, out)


def _linear(posterior: Posterior, X: Array, slopes: Array) -> Array:
    """Centred X times standardised slopes (p,) or (p, K), in the user's units of y."""
    design = posterior.design
    slopes, X = np.ascontiguousarray(design.slopes(slopes.T).T), design.regressors(X)
    n, p = X.shape
    out = np.empty((n, *slopes.shape[1:]))
    rows = max(1, BLOCK_NUMBERS // max(p, 1))
    centred = np.empty((min(rows, n), p))
    for start in range(0, n, rows):
        block = X[start : start + rows]
        np.subtract(block, design.x_mean, out=centred[: len(block)])
        np.dot(centred[: len(block)], slopes, out=out[start : start + rows])
    return out


def _with_offset(posterior: Posterior, X: Array, means: Array) -> Array:
    offset = posterior.design.roles.predictor_offset(X)
    return means if offset is None else (means.T + offset).T


def _std(posterior: Posterior, X: Array, moments: Moments) -> Array:
    design = posterior.design
    n, width = len(X), design.n_directions + 1
    out = np.empty(n)
    rows = max(1, BLOCK_NUMBERS // width)
    for start in range(0, n, rows):
        block = X[start : start + rows]
        lifted = np.empty((len(block), width))
        lifted[:, 0] = 1.0
        lifted[:, 1:] = design.standardised(block)
        spread = np.einsum("ij,ij->i", lifted @ moments.spread, lifted)
        out[start : start + rows] = np.sqrt(np.maximum(spread, 0.0) + moments.noise)
    out *= design.y_scale
    return out


def mixing_weights(posterior: Posterior, X: Array) -> Array:
    """Posterior mean of the mixing weights at every row.

    Returns
    -------
    ndarray of shape (n, K), or (n, K + 1) with a background
    """
    family, draws = posterior.family, posterior.components.flattened()
    if not vary_by_row(posterior):
        return np.tile(np.exp(log_memberships(draws, family)).mean(axis=0), (len(X), 1))
    parts = [weights.mean(axis=1) for weights in blocks_of_memberships(posterior, X)]
    width = posterior.layout.n_components + (family.background is not None)
    return np.concatenate([np.empty((0, width)), *parts])


# ------------------------------------------------------------------- averages over all draws


@over_families(average_of_logs)
def log_predictive_density(
    posterior: Posterior, X: Array, y: Array, log_odds: Array | None = None, *, n_threads: int = 1
) -> Array:
    """Log posterior predictive density: the log of the density averaged over all draws.

    Parameters
    ----------
    log_odds : ndarray of shape (n, K), optional
        Log prior odds of labels, equal within a group.

    Returns
    -------
    ndarray of shape (n,)
    """
    draws, rows = posterior.components.flattened(), UnitRows(posterior, X, y, log_odds)
    parts = rows.map(pointwise_kernels.pointwise_log_predictive, draws, posterior.model, n_threads)
    out = rows.shared_out(np.concatenate([np.empty(0), *parts]))
    return _impossible(out - _log_unit(posterior, X))


def _log_unit(posterior: Posterior, X: Array) -> Array:
    """What a log density per standardised unit of y exceeds one per unit by, row by row."""
    design = posterior.design
    rows = posterior.family.has_density(*design.of_family(X)) if design.family_columns else None
    return np.asarray(np.log(design.unit) * (1.0 if rows is None else rows))


def _impossible(log_density: Array) -> Array:
    """Kernels give nan where y is so far away that the density of every component is zero."""
    log_density[np.isnan(log_density)] = -np.inf
    return log_density


def responsibilities(posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1) -> Array:
    """Probability of each component given x and y, averaged over all draws.

    Returns
    -------
    ndarray of shape (n, K)
    """
    draws = posterior.components.flattened()
    draws, model = with_background(draws, posterior.family, posterior.model)
    rows = UnitRows(posterior, X, within_reach(posterior, y))
    parts = rows.map(pointwise_kernels.pointwise_responsibilities, draws, model, n_threads)
    out = np.concatenate([np.empty(0), *parts]).reshape(-1, draws.logits.shape[1])
    # The kernels' exponential of minus infinity.
    return rows.spread(np.where(out < LEAST_PROBABILITY, 0.0, out))


@memory_advice(
    "One log-likelihood is needed per row and draw: pass fewer rows, or lower the solver's draws; "
    "loo(X, y) needs no such array."
)
def log_likelihood_draws(
    posterior: Posterior, X: Array, y: Array, log_odds: Array | None = None, *, n_threads: int = 1
) -> Array:
    """Log-likelihood of every row at every draw.

    Parameters
    ----------
    log_odds : ndarray of shape (n, K), optional
        Log prior odds of labels, equal within a group.

    Returns
    -------
    ndarray of shape (chains, draws, n)
    """
    draws, rows = posterior.components.flattened(), UnitRows(posterior, X, y, log_odds)

    def at_draws(start: int, stop: int, block: Observations, draws: Raw, model: Model) -> Array:
        kernel = pointwise_kernels.log_likelihood_rows
        return np.stack(
            [kernel(start, stop, block, Raw(*one), model) for one in zip(*draws, strict=True)]
        )

    parts = rows.map(at_draws, draws, posterior.model, n_threads)
    empty = np.empty((len(draws.logits), 0))
    out = rows.shared_out(np.concatenate([empty, *parts], axis=1).T).T
    out -= _log_unit(posterior, X)
    return _impossible(out).reshape(*posterior.log_prior.shape, len(X))


# ---------------------------------------------------------------------- random predictions


@columns_over_families
@memory_advice(
    "One number is needed per row and sample: lower n_samples or pass fewer rows at once."
)
def sample_y(posterior: Posterior, X: Array, n_samples: int, rng: np.random.Generator) -> Array:
    """Draws from the posterior predictive distribution.

    Every column is one data set: all its rows share one draw of the parameters, so that columns
    show how uncertain lines move rows together.  Draws are not repeated before all were used.

    Parameters
    ----------
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, n_samples)
    """
    draws = posterior.components.flattened()
    S = len(draws.logits)
    chosen = each_before_again(rng, S, n_samples)
    out = np.empty((len(X), n_samples))
    for column, s in enumerate(chosen):
        out[:, column] = _sample_rows(posterior, draws, s, X, rng)
    return out


@memory_advice(
    "One number is needed per row and posterior draw: pass fewer rows, or lower the solver's draws."
)
def sample_y_draws(posterior: Posterior, X: Array, rng: np.random.Generator) -> Array:
    """One predictive data set for every posterior draw.

    Returns
    -------
    ndarray of shape (chains, draws, n)
    """
    draws = posterior.components.flattened()
    out = np.empty((len(draws.logits), len(X)))
    for s, row in enumerate(out):
        row[:] = _sample_rows(posterior, draws, s, X, rng)
    return out.reshape(*posterior.log_prior.shape, len(X))


def _sample_rows(
    posterior: Posterior, draws: Raw, s: int, X: Array, rng: np.random.Generator
) -> Array:
    design = posterior.design
    out = np.empty(len(X))
    labels = sampled_labels(posterior, Raw(*(a[s : s + 1] for a in draws)), s, X, rng)
    rows = max(1, KERNEL_NUMBERS // (X.shape[1] + posterior.layout.n_components))
    for start in range(0, len(X), rows):
        part = slice(start, start + rows)
        Z, z = design.standardised(X[part]), labels[part]
        eta = (Z @ draws.coef[s].T + draws.intercept[s])[np.arange(len(Z)), z]
        offset = design.offset(X[part])
        eta += 0.0 if offset is None else offset
        extra = [value[z] for value in posterior.family.natural(draws.extra[s])]
        columns = design.of_family(X[part])
        out[part] = posterior.family.sample(rng, eta + design.location, *extra, *columns)
    return design.response(out)


# -------------------------------------------------- the predictive distribution at each row


def quantiles(posterior: Predictive, X: Array, levels: Array, *, n_threads: int = 1) -> Array:
    """Posterior predictive quantiles: the smallest y at which the distribution function is there.

    Parameters
    ----------
    levels : ndarray of shape (q,)
        Probabilities inside (0, 1).

    Returns
    -------
    ndarray of shape (n, q)
    """
    levels = np.asarray(levels, dtype=np.float64)
    discrete = posterior.discrete
    solve = count_regions.quantiles if discrete else row_mixtures.quantiles
    parts = _map_mixtures(
        posterior, lambda mixtures: solve(mixtures, levels), X, n_threads,
        most_rows=128 if discrete else 8192, widened=discrete,
    )  # fmt: skip
    out = np.concatenate([np.empty((0, len(levels))), *parts])
    return posterior.response(out)


def interval(posterior: Predictive, X: Array, coverage: float, *, n_threads: int = 1) -> Array:
    """Equal-tailed posterior predictive interval.

    Parameters
    ----------
    coverage : float
        Inside (0, 1).

    Returns
    -------
    ndarray of shape (n, 2)
    """
    tail = 0.5 * (1.0 - coverage)
    return quantiles(posterior, X, np.array([tail, 1.0 - tail]), n_threads=n_threads)


def highest_density_regions(
    posterior: Predictive, X: Array, coverage: float, *, n_threads: int = 1
) -> list[Array]:
    """Highest-density region of the posterior predictive distribution at every row.

    The smallest set of probability ``coverage``; for separate lines it is several intervals.

    Parameters
    ----------
    coverage : float
        Inside (0, 1).

    Returns
    -------
    list of n ndarrays of shape (m, 2)
        Disjoint intervals, ascending; m differs between rows.  Of a discrete family first and
        last counts, both inside.
    """

    def rows(mixtures: Mixtures) -> list[Array]:
        if posterior.discrete:
            return count_regions.highest_probability_sets(mixtures, coverage)
        return density_grid.highest_density_regions(mixtures, coverage)

    parts = _map_mixtures(posterior, rows, X, n_threads, most_rows=128, widened=True)
    return [posterior.response(region) for part in parts for region in part]


def _map_mixtures(
    posterior: Predictive,
    function: Callable[[Mixtures], Any],
    X: Array,
    n_threads: int,
    **options: Any,
) -> list[Any]:
    return map_mixtures(
        posterior, lambda mixtures, *rows: function(mixtures), X, n_threads, **options
    )
