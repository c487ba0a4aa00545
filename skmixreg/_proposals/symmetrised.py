"""Proposals that know about labels: mixtures over modes, averaged over relabellings.

For a proposal q in one labelling, the importance weight of a draw is ``p / qbar`` with

    qbar(theta) = (1 / K!) sum over permutations P of q(P theta).

The target is symmetric, so E_q[p / qbar] = integral of p: the mean weight is the evidence, however
the labels of the draws fell, and no factor K! appears anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from .._model.layout import Layout
from .._model.problem import Problem
from .._model.raw import Raw
from .._support.arrays import Array, log_sum_exp
from .._support.sampling import log_beta_draws, systematic_counts
from .._support.student import student_log_constant, student_log_kernel, student_noise
from .split import SplitProposal
from .symmetrised_kernels import symmetrised_log_density

# Relabelled terms are left out where an upper bound lies this far below those in hand.
NEGLIGIBLE_NATS = 18.0


def _finite_exp(x: Array) -> Array:
    """Exponential, clipped so that dividing and multiplying by it stay inverse to each other."""
    return np.asarray(np.exp(np.clip(x, -300.0, 300.0)))


@dataclass
class StudentPart:
    """Multivariate t around one mode, on the coordinates of all components.

    With ``funnel`` the t distribution is that of bent coordinates, in which the distance of
    intercept and coefficients from the centre is divided by sigma_k / sigma_k(centre): given
    sigma, a line is the less certain the larger sigma is, as in the normal-inverse-gamma family.

    Attributes
    ----------
    centre : ndarray of shape (d,)
    scale : ndarray of shape (d, d)
        Lower triangular.
    df : float
    funnel : bool
    mode : ndarray of shape (d,), optional
        The mode that the part was made for.
    """

    problem: Problem
    centre: Array
    scale: Array
    df: float
    funnel: bool = False
    mode: Array | None = None

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws in the labelling of the centre: (n, d)."""
        thetas = self.centre + student_noise(rng, n, len(self.centre), self.df) @ self.scale.T
        if self.funnel:
            lines, stretch = self._stretch(thetas)
            thetas[:, lines] = (
                self.centre[lines] + (thetas[:, lines] - self.centre[lines]) * stretch
            )
        return thetas

    def log_density(self, thetas: Array) -> Array:
        """Density in the labelling of the centre: (S, d) -> (S,)."""
        bent, log_jacobian = self._bend(thetas)
        return self._log_kernel(self._squares(bent)) + log_jacobian

    def _stretch(self, thetas: Array) -> tuple[NDArray[np.intp], Array]:
        """Positions of intercepts and coefficients, and sigma_k / sigma_k(centre) for each."""
        layout = self.problem.layout
        bend = self.problem.family.bend
        assert bend is not None
        at = layout.table[layout.extras[bend]].where
        ratio = _finite_exp(thetas[:, at] - self.centre[at])
        lines = layout.own_lines
        per_component = np.broadcast_to(ratio, (len(thetas), layout.n_components))
        return lines.ravel(), np.repeat(per_component, lines.shape[1], axis=1)

    def _bend(self, thetas: Array) -> tuple[Array, Array]:
        """Coordinates in which the part is a t distribution, and the log Jacobian."""
        if not self.funnel:
            return thetas, np.zeros(len(thetas))
        lines, stretch = self._stretch(thetas)
        bent = thetas.copy()
        bent[:, lines] = self.centre[lines] + (thetas[:, lines] - self.centre[lines]) / stretch
        return bent, -np.log(stretch).sum(axis=1)

    def _squares(self, bent: Array) -> Array:
        """Squared distances from the centre in units of the scale: (S, d) -> (S,)."""
        z = (bent - self.centre) @ self.whitener.T
        return np.einsum("ij,ij->i", z, z)

    @cached_property
    def whitener(self) -> Array:
        """Inverse of the scale, lower triangular."""
        return np.asarray(np.linalg.inv(self.scale))

    @property
    def log_constant(self) -> float:
        """Log density at the centre."""
        log_volume = np.log(np.abs(np.diagonal(self.scale))).sum()
        return float(student_log_constant(len(self.centre), self.df) - log_volume)

    def _log_kernel(self, squares: Array) -> Array:
        return self.log_constant + student_log_kernel(squares, len(self.centre), self.df)

    def adapted(self, thetas: Array, weights: Array) -> StudentPart:
        """The t distribution with weighted moments of these draws, shrunk to the old ones."""
        n_effective = 1.0 / max(float((weights**2).sum()), 1e-300) if len(weights) else 0.0
        d = len(self.centre)
        if n_effective < 20.0:
            return self
        trust = n_effective / (n_effective + 2.0 * d)
        bent, _ = self._bend(thetas)
        mean = weights @ bent
        gap = bent - mean
        covariance = (gap * weights[:, None]).T @ gap
        old = self.scale @ self.scale.T
        # Draws were in the scale's units: its covariance is df / (df - 2) times the scale.
        centre = trust * mean + (1.0 - trust) * self.centre
        scale = np.linalg.cholesky(trust * covariance + (1.0 - trust) * old)
        shape = replace(self, centre=centre, scale=scale)
        # The centre moved, and with it the bend.
        squares = shape._squares(shape._bend(thetas)[0])
        best, best_fit = self, -np.inf
        for df in (3.0, 5.0, 8.0, 15.0, 40.0):
            for size in (0.7, 0.85, 1.0, 1.2, 1.5):
                trial = replace(shape, scale=scale * size, df=df)
                fit = float(weights @ trial._log_kernel(squares / size**2))
                if fit > best_fit:
                    best, best_fit = trial, fit
        return best


@dataclass
class EmptyPart:
    """A part with one component fewer, times the prior of the empty one, which comes last.

    The weight of the empty component follows the Beta distribution that it has when no row
    belongs to it.  The part with fewer components may have an empty one itself.
    """

    problem: Problem
    active: Part

    @property
    def _beta(self) -> tuple[float, float]:
        """Counts of the empty component and of all others in the distribution of its weight."""
        c, K = self.problem.priors.weight_concentration, self.problem.layout.n_components
        return c, self.problem.total_weight + (K - 1) * c

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws with the empty component last: (n, d)."""
        problem, layout = self.problem, self.problem.layout
        priors = problem.priors
        inner = self.active.problem.layout.expand(self.active.sample(rng, n))
        empty, full = (log[:, None] for log in log_beta_draws(rng, *np.full((n, 2), self._beta).T))
        intercept = np.zeros((n, 1))
        if layout.fit_intercept:
            intercept = priors.intercept_scale * rng.standard_normal((n, 1))
        coef = priors.coef_scale * rng.standard_normal((n, 1, layout.n_features))
        if layout.shared_extra:
            extra = inner.extra[:, :1]
        else:
            drawn = [prior.sample(rng, (n, 1, 1)) for prior in problem.extra_priors]
            extra = np.concatenate([*drawn, np.empty((n, 1, 0))], axis=-1)
        return layout.collapse(
            Raw.of(
                np.concatenate([inner.log_weights + full, empty], axis=1),
                np.concatenate([inner.intercept, intercept], axis=1),
                np.concatenate([inner.coef, coef], axis=1),
                np.concatenate([inner.extra, extra], axis=1),
            )
        )

    def log_density(self, thetas: Array) -> Array:
        """Density with the empty component last: (S, d) -> (S,)."""
        components = self.problem.layout.expand(thetas)
        rest = log_prior_of_components(self.problem, components)[:, -1]
        empty, full = components.log_weights[:, -1], log_sum_exp(components.log_weights[:, :-1])
        rest += self._log_split(empty, full[:, 0])
        return self.active.log_density(self._inner(components)) + rest

    def adapted(self, thetas: Array, weights: Array) -> EmptyPart:
        """The part with fewer components adapted; the prior of the empty one stays."""
        if not len(thetas):
            return self
        inner = self._inner(self.problem.layout.expand(thetas))
        return replace(self, active=self.active.adapted(inner, weights))

    def _inner(self, components: Raw) -> Array:
        """Coordinates of the part with fewer components."""
        return self.active.problem.layout.collapse(Raw(*(part[:, :-1] for part in components)))

    def _log_split(self, empty: Array, full: Array) -> Array:
        """Log density of the contrasts given the inner ones, from the logs of v and 1 - v.

        A Beta density times |d v / d contrast| = sqrt(K / (K - 1)) v (1 - v).
        """
        K = self.problem.layout.n_components
        c, rest = self._beta
        return 0.5 * np.log(K / (K - 1.0)) - betaln(c, rest) + c * empty + rest * full


Part = StudentPart | EmptyPart


def log_prior_of_components(problem: Problem, components: Raw) -> Array:
    """Log prior of line and own dispersion of every component: (S, K)."""
    priors = problem.priors
    total = np.zeros(components.log_weights.shape)
    if problem.layout.fit_intercept:
        total += _log_normal(components.intercept, priors.intercept_scale)
    total += _log_normal(components.coef, priors.coef_scale).sum(axis=-1)
    if not problem.layout.shared_extra:
        for e, prior in enumerate(problem.extra_priors):
            total += prior.terms(components.extra[..., e])[0]
    return total


def _log_normal(values: Array, scale: float) -> Array:
    return -0.5 * ((values / scale) ** 2 + np.log(2.0 * np.pi)) - np.log(scale)


class SymmetrisedMixture:
    """Mixture of parts, symmetrised over labels.

    Parameters
    ----------
    layout : Layout
    parts : list of StudentPart or EmptyPart
    probabilities : ndarray of shape (n_parts,)
    split : SplitProposal, optional
        A density beside the parts, averaged over labels itself.
    split_share : float, default=0.0
        Its probability.
    """

    def __init__(
        self,
        layout: Layout,
        parts: list[Part],
        probabilities: Array,
        split: SplitProposal | None = None,
        split_share: float = 0.0,
    ):
        self.layout = layout
        self.parts = parts
        self.probabilities = probabilities / probabilities.sum()
        self.split = split
        self.split_share = 0.0 if split is None else split_share

    def with_parts(self, parts: list[Part], probabilities: Array) -> SymmetrisedMixture:
        """Other parts, and the same split."""
        return SymmetrisedMixture(self.layout, parts, probabilities, self.split, self.split_share)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, NDArray[np.intp]]:
        """Draws, each in its part's labelling, and their parts; the split counts as the last.

        Parts get their share of the draws, rounded at random (systematic sampling).
        """
        sources: list[Any] = [*self.parts]
        shares = self.probabilities
        if self.split is not None:
            sources.append(self.split)
            shares = np.append((1.0 - self.split_share) * shares, self.split_share)
        counts = systematic_counts(rng, shares, n)
        thetas = [
            source.sample(rng, int(count))
            for source, count in zip(sources, counts, strict=True)
            if count
        ]
        return np.concatenate(thetas), np.repeat(np.arange(len(sources)), counts)

    def log_density(self, thetas: Array) -> Array:
        """Symmetrised log density: (S, d) -> (S,).

        Relabelled terms are summed unless an upper bound of theirs lies `NEGLIGIBLE_NATS` below
        the sum of the others: the relative error is at most n_parts K! exp(-18).
        """
        components = self.layout.expand(thetas)
        lines = components.coef
        if self.layout.fit_intercept:
            lines = np.concatenate([components.intercept[..., None], lines], axis=-1)
        total = symmetrised_log_density(
            components.log_weights,
            np.ascontiguousarray(lines),
            np.ascontiguousarray(components.extra),
            log_prior_of_components(self.parts[0].problem, components),
            self.layout.shared_extra,
            -1 if self.parts[0].problem.family.bend is None else self.parts[0].problem.family.bend,
            int(self.layout.fit_intercept),
            *self._arguments,
            NEGLIGIBLE_NATS,
        )
        total = np.asarray(total - self.layout.log_labellings)
        if self.split is None:
            return total
        return np.logaddexp(
            np.log1p(-self.split_share) + total,
            np.log(self.split_share) + self.split.log_density(thetas),
        )

    @cached_property
    def _arguments(self) -> tuple[Any, ...]:
        """What the kernel needs to know of the parts."""
        problem = self.parts[0].problem
        K, M, d = self.layout.n_components, len(self.parts), self.layout.size
        c, n = problem.priors.weight_concentration, problem.total_weight
        q = self.layout.own.shape[1]
        roles, sizes = np.empty((2, M), dtype=np.int64)
        df, constants = np.empty((2, M))
        funnel = np.empty(M, dtype=bool)
        centres, whiteners = np.zeros((M, d)), np.zeros((M, d, d))
        sigmas = np.zeros((M, K))
        locations, role_whiteners = np.zeros((M, K, q)), np.zeros((M, K, q, q))
        with np.errstate(divide="ignore"):
            shares = np.log(self.probabilities)
        for m, part in enumerate(self.parts):
            empty = 0
            while isinstance(part, EmptyPart):
                part, empty = part.active, empty + 1
            layout, size = part.problem.layout, len(part.centre)
            R = layout.n_components
            index = layout.own
            roles[m], sizes[m], df[m], funnel[m] = R, size, part.df, part.funnel
            more = np.arange(R + 1, K + 1)
            constants[m] = shares[m] + part.log_constant + gammaln(empty + 1.0)
            splits = 0.5 * np.log(more / (more - 1.0)) - betaln(c, n + (more - 1) * c)
            constants[m] += splits.sum()
            centres[m, :size] = part.centre
            whiteners[m, :size, :size] = part.whitener
            if part.funnel:
                bend = layout.extras[part.problem.family.bend or 0]
                sigmas[m, :R] = part.centre[layout.table[bend].where]
            locations[m, :R] = part.centre[index]
            covariance = part.scale @ part.scale.T
            marginal = covariance[index[:, :, None], index[:, None, :]]
            role_whiteners[m, :R] = np.linalg.inv(np.linalg.cholesky(marginal))
        bases = np.zeros((K + 1, K, K))
        for R in range(2, K + 1):
            bases[R, :R, : R - 1] = replace(self.layout, n_components=R).gating_basis
        return (
            c, n, roles, sizes, df, funnel, constants, centres, sigmas, whiteners, locations,
            role_whiteners, bases,
        )  # fmt: skip

    def adapted(self, thetas: Array, part: NDArray[np.intp], weights: Array) -> SymmetrisedMixture:
        """The mixture fitted to weighted draws: shares, centres, scales and tails.

        Every part is fitted to the draws it proposed itself, which carry its labels; parts with
        few effective draws keep what they have.
        """
        parts, shares = [], np.empty(len(self.parts))
        for m, old in enumerate(self.parts):
            mine = part == m
            w = weights[mine]
            shares[m] = w.sum()
            parts.append(old.adapted(thetas[mine], w / max(w.sum(), 1e-300)))
        split_share = self.split_share
        if self.split is not None:
            split_share = 0.1 + 0.8 * (1.0 - shares.sum())
        shares = shares / max(shares.sum(), 1e-300)
        return SymmetrisedMixture(
            self.layout, parts, 0.9 * shares + 0.1 / len(shares), self.split, split_share
        )
