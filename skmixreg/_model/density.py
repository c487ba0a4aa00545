"""Log posterior on the unconstrained vector: value, gradient, Hessian, many draws at once.

Densities are with respect to Lebesgue measure on theta, normalised, Jacobians included, in
standardised units.  The prior is written here once for all solvers; the rows are summed by the
compiled kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import gammaln

from . import sum_kernels
from .blocks import Array, Components
from .problem import Problem

_LOG_2PI = float(np.log(2.0 * np.pi))
# A call of a few is as fast as one of many, and says sooner how far it is.
DRAWS_PER_CALL = 256


class LogPosterior:
    """Log posterior of a problem.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem):
        self.problem = problem
        self.blocks = problem.blocks
        self.size = problem.blocks.size
        self._settings = problem.family.kernel_settings()
        self._precision = np.zeros(self.size)
        for where, scale in self._normal_blocks():
            self._precision[where] = scale**-2
        self._shares_dispersion = self.blocks.shared_dispersion
        self._where = tuple(
            self.blocks.table[name].where if name in self.blocks.table else slice(0, 0)
            for name in ("gating", "intercept", "coef", "dispersion")
        )
        self._no_intercept = (
            None if self.blocks.fit_intercept else np.zeros(self.blocks.n_components)
        )
        self._constant = self._prior_constant()

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Log posterior density at one vector and its gradient, shape (d,).

        Written out rather than composed of the methods below: samplers and searches call it a
        hundred thousand times, on small data at ten times the cost of the rows themselves.
        """
        blocks, problem = self.blocks, self.problem
        K, p = blocks.n_components, blocks.n_features
        c = problem.priors.weight_concentration
        gating, intercepts, coefs, dispersions = self._where

        logits = blocks.gating_basis @ theta[gating]
        logits -= logits.max()
        weights = np.exp(logits)
        total = weights.sum()
        weights /= total
        log_weights = logits - math.log(total)
        intercept = theta[intercepts] if self._no_intercept is None else self._no_intercept
        log_dispersion = theta[dispersions]
        flat = problem.rows.sum(
            sum_kernels.log_likelihood_gradient,
            log_weights,
            intercept,
            theta[coefs].reshape(K, p),
            np.full(K, log_dispersion[0]) if self._shares_dispersion else log_dispersion,
            self._settings,
        )

        gradient = -self._precision * theta
        density, slope, _ = problem.family.log_dispersion_prior(log_dispersion, problem.priors)
        value = flat[0] + self._constant + 0.5 * (gradient @ theta) + density.sum()
        value += c * log_weights.sum()
        by_weight = flat[1 : 1 + K] + c
        gradient[gating] = (by_weight - weights * by_weight.sum()) @ blocks.gating_basis
        if self._no_intercept is None:
            gradient[intercepts] += flat[1 + K : 1 + 2 * K]
        stop = 1 + 2 * K + K * p
        gradient[coefs] += flat[1 + 2 * K : stop]
        gradient[dispersions] = slope + (
            flat[stop:].sum() if self._shares_dispersion else flat[stop:]
        )
        return float(value), gradient

    def value_gradient_hessian(self, theta: Array) -> tuple[float, float, Array, Array]:
        """Log prior, log-likelihood, gradient (d,) and Hessian (d, d) of the log posterior."""
        components = self.blocks.unpack(theta)
        flat = self._sum(sum_kernels.log_likelihood_hessian, components)
        K, p = self.blocks.n_components, self.blocks.n_features
        m = K * (3 + p)
        raw = flat[1 : 1 + m]
        gradient = self._chain(components, raw)
        hessian = self._pull_back_hessian(components, raw, flat[1 + m :].reshape(m, m))
        prior, prior_gradient, prior_hessian = self.prior_terms(theta)
        return prior, flat[0], gradient + prior_gradient, hessian + prior_hessian

    def values(
        self, thetas: Array, advance: Callable[[int], None] | None = None
    ) -> tuple[Array, Array]:
        """Log prior and log-likelihood of many vectors: (S, d) -> (S,), (S,).

        ``advance(n)`` is called after every n of them.
        """
        likelihood = np.empty(len(thetas))
        for start in range(0, len(thetas), DRAWS_PER_CALL):
            part = slice(start, start + DRAWS_PER_CALL)
            components = self.blocks.unpack(thetas[part])
            likelihood[part] = self._sum(sum_kernels.log_likelihood_draws, components)
            if advance is not None:
                advance(len(thetas[part]))
        return self.log_prior(thetas), likelihood

    def log_prior(self, thetas: Array) -> Array:
        """Log prior density: (..., d) -> (...)."""
        priors, blocks = self.problem.priors, self.blocks
        K, c = blocks.n_components, priors.weight_concentration
        log_weights = blocks.unpack(thetas).log_weights
        total = c * log_weights.sum(axis=-1)
        total += gammaln(K * c) - K * gammaln(c) + 0.5 * np.log(K)
        for where, scale in self._normal_blocks():
            values = thetas[..., where]
            total -= 0.5 * ((values / scale) ** 2).sum(axis=-1)
            total -= values.shape[-1] * (np.log(scale) + 0.5 * _LOG_2PI)
        log_dispersion = thetas[..., blocks.table["dispersion"].where]
        density, _, _ = self.problem.family.log_dispersion_prior(log_dispersion, priors)
        return total + density.sum(axis=-1)

    def weighted_moments(self, theta: Array) -> Array:
        """Sufficient statistics at the responsibilities of one vector; see the kernel."""
        return self._sum(sum_kernels.weighted_moments, self.blocks.unpack(theta))

    def _prior_constant(self) -> float:
        """What `log_prior` holds beside the dispersion that does not depend on theta."""
        K, c = self.blocks.n_components, self.problem.priors.weight_concentration
        total = float(gammaln(K * c) - K * gammaln(c) + 0.5 * np.log(K))
        for where, scale in self._normal_blocks():
            total -= (where.stop - where.start) * float(np.log(scale) + 0.5 * _LOG_2PI)
        return total

    def _normal_blocks(self) -> list[tuple[slice, float]]:
        out = [(self.blocks.table["coef"].where, self.problem.priors.coef_scale)]
        if self.blocks.fit_intercept:
            where = self.blocks.table["intercept"].where
            out.append((where, self.problem.priors.intercept_scale))
        return out

    def _sum(self, kernel, components: Components) -> Array:  # type: ignore[no-untyped-def]
        # A read-only array, as of a shared dispersion, would have the kernel compiled once more.
        arrays = (np.require(a, requirements=("C", "W")) for a in components)
        return self.problem.rows.sum(kernel, *arrays, self._settings)

    def _split(self, flat: Array) -> Components:
        K, p = self.blocks.n_components, self.blocks.n_features
        coef = flat[2 * K : 2 * K + K * p].reshape(K, p)
        return Components(flat[:K], flat[K : 2 * K], coef, flat[2 * K + K * p :])

    def _chain(self, components: Components, flat: Array) -> Array:
        return self.blocks.pull_back(np.exp(components.log_weights), self._split(flat))

    def _pull_back_hessian(self, components: Components, raw: Array, hessian: Array) -> Array:
        blocks = self.blocks
        K = blocks.n_components
        weights = np.exp(components.log_weights)
        jacobian = self._jacobian(weights)
        out = jacobian.T @ hessian @ jacobian
        # log softmax is curved: d2 log w_k = -(diag(w) - w w') for every k.
        curvature = -raw[:K].sum() * (np.diag(weights) - np.outer(weights, weights))
        where = blocks.table["gating"].where
        out[where, where] += blocks.gating_basis.T @ curvature @ blocks.gating_basis
        return out

    def _jacobian(self, weights: Array) -> Array:
        """Raw arrays of the kernels, in their order, with respect to theta: (m, d)."""
        blocks = self.blocks
        K, p = blocks.n_components, blocks.n_features
        table = blocks.table
        out = np.zeros((K * (3 + p), blocks.size))
        softmax = np.eye(K) - weights[None, :]
        out[:K, table["gating"].where] = softmax @ blocks.gating_basis
        if blocks.fit_intercept:
            out[K : 2 * K, table["intercept"].where] = np.eye(K)
        out[2 * K : 2 * K + K * p, table["coef"].where] = np.eye(K * p)
        shared = np.ones((K, 1)) if blocks.shared_dispersion else np.eye(K)
        out[2 * K + K * p :, table["dispersion"].where] = shared
        return out

    def prior_terms(self, theta: Array) -> tuple[float, Array, Array]:
        """Log prior, gradient and Hessian at one vector."""
        priors, blocks = self.problem.priors, self.blocks
        gradient = np.zeros(self.size)
        diagonal = np.zeros(self.size)
        for where, scale in self._normal_blocks():
            gradient[where] = -theta[where] / scale**2
            diagonal[where] = -1.0 / scale**2
        where = blocks.table["dispersion"].where
        _, gradient[where], diagonal[where] = self.problem.family.log_dispersion_prior(
            theta[where], priors
        )
        hessian = np.diag(diagonal)
        K, c = blocks.n_components, priors.weight_concentration
        where = blocks.table["gating"].where
        weights = np.exp(blocks.unpack(theta).log_weights)
        basis = blocks.gating_basis
        gradient[where] = c * (1.0 - K * weights) @ basis
        hessian[where, where] = (
            -c * K * basis.T @ (np.diag(weights) - np.outer(weights, weights)) @ basis
        )
        return float(self.log_prior(theta)), gradient, hessian
