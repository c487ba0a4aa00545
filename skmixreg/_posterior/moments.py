"""Posterior moments of the lines, for predictions that need no draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._model.raw import Raw
from .._support.arrays import Array
from ..families._base import Family


class Moments(NamedTuple):
    r"""Posterior moments from which predictions follow without the draws.

    With :math:`\tilde x = (1, x)`, x standardised, and b_k the intercept and slopes of component
    k, the mean of y is :math:`E[\sum_k w_k b_k]^\top \tilde x`, and its variance
    :math:`\tilde x^\top E[\sum_k w_k (b_k - \bar b)(b_k - \bar b)^\top] \tilde x +
    E[\sum_k w_k \sigma_k^2]`: the law of total variance around the mean itself, in which nothing
    cancels.  Exact for families whose mean is the linear predictor and whose variance does not
    depend on it.

    Attributes
    ----------
    lines : ndarray of shape (K, p + 1)
        E[b_k].
    mean : ndarray of shape (p + 1,)
        E[sum_k w_k b_k].
    spread : ndarray of shape (p + 1, p + 1)
        E[sum_k w_k (b_k - mean)(b_k - mean)'].
    noise : float
        E[sum_k w_k sigma_k^2].
    """

    lines: Array
    mean: Array
    spread: Array
    noise: float

    @classmethod
    def of(cls, components: Raw, family: Family) -> Moments | None:
        """Moments over draws with any leading axes; None where they are not exact.

        They are for families with a linear mean whose weights depend on no column.
        """
        if not family.linear_mean or components.logits.shape[-1] > 1:
            return None
        lines = components.line
        K, width = lines.shape[-2:]
        lines = lines.reshape(-1, K, width)
        weights = np.exp(components.log_weights).reshape(-1, K)
        extra = [value.reshape(-1, K) for value in family.natural(components.extra)]
        share = weights / weights.sum()
        mean = np.einsum("sk,skj->j", share, lines)
        deviation = ((lines - mean) * np.sqrt(share)[..., None]).reshape(-1, width)
        variance = family.variance(lines[..., 0], *extra)
        return cls(
            lines=lines.mean(axis=0),
            mean=mean,
            spread=deviation.T @ deviation,
            noise=float((share * variance).sum()),
        )
