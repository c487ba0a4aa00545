"""Parameters of all components, as the compiled kernels take them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._support.arrays import Array, log_sum_exp


class Raw(NamedTuple):
    """Parameters of the components; every array may carry the same leading axes.

    Attributes
    ----------
    logits : ndarray of shape (..., K, 1 + q)
        Log odds of the mixing weights: intercepts, then slopes of the gating columns.  Softmax is
        taken inside the kernels, so that any constant may be added to all components.
    line : ndarray of shape (..., K, 1 + p)
        The linear predictor: intercepts, then slopes of all mean columns.
    extra : ndarray of shape (..., K, E)
        What else the family has, on unconstrained scales, such as log sigma.
    """

    logits: Array
    line: Array
    extra: Array

    @classmethod
    def of(cls, log_weights: Array, intercept: Array, coef: Array, extra: Array) -> Raw:
        """From log weights and intercepts (..., K), slopes (..., K, p), extras (..., K, E)."""
        return cls(log_weights[..., None], np.concatenate([intercept[..., None], coef], -1), extra)

    @property
    def log_weights(self) -> Array:
        """Logarithms of the weights where all gating columns are zero: (..., K)."""
        logits = self.logits[..., 0]
        return logits - log_sum_exp(logits)

    @property
    def intercept(self) -> Array:
        """Intercepts: (..., K)."""
        return self.line[..., 0]

    @property
    def coef(self) -> Array:
        """Slopes: (..., K, p)."""
        return self.line[..., 1:]

    def permuted(self, order: NDArray[np.intp]) -> Raw:
        """Components reordered by ``order``, of shape (K,) or (..., K)."""
        order = np.broadcast_to(order, self.logits.shape[:-1])[..., None]
        return Raw(*(np.take_along_axis(part, order, -2) for part in self))

    def flattened(self) -> Raw:
        """One leading axis of draws in the place of two, C-contiguous."""
        S = self.logits.shape[0] * self.logits.shape[1]
        return Raw(*(np.ascontiguousarray(a.reshape(S, *a.shape[2:])) for a in self))

    def copied(self) -> Raw:
        """Arrays that a kernel may change, of the one memory layout that it is compiled for."""
        return Raw(*(np.array(part, order="C") for part in self))

    def flat(self) -> Array:
        """One vector, in the order of the kernels: (..., m)."""
        lead = self.logits.shape[:-2]
        return np.concatenate([part.reshape(*lead, -1) for part in self], axis=-1)


class Model(NamedTuple):
    """What the kernels need to know of a mixture beside rows and parameters.

    Attributes
    ----------
    family : NamedTuple
        Settings of the family; their type selects its block functions.
    background : NamedTuple or None
        Settings of one component more, the last, which has no line.
    """

    family: Any
    background: Any = None
