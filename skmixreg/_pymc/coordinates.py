"""Between PyMC's value variables and the unconstrained vector.

Both hold the blocks in the same order; they differ in the coordinates of the mixing weights.
PyMC's simplex transform keeps the first K - 1 of the logits t_1, ..., t_K that sum to zero, where
ours are u = V't with orthonormal V.  So ``theta = M q`` with a constant matrix, and
``log p(q) = log p(theta) + log |det M|``, where ``|det M| = sqrt(K)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._model.layout import Layout
from .._support.arrays import Array


def value_map(layout: Layout) -> Array:
    """M, of shape (d, d): ``theta = M q`` for the raveled value variables q of the model."""
    K = layout.n_components
    out = np.eye(layout.size)
    where = layout.table["gating"].where
    all_logits = np.vstack([np.eye(K - 1), -np.ones((1, K - 1))])
    contrasts = slice(where.start, where.start + K - 1)
    out[contrasts, contrasts] = layout.gating_basis.T @ all_logits
    return out


def log_jacobian(layout: Layout) -> float:
    """Log absolute determinant of `value_map`."""
    return 0.5 * float(np.log(layout.n_components))


def to_values(theta: Array, layout: Layout, initial_point: dict[str, Array]) -> Any:
    """The point of PyMC's value variables at ``theta``, shaped like ``initial_point``."""
    q = np.linalg.solve(value_map(layout), theta)
    point, start = {}, 0
    for name, value in initial_point.items():
        stop = start + value.size
        point[name] = q[start:stop].reshape(value.shape)
        start = stop
    return point
