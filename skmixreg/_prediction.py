"""Formulas over stored draws: X in the user's units, (n, p) float64; no randomness but `sample_y`."""

from __future__ import annotations

import numpy as np

from ._blocks import Array
from ._posterior import Posterior


def mean(posterior: Posterior, X: Array) -> Array:
    """Posterior predictive mean, (n,)."""
    raise NotImplementedError


def std(posterior: Posterior, X: Array) -> Array:
    """Posterior predictive standard deviation (law of total variance), (n,)."""
    raise NotImplementedError


def component_means(posterior: Posterior, X: Array) -> Array:
    """Posterior mean of every component's mean, (n, K)."""
    raise NotImplementedError


def mixing_weights(posterior: Posterior, X: Array) -> Array:
    """Posterior mean of the mixing weights, (n, K)."""
    raise NotImplementedError


def responsibilities(posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1) -> Array:
    """P(component | x, y) averaged over the posterior, (n, K)."""
    raise NotImplementedError


def log_predictive_density(
    posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1
) -> Array:
    """Log posterior predictive density of y, (n,)."""
    raise NotImplementedError


def log_likelihood_draws(posterior: Posterior, X: Array, y: Array, *, n_threads: int = 1) -> Array:
    """Log-likelihood of every row at every draw, (chains, draws, n); for `to_datatree`."""
    raise NotImplementedError


def quantiles(posterior: Posterior, X: Array, levels: Array, *, n_threads: int = 1) -> Array:
    """Posterior predictive quantiles, (n, q)."""
    raise NotImplementedError


def interval(posterior: Posterior, X: Array, coverage: float, *, n_threads: int = 1) -> Array:
    """Equal-tailed posterior predictive interval, (n, 2)."""
    raise NotImplementedError


def highest_density_regions(
    posterior: Posterior, X: Array, coverage: float, *, n_threads: int = 1
) -> list[Array]:
    """Highest-density region at every row: n arrays of shape (m, 2)."""
    raise NotImplementedError


def sample_y(posterior: Posterior, X: Array, n_samples: int, rng: np.random.Generator) -> Array:
    """Posterior predictive draws, (n, n_samples); one posterior draw per column."""
    raise NotImplementedError


def sample_y_draws(posterior: Posterior, X: Array, rng: np.random.Generator) -> Array:
    """One predictive sample per posterior draw, (chains, draws, n); for `to_datatree`."""
    raise NotImplementedError
