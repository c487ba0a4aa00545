"""The mean-field approximation q(w) q(b_1) ... q(sigma_K^2) of a mixture of normal regressions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, polygamma

from ..._model.layout import Layout
from ..._model.priors import NumericPriors
from ..._model.raw import Raw
from ..._support.arrays import Array, log_sum_exp
from ..._support.sampling import log_gamma_draws
from . import q_kernels as kernels

_LOG_2PI = float(np.log(2.0 * np.pi))
# Rounds of lines and dispersions in turn, where an update is to end at their joint optimum.  One
# depends on the other to the order of parameters per observation.
JOINT_ROUNDS = 20


@dataclass
class MeanField:
    r"""A distribution of the parameters under which blocks are independent.

    .. math::

        w &\sim \mathrm{Dirichlet}(c + n_1, \dots, c + n_K) \\
        (b_{0k}, b_k) &\sim N(m_k, V_k), \quad
            V_k^{-1} = D + E[\sigma_k^{-2}] S_k, \quad m_k = V_k E[\sigma_k^{-2}] s_k \\
        \sigma_k^2 &\sim \mathrm{GIG}(-n_k / 2, \; 1 / u^2, \; f^2 + E[\mathrm{SSE}_k])

    with the expected statistics :math:`n_k = \sum_i r_{ik}`,
    :math:`S_k = \sum_i r_{ik} \tilde x_i \tilde x_i^\top`,
    :math:`s_k = \sum_i r_{ik} \tilde x_i y_i` and D the prior precision.  With a shared sigma the
    last line is one distribution with the sums over k.

    Attributes
    ----------
    layout : Layout
    priors : NumericPriors
    counts, log_weights : ndarray of shape (K,)
        n_k and E[log w_k].
    lines : ndarray of shape (K, p + 1)
        m_k, the intercept first; it is 0 without one.
    factors : ndarray of shape (K, p + 1, p + 1)
        R_k, lower triangular, with V_k = R_k' R_k.
    spreads : ndarray of shape (K or 1, 7)
        Distributions of log(sigma^2), see `_cavi_kernels.inverse_gaussian_moments`.
    """

    layout: Layout
    priors: NumericPriors
    counts: Array
    log_weights: Array
    lines: Array
    factors: Array
    spreads: Array

    @classmethod
    def from_statistics(
        cls, layout: Layout, priors: NumericPriors, theta: Array, statistics: Array
    ) -> MeanField:
        """From expected statistics, sums over all rows, and the dispersions at ``theta``."""
        K, P = layout.n_components, layout.n_features + 1
        spreads = np.zeros((1 if layout.shared_extras else K, 7))
        spreads[:, kernels.MODE] = 2.0 * theta[layout.table["sigma"].where]
        q = cls(
            layout, priors, np.empty(K), np.empty(K), np.zeros((K, P)), np.zeros((K, P, P)),
            spreads,
        )  # fmt: skip
        q.update(statistics, 1.0, JOINT_ROUNDS)
        return q

    def copy(self) -> MeanField:
        """One that can be changed without changing this."""
        return MeanField(self.layout, self.priors, *(a.copy() for a in self.arrays))

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array, Array]:
        """What the kernels change in place, in their order."""
        return self.counts, self.log_weights, self.lines, self.factors, self.spreads

    @property
    def hyper(self) -> tuple[tuple[float, ...], bool, bool]:
        """Prior, whether there are intercepts, and whether dispersion is shared, for kernels."""
        return tuple(self.priors), self.layout.fit_intercept, bool(self.layout.shared_extras)

    def update(self, statistics: Array, total: float, repeats: int = 1) -> None:
        """Coordinate ascent on all blocks of parameters, from statistics per observation."""
        kernels.update(statistics, total, *self.hyper, repeats, *self.arrays)

    # ------------------------------------------------------------------------- divergences

    def divergence(self) -> float:
        """Kullback-Leibler divergence of q from the prior."""
        return self._weights_divergence() + self._lines_divergence() + self._spreads_divergence()

    def _weights_divergence(self) -> float:
        K, c = len(self.counts), self.priors.weight_concentration
        alpha = c + self.counts
        constant = gammaln(alpha.sum()) - gammaln(alpha).sum() - gammaln(K * c) + K * gammaln(c)
        return float(constant + self.counts @ self.log_weights)

    def _lines_divergence(self) -> float:
        lines, factors, precision = self._own_lines()
        squares = precision @ ((factors**2).sum(axis=1) + lines**2).sum(axis=0)
        log_volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum()
        log_prior = 0.5 * len(lines) * np.log(precision).sum()
        return float(0.5 * squares - log_volume - log_prior - 0.5 * lines.size)

    def _spreads_divergence(self) -> float:
        floor, ceiling = self.priors.sigma_floor, self.priors.sigma_ceiling
        prior = np.empty(7)
        kernels.inverse_gaussian_moments(0.0, ceiling**-2, floor**2, prior)
        # Terms around the mode, so that nothing of the order of the observations cancels.
        return float(
            sum(
                order * mean
                - 0.5 * chi * np.exp(-mode) * rise
                + 0.5 * np.exp(mode) / ceiling**2
                + 0.5 * floor**2 * np.exp(-mode) * (1.0 + rise)
                - log_integral
                for order, chi, mode, mean, rise, _, log_integral in self.spreads
            )
            + len(self.spreads) * self._log_normaliser(prior)
        )

    def _log_normaliser(self, spread: Array) -> float:
        """Log integral over t of exp(order t - psi e^t / 2 - chi e^-t / 2)."""
        order, chi, mode, _, _, _, log_integral = spread
        height = order * mode - 0.5 * np.exp(mode) / self.priors.sigma_ceiling**2
        return float(height - 0.5 * chi * np.exp(-mode) + log_integral)

    def _own_lines(self) -> tuple[Array, Array, Array]:
        """Means, factors and prior precisions of the coefficients that there are."""
        first = 0 if self.layout.fit_intercept else 1
        precision = np.full(self.lines.shape[1], self.priors.coef_scale**-2.0)
        precision[0] = self.priors.intercept_scale**-2.0
        return self.lines[:, first:], self.factors[:, first:, first:], precision[first:]

    # ------------------------------------------------------------- on the unconstrained vector

    @property
    def mean(self) -> Array:
        """Mean of theta: (d,)."""
        log_sigma = 0.5 * (self.spreads[:, kernels.MODE] + self.spreads[:, kernels.MEAN])
        return self._pack(self.log_weights, self.lines, log_sigma)

    @property
    def sd(self) -> Array:
        """Standard deviations of theta: (d,)."""
        layout, out = self.layout, np.empty(self.layout.size)
        alpha = self.priors.weight_concentration + self.counts
        out[layout.table["gating"].where] = polygamma(1, alpha) @ layout.gating_basis**2
        variances = (self.factors**2).sum(axis=1)
        if layout.fit_intercept:
            out[layout.table["intercept"].where] = variances[:, 0]
        out[layout.table["coef"].where] = variances[:, 1:].ravel()
        _, _, _, mean, _, square, _ = self.spreads.T
        out[layout.table["sigma"].where] = 0.25 * (square - mean**2)
        return np.sqrt(out)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws of theta: (n, d)."""
        K, P = self.lines.shape
        alpha = self.priors.weight_concentration + self.counts
        log_weights = log_gamma_draws(rng, alpha, (n, K))
        noise = rng.standard_normal((n, K, P))
        lines = self.lines + np.einsum("nkr,krj->nkj", noise, self.factors)
        log_sigma = np.empty((n, len(self.spreads)))
        kernels.draw_log_sigmas(
            -2.0 * self.spreads[:, kernels.ORDER], self.spreads[:, kernels.CHI].copy(),
            self.priors.sigma_ceiling**-2.0, rng.integers(2**64, dtype=np.uint64), log_sigma,
        )  # fmt: skip
        return self._pack(log_weights - log_sum_exp(log_weights), lines, log_sigma)

    def log_density(self, thetas: Array) -> Array:
        """Log density with respect to Lebesgue measure: (S, d) -> (S,)."""
        layout, components = self.layout, self.layout.expand(thetas)
        K = layout.n_components
        alpha = self.priors.weight_concentration + self.counts
        total = components.log_weights @ alpha
        # sqrt(K) times the product of the weights is their Jacobian in the contrasts.
        total += gammaln(alpha.sum()) - gammaln(alpha).sum() + 0.5 * np.log(K)
        own, factors, _ = self._own_lines()
        lines = components.line if layout.fit_intercept else components.coef
        for k in range(K):
            white = np.linalg.solve(factors[k].T, (lines[:, k] - own[k]).T)
            total -= 0.5 * (white**2).sum(axis=0)
        total -= np.log(np.diagonal(factors, axis1=1, axis2=2)).sum() + 0.5 * own.size * _LOG_2PI
        log_sigma = thetas[:, layout.table["sigma"].where]
        for column, spread in zip(log_sigma.T, self.spreads, strict=True):
            t, ceiling = 2.0 * column, self.priors.sigma_ceiling
            total += spread[kernels.ORDER] * t - 0.5 * np.exp(t) / ceiling**2
            total -= 0.5 * spread[kernels.CHI] * np.exp(-t) + self._log_normaliser(spread)
        return total + len(self.spreads) * np.log(2.0)

    def _pack(self, log_weights: Array, lines: Array, log_sigma: Array) -> Array:
        K = self.layout.n_components
        spread = np.broadcast_to(log_sigma, (*log_sigma.shape[:-1], K))
        return self.layout.collapse(Raw(log_weights[..., None], lines, spread[..., None]))
