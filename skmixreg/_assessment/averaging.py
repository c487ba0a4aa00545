"""Averages over candidates: draws of one family, and of several in proportion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .._model.raw import Raw
from .._posterior.family_average import FamilyAverage, Predictive
from .._posterior.moments import Moments
from .._posterior.posterior import Posterior
from .._support.arrays import Array
from .candidates import Key

# So much padding is no component, and no division by zero either.
LOG_NOTHING = -700.0


def average(posteriors: Mapping[Key, Posterior], probabilities: Array) -> Predictive:
    """What predicts as these posteriors do in these proportions.

    Parameters
    ----------
    posteriors : mapping of Key to Posterior
        Of the same rows.
    probabilities : ndarray
        They sum to 1.
    """
    members: dict[str | None, list[int]] = {}
    for i, key in enumerate(posteriors):
        members.setdefault(key[0] if isinstance(key, tuple) else None, []).append(i)
    all_posteriors = list(posteriors.values())
    parts, shares = [], []
    for index in members.values():
        share = float(probabilities[index].sum())
        if share > 0.0:
            within = probabilities[index] / share
            parts.append(averaged([all_posteriors[i] for i in index], within))
            shares.append(share)
    return parts[0] if len(parts) == 1 else FamilyAverage(tuple(parts), np.array(shares))


def averaged(posteriors: Sequence[Posterior], probabilities: Array) -> Posterior:
    """Draws of several posteriors of one family and the same rows, in these proportions.

    All have as many components as the largest; those that a draw lacks have no weight.  Only
    what does not speak of components makes sense of them.

    Parameters
    ----------
    posteriors : sequence of Posterior
        Of the same rows and design.
    probabilities : ndarray
        They sum to 1.
    """
    K = max(posterior.layout.n_components for posterior in posteriors)
    # As many as leave the most probable all its draws.
    best = int(np.argmax(probabilities))
    size = round(posteriors[best].log_prior.size / float(probabilities[best]))
    edges = np.rint(np.concatenate([[0.0], np.cumsum(probabilities)]) * size).astype(int)
    taken: list[Raw] = []
    positions, groups = [], []
    for i, (posterior, count) in enumerate(zip(posteriors, np.diff(edges), strict=True)):
        if count == 0:
            continue
        S = posterior.log_prior.size  # not -1: a family may have no extra parameters
        flat = Raw(*(a.reshape(S, *a.shape[2:]) for a in posterior.components))
        even = (np.arange(count) + 0.5) / count
        index = np.floor(even * len(flat.log_weights)).astype(int)
        taken.append(_padded(Raw(*(a[index] for a in flat)), K))
        positions.append(even)
        groups.append(np.full(count, -1 - i))
    # Interleaved, since predictions may take every other draw.
    order = np.argsort(np.concatenate(positions), kind="stable")
    components = Raw(*(np.concatenate(arrays)[order][None] for arrays in zip(*taken, strict=True)))
    largest = max(posteriors, key=lambda posterior: posterior.layout.n_components)
    return replace(
        largest,
        components=components,
        log_prior=np.full(components.log_weights.shape[:2], np.nan),
        # No mode is one of all posteriors; yet draws of one belong together.
        draw_mode=np.concatenate(groups)[order][None],
        per_draw={},
        moments=Moments.of(components, largest.family),
    )


def _padded(draws: Raw, K: int) -> Raw:
    """With further components that repeat the first and have no weight."""
    missing = K - draws.log_weights.shape[1]
    if missing == 0:
        return draws
    copies = Raw(*(np.repeat(a[:, :1], missing, axis=1) for a in draws))
    copies.logits[...] = LOG_NOTHING
    return Raw(*(np.concatenate(pair, axis=1) for pair in zip(draws, copies, strict=True)))
