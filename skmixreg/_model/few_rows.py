r"""Log-likelihoods of draws near a mode, from few of the rows.

Where rows are many, what the log-likelihood differs from its second-order expansion at the mode is
a small sum over rows, and a random sample of them tells it.  With L and T the log-likelihood and
its expansion on all N rows, and L_s and T_s on m of them,

.. math::

    \hat L(\theta) = T(\theta) + \frac{N}{m} \{L_s(\theta) - T_s(\theta)\}

is without bias, and what it is off by falls with the third power of the distance from the mode
(the difference estimator of Quiroz, Kohn, Villani and Tran 2019, sec. 2.3).  The sample comes in
parts, each a sample of its own, and the spread of their estimates gives the standard error of every
draw.  Expansions are in the unconstrained vector, in one labelling.

References
----------
Quiroz, M., Kohn, R., Villani, M. and Tran, M.-N. (2019). Speeding up MCMC by efficient data
subsampling. JASA 114, 831-843.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._support.arrays import Array
from .density import LogPosterior

# Parts of a sample, and rows (or groups) of the first.
PARTS = 16
FIRST_SIZE = 2048
# What samples and expansions may cost of what all rows would.
MOST_OF_COST = 0.25


class _Expansion(NamedTuple):
    """Second-order expansion of a log-likelihood: value, gradient (d,), Hessian (d, d)."""

    value: float
    gradient: Array
    hessian: Array

    @classmethod
    def of(cls, density: LogPosterior, point: Array) -> _Expansion:
        """At a point (d,)."""
        _, value, gradient, hessian = density.value_gradient_hessian(point)
        _, prior_gradient, prior_hessian = density.prior_terms(point)
        return cls(value, gradient - prior_gradient, hessian - prior_hessian)

    def at(self, steps: Array) -> Array:
        """From steps away from the point: (S, d) -> (S,)."""
        quadratic = np.einsum("sd,sd->s", steps @ self.hessian, steps)
        return np.asarray(self.value + steps @ self.gradient + 0.5 * quadratic)


@dataclass
class _Rows:
    """All rows, or a part of a sample that stands for them, with expansions at points."""

    density: LogPosterior
    times: float = 1.0
    expansions: dict[bytes, _Expansion] = field(default_factory=dict)

    def expansion(self, point: Array) -> _Expansion:
        """At a point (d,), made once."""
        key = point.tobytes()
        if key not in self.expansions:
            self.expansions[key] = _Expansion.of(self.density, point)
        return self.expansions[key]

    def beyond(self, point: Array, thetas: Array) -> Array:
        """What log-likelihoods differ from the expansion by, over as many rows as there are."""
        exact = self.density.values(thetas)[1]
        return (exact - self.expansion(point).at(thetas - point)) * self.times


class FewRows:
    """Log-likelihoods of draws around points, from samples of the rows.

    Parameters
    ----------
    density : LogPosterior
        On all rows.
    rng : numpy.random.Generator
        Draws the samples.

    Attributes
    ----------
    size : int
        Rows, or groups, in the sample.
    """

    def __init__(self, density: LogPosterior, rng: np.random.Generator) -> None:
        self.density = density
        self.rng = rng
        self.size = FIRST_SIZE
        self._all = _Rows(density)
        self._parts: list[_Rows] = []

    def pays(self, n_draws: int, n_points: int) -> bool:
        """Whether samples and expansions cost less than all rows at so many draws."""
        problem, d = self.density.problem, self.density.size
        if problem.rows.n_units < PARTS * FIRST_SIZE:
            return False
        sampled = self.size * problem.n_rows / problem.rows.n_units
        # A row of an expansion costs about as much as at d draws.
        few = sampled * n_draws + d * (problem.n_rows + sampled) * n_points
        return few < MOST_OF_COST * problem.n_rows * n_draws

    def enlarge(self, error: float) -> None:
        """Sample more rows: so many as make errors that much smaller, but twice as many."""
        self.size = int(self.size * max(2.0, 1.2 * error**2))
        self._parts = []

    def log_likelihoods(
        self, points: Sequence[Array | None], thetas: Array, near: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        """Estimates and their standard errors.

        Parameters
        ----------
        points : sequence of ndarray of shape (d,) or None
        thetas : ndarray of shape (S, d)
        near : ndarray of shape (S,)
            The point that each draw is near; those of None see all rows, and so do draws so far
            away that there is no estimate.

        Returns
        -------
        value, error : ndarray of shape (S,)
        """
        value, error = np.empty(len(thetas)), np.zeros(len(thetas))
        for number, point in enumerate(points):
            mine = np.flatnonzero(near == number)
            if not len(mine):
                continue
            if point is None:
                value[mine] = self.density.values(thetas[mine])[1]
            else:
                value[mine], error[mine] = self._estimates(point, thetas[mine])
        lost = ~np.isfinite(value + error)
        if lost.any():
            value[lost], error[lost] = self.density.values(thetas[lost])[1], 0.0
        return value, error

    @np.errstate(over="ignore", invalid="ignore")
    def _estimates(self, point: Array, thetas: Array) -> tuple[Array, Array]:
        if not self._parts:
            self._parts = self._drawn()
        beyond = np.stack([part.beyond(point, thetas) for part in self._parts])
        error = beyond.std(axis=0, ddof=1) / np.sqrt(PARTS)
        return self._all.expansion(point).at(thetas - point) + beyond.mean(axis=0), error

    def _drawn(self) -> list[_Rows]:
        problem = self.density.problem
        sample = problem.subset(problem.rows.sample(self.rng, self.size))
        # Rows come spread over all, and so do those of every part.
        parts = [np.arange(i, self.size, PARTS) for i in range(PARTS)]
        return [
            _Rows(LogPosterior(sample.subset(part)), problem.unit_weight / len(part))
            for part in parts
        ]
