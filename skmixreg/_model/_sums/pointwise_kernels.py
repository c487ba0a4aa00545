"""What every unit has of its own: log-likelihood, predictive density, responsibilities.

Arguments are those of `row_kernels`; results have one entry for each unit from ``start`` to
``stop``, that is for each row unless units are given, and do not depend on weights.
The density of a unit is the joint one of its rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..._kernels.compile import compiled, part
from ..._kernels.stage_kernels import add_log, normalise
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_nonpositive
from .block_kernels import add_block, clear, number_of_lines
from .driver_kernels import add_units, buffers, close_block, open_block, run, stage


class UnitValues(NamedTuple):
    """Log-likelihood ``out`` of every unit."""

    eta: Any
    out: Any


@part
def _write_values(top, norm, at, n, out):
    add_log(top, norm)
    for i in range(n):
        out[at + i] = top[i]


@stage(close_block, UnitValues)
def _values_close(work, units, membership, at, n):
    _write_values(membership.top, membership.total, at, n, work.out)


class LogPredictive(NamedTuple):
    """Log of the mean density ``out`` of every unit; the sum so far is ``mean * exp(best)``."""

    eta: Any
    best: Any
    mean: Any
    out: Any
    n_draws: Any


@part
def _clear_densities(best, mean):
    for i in range(BLOCK):
        best[i] = -np.inf
        mean[i] = 0.0


@part(fastmath=EXACT)
def _add_densities(ll, best, mean):
    """Add exp(ll) to the sums ``mean * exp(best)``."""
    for i in range(BLOCK):
        new = ll[i] > best[i]
        small = exp_nonpositive(best[i] - ll[i] if new else ll[i] - best[i])
        mean[i] = mean[i] * small + 1.0 if new else mean[i] + small
        best[i] = ll[i] if new else best[i]


@part
def _write_log_means(best, mean, n_draws, at, n, out):
    for i in range(n):
        out[at + i] = best[i] + np.log(mean[i] / n_draws)


@stage(open_block, LogPredictive)
def _predictive_open(work):
    _clear_densities(work.best, work.mean)


@stage(add_units, LogPredictive)
def _predictive_units(work, units, ones, membership, s):
    add_log(membership.top, membership.total)
    _add_densities(membership.top, work.best, work.mean)


@stage(close_block, LogPredictive)
def _predictive_close(work, units, membership, at, n):
    _write_log_means(work.best, work.mean, work.n_draws, at, n, work.out)


class Responsibilities(NamedTuple):
    """Mean responsibilities, ``out`` (U, K) by rows; ``total`` (K, BLOCK) are their sums."""

    eta: Any
    total: Any
    out: Any
    n_draws: Any


@part
def _write_means(total, n_draws, at, n, out):
    K = total.shape[0]
    for i in range(n):
        for k in range(K):
            out[(at + i) * K + k] = total[k, i] / n_draws


@stage(open_block, Responsibilities)
def _responsibilities_open(work):
    clear(work.total)


@stage(add_units, Responsibilities)
def _responsibilities_units(work, units, ones, membership, s):
    normalise(membership.r, membership.norm)
    add_block(membership.r, work.total)


@stage(close_block, Responsibilities)
def _responsibilities_close(work, units, membership, at, n):
    _write_means(work.total, work.n_draws, at, n, work.out)


@compiled
def log_likelihood_rows(start, stop, observations, raw, model):
    """Log-likelihood of every unit, shape (stop - start,)."""
    n = number_of_lines(raw.line, model.background)
    work = UnitValues(np.empty((n, BLOCK)), np.empty(stop - start))
    run(start, stop, observations, raw, model, work, buffers(observations, raw, 1))
    return work.out


@compiled
def pointwise_log_predictive(start, stop, observations, raws, model):
    """Log of the density of every unit averaged over draws, shape (stop - start,)."""
    n, S = number_of_lines(raws.line, model.background), raws.line.shape[0]
    work = LogPredictive(
        np.empty((n, BLOCK)), np.empty(BLOCK), np.empty(BLOCK), np.empty(stop - start), S
    )
    run(start, stop, observations, raws, model, work, buffers(observations, raws, S))
    return work.out


@compiled
def pointwise_responsibilities(start, stop, observations, raws, model):
    """Responsibilities averaged over draws, flat of shape ((stop - start) * K,), by units."""
    n, (S, K, _) = number_of_lines(raws.line, model.background), raws.line.shape
    work = Responsibilities(
        np.empty((n, BLOCK)), np.empty((K, BLOCK)), np.empty((stop - start) * K), S
    )
    run(start, stop, observations, raws, model, work, buffers(observations, raws, S))
    return work.out
