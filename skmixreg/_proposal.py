"""Proposals that know about labels: mixtures over modes, averaged over relabellings.

For a proposal q in one labelling, the importance weight of a draw is ``p / qbar`` with

    qbar(theta) = (1 / K!) sum over permutations P of q(P theta).

The target is symmetric, so E_q[p / qbar] = integral of p: the mean weight is the evidence, however
the labels of the draws fell, and no factor K! appears anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from ._blocks import Array, Components, ParameterBlocks, log_sum_exp
from ._problem import Problem

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
        z = rng.standard_normal((n, len(self.centre)))
        z /= np.sqrt(rng.chisquare(self.df, n) / self.df)[:, None]
        thetas = self.centre + z @ self.scale.T
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
        blocks = self.problem.blocks
        at = blocks.table["dispersion"].where
        ratio = _finite_exp(thetas[:, at] - self.centre[at])
        lines = blocks.line_index
        per_component = np.broadcast_to(ratio, (len(thetas), blocks.n_components))
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
        z = (bent - self.centre) @ self._whitener
        return np.einsum("ij,ij->i", z, z)

    @cached_property
    def _whitener(self) -> Array:
        return np.ascontiguousarray(np.linalg.inv(self.scale).T)

    @cached_property
    def _component_whiteners(self) -> Array:
        """Whiteners of the marginal distribution of every component: (K, m, m)."""
        index = self.problem.blocks.component_index
        covariance = self.scale @ self.scale.T
        marginal = covariance[index[:, :, None], index[:, None, :]]
        return np.linalg.inv(np.linalg.cholesky(marginal)).transpose(0, 2, 1)

    def _log_kernel(self, squares: Array) -> Array:
        d, df = len(self.centre), self.df
        constant = gammaln(0.5 * (df + d)) - gammaln(0.5 * df) - 0.5 * d * np.log(np.pi * df)
        constant -= np.log(np.abs(np.diagonal(self.scale))).sum()
        return constant - 0.5 * (df + d) * np.log1p(squares / df)

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

    def pair_bounds(self, blocks: ParameterBlocks, thetas: Array) -> Array:
        """Upper bounds of the log density where component k plays the centre's l: (S, K', K).

        ``blocks`` is the layout of ``thetas``, perhaps with more components, K', than the part's.
        The marginal distance of any one component bounds the whole distance from below.
        """
        index, own_index = self.problem.blocks.component_index, blocks.component_index
        K, m = own_index.shape
        gaps = thetas[:, own_index]
        sigma, centre_sigma = self._sigmas(blocks, thetas)
        n_lines = self.problem.blocks.line_index.shape[1]
        distance = np.empty((len(thetas), K, len(index)))
        for k in range(len(index)):
            gap = gaps - self.centre[index[k]]
            if self.funnel:
                gap[:, :, :n_lines] /= _finite_exp(sigma - centre_sigma[k])[:, :, None]
            z = gap.reshape(-1, m) @ self._component_whiteners[k]
            distance[:, :, k] = np.einsum("ij,ij->i", z, z).reshape(-1, K)
        return self._log_kernel(distance) + self._log_jacobian_bound(blocks, thetas)[:, None, None]

    def top(self, blocks: ParameterBlocks, thetas: Array) -> Array:
        """Upper bound of the log density whoever plays whom: (S,)."""
        return self._log_kernel(np.zeros(1)) + self._log_jacobian_bound(blocks, thetas)

    def _sigmas(self, blocks: ParameterBlocks, thetas: Array) -> tuple[Array, Array]:
        """Log dispersions of the draws (S, K') and of the centre (K,)."""
        own = self.problem.blocks
        sigma = thetas[:, blocks.table["dispersion"].where]
        centre = self.centre[own.table["dispersion"].where]
        return (
            np.broadcast_to(sigma, (len(thetas), blocks.n_components)),
            np.broadcast_to(centre, own.n_components),
        )

    def _log_jacobian_bound(self, blocks: ParameterBlocks, thetas: Array) -> Array:
        """The log Jacobian of the bend, at most that over the smallest sigmas: (S,)."""
        if not self.funnel:
            return np.zeros(len(thetas))
        sigma, centre = self._sigmas(blocks, thetas)
        players = np.sort(sigma, axis=1)[:, : len(centre)]
        return self.problem.blocks.line_index.shape[1] * (centre.sum() - players.sum(axis=1))


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
        c, K = self.problem.priors.weight_concentration, self.problem.blocks.n_components
        return c, self.problem.total_weight + (K - 1) * c

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws with the empty component last: (n, d)."""
        problem, blocks = self.problem, self.problem.blocks
        priors = problem.priors
        inner = self.active.problem.blocks.unpack(self.active.sample(rng, n))
        # Logs of Gamma draws: the empty component's weight underflows for small concentrations.
        shape = np.array(self._beta)
        gamma = np.log(rng.standard_gamma(shape + 1.0, size=(n, 2)))
        gamma += np.log(rng.random((n, 2))) / shape
        split = gamma - log_sum_exp(gamma)
        intercept = np.zeros((n, 1))
        if blocks.fit_intercept:
            intercept = priors.intercept_scale * rng.standard_normal((n, 1))
        coef = priors.coef_scale * rng.standard_normal((n, 1, blocks.n_features))
        if blocks.shared_dispersion:
            dispersion = inner.log_dispersion[:, :1]
        else:
            dispersion = problem.family.sample_log_dispersion_prior((n, 1), priors, rng)
        return blocks.pack(
            Components(
                np.concatenate([inner.log_weights + split[:, 1:], split[:, :1]], axis=1),
                np.concatenate([inner.intercept, intercept], axis=1),
                np.concatenate([inner.coef, coef], axis=1),
                np.concatenate([inner.log_dispersion, dispersion], axis=1),
            )
        )

    def log_density(self, thetas: Array) -> Array:
        """Density with the empty component last: (S, d) -> (S,)."""
        components = self.problem.blocks.unpack(thetas)
        rest = self._log_prior_of_empty(components)[:, -1]
        empty, full = components.log_weights[:, -1], log_sum_exp(components.log_weights[:, :-1])
        rest += self._log_split(empty, full[:, 0])
        return self.active.log_density(self._inner(components)) + rest

    def adapted(self, thetas: Array, weights: Array) -> EmptyPart:
        """The part with fewer components adapted; the prior of the empty one stays."""
        if not len(thetas):
            return self
        inner = self._inner(self.problem.blocks.unpack(thetas))
        return replace(self, active=self.active.adapted(inner, weights))

    def pair_bounds(self, blocks: ParameterBlocks, thetas: Array) -> Array:
        """As `StudentPart.pair_bounds`."""
        rest = self._bounds_of_empty(blocks, thetas)
        kept = self.active.pair_bounds(blocks, thetas) + rest.max(axis=1)[:, None, None]
        last = rest + self.active.top(blocks, thetas)[:, None]
        return np.concatenate([kept, last[:, :, None]], axis=2)

    def top(self, blocks: ParameterBlocks, thetas: Array) -> Array:
        """As `StudentPart.top`."""
        rest = self._bounds_of_empty(blocks, thetas)
        return rest.max(axis=1) + self.active.top(blocks, thetas)

    def _inner(self, components: Components) -> Array:
        """Coordinates of the part with fewer components."""
        return self.active.problem.blocks.pack(
            Components(
                components.log_weights[:, :-1],
                components.intercept[:, :-1],
                components.coef[:, :-1],
                components.log_dispersion[:, :-1],
            )
        )

    def _log_split(self, empty: Array, full: Array) -> Array:
        """Log density of the contrasts given the inner ones, from the logs of v and 1 - v.

        A Beta density times |d v / d contrast| = sqrt(K / (K - 1)) v (1 - v).
        """
        K = self.problem.blocks.n_components
        c, rest = self._beta
        return 0.5 * np.log(K / (K - 1.0)) - betaln(c, rest) + c * empty + rest * full

    def _log_prior_of_empty(self, components: Components) -> Array:
        """Log prior of line and dispersion of every component: (S, K')."""
        problem, priors = self.problem, self.problem.priors
        total = np.zeros(components.log_weights.shape)
        if problem.blocks.fit_intercept:
            total += _log_normal(components.intercept, priors.intercept_scale)
        total += _log_normal(components.coef, priors.coef_scale).sum(axis=-1)
        if not problem.blocks.shared_dispersion:
            total += problem.family.log_dispersion_prior(components.log_dispersion, priors)[0]
        return total

    def _bounds_of_empty(self, blocks: ParameterBlocks, thetas: Array) -> Array:
        """Upper bounds of all but the inner density where component k is the empty one: (S, K').

        Its share among those who play is at least its weight, and the density of the share falls
        beyond its mode.
        """
        components = blocks.unpack(thetas)
        c, rest = self._beta
        share = np.maximum(np.exp(components.log_weights), c / (c + rest))
        share = np.minimum(share, 1.0 - 1e-12)
        split = self._log_split(np.log(share), np.log1p(-share))
        return self._log_prior_of_empty(components) + split


Part = StudentPart | EmptyPart


def _log_normal(values: Array, scale: float) -> Array:
    return -0.5 * ((values / scale) ** 2 + np.log(2.0 * np.pi)) - np.log(scale)


class SymmetrisedMixture:
    """Mixture of parts, symmetrised over labels.

    Parameters
    ----------
    blocks : ParameterBlocks
    parts : list of StudentPart or EmptyPart
    probabilities : ndarray of shape (n_parts,)
    """

    def __init__(self, blocks: ParameterBlocks, parts: list[Part], probabilities: Array):
        self.blocks = blocks
        self.parts = parts
        self.probabilities = probabilities / probabilities.sum()

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, NDArray[np.intp]]:
        """Draws, each in its part's labelling, and their parts.

        Parts get their share of the draws, rounded at random (systematic sampling).
        """
        edges = np.concatenate([[0.0], np.cumsum(self.probabilities)])
        edges[-1] = 1.0
        counts = np.diff(np.floor(edges * n + rng.random()).astype(int))
        thetas = [
            part.sample(rng, int(count))
            for part, count in zip(self.parts, counts, strict=True)
            if count
        ]
        return np.concatenate(thetas), np.repeat(np.arange(len(self.parts)), counts)

    def log_density(self, thetas: Array) -> Array:
        """Symmetrised log density: (S, d) -> (S,).

        Relabelled terms are summed unless an upper bound of theirs lies `NEGLIGIBLE_NATS` below
        the terms in the given labels: the relative error is at most n_parts K! exp(-18).
        """
        with np.errstate(divide="ignore"):
            shares = np.log(self.probabilities)
        K = self.blocks.n_components
        total = _log_sum([part.log_density(thetas) for part in self.parts], shares)
        if K > 1:
            given = total.copy()
            for part, share in zip(self.parts, shares, strict=True):
                bounds = part.pair_bounds(self.blocks, thetas) + share
                near = bounds > (given - NEGLIGIBLE_NATS)[:, None, None]
                rows, moved = [], []
                for order in _relabellings(near.any(axis=0)):
                    need = np.flatnonzero(near[:, order, np.arange(K)].all(axis=1))
                    if len(need):
                        rows.append(need)
                        moved.append(self.blocks.permute(thetas[need], order))
                if rows:
                    terms = part.log_density(np.concatenate(moved)) + share
                    np.logaddexp.at(total, np.concatenate(rows), terms)
        return total - gammaln(K + 1.0)

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
        shares = shares / shares.sum()
        return SymmetrisedMixture(self.blocks, parts, 0.9 * shares + 0.1 / len(shares))


def _log_sum(terms: list[Array], shares: Array) -> Array:
    stacked = np.stack(terms, axis=1) + shares
    return log_sum_exp(stacked)[:, 0]


def _relabellings(allowed: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Permutations but the identity in which k plays l only where ``allowed[k, l]``."""
    K = len(allowed)
    found: list[list[int]] = [[]]
    for place in range(K):
        found = [
            [*order, k] for order in found for k in range(K) if allowed[k, place] and k not in order
        ]
    identity = list(range(K))
    return [np.array(order) for order in found if order != identity]
