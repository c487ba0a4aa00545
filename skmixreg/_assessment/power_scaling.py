"""How much the posterior of each parameter moves when prior or likelihood are raised to a power.

With weights proportional to p(theta)^(alpha - 1), or p(y | theta)^(alpha - 1), the draws stand for
the posterior under a prior, or likelihood, to the power alpha.  The sensitivity of a parameter is
the distance of its weighted distribution from the unweighted one (cumulative Jensen-Shannon), per
doubling of alpha, at alpha near 1 (Kallioinen, Paananen, Buerkner and Vehtari 2024, section 2).

References
----------
Kallioinen, N., Paananen, T., Buerkner, P.-C. and Vehtari, A. (2024). Detecting and diagnosing
prior and likelihood sensitivity with power-scaling. Statistics and Computing 34, 57.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .._posterior.parameters import scalar_draws
from .._posterior.posterior import Posterior
from .._support.arrays import Array

ALPHAS = (0.99, 1.01)
# With fewer draws the noise of a sensitivity reaches the limit.
FEWEST_DRAWS = 1000


def sensitivities(posterior: Posterior, feature_names: Sequence[str]) -> pd.DataFrame | None:
    """Sensitivity of every parameter to the prior and to the likelihood.

    Prior and likelihood are scaled as a whole.  The prior density is that of the model in PyMC:
    of the weights on the simplex, the coefficients, and the log dispersions.

    Parameters
    ----------
    posterior : Posterior
    feature_names : sequence of str of length p

    Returns
    -------
    DataFrame or None
        Columns ``prior`` and ``likelihood``, one row per parameter that varies.  None with fewer
        than 1000 draws, or where draws have no log-likelihood.
    """
    if "log_likelihood" not in posterior or posterior.log_prior.size < FEWEST_DRAWS:
        return None
    # The stored density is that of the contrasts of the log weights.
    log_prior = posterior.log_prior - posterior.components.log_weights.sum(axis=-1)
    values = scalar_draws(
        posterior, posterior.layout, feature_names, posterior.design.roles.gating_names
    )
    draws = np.stack(list(values.values()))
    table = {
        "prior": _sensitivity(log_prior, draws),
        "likelihood": _sensitivity(posterior["log_likelihood"], draws),
    }
    return pd.DataFrame(table, index=pd.Index(list(values), name="parameter"))


def _sensitivity(log_density: Array, draws: Array) -> Array:
    """Of draws (quantities, chains, draws) to powers of a density (chains, draws)."""
    from arviz_stats.base import array_stats

    if not np.ptp(log_density) > 0.0:
        return np.zeros(len(draws))
    lower, upper = (
        np.exp(array_stats.power_scale_lw(log_density, alpha=alpha, axis=(-2, -1)))
        for alpha in ALPHAS
    )
    lower, upper = lower / lower.sum(), upper / upper.sum()
    return np.array(
        [array_stats.power_scale_sense(quantity, lower, upper, *ALPHAS) for quantity in draws]
    )
