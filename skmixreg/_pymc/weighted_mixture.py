"""An observed mixture whose rows count as often as their weights say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pymc as pm

from ..families._base import Family


def weighted_mixture(
    name: str,
    family: Family,
    weights: Any,
    eta: Any,
    extras: Sequence[Any],
    row_weights: Any,
    **where: Any,
) -> Any:
    """`pymc.Mixture` with the log density of every row times its weight; draws have none.

    Parameters
    ----------
    name : str
    family : Family
    weights : tensor variable of shape (K,)
    eta : tensor variable of shape (n, K)
        Linear predictors.
    extras : sequence of tensor variables of shape (K,)
    row_weights : tensor variable of shape (n,)
    **where
        ``observed`` and ``dims``.
    """

    def mixture(weights: Any, eta: Any, *extras: Any, size: Any = None) -> Any:
        components = family.pymc_distribution(eta, *extras)
        return pm.Mixture.dist(w=weights, comp_dists=components, size=size)

    def dist(row_weights: Any, weights: Any, *parameters: Any) -> Any:
        return mixture(weights, *parameters[:-1], size=parameters[-1])

    def logp(value: Any, row_weights: Any, weights: Any, *parameters: Any) -> Any:
        return row_weights * pm.logp(mixture(weights, *parameters), value)

    parameters = [row_weights, weights, eta, *extras]
    signature = ",".join(["()", *["(k)"] * (len(parameters) - 1)])
    return pm.CustomDist(
        name, *parameters, dist=dist, logp=logp, signature=f"{signature}->()", **where
    )
