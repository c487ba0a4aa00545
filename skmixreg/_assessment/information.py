"""Information criteria of a fit.

Weights are frequencies: a row of weight w stands for w copies, n is the sum of the weights, and
every result is that of the repeated rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._model.raw import Raw
from .._posterior import prediction
from .._posterior._rows.unit_rows import units_at
from .._posterior.posterior import Posterior
from .._support.arrays import Array
from .._support.sampling import evenly_spaced


class InformationCriteria(NamedTuple):
    """Smaller is better."""

    aic: float
    bic: float
    icl: float


def information_criteria(
    posterior: Posterior,
    X: Array,
    y: Array,
    weights: Array | None,
    log_odds: Array | None = None,
    *,
    n_threads: int = 1,
) -> InformationCriteria:
    """AIC, BIC and ICL of the most probable mode, on the rows given.

    ``log_odds`` (n, K) are the log prior odds of labels, if there are any.
    """
    weights = np.ones(len(y)) if weights is None else weights
    return from_sums(posterior, *log_sums(posterior, X, y, weights, log_odds, n_threads=n_threads))


def log_sums(
    posterior: Posterior,
    X: Array,
    y: Array,
    weights: Array,
    log_odds: Array | None = None,
    *,
    n_threads: int = 1,
) -> Array:
    """Weighted sums over rows: 1, log density and log of the largest responsibility: (3,)."""
    at_mode = with_draws(posterior, most_probable_mode(posterior))
    density = prediction.log_predictive_density(at_mode, X, y, log_odds, n_threads=n_threads)
    share = prediction.responsibilities(at_mode, X, y, n_threads=n_threads)
    if log_odds is not None:
        share = _given_labels(at_mode, X, share, np.exp(log_odds))
    log_share = np.log(share.max(axis=1))
    units = units_at(posterior, X)
    if units is not None:
        # Of groups, in equal parts to their rows.
        log_share = log_share / units.spread(units.sizes)
    return np.array([weights.sum(), weights @ density, weights @ log_share])


def _given_labels(at_mode: Posterior, X: Array, share: Array, odds: Array) -> Array:
    """Responsibilities (n, K) times prior odds of labels, and normalised.

    Rows of a background have labels, too: of the component that they would have without it.
    """
    K = odds.shape[1]
    if share.shape[1] > K:
        weights = prediction.mixing_weights(at_mode, X)[:, :K]
        rest = (weights * odds).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
        odds = np.concatenate([odds, rest], axis=1)
    joint = share * odds
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def from_sums(
    posterior: Posterior, total: float, log_likelihood: float, log_share: float
) -> InformationCriteria:
    """The criteria from what `log_sums` returns of all rows."""
    d = posterior.layout.size
    bic = d * float(np.log(total)) - 2.0 * float(log_likelihood)
    return InformationCriteria(
        aic=2.0 * d - 2.0 * float(log_likelihood), bic=bic, icl=bic - 2.0 * float(log_share)
    )


def most_probable_mode(posterior: Posterior) -> Raw:
    """Components at the most probable mode, (K,).

    The modes of a stream are those of its first chunk.  There it is the mean of the unconstrained
    parameters, which is the mode of the normal density that the draws come from.
    """
    if "log_likelihood" not in posterior:
        layout = posterior.layout
        return layout.expand(layout.collapse(posterior.components).mean(axis=(0, 1)))
    best = int(np.argmax(posterior.modes["probability"].to_numpy()))
    return Raw(*(a[best] for a in posterior.mode_components))


def some_draws(posterior: Posterior, chosen: NDArray[np.intp]) -> Raw:
    """Draws by their numbers, in one axis."""
    S = posterior.log_prior.size
    return Raw(*(a.reshape(S, *a.shape[2:])[chosen] for a in posterior.components))


def with_few_draws(posterior: Posterior, most: int) -> Posterior:
    """The posterior with some of its draws, evenly spaced in their order."""
    S = posterior.log_prior.size
    return with_draws(posterior, some_draws(posterior, evenly_spaced(S, min(S, most))))


def with_draws(posterior: Posterior, components: Raw) -> Posterior:
    """The posterior with other draws, (K, ...) or (draws, K, ...), as one chain."""
    if components.logits.ndim == 2:
        components = Raw(*(a[None] for a in components))
    return replace(
        posterior,
        components=Raw(*(a[None] for a in components)),
        log_prior=np.zeros((1, len(components.log_weights))),
    )
