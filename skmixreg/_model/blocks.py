"""The table of parameter blocks and the map between the unconstrained vector and components.

A solver sees one flat vector ``theta`` of length d.  The table says which slice of it is which
block, what the axes of each block are called, and how blocks become the parameters of components:

* ``gating``: K - 1 coordinates u of the centred logits, ``logits = V u`` with V an orthonormal
  basis of the sum-zero subspace, ``weights = softmax(logits)``.  Because V is orthonormal,
  permuting components is an orthogonal map of u: the Lebesgue measure does not depend on labels.
* ``intercept``: (K,), absent without an intercept.
* ``coef``: (K, p).
* ``dispersion``: the logarithm of the dispersion, (K,), or (1,) when components share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

Array = NDArray[np.float64]


def log_sum_exp(values: Array) -> Array:
    """Log of the sum of exponentials over the last axis, which is kept.

    For finite values; a tenth of the overhead of the general function of SciPy.
    """
    top = values.max(axis=-1, keepdims=True)
    return top + np.log(np.exp(values - top).sum(axis=-1, keepdims=True))


class Components(NamedTuple):
    """Parameters of the components; every array may carry the same leading axes.

    Attributes
    ----------
    log_weights : ndarray of shape (..., K)
    intercept : ndarray of shape (..., K)
    coef : ndarray of shape (..., K, p)
    log_dispersion : ndarray of shape (..., K)
    """

    log_weights: Array
    intercept: Array
    coef: Array
    log_dispersion: Array

    def permuted(self, order: NDArray[np.intp]) -> Components:
        """Components reordered by ``order``, of shape (K,) or (..., K)."""
        order = np.broadcast_to(order, self.log_weights.shape)
        return Components(
            np.take_along_axis(self.log_weights, order, -1),
            np.take_along_axis(self.intercept, order, -1),
            np.take_along_axis(self.coef, order[..., None], -2),
            np.take_along_axis(self.log_dispersion, order, -1),
        )


class Block(NamedTuple):
    """One named block of the unconstrained vector."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    where: slice


@dataclass(frozen=True)
class ParameterBlocks:
    """Layout of the unconstrained vector.

    Parameters
    ----------
    n_components, n_features : int
        K >= 1 and p >= 0.
    fit_intercept : bool
    shared_dispersion : bool
        One dispersion for all components.
    """

    n_components: int
    n_features: int
    fit_intercept: bool = True
    shared_dispersion: bool = False

    @cached_property
    def table(self) -> dict[str, Block]:
        """Blocks by name, in the order of the vector."""
        K, p = self.n_components, self.n_features
        rows: list[tuple[str, tuple[str, ...], tuple[int, ...]]] = [
            ("gating", ("contrast",), (K - 1,)),
        ]
        if self.fit_intercept:
            rows.append(("intercept", ("component",), (K,)))
        rows.append(("coef", ("component", "feature"), (K, p)))
        if self.shared_dispersion:
            rows.append(("dispersion", (), (1,)))
        else:
            rows.append(("dispersion", ("component",), (K,)))
        blocks, start = {}, 0
        for name, dims, shape in rows:
            stop = start + int(np.prod(shape))
            blocks[name] = Block(name, dims, shape, slice(start, stop))
            start = stop
        return blocks

    @cached_property
    def size(self) -> int:
        """Length d of the unconstrained vector: the number of free parameters."""
        return max(block.where.stop for block in self.table.values())

    @cached_property
    def gating_basis(self) -> Array:
        """V, of shape (K, K - 1): orthonormal columns that sum to zero."""
        if self.n_components == 1:
            return np.zeros((1, 0))
        return np.ascontiguousarray(helmert(self.n_components).T)

    def unpack(self, theta: Array) -> Components:
        """Components of one vector (d,) or of many (..., d)."""
        lead, K = theta.shape[:-1], self.n_components
        logits = theta[..., self.table["gating"].where] @ self.gating_basis.T
        if self.fit_intercept:
            intercept = theta[..., self.table["intercept"].where]
        else:
            intercept = np.zeros((*lead, K))
        coef = theta[..., self.table["coef"].where].reshape(*lead, K, self.n_features)
        dispersion = np.broadcast_to(theta[..., self.table["dispersion"].where], (*lead, K))
        return Components(logits - log_sum_exp(logits), intercept, coef, dispersion)

    def pack(self, components: Components) -> Array:
        """Inverse of `unpack`; a shared dispersion is the mean of the given ones."""
        lead = components.log_weights.shape[:-1]
        theta = np.empty((*lead, self.size))
        theta[..., self.table["gating"].where] = components.log_weights @ self.gating_basis
        if self.fit_intercept:
            theta[..., self.table["intercept"].where] = components.intercept
        theta[..., self.table["coef"].where] = components.coef.reshape(*lead, -1)
        dispersion = components.log_dispersion
        if self.shared_dispersion:
            dispersion = dispersion.mean(axis=-1, keepdims=True)
        theta[..., self.table["dispersion"].where] = dispersion
        return theta

    def pull_back(self, weights: Array, gradient: Components) -> Array:
        """Gradient in theta from the gradient in (log_weights, intercept, coef, log_dispersion).

        Parameters
        ----------
        weights : ndarray of shape (..., K)
            Mixing weights at the point.
        gradient : Components
            Partial derivatives; those of ``log_weights`` as if these were free.
        """
        lead = weights.shape[:-1]
        out = np.empty((*lead, self.size))
        g = gradient.log_weights
        logits = g - weights * g.sum(axis=-1, keepdims=True)
        out[..., self.table["gating"].where] = logits @ self.gating_basis
        if self.fit_intercept:
            out[..., self.table["intercept"].where] = gradient.intercept
        out[..., self.table["coef"].where] = gradient.coef.reshape(*lead, -1)
        dispersion = gradient.log_dispersion
        if self.shared_dispersion:
            dispersion = dispersion.sum(axis=-1, keepdims=True)
        out[..., self.table["dispersion"].where] = dispersion
        return out

    def permute(self, theta: Array, order: NDArray[np.intp]) -> Array:
        """Relabel: component k of the result is component ``order[k]`` of ``theta``, (..., d)."""
        K, where = self.n_components, self.table["gating"].where
        index = np.arange(self.size)
        own = self.component_index
        index[own] = own[order]
        out = theta[..., index]
        if K > 1:
            rotation = self.gating_basis[order].T @ self.gating_basis
            out[..., where] = theta[..., where] @ rotation
        return out

    @cached_property
    def component_index(self) -> NDArray[np.intp]:
        """(K, m): positions in theta of the coordinates that belong to each component alone."""
        K, p = self.n_components, self.n_features
        columns = []
        if self.fit_intercept:
            columns.append(self.table["intercept"].where.start + np.arange(K)[:, None])
        start = self.table["coef"].where.start
        columns.append(start + np.arange(K * p).reshape(K, p))
        if not self.shared_dispersion:
            columns.append(self.table["dispersion"].where.start + np.arange(K)[:, None])
        return np.concatenate(columns, axis=1)

    @cached_property
    def line_index(self) -> NDArray[np.intp]:
        """(K, P): positions in theta of the intercept and coefficients of each component."""
        n_lines = self.n_features + int(self.fit_intercept)
        return self.component_index[:, :n_lines]
