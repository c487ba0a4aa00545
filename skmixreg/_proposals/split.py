r"""Proposals in which a spare component lies beside another one.

A spare component is empty, or it shares the rows of another: it takes a share a of them, on a line
near theirs.  Such draws hold much of the posterior where rows are many, since a component of 20 in
10,000 rows beside a line costs next to nothing; no mode stands for them, and no empty component
reaches them.  They come from a fit with one component fewer, one component j of which is split so
that its weight, its line and its variance are kept (the moments of Richardson and Green 1997):

.. math::

    w_p &= (1 - a) w_j, \quad w_s = a w_j \\
    b_p &= b_j - a \Delta, \quad b_s = b_j + (1 - a) \Delta, \quad
        \Delta = \sigma_j M^{-1/2} u \\
    \sigma_s &= \sigma_j e^{\eta}, \quad
        (1 - a) \sigma_p^2 = \sigma_j^2 \{1 - a e^{2 \eta} - a (1 - a) |u|^2\} = \sigma_j^2 h

with M the mean of x x' over rows.  The log of the Jacobian of (a, b_j, log sigma_j, u, eta) to
the coordinates of K components is

.. math::

    q \log \sigma_j - \tfrac12 \log |M| - \log h - \log \{a (1 - a)\}
        - \tfrac12 \log \{K / (K - 1)\} .

The chi-square distance D of the spare component from the one that it is beside, less what a
shift of that one makes up for, says how large a share it may take: about 1 / sqrt(n D).

References
----------
Richardson, S. and Green, P. J. (1997). On Bayesian analysis of mixtures with an unknown number of
components. JRSS B 59, 731-792, sec. 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._model.raw import Raw
from .._support.arrays import Array
from .._support.student import student_log_constant
from .parts import log_prior_of_components
from .split_kernels import DF, LINE_SCALE, SIGMA_SCALE, merge_pairs, shares
from .symmetrised_kernels import add_merged

if TYPE_CHECKING:
    from .symmetrised import SymmetrisedMixture


class Merged(NamedTuple):
    """Every pair of components made one, in which the second was the spare one.

    Attributes
    ----------
    pairs : ndarray of shape (P, 2)
        Components that are merged: the parent and the spare one.
    log_terms : ndarray of shape (S, P)
        Log density of the pair given the rest; -inf where it cannot be one.
    log_weight, line, log_sigma : ndarray of shape (S, P), (S, P, q), (S, P)
        Of what they become.
    """

    pairs: NDArray[np.intp]
    log_terms: Array
    log_weight: Array
    line: Array
    log_sigma: Array


@dataclass
class SplitProposal:
    """Draws of a fit with one component fewer, one of its components split in two.

    Parameters
    ----------
    problem : Problem
        Of K components, each with a dispersion of its own.
    inner : SymmetrisedMixture
        Of the fit with one component fewer, and without a split of its own.
    """

    problem: Problem
    inner: SymmetrisedMixture

    @staticmethod
    def serves(problem: Problem) -> bool:
        """Whether components have lines and normal errors, each with an sd of its own."""
        layout = problem.layout
        has_lines = layout.fit_intercept or layout.n_features > 0
        return has_lines and problem.conjugate and not layout.shared_extras

    @cached_property
    def _metric(self) -> Array:
        """Cholesky factor of the mean of x x' over rows, ones first if there is an intercept."""
        one = LogPosterior(self.problem.with_components(1))
        sums = one.weighted_moments(np.zeros(one.size))
        P = self.problem.layout.n_features + 1
        moments = np.zeros((P, P))
        moments[np.triu_indices(P)] = sums[2 : 2 + P * (P + 1) // 2] / sums[1]
        moments = moments + np.triu(moments, 1).T
        if not self.problem.layout.fit_intercept:
            moments = moments[1:, 1:]
        size = np.trace(moments) / len(moments)
        # Without an intercept, columns of zeros leave nothing.
        moments[np.diag_indices_from(moments)] += 1e-6 * size if size > 0.0 else 1.0
        return np.linalg.cholesky(moments)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws, the spare component last: (n, d)."""
        layout = self.problem.layout
        K = layout.n_components
        thetas, _ = self.inner.sample(rng, n)
        inner = self.problem.with_components(K - 1).layout.expand(thetas)
        weights = np.exp(inner.log_weights)
        at = np.arange(n)
        j = (rng.random((n, 1)) > np.cumsum(weights, axis=1)[:, :-1]).sum(axis=1)
        q = self._metric.shape[0]
        u = LINE_SCALE * rng.standard_t(DF, (n, q))
        eta = SIGMA_SCALE * rng.standard_t(DF, n)
        size = (u**2).sum(axis=1)
        scale, largest = shares(size, eta, weights[at, j], self.problem.total_weight)
        # Half a Cauchy distribution, cut off at the largest share.
        share = scale * np.tan(rng.random(n) * np.arctan(largest / scale))
        share = np.clip(share, 1e-300, largest * (1.0 - 1e-12))
        h = _left_variance(share, size, eta)
        log_sigma = inner.extra[at, j, 0]
        step = np.linalg.solve(self._metric.T, u.T).T * np.exp(log_sigma)[:, None]
        lines = _lines(inner, layout.fit_intercept)
        line = lines[at, j]
        lines = np.concatenate([lines, (line + (1.0 - share)[:, None] * step)[:, None]], axis=1)
        lines[at, j] = line - share[:, None] * step
        log_weights = np.concatenate(
            [inner.log_weights, (inner.log_weights[at, j] + np.log(share))[:, None]], axis=1
        )
        log_weights[at, j] += np.log1p(-share)
        dispersion = np.concatenate([inner.extra[..., 0], (log_sigma + eta)[:, None]], axis=1)
        dispersion[at, j] = log_sigma + 0.5 * (np.log(h) - np.log1p(-share))
        return layout.collapse(_components(log_weights, lines, dispersion, layout.fit_intercept))

    def log_density(self, thetas: Array) -> Array:
        """Density, averaged over labels: (S, d) -> (S,)."""
        components = self.problem.layout.expand(thetas)
        nothing = np.full(len(thetas), -np.inf)
        return self.added(components, self.inner.arguments(components), 0.0, nothing)

    def added(
        self, components: Raw, arguments: tuple[Array, ...], log_share: float, total: Array
    ) -> Array:
        """Logs of a sum with exp(log_share) times this density added: (S,) -> (S,).

        Pairs that do not matter beside what is there already are left out.

        Parameters
        ----------
        components : Raw
            Of the draws.
        arguments : tuple of ndarray
            The same as kernels take them: `SymmetrisedMixture.arguments`.
        log_share : float
        total : ndarray of shape (S,)
        """
        layout, inner = self.problem.layout, self.inner
        merged = self.merged(components)
        line, extra = merged.line, merged.log_sigma[..., None]
        prior = log_prior_of_components(
            self.problem,
            _components(merged.log_weight, line, merged.log_sigma, layout.fit_intercept),
        )
        offsets = merged.log_terms + log_share
        offsets -= np.log(layout.n_components) + inner.layout.log_labellings
        total = np.array(total)
        add_merged(
            inner.arrays, *arguments, merged.pairs, offsets, merged.log_weight, line, extra, prior,
            total,
        )  # fmt: skip
        return total

    def merged(self, draws: Raw) -> Merged:
        """All ordered pairs of components, merged."""
        lines = np.ascontiguousarray(_lines(draws, self.problem.layout.fit_intercept))
        return Merged(
            self._pairs,
            *merge_pairs(
                draws.log_weights, lines, np.ascontiguousarray(draws.extra[..., 0]), self._pairs,
                self._metric, self.problem.total_weight, self._constant,
            ),
        )  # fmt: skip

    @cached_property
    def _pairs(self) -> NDArray[np.int64]:
        K = self.problem.layout.n_components
        return np.array([(j, k) for j in range(K) for k in range(K) if j != k], dtype=np.int64)

    @cached_property
    def _constant(self) -> float:
        """Logs of all that the density of a pair has but its variables."""
        K, q = self.problem.layout.n_components, len(self._metric)
        scales = q * np.log(LINE_SCALE) + np.log(SIGMA_SCALE)
        out = 0.5 * np.log(K / (K - 1.0)) + np.log(np.diagonal(self._metric)).sum()
        return float(out + (q + 1) * student_log_constant(1, DF) - scales)


def _left_variance(share: Array, size: Array, eta: Array) -> Array:
    value = 1.0 - share * np.exp(2.0 * eta) - share * (1.0 - share) * size
    return np.maximum(value, 1e-300)


def _lines(components: Raw, fit_intercept: bool) -> Array:
    """Intercept, if there is one, and coefficients of every component: (n, K, q)."""
    if not fit_intercept:
        return np.array(components.coef)
    return np.concatenate([components.intercept[..., None], components.coef], axis=-1)


def _components(log_weights: Array, lines: Array, dispersion: Array, fit_intercept: bool) -> Raw:
    if fit_intercept:
        return Raw(log_weights[..., None], lines, dispersion[..., None])
    return Raw.of(log_weights, np.zeros(lines.shape[:2]), lines, dispersion[..., None])
