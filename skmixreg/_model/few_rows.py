r"""Log-likelihoods of draws near a mode, from few of the rows.

Where rows are many, what the log-likelihood differs from its second-order expansion at the mode is
a small sum over rows, and a random sample of them tells it.  With L and T the log-likelihood and
its expansion on all N rows, and L_s and T_s on m of them,

.. math::

    \hat L(\theta) = T(\theta) + \frac{N}{m} \{L_s(\theta) - T_s(\theta)\}

is without bias, and what it is off by falls with the third power of the distance from the mode
(the difference estimator of Quiroz, Kohn, Villani and Tran 2019, sec. 2.3).  The sample comes in
parts, each a sample of its own, and the spread of their estimates gives the standard error of every
draw.  For a fixed sample the estimate is a smooth function, which chains can move on.  Expansions
are in the unconstrained vector, in one labelling.

References
----------
Quiroz, M., Kohn, R., Villani, M. and Tran, M.-N. (2019). Speeding up MCMC by efficient data
subsampling. JASA 114, 831-843.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._kernels.vector_kernels import BLOCK
from .._support.arrays import Array
from .density import LogPosterior
from .problem import Problem
from .raw import Raw

# Parts of a sample, and rows (or groups) of the first: kernels take as long for fewer than a block.
PARTS = 8
FIRST_SIZE = PARTS * BLOCK
# How many times the first sample there must be, and what samples and expansions may cost of what
# all rows would.
LEAST_TIMES = 8
MOST_OF_COST = 0.25
# Errors so much too large that all rows are needed.
HOPELESS = 1e3


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

    def less(self, other: _Expansion, times: float) -> _Expansion:
        """This one minus ``times`` the other."""
        return _Expansion(
            self.value - times * other.value,
            self.gradient - times * other.gradient,
            self.hessian - times * other.hessian,
        )


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

    def beyond(self, point: Array, steps: Array, raws: Raw) -> Array:
        """What log-likelihoods differ from the expansion by, over as many rows as there are.

        ``raws`` are the draws at these steps from the point, written out.
        """
        exact = self.density.log_likelihoods(raws)
        return (exact - self.expansion(point).at(steps)) * self.times


class LogPosteriorNear:
    """Log posterior around a point, from a sample of the rows: smooth, and cheap.

    Stands in for a `LogPosterior` where chains move.

    Parameters
    ----------
    sample : LogPosterior
        On the sample.
    times : float
        Rows, or groups, that each of the sample stands for.
    point : ndarray of shape (d,)
    all_rows : _Expansion
        Of the log-likelihood of all rows at the point.
    """

    def __init__(self, sample: LogPosterior, times: float, point: Array, all_rows: _Expansion):
        self.problem, self.layout, self.size = sample.problem, sample.layout, sample.size
        self._sample, self._times, self._point = sample, times, point
        self._quadratic = all_rows.less(_Expansion.of(sample, point), times)

    def on_one_thread(self) -> LogPosteriorNear:
        """Itself: samples are summed on one thread."""
        return self

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Estimate of the log posterior density at one vector and its gradient, shape (d,)."""
        step, quadratic = theta - self._point, self._quadratic
        value, gradient = self._sample.value_and_gradient(theta)
        prior, prior_gradient, _ = self._sample.prior_terms(theta)
        bend = quadratic.hessian @ step
        value = prior + self._times * (value - prior)
        value += quadratic.value + float(step @ (quadratic.gradient + 0.5 * bend))
        gradient = prior_gradient + self._times * (gradient - prior_gradient)
        return value, gradient + quadratic.gradient + bend

    def values(self, thetas: Array) -> tuple[Array, Array]:
        """Log prior and estimates of log-likelihoods of many vectors: (S, d) -> (S,), (S,)."""
        prior, likelihood = self._sample.values(thetas)
        return prior, self._times * likelihood + self._quadratic.at(thetas - self._point)


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
        self._sample: Problem | None = None
        self._parts: list[_Rows] = []

    def pays(self, n_draws: int, n_points: int) -> bool:
        """Whether samples and expansions cost less than all rows at so many draws."""
        problem, d = self.density.problem, self.density.size
        if problem.rows.n_units < LEAST_TIMES * FIRST_SIZE:
            return False
        sampled = self.size * problem.n_rows / problem.rows.n_units
        # A row of an expansion costs about as much as at d draws.
        few = sampled * n_draws + d * (problem.n_rows + sampled) * n_points
        return few < MOST_OF_COST * problem.n_rows * n_draws

    def enlarge(self, error: float) -> None:
        """Sample more rows: so many as make errors that much smaller, but twice as many."""
        more = self.size * max(2.0, 1.2 * min(error, HOPELESS) ** 2)
        self.size = PARTS * ceil(more / PARTS)
        self._sample, self._parts = None, []

    def near(self, point: Array) -> LogPosteriorNear:
        """The log posterior around a point, of which `log_likelihoods` are estimates as well."""
        sample = LogPosterior(self._drawn())
        times = self.density.problem.unit_weight / self.size
        return LogPosteriorNear(sample, times, point, self._all.expansion(point))

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
            self._parts = self._divided()
        steps, raws = thetas - point, self.density.layout.expand(thetas)
        beyond = np.stack([part.beyond(point, steps, raws) for part in self._parts])
        error = beyond.std(axis=0, ddof=1) / np.sqrt(PARTS)
        return self._all.expansion(point).at(steps) + beyond.mean(axis=0), error

    def _drawn(self) -> Problem:
        if self._sample is None:
            problem = self.density.problem
            self._sample = problem.subset(problem.rows.sample(self.rng, self.size))
        return self._sample

    def _divided(self) -> list[_Rows]:
        sample, times = self._drawn(), self.density.problem.unit_weight * PARTS / self.size
        # Rows come spread over all, and so do those of every part; parts are of one size.
        parts = [np.arange(i, self.size, PARTS) for i in range(PARTS)]
        return [_Rows(LogPosterior(sample.subset(part)), times) for part in parts]
