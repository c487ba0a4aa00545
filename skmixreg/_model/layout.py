"""Layout: which coordinate of the unconstrained vector is which parameter of which component.

A solver sees one flat vector ``theta`` of length d; the kernels see the parameters of all
components (`Raw`), flat of length m.  Between the two stands one affine map

    raw = constant + A theta

whose rows are read off ``source``: coordinate j of the lines and extras is coordinate
``source[j]`` of theta, or a constant.  What components share has one source, what is held fixed
has none, and neither kernels nor solvers know of it.  The blocks of theta are

* ``gating``: (1 + q) (K - 1) contrasts u of the log odds, ``logits = V u`` with V an orthonormal
  basis of the sum-zero subspace.  Because V is orthonormal, permuting components is an orthogonal
  map of u: the Lebesgue measure does not depend on labels.
* ``intercept``: (K,), or (1,) where it is shared; absent without an intercept.
* ``coef``: (K, p) of the columns with a slope per component.
* ``shared_coef``: of the columns with one slope for all; absent where there are none.
* one block for each extra parameter of the family, under its name: (K,), or (1,) where shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert
from scipy.special import gammaln

from .._support.arrays import Array
from .raw import Raw


class Block(NamedTuple):
    """One named block of the unconstrained vector.

    Attributes
    ----------
    name : str
    dims : tuple of str
        Names of its axes.
    shape : tuple of int
    where : slice
    owner : {"gating", "component", "shared"}
        Whose coordinates these are.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    where: slice
    owner: str


@dataclass(frozen=True)
class Layout:
    """Layout of the unconstrained vector.

    Parameters
    ----------
    n_components, n_features : int
        K >= 1, a background among them, and p >= 0 mean columns.
    fit_intercept : bool
    extras : tuple of str
        Names of the extra parameters of the family.
    shared_extras : tuple of str
        Extras of which one value serves all components; they come last.
    n_gating : int
        q >= 0 gating columns.
    shared_columns : tuple of int
        Mean columns with one slope for all components.
    shared_intercept : bool
        One intercept for all components.
    background : bool
        The last component has neither line nor extras.
    fixed_labels : tuple of int
        Components that carry a label of their own, and so are exchangeable with none.
    """

    n_components: int
    n_features: int
    fit_intercept: bool = True
    extras: tuple[str, ...] = ("sigma",)
    shared_extras: tuple[str, ...] = ()
    n_gating: int = 0
    shared_columns: tuple[int, ...] = ()
    shared_intercept: bool = False
    background: bool = False
    fixed_labels: tuple[int, ...] = ()

    @property
    def n_lines(self) -> int:
        """Components that have a line: all but a background."""
        return self.n_components - int(self.background)

    @property
    def own_extra_names(self) -> tuple[str, ...]:
        """Extras that every component has for itself."""
        return tuple(name for name in self.extras if name not in self.shared_extras)

    @property
    def has_roles(self) -> bool:
        """Whether weights depend on columns, or components share coordinates of their lines."""
        shared = self.shared_columns or (self.fit_intercept and self.shared_intercept)
        return bool(self.n_gating or shared)

    @cached_property
    def own_columns(self) -> tuple[int, ...]:
        """Mean columns with a slope per component."""
        return tuple(j for j in range(self.n_features) if j not in self.shared_columns)

    @cached_property
    def table(self) -> dict[str, Block]:
        """Blocks by name, in the order of the vector."""
        K, L, p = self.n_components, self.n_lines, len(self.own_columns)
        rows: list[tuple[str, tuple[str, ...], tuple[int, ...], str]] = []
        if self.n_gating:
            dims = ("gating_feature", "contrast")
            rows.append(("gating", dims, (1 + self.n_gating, K - 1), "gating"))
        else:
            rows.append(("gating", ("contrast",), (K - 1,), "gating"))
        if self.fit_intercept and self.shared_intercept:
            rows.append(("intercept", (), (1,), "shared"))
        elif self.fit_intercept:
            rows.append(("intercept", ("component",), (L,), "component"))
        rows.append(("coef", ("component", "feature"), (L, p), "component"))
        if self.shared_columns:
            rows.append(("shared_coef", ("shared_feature",), (len(self.shared_columns),), "shared"))
        for name in self.extras:
            if name in self.shared_extras:
                rows.append((name, (), (1,), "shared"))
            else:
                rows.append((name, ("component",), (L,), "component"))
        blocks, start = {}, 0
        for row in rows:
            stop = start + int(np.prod(row[2]))
            blocks[row[0]] = Block(*row[:3], slice(start, stop), row[3])
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

    @cached_property
    def classes(self) -> tuple[tuple[int, ...], ...]:
        """Exchangeable components: relabelling within a class leaves the density unchanged."""
        alone = set(self.fixed_labels) | ({self.n_components - 1} if self.background else set())
        free = tuple(k for k in range(self.n_components) if k not in alone)
        return (*((free,) if free else ()), *((k,) for k in sorted(alone)))

    @cached_property
    def forbidden(self) -> Array:
        """A cost that no relabelling pays: 1e9 where two components are not exchangeable."""
        label = np.empty(self.n_components, dtype=np.intp)
        for c, members in enumerate(self.classes):
            label[list(members)] = c
        return np.where(label[:, None] == label, 0.0, 1e9)

    @cached_property
    def log_labellings(self) -> float:
        """Logarithm of the number of labellings of one set of parameters."""
        return float(sum(gammaln(len(members) + 1.0) for members in self.classes))

    @cached_property
    def source(self) -> NDArray[np.intp]:
        """Coordinate of theta that each coordinate of lines and extras is; -1 for a constant.

        In the order of the kernels: lines (K, 1 + p), then extras (K, E); flat.
        """
        K, L, p, E = self.n_components, self.n_lines, self.n_features, len(self.extras)
        line = np.full((K, 1 + p), -1, dtype=np.intp)
        extra = np.full((K, E), -1, dtype=np.intp)
        if self.fit_intercept:
            at = self.table["intercept"].where
            line[:L, 0] = np.arange(at.start, at.stop)
        own = self.table["coef"]
        columns = [1 + j for j in self.own_columns]
        line[np.ix_(range(L), columns)] = own.where.start + np.arange(
            L * len(columns), dtype=np.intp
        ).reshape(L, -1)
        if self.shared_columns:
            at = self.table["shared_coef"].where
            line[:L, [1 + j for j in self.shared_columns]] = np.arange(at.start, at.stop)
        for e, name in enumerate(self.extras):
            at = self.table[name].where
            extra[:L, e] = np.arange(at.start, at.stop)
        return np.concatenate([line.ravel(), extra.ravel()])

    @cached_property
    def matrix(self) -> Array:
        """A, of shape (m, d): ``raw = A theta``, flat in the order of the kernels."""
        width = 1 + self.n_gating
        n_logits = self.n_components * width
        out = np.zeros((n_logits + len(self.source), self.size))
        at = self.table["gating"].where
        # logits[k, j] = sum_c V[k, c] u[j, c]
        logits = np.einsum("kc,jl->kjlc", self.gating_basis, np.eye(width))
        out[:n_logits, at] = logits.reshape(n_logits, -1)
        rows = np.flatnonzero(self.source >= 0)
        out[n_logits + rows, self.source[rows]] = 1.0
        return out

    def expand(self, theta: Array) -> Raw:
        """Parameters of all components, from one vector (d,) or from many (..., d)."""
        lead, K, width = theta.shape[:-1], self.n_components, 1 + self.n_gating
        contrasts = theta[..., self.table["gating"].where].reshape(*lead, width, K - 1)
        logits = np.swapaxes(contrasts @ self.gating_basis.T, -1, -2)
        if self._has_constants:
            theta = np.concatenate([theta, np.zeros((*lead, 1))], axis=-1)
        rest = theta[..., self.source]
        stop = K * (1 + self.n_features)
        return Raw(
            logits if width > 1 else np.ascontiguousarray(logits),
            rest[..., :stop].reshape(*lead, K, 1 + self.n_features),
            rest[..., stop:].reshape(*lead, K, len(self.extras)),
        )

    @cached_property
    def _has_constants(self) -> bool:
        return bool((self.source < 0).any())

    def collapse(self, raw: Raw) -> Array:
        """Inverse of `expand`; of what components share, the mean over them."""
        lead = raw.logits.shape[:-2]
        theta = np.empty((*lead, self.size))
        contrasts = np.swapaxes(raw.logits, -1, -2) @ self.gating_basis
        theta[..., self.table["gating"].where] = contrasts.reshape(*lead, -1)
        flat = np.concatenate([raw.line.reshape(*lead, -1), raw.extra.reshape(*lead, -1)], axis=-1)
        theta[..., self.source[self._once]] = flat[..., self._once]
        for at in self._repeated:
            theta[..., at] = flat[..., self.source == at].mean(axis=-1)
        return theta

    @cached_property
    def _repeated(self) -> NDArray[np.intp]:
        """Coordinates of theta that several components share."""
        found, counts = np.unique(self.source[self.source >= 0], return_counts=True)
        return found[counts > 1]

    @cached_property
    def _once(self) -> NDArray[np.intp]:
        """Coordinates of lines and extras that are those of theta one to one."""
        single = (self.source >= 0) & ~np.isin(self.source, self._repeated)
        return np.flatnonzero(single)

    def contract(self, gradient: Array) -> Array:
        """A' g: the gradient in theta from the flat one in raw parameters, (..., m) -> (..., d)."""
        return gradient @ self.matrix

    def contract2(self, hessian: Array) -> Array:
        """A' H A: the Hessian in theta from the one in raw parameters, (m, m) -> (d, d)."""
        return self.matrix.T @ hessian @ self.matrix

    def permute(self, theta: Array, order: NDArray[np.intp]) -> Array:
        """Relabel: component k of the result is component ``order[k]`` of ``theta``, (..., d)."""
        K, where = self.n_components, self.table["gating"].where
        index = np.arange(self.size)
        own = self.own
        index[own] = own[order[: self.n_lines]]
        out = theta[..., index]
        if K > 1:
            rotation = self.gating_basis[order].T @ self.gating_basis
            contrasts = theta[..., where].reshape(*theta.shape[:-1], -1, K - 1) @ rotation
            out[..., where] = contrasts.reshape(*theta.shape[:-1], -1)
        return out

    @cached_property
    def own(self) -> NDArray[np.intp]:
        """(L, c): positions in theta of the coordinates that belong to each component alone.

        Intercept and slopes, in the order of columns, then extras; L components have a line.
        """
        return np.concatenate([self.own_lines, self.own_extras], axis=1)

    @cached_property
    def own_lines(self) -> NDArray[np.intp]:
        """(L, P): positions in theta of the intercept and slopes of each component alone."""
        L, p = self.n_lines, len(self.own_columns)
        columns = []
        if self.fit_intercept and not self.shared_intercept:
            columns.append(self.table["intercept"].where.start + np.arange(L)[:, None])
        columns.append(self.table["coef"].where.start + np.arange(L * p).reshape(L, p))
        return np.concatenate(columns, axis=1)

    @cached_property
    def own_extras(self) -> NDArray[np.intp]:
        """(L, E): positions in theta of the extras of each component alone, E of them."""
        L, names = self.n_lines, self.own_extra_names
        starts = np.array([self.table[name].where.start for name in names], dtype=np.intp)
        return starts + np.arange(L, dtype=np.intp)[:, None]
