"""Log posterior on the unconstrained vector: value, gradient, Hessian, many draws at once.

Densities are with respect to Lebesgue measure on theta, normalised, Jacobians included, in
standardised units.  The rows are summed by the compiled kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import gammaln

from .._kernels.prior_kernels import add_log_prior_terms
from .._support.arrays import Array
from ._sums import row_kernels
from .problem import Problem
from .raw import Raw

# A call of a few is as fast as one of many, and says sooner how far it is.
DRAWS_PER_CALL = 256
NO_HESSIAN = np.empty((0, 0))


class LogPosterior:
    """Log posterior of a problem.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem):
        self.problem = problem
        self.layout = layout = problem.layout
        self.size = layout.size
        self._blocks = list(problem.prior_table)
        K, c = layout.n_components, problem.priors.weight_concentration
        self._gating_constant = float(gammaln(K * c) - K * gammaln(c) + 0.5 * np.log(K))
        self._constant = self._gating_constant + float(problem.prior_constants.sum())

    def on_one_thread(self) -> LogPosterior:
        """The same, for work that runs beside other work."""
        return LogPosterior(replace(self.problem, rows=self.problem.rows.on_one_thread()))

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Log posterior density at one vector and its gradient, shape (d,)."""
        flat = self._sum(row_kernels.log_likelihood_gradient, self.layout.expand(theta))
        gradient = self.layout.contract(flat[1:])
        return self._add_prior(theta, gradient, NO_HESSIAN) + float(flat[0]), gradient

    def value_gradient_hessian(self, theta: Array) -> tuple[float, float, Array, Array]:
        """Log prior, log-likelihood, gradient (d,) and Hessian (d, d) of the log posterior."""
        flat = self._sum(row_kernels.log_likelihood_hessian, self.layout.expand(theta))
        m = len(self.layout.matrix)
        gradient = self.layout.contract(flat[1 : 1 + m])
        hessian = self.layout.contract2(flat[1 + m :].reshape(m, m))
        return self._add_prior(theta, gradient, hessian), float(flat[0]), gradient, hessian

    def values(
        self, thetas: Array, advance: Callable[[int], None] | None = None
    ) -> tuple[Array, Array]:
        """Log prior and log-likelihood of many vectors: (S, d) -> (S,), (S,).

        ``advance(n)`` is called after every n of them.
        """
        likelihood = np.empty(len(thetas))
        for start in range(0, len(thetas), DRAWS_PER_CALL):
            part = slice(start, start + DRAWS_PER_CALL)
            likelihood[part] = self.log_likelihoods(self.layout.expand(thetas[part]))
            if advance is not None:
                advance(len(thetas[part]))
        return self.log_prior(thetas), likelihood

    def log_likelihoods(self, raws: Raw) -> Array:
        """Log-likelihood of many draws, written out: (S,)."""
        return self._sum(row_kernels.log_likelihood_draws, raws)

    def log_prior(self, thetas: Array) -> Array:
        """Log prior density: (..., d) -> (...)."""
        c = self.problem.priors.weight_concentration
        raw = self.layout.expand(thetas)
        total = c * raw.log_weights.sum(axis=-1) + self._gating_constant
        for where, prior in self._blocks:
            total += prior.terms(thetas[..., where])[0].sum(axis=-1)
        return np.asarray(total)

    def weighted_moments(self, theta: Array) -> Array:
        """Sufficient statistics at the responsibilities of one vector; see the kernel."""
        return self._sum(row_kernels.weighted_moments, self.layout.expand(theta))

    def expected_counts(self, theta: Array) -> Array:
        """Expected numbers of units of the components at one vector: (K,)."""
        K = self.layout.n_components
        if self.problem.conjugate:  # one kernel less to be compiled
            return self.weighted_moments(theta)[1 : 1 + K]
        raw = self.layout.expand(theta)
        if self.layout.n_gating:
            return self.complete_sums(raw)[1 : 1 + K]
        flat = self._sum(row_kernels.log_likelihood_gradient, raw)
        # The gradient in the logits is what counts exceed the weights by.
        return flat[1 : 1 + K] + self.problem.unit_weight * np.exp(raw.log_weights)

    def complete_sums(self, raw: Raw) -> Array:
        """Scores and information at the responsibilities of one draw; see the kernel."""
        return self._sum(row_kernels.complete_sums, raw)

    def prior_terms(self, theta: Array) -> tuple[float, Array, Array]:
        """Log prior, gradient and Hessian at one vector."""
        gradient, hessian = np.zeros(self.size), np.zeros((self.size, self.size))
        return self._add_prior(theta, gradient, hessian), gradient, hessian

    def _add_prior(self, theta: Array, gradient: Array, hessian: Array) -> float:
        """Log prior; its derivatives are added in place, the second where there is room."""
        problem = self.problem
        value = add_log_prior_terms(
            theta, problem.prior_rows, self.layout.gating_basis,
            problem.priors.weight_concentration, gradient, hessian,
        )  # fmt: skip
        return float(value) + self._constant

    def _sum(self, kernel: Callable[..., Array], raw: Raw) -> Array:
        # A read-only array, or a view, would have the kernel compiled once more.
        parts = Raw(*(np.require(part, requirements=("C", "W")) for part in raw))
        return self.problem.rows.sum(kernel, parts, self.problem.model)
