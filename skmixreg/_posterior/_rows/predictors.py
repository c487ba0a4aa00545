"""Linear predictors of rows at all draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..._model.raw import Raw
from ..._support.arrays import Array

if TYPE_CHECKING:
    from ..posterior import Posterior

BLOCK_NUMBERS = 1 << 20  # predictors held at once


def blocks_of_predictors(
    posterior: Posterior, X: Array, draws: Raw
) -> Iterator[tuple[slice, Array, list[Array]]]:
    """Some rows at a time: which, their predictors (S, rows, K), and columns of the family.

    Parameters
    ----------
    posterior : Posterior
    X : ndarray of shape (n, p)
    draws : Raw
        S draws in one axis.
    """
    design = posterior.design
    step = max(1, BLOCK_NUMBERS // draws.log_weights.size)
    for at in range(0, len(X), step):
        part = slice(at, at + step)
        offset = design.offset(X[part])
        eta = np.einsum("np,skp->snk", design.standardised(X[part]), draws.coef)
        eta += draws.intercept[:, None] + design.location
        eta += 0.0 if offset is None else offset[:, None]
        yield part, eta, [column[:, None] for column in design.of_family(X[part])]
