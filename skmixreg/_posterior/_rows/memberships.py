"""Weights of components at rows: where they depend on columns, or on rows of the group seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._model._sums import pointwise_kernels
from ..._model.raw import Raw
from ..._support.arrays import Array, log_sum_exp
from ..._support.sampling import each_before_again
from ..parameters import log_memberships, with_background
from .unit_rows import UnitRows, units_at

if TYPE_CHECKING:
    from ..posterior import Posterior


BLOCK_NUMBERS = 1 << 20  # weights of rows at draws, held at once


class Seen(NamedTuple):
    """Rows of groups that were seen before others of them are predicted.

    Attributes
    ----------
    codes : ndarray of shape (U,)
        Of the groups, ascending.
    log_likelihood : ndarray of shape (S, U, K)
        Of all seen rows of a group, in each component, at every draw; at the largest 0.
    """

    codes: Array
    log_likelihood: Array

    def at(self, codes: Array, chosen: NDArray[np.intp]) -> Array:
        """Those of the groups of rows (n,), 0 for a group of which nothing was seen: (n, T, K)."""
        where = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        known = self.codes[where] == codes
        return np.where(
            known[:, None, None], self.log_likelihood[chosen].swapaxes(0, 1)[where], 0.0
        )


def vary_by_row(posterior: Posterior) -> bool:
    """Whether the weights of components differ between rows."""
    return posterior.design.gate is not None or posterior.seen is not None


def row_log_weights(
    posterior: Posterior, X: Array, draws: Raw, chosen: NDArray[np.intp] | None = None
) -> Array | None:
    """Logs of the weights of the regressions at rows (n, T, K); None where all rows have the same.

    Parameters
    ----------
    posterior : Posterior
    X : ndarray of shape (n, p)
    draws : Raw
        T draws in one axis.
    chosen : ndarray of shape (T,), optional
        Which of all draws these are; all of them by default.
    """
    if not vary_by_row(posterior):
        return None
    gating = posterior.design.gating(X)
    out = np.repeat(draws.logits[None, :, :, 0], len(X), axis=0)
    for j, column in enumerate(() if gating is None else gating):
        out += column[:, None, None] * draws.logits[None, :, :, 1 + j]
    group = posterior.design.roles.group
    if posterior.seen is not None and group is not None:
        everyone = np.arange(len(out[0])) if chosen is None else chosen
        out += posterior.seen.at(X[:, group], everyone)
    return np.asarray(out - log_sum_exp(out))


def blocks_of_memberships(posterior: Posterior, X: Array) -> Iterator[Array]:
    """Weights at all draws of some rows at a time, where they vary: (rows, S, K) or K + 1."""
    draws = posterior.components.flattened()
    step = max(1, BLOCK_NUMBERS // draws.log_weights.size)
    for at in range(0, len(X), step):
        log_weights = row_log_weights(posterior, X[at : at + step], draws)
        yield np.exp(log_memberships(draws, posterior.family, log_weights))


def sampled_labels(
    posterior: Posterior, draw: Raw, number: int, X: Array, rng: np.random.Generator
) -> NDArray[np.intp]:
    """A component for every row at one draw, the same for the rows of a group: (n,)."""
    units = units_at(posterior, X)
    first = X if units is None else X[units.first]
    log_weights = row_log_weights(posterior, first, draw, np.array([number]))
    if log_weights is None:
        log_weights = draw.log_weights[None]
    cumulative = np.cumsum(np.exp(log_weights[:, 0]), axis=1)[:, :-1]
    uniform = rng.random(len(first))
    if len(cumulative) == 1:
        labels = np.searchsorted(cumulative[0], uniform)
    else:
        labels = (uniform[:, None] > cumulative).sum(axis=1)
    return labels if units is None else np.asarray(units.spread(labels), dtype=np.intp)


def sample_memberships(
    posterior: Posterior, X: Array, y: Array, n_samples: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Joint draws of the memberships of rows, (n, n_samples): one posterior draw per column."""
    rows = UnitRows(posterior, X, y)
    draws, model = with_background(
        posterior.components.flattened(), posterior.family, posterior.model
    )
    S = len(draws.logits)
    chosen = each_before_again(rng, S, n_samples)
    out = np.empty((len(X), n_samples), dtype=np.intp)
    for column, s in enumerate(chosen):
        one = Raw(*(np.ascontiguousarray(a[s : s + 1]) for a in draws))
        parts = rows.map(pointwise_kernels.pointwise_responsibilities, one, model, 1)
        share = np.concatenate([np.empty(0), *parts]).reshape(-1, draws.logits.shape[1])
        cumulative = np.cumsum(share, axis=1)
        uniform = rng.random((len(share), 1)) * cumulative[:, -1:]
        labels = (uniform > cumulative[:, :-1]).sum(axis=1)
        out[:, column] = labels if rows.units is None else rows.units.spread(labels)
    return out
