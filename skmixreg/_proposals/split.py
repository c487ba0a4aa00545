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
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._model.raw import Raw
from .._support.arrays import Array
from .._support.student import student_log_constant, student_log_kernel

# Student distributions of u and eta, wide enough for all that a spare component is beside for.
DF, LINE_SCALE, SIGMA_SCALE = 5.0, 1.1, 0.6
# Data that happen to favour a spare component let it take a few times the share of 1 / sqrt(n D).
LUCK = 3.0
LARGEST_EXPONENT = 16.0


class Inner(Protocol):
    """A density on parameters with one component fewer, symmetric in labels."""

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, NDArray[np.intp]]:
        """Draws of shape (n, d)."""

    def log_density(self, thetas: Array) -> Array:
        """Log density: (n, d) -> (n,)."""


@dataclass
class SplitProposal:
    """Draws of a fit with one component fewer, one of its components split in two.

    Parameters
    ----------
    problem : Problem
        Of K components, each with a dispersion of its own.
    inner : density on K - 1 components
    """

    problem: Problem
    inner: Inner

    @staticmethod
    def serves(problem: Problem) -> bool:
        """Whether components have lines and normal errors, each with an sd of its own."""
        layout = problem.layout
        has_lines = layout.fit_intercept or layout.n_features > 0
        return has_lines and problem.family.conjugate and not layout.shared_extra

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
        largest = _largest_share(size, eta)
        scale = self._share_scale(size, eta, weights[at, j])
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
        layout = self.problem.layout
        K = layout.n_components
        draws = layout.expand(thetas)
        total = np.full(len(thetas), -np.inf)
        for spare in range(K):
            for parent in range(K):
                if parent != spare:
                    total = np.logaddexp(total, self._pair(draws, parent, spare))
        return np.asarray(total - np.log(K))

    @np.errstate(over="ignore", divide="ignore", invalid="ignore")
    def _pair(self, draws: Raw, parent: int, spare: int) -> Array:
        """The term in which ``spare`` came from beside ``parent``."""
        problem = self.problem
        K = problem.layout.n_components
        w_parent, w_spare = draws.log_weights[:, parent], draws.log_weights[:, spare]
        log_weight = np.logaddexp(w_parent, w_spare)
        share = np.exp(w_spare - log_weight)
        rest = np.exp(w_parent - log_weight)
        lines = _lines(draws, problem.layout.fit_intercept)
        step = lines[:, spare] - lines[:, parent]
        variance = np.exp(2.0 * draws.extra[..., 0])
        distance = ((step @ self._metric) ** 2).sum(axis=1)
        pooled = rest * variance[:, parent] + share * variance[:, spare] + share * rest * distance
        log_sigma = 0.5 * np.log(pooled)
        eta = draws.extra[:, spare, 0] - log_sigma
        size = distance / pooled
        h = rest * variance[:, parent] / pooled
        keep = np.delete(np.arange(K), spare)
        at = int(np.flatnonzero(keep == parent)[0])
        log_weights, dispersion = draws.log_weights[:, keep], draws.extra[:, keep, 0]
        lines_left = lines[:, keep]
        log_weights[:, at], dispersion[:, at] = log_weight, log_sigma
        lines_left[:, at] = lines[:, parent] + share[:, None] * step
        inner = problem.with_components(K - 1).layout.collapse(
            _components(log_weights, lines_left, dispersion, problem.layout.fit_intercept)
        )
        u = (step @ self._metric) / np.sqrt(pooled)[:, None]
        largest = _largest_share(size, eta)
        scale = self._share_scale(size, eta, np.exp(log_weight))
        log_share = np.log(scale) - np.log(scale**2 + share**2) - np.log(np.arctan(largest / scale))
        value = self.inner.log_density(inner) + log_weight  # j is chosen by its weight
        value += _log_student(u, LINE_SCALE) + _log_student(eta[:, None], SIGMA_SCALE)
        value += log_share + np.log(h) + np.log(share) + np.log(rest)
        value += 0.5 * np.log(K / (K - 1.0)) - u.shape[1] * log_sigma
        value += np.log(np.diagonal(self._metric)).sum()
        return np.where(np.isfinite(value) & (share < largest), value, -np.inf)

    def _share_scale(self, size: Array, eta: Array, weight: Array) -> Array:
        """About the largest share that the data allow, 1 / sqrt(n D)."""
        apart = size + np.abs(np.expm1(np.minimum(2.0 * eta, LARGEST_EXPONENT)))
        # About the remainder of exp(size) beyond what the parent makes up for.
        distance = 0.5 * apart * np.exp(0.2 * np.minimum(apart, LARGEST_EXPONENT)) + 1e-12
        rows = np.maximum(weight * self.problem.total_weight, 1.0)
        return np.maximum(LUCK / (np.sqrt(rows) * distance + LUCK), 1.0 / (rows + 1.0))


def _largest_share(size: Array, eta: Array) -> Array:
    """The share at which nothing is left of the variance: a root of h."""
    # h = 1 - a (s + t) + a^2 t with s = exp(2 eta), t = |u|^2: its smaller root, if it has one.
    both = np.exp(np.minimum(2.0 * eta, 600.0)) + size
    left = both**2 - 4.0 * size
    root = 2.0 / (both + np.sqrt(np.maximum(left, 0.0)))
    return np.where(left < 0.0, 1.0, np.minimum(root, 1.0))


def _left_variance(share: Array, size: Array, eta: Array) -> Array:
    value = 1.0 - share * np.exp(2.0 * eta) - share * (1.0 - share) * size
    return np.maximum(value, 1e-300)


def _log_student(z: Array, scale: float) -> Array:
    """Log density of independent t variables, summed over the last axis."""
    constant = student_log_constant(1, DF) - np.log(scale)
    return np.asarray((constant + student_log_kernel((z / scale) ** 2, 1, DF)).sum(axis=-1))


def _lines(components: Raw, fit_intercept: bool) -> Array:
    """Intercept, if there is one, and coefficients of every component: (n, K, q)."""
    if not fit_intercept:
        return np.array(components.coef)
    return np.concatenate([components.intercept[..., None], components.coef], axis=-1)


def _components(log_weights: Array, lines: Array, dispersion: Array, fit_intercept: bool) -> Raw:
    if fit_intercept:
        return Raw(log_weights[..., None], lines, dispersion[..., None])
    return Raw.of(log_weights, np.zeros(lines.shape[:2]), lines, dispersion[..., None])
