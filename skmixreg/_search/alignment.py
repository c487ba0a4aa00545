"""Labels of components: one order for the pivot, one metric for draws, modes and fits.

A mixture posterior is the same under all K! relabellings.  The best mode serves as pivot: its
components are put in order once (`component_order`), and every draw is given the labels under
which it resembles the pivot most (`Pivot.align`).

The cost of calling a draw's component k the pivot's component l is minus the log of a
multivariate t density (5 degrees of freedom) at the coordinates of k: log weight, intercept,
coefficients, extras such as log sigma.  Its location is component l of the pivot and its scale
matrix the covariance of these coordinates at the pivot.  With the scale in the cost, tight
components are told apart by small differences; with the heavy tail and the normalising constant,
an empty component, whose covariance is that of the prior, does not swallow draws that are merely
a few standard deviations off.
Assigning by minimum total cost is the relabelling of Stephens (2000) with a fixed reference.

References
----------
Stephens, M. (2000). Dealing with label switching in mixture models. JRSS B 62, 795-809.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import linear_sum_assignment

from .._kernels.assignment_kernels import best_assignments
from .._model.layout import Layout
from .._model.raw import Raw
from .._support.arrays import Array
from .._support.student import student_log_kernel

DEGREES_OF_FREEDOM = 5.0
CLEAR_GAP = 3.0  # posterior standard deviations between neighbours for a key to set the order
AMBIGUITY = float(np.log(20.0))  # a label is ambiguous if another order is this close
COMPONENTS_BY_SUBSETS = 9  # 2^K K steps up to here, linear assignment beyond

Order = NDArray[np.intp]


def best_orders(cost: Array, margins: bool = True) -> tuple[Order, Array]:
    """Assignments of minimum total cost.

    Parameters
    ----------
    cost : ndarray of shape (S, K, K)
        ``cost[s, k, l]``: cost of calling component k of draw s component l.
    margins : bool, default=True
        Whether margins are wanted; they cost most where components are many.

    Returns
    -------
    orders : ndarray of shape (S, K)
        ``orders[s, l]`` is the component of draw s that becomes component l.
    margin : ndarray of shape (S,)
        Total cost of the second best assignment minus that of the best; infinite for K = 1.
    """
    S, K = cost.shape[:2]
    if K == 1:
        return np.zeros((S, 1), dtype=np.intp), np.full(S, np.inf)
    if K <= COMPONENTS_BY_SUBSETS:
        return best_assignments(np.ascontiguousarray(cost))
    if not margins:
        columns = np.array([linear_sum_assignment(matrix)[1] for matrix in cost], dtype=np.intp)
        return np.argsort(columns, axis=1), np.full(S, np.nan)
    pairs = [_linear_assignment(matrix) for matrix in cost]
    orders = np.array([order for order, _ in pairs], dtype=np.intp).reshape(S, K)
    return orders, np.array([margin for _, margin in pairs], dtype=np.float64)


def _linear_assignment(cost: Array) -> tuple[Order, float]:
    """Best assignment of one draw, and how much the second best costs more."""
    rows, columns = linear_sum_assignment(cost)
    best = cost[rows, columns].sum()
    order = rows[np.argsort(columns)]
    second = np.inf
    # The second best differs from the best in at least one pair: forbid each pair in turn.
    forbidden = 1e3 * (1.0 + np.ptp(cost)) * len(cost) + cost.max()
    for k, label in zip(rows, columns, strict=True):
        changed = cost.copy()
        changed[k, label] = forbidden
        second = min(second, changed[linear_sum_assignment(changed)].sum())
    return order, float(second - best)


@dataclass(frozen=True)
class Pivot:
    """What draws are compared with.

    Attributes
    ----------
    location : ndarray of shape (K, m)
        Coordinates of the components: log weight, intercept, coefficients, extras.
    whitener : ndarray of shape (K, m, m)
        Inverses of the lower Cholesky factors of their covariances.
    log_volume : ndarray of shape (K,)
        Half the log determinants of their covariances.
    layout : Layout
    """

    location: Array
    whitener: Array
    log_volume: Array
    layout: Layout

    @classmethod
    def from_mode(cls, layout: Layout, theta: Array, scale: Array) -> Pivot:
        """Pivot at a mode.

        Parameters
        ----------
        layout : Layout
        theta : ndarray of shape (d,)
        scale : ndarray of shape (d, d)
            A square root of the covariance: ``scale @ scale.T``.
        """
        whitener, log_volume = [], []
        for rows in _coordinate_gradients(layout, theta):
            # R from QR of the transpose is a Cholesky factor, and never fails to exist.
            factor = np.linalg.qr((rows @ scale).T, mode="r").T
            diagonal = np.abs(np.diagonal(factor))
            floor = 1e-12 * max(float(np.abs(factor).max(initial=0.0)), np.finfo(float).tiny)
            factor = factor + np.diag(np.where(diagonal < floor, floor, 0.0))
            identity = np.eye(len(factor))
            whitener.append(solve_triangular(factor, identity, lower=True))
            log_volume.append(np.log(np.maximum(diagonal, floor)).sum())
        location = coordinates(layout, layout.expand(theta))
        return cls(location, np.array(whitener), np.array(log_volume), layout)

    def cost(self, points: Array) -> Array:
        """Minus log density of components under the pivot's: (S, K, m) -> (S, K, K)."""
        S, K, size = points.shape
        out = np.empty((S, K, K))
        for label in range(K):
            white = (points - self.location[label]) @ self.whitener[label].T
            distance = np.einsum("ski,ski->sk", white, white)
            kernel = student_log_kernel(distance, size, DEGREES_OF_FREEDOM)
            out[:, :, label] = self.log_volume[label] - kernel
        return out

    def align(self, components: Raw, margins: bool = True) -> tuple[Order, Array]:
        """Labels under which draws resemble the pivot most.

        Parameters
        ----------
        components : Raw
            Draws, with one leading axis of length S.
        margins : bool, default=True
            Whether margins are wanted.

        Returns
        -------
        orders : ndarray of shape (S, K)
            For `Raw.permuted`.
        margin : ndarray of shape (S,)
            Log density lost by the second best labels; below `AMBIGUITY` labels are ambiguous.
        """
        points = coordinates(self.layout, components)
        if points.shape[-1] == 0:  # one component, all of whose parameters are shared
            return np.zeros(points.shape[:2], dtype=np.intp), np.full(len(points), np.inf)
        # Start from an order of the draw's own, so that ties do not depend on how it came.
        canonical = np.lexsort(np.moveaxis(points, -1, 0), axis=-1)
        points = np.take_along_axis(points, canonical[..., None], axis=1)
        # What is forbidden is so of components as they came.
        cost = self.cost(points) + self.layout.forbidden[canonical]
        orders, margin = best_orders(cost, margins)
        return np.take_along_axis(canonical, orders, axis=1), margin


def coordinates(layout: Layout, components: Raw) -> Array:
    """Coordinates of each component by which it is recognised: (..., K, m)."""
    parts = [components.log_weights[..., None]] if layout.n_components > 1 else []
    if layout.fit_intercept and not layout.shared_intercept:
        parts.append(components.intercept[..., None])
    own = layout.own_columns
    parts.append(components.coef if not layout.shared_columns else components.coef[..., own])
    parts.append(components.extra[..., : len(layout.own_extra_names)])
    return np.concatenate(parts, axis=-1)


def _coordinate_gradients(layout: Layout, theta: Array) -> Array:
    """Derivatives of `coordinates` with respect to theta: (K, m, d)."""
    identity = np.eye(layout.size)
    rows = identity[layout.own]
    if layout.n_components == 1:
        return rows
    weights = np.exp(layout.expand(theta).log_weights)
    gating = np.zeros((layout.n_components, 1, layout.size))
    at_mean = slice(0, layout.n_components - 1)
    gating[:, 0, at_mean] = layout.gating_basis - weights @ layout.gating_basis
    return np.concatenate([gating, rows], axis=1)


def component_order(
    layout: Layout, theta: Array, scale: Array, x_map: Array | None = None
) -> Order:
    """The order of components, read off one mode.

    Components ascend in the first key whose adjacent gaps all exceed 3 posterior standard
    deviations of the gap.  Keys are the coefficients in column order, the intercept (that at the
    mean of X, so that moving the origin of X relabels nothing), the extras, the weight.  If
    no key is that clear, they ascend in the first coefficient in which no two components agree.

    Parameters
    ----------
    layout : Layout
    theta : ndarray of shape (d,)
    scale : ndarray of shape (d, d)
        A square root of the posterior covariance at ``theta``.
    x_map : ndarray of shape (r, p) or None, default=None
        Slopes of the user's columns from those in ``theta``, but for units: `Design.x_map`.

    Returns
    -------
    ndarray of shape (K,)
        Component ``order[l]`` of ``theta`` becomes component l.
    """
    K = layout.n_components
    if K == 1:
        return np.zeros(1, dtype=np.intp)
    values = coordinates(layout, layout.expand(theta))
    gradients = _coordinate_gradients(layout, theta)
    p = len(layout.own_columns)
    has_intercept = layout.fit_intercept and not layout.shared_intercept
    first = 1 + int(has_intercept)
    if x_map is not None:
        before, own, after = np.split(np.arange(values.shape[1]), [first, first + p])
        values = np.column_stack([values[:, before], values[:, own] @ x_map, values[:, after]])
        slopes = np.einsum("kjd,jp->kpd", gradients[:, own], x_map)
        gradients = np.concatenate([gradients[:, before], slopes, gradients[:, after]], axis=1)
        p = x_map.shape[1]
    if layout.fixed_labels:
        return _order_of_unlabelled(layout, values[:, first if p else 0])
    keys = list(range(first, first + p))
    keys += [1] if has_intercept else []
    keys += list(range(first + p, values.shape[1]))
    keys += [0]
    orders, clearest = [], []
    for key in keys:
        order = np.argsort(values[:, key], kind="stable")
        gaps = np.diff(values[order, key])
        sds = np.linalg.norm(np.diff(gradients[order, key], axis=0) @ scale, axis=1)
        orders.append(order)
        clearest.append(np.min(gaps / np.maximum(sds, np.finfo(float).tiny)))
    for threshold in (CLEAR_GAP, 1e-6):
        for order, gap in zip(orders, clearest, strict=True):
            if gap > threshold:
                return order
    return orders[0]


def _order_of_unlabelled(layout: Layout, values: Array) -> Order:
    """Labelled components where they are; the others ascend in ``values``."""
    order = np.arange(layout.n_components)
    for members in layout.classes:
        at = np.array(members)
        order[at] = at[np.argsort(values[at], kind="stable")]
    return order


def permuted_scale(layout: Layout, scale: Array, order: Order) -> Array:
    """A square root of the covariance after relabelling; not triangular."""
    # Relabelling is linear: the images of the unit vectors are its columns.
    return layout.permute(np.eye(layout.size), order).T @ scale
