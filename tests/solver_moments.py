"""Exact solvers with long runs, and the posterior moments by which they are compared."""

from __future__ import annotations

import numpy as np

from skmixreg import BayesianMixtureRegressor
from skmixreg.solvers import NUTS, Gibbs, Laplace

SOLVERS = {
    "nuts": NUTS(draws=2000, target_accept=0.9),
    "laplace": Laplace(draws=20_000),
    "gibbs": Gibbs(draws=4000),
}


def moments(model: BayesianMixtureRegressor) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and sds of weights, lines and logs of extras."""
    draws = [model.posterior_[name] for name in ("weights", "intercept", "coef")]
    draws += [np.log(model.posterior_[name]) for name in model.family_.extra_names]
    flat = np.concatenate([d.reshape(*d.shape[:2], -1) for d in draws], axis=-1)
    return flat.mean(axis=(0, 1)), flat.std(axis=(0, 1))
