"""What components are in the rows: shares, sizes, means, and how well they are told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._posterior import prediction
from .._posterior._rows.memberships import row_log_weights
from .._posterior._rows.predictors import blocks_of_predictors
from .._posterior._rows.seen import component_log_densities
from .._posterior._rows.unit_rows import UnitRows, units_at
from .._posterior.parameters import log_memberships, mean_sd_and_interval
from .._posterior.posterior import Posterior
from .._support.arrays import Array, log_sum_exp
from .information import with_few_draws

# Draws that tables are over.
TABLE_DRAWS = 400


def component_table(
    posterior: Posterior,
    X: Array,
    y: Array,
    weights: Array | None,
    feature_names: Sequence[str],
    probability: float,
) -> pd.DataFrame:
    """See `DescribedMixture.component_table`; over up to 400 evenly spaced draws."""
    thin = with_few_draws(posterior, TABLE_DRAWS)
    rows = UnitRows(thin, X, y)
    weights = np.ones(len(y)) if weights is None else weights
    if rows.units is not None:
        weights = weights[rows.units.order]
    draws, first = thin.components.flattened(), _first_rows(rows)
    log_weights = row_log_weights(thin, rows.X[first], draws)
    if log_weights is None:
        log_weights = draws.log_weights[None]
    densities = component_log_densities(thin, rows.X, rows.y)
    if rows.units is not None:
        densities = np.add.reduceat(densities, rows.units.starts[:-1], axis=1)
    odds = densities + np.swapaxes(log_weights, 0, 1)
    share = np.exp(odds - log_sum_exp(odds))
    of_units = weights[first]
    counts = np.einsum("u,suk->sk", of_units, share)
    average = np.exp(log_weights)
    average = np.broadcast_to(average, (len(first), *average.shape[1:]))
    quantities: dict[str, Array] = {
        "share": np.einsum("u,usk->sk", of_units, average) / of_units.sum(),
        "units": counts,
        "mean response": _mean_responses(thin, rows.X, weights),
    }
    if thin.family.background is not None:
        rest = np.exp(log_memberships(draws, thin.family))[:, -1:]
        quantities["share"] = quantities["share"] * (1.0 - rest)
    spread = share if rows.units is None else np.repeat(share, rows.units.sizes, axis=1)
    of_rows = np.einsum("n,snk->sk", weights, spread)
    roles = posterior.design.roles
    named = dict(zip(roles.slopes, feature_names, strict=True))
    named |= dict(zip(roles.gating, roles.gating_names, strict=True))
    for at, name in sorted(named.items()):
        column = np.asarray(rows.X[:, at], dtype=np.float64)
        total = np.einsum("n,snk->sk", weights * column, spread)
        quantities[f"mean of {name}"] = total / np.maximum(of_rows, 1e-300)
    return _table(quantities, probability)


def _first_rows(rows: UnitRows) -> NDArray[np.int64]:
    return np.arange(len(rows.X)) if rows.units is None else rows.units.starts[:-1]


def _mean_responses(posterior: Posterior, X: Array, weights: Array) -> Array:
    """Mean of every component, averaged over the covariates of all rows: (S, K)."""
    draws, family = posterior.components.flattened(), posterior.family.of_regressions
    extra = [value[:, None] for value in family.natural(draws.extra)]
    total = np.zeros(draws.log_weights.shape)
    for part, eta, columns in blocks_of_predictors(posterior, X, draws):
        total += np.einsum("n,snk->sk", weights[part], family.mean(eta, *extra, *columns))
    return np.asarray(posterior.design.response(total / weights.sum()))


def _table(quantities: dict[str, Array], probability: float) -> pd.DataFrame:
    K = next(iter(quantities.values())).shape[1]
    index, records = [], []
    for k in range(K):
        for name, values in quantities.items():
            index.append((k, name))
            records.append(mean_sd_and_interval(values[:, k], probability))
    levels = pd.MultiIndex.from_tuples(index, names=["component", "quantity"])
    return pd.DataFrame(records, index=levels, columns=["mean", "sd", "lower", "upper"])


def entropy(
    posterior: Posterior, X: Array, y: Array, weights: Array | None, *, n_threads: int = 1
) -> float:
    """See `DescribedMixture.entropy`."""
    share = prediction.responsibilities(posterior, X, y, n_threads=n_threads)
    K = share.shape[1]
    if K == 1:
        return 1.0
    weights = np.ones(len(y)) if weights is None else weights
    units = units_at(posterior, X)
    if units is not None:
        share, weights = share[units.first], weights[units.first]
    lost = -np.where(share > 0.0, share * np.log(np.maximum(share, 1e-300)), 0.0).sum(axis=1)
    return float(1.0 - weights @ lost / (np.log(K) * weights.sum()))
