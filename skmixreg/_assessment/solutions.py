"""Modes that differ in what is reported: distinct solutions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from .._draws.limits import NEGLIGIBLE_SHARE
from .._posterior.posterior import Posterior
from .._support.arrays import Array

# Two normal distributions of the same sd have one peak together up to 2 sds (Eisenberger 1964,
# Technometrics 6, 357-363).  Draws are near one mode or the other: where these overlap, cutting
# them apart takes a third off the sds.
ONE_PEAK = 3.0
# Fewer draws near a mode do not give its sds.
FEWEST_DRAWS = 20


def solution_shares(posterior: Posterior) -> Array:
    """Posterior probability of every distinct solution, the largest first.

    Two modes are one solution where no reported parameter differs between them by more than
    `ONE_PEAK` standard deviations of the draws near them, as where a few rows are assigned
    otherwise: averages over both are as good as over one.
    """
    probability = posterior.modes["probability"].to_numpy()
    which = np.flatnonzero(probability > NEGLIGIBLE_SHARE)
    known = len(posterior.mode_components.log_weights)
    # Of modes whose parameters are not kept nothing says that they are alike.
    if len(which) < 2 or which.max() >= known:
        return np.sort(probability)[::-1]
    at, variance = _reported(posterior, which)
    gap = (at[:, None] - at[None]) ** 2
    pooled = 0.5 * (variance[:, None] + variance[None])
    # A parameter that does not vary, as of a single draw, is the same or is not.
    same = (gap <= ONE_PEAK**2 * pooled).all(axis=-1)
    number, group = connected_components(same, directed=False)
    shares = np.bincount(group, weights=probability[which], minlength=number)
    return np.sort(shares)[::-1]


def _reported(posterior: Posterior, which: NDArray[np.intp]) -> tuple[Array, Array]:
    """Reported parameters at modes, and their variances near them: (modes, parameters)."""
    modes, every = posterior.mode_parameters.values(), posterior.parameters.values()
    at = np.concatenate([values[which].reshape(len(which), -1) for values in modes], axis=1)
    size = posterior.log_prior.size
    draws = np.concatenate([values.reshape(size, -1) for values in every], axis=1)
    near = [posterior.draw_mode.ravel() == mode for mode in which]
    of_all = draws.var(axis=0)
    each = [draws[own].var(axis=0) if own.sum() >= FEWEST_DRAWS else of_all for own in near]
    return at, np.stack(each)
