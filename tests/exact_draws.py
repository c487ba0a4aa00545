"""Draws of a density with one mode that is known by its values alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

Density = Callable[[np.ndarray], np.ndarray]
WALKERS, STEPS = 100, 600
PROPOSED, DF = 40_000, 5.0


def walked(log_density: Density, walkers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """States (n, d) of walkers, half of whom move along lines through the others.

    Goodman and Weare (2010): nothing is tuned, and scales do not matter.
    """
    state, value = walkers.copy(), log_density(walkers)
    half, d = len(state) // 2, state.shape[1]
    kept = []
    for step in range(STEPS):
        for moving, others in ((np.s_[:half], np.s_[half:]), (np.s_[half:], np.s_[:half])):
            through = state[others][rng.integers(half, size=half)]
            # The density of the stretch z is proportional to 1 / sqrt(z) between 1/2 and 2.
            z = (1.0 + rng.random(half)) ** 2 / 2.0
            proposed = through + z[:, None] * (state[moving] - through)
            new = log_density(proposed)
            gain = (d - 1) * np.log(z) + new - value[moving]
            accepted = np.log(rng.random(half)) < gain
            state[moving] = np.where(accepted[:, None], proposed, state[moving])
            value[moving] = np.where(accepted, new, value[moving])
        if step >= STEPS // 3:
            kept.append(state.copy())
    return np.concatenate(kept)


def exact_draws(log_density: Density, centre: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """Draws (size, d) by importance sampling, from a t distribution that walkers have shaped."""
    rng = np.random.default_rng(seed)
    d = len(centre)
    seen = walked(log_density, centre + 0.05 * rng.normal(size=(WALKERS, d)), rng)
    proposal = stats.multivariate_t(seen.mean(axis=0), 1.2 * np.cov(seen.T), DF, seed=rng)
    thetas = proposal.rvs(PROPOSED)
    log_ratio = log_density(thetas) - proposal.logpdf(thetas)
    ratio = np.exp(log_ratio - log_ratio.max())
    assert ratio.sum() ** 2 / (ratio**2).sum() > 0.2 * PROPOSED
    edges = np.cumsum(ratio) / ratio.sum()
    points = (np.arange(size) + rng.random()) / size
    return thetas[np.minimum(np.searchsorted(edges, points), PROPOSED - 1)]
