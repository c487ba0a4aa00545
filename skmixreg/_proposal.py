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
from scipy.special import gammaln

from ._blocks import Array, ParameterBlocks, log_sum_exp
from ._problem import Problem

# Relabelled terms are left out where an upper bound lies this far below those in hand.
NEGLIGIBLE_NATS = 18.0


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
    """

    problem: Problem
    centre: Array
    scale: Array
    df: float
    funnel: bool = False

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
        ratio = np.exp(thetas[:, at] - self.centre[at])
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

    def pair_bounds(self, thetas: Array) -> Array:
        """Upper bounds of the log density where component k plays the centre's l: (S, K, K).

        The marginal distance of any one component bounds the whole distance from below.
        """
        return self.pair_bounds_of(self.problem.blocks, thetas)

    def pair_bounds_of(self, blocks: ParameterBlocks, thetas: Array) -> Array:
        """The same for vectors of a layout with perhaps more components: (S, K', K)."""
        index, own_index = self.problem.blocks.component_index, blocks.component_index
        K, m = own_index.shape
        gaps = thetas[:, own_index]
        at, own_at = self.problem.blocks.table["dispersion"].where, blocks.table["dispersion"].where
        sigma, centre_sigma = thetas[:, own_at], self.centre[at]
        n_lines = self.problem.blocks.line_index.shape[1]
        distance = np.empty((len(thetas), K, len(index)))
        log_jacobian = np.zeros(len(thetas))
        if self.funnel:
            # A sum over those who play, at most that over the smallest sigmas.
            players = np.sort(np.broadcast_to(sigma, (len(thetas), K)), axis=1)[:, : len(index)]
            centre_sum = np.broadcast_to(centre_sigma, len(index)).sum()
            log_jacobian = n_lines * (centre_sum - players.sum(axis=1))
        for k in range(len(index)):
            gap = gaps - self.centre[index[k]]
            if self.funnel:
                gap[:, :, :n_lines] /= np.exp(sigma - centre_sigma[k % len(centre_sigma)])[
                    :, :, None
                ]
            z = gap.reshape(-1, m) @ self._component_whiteners[k]
            distance[:, :, k] = np.einsum("ij,ij->i", z, z).reshape(-1, K)
        return self._log_kernel(distance) + log_jacobian[:, None, None]


@dataclass
class EmptyPart:
    """A fit with one component fewer, times the prior of the empty one.

    ``active`` holds the coordinates of the first K - 1 components as a problem of its own; the
    weight of the empty one follows the Beta distribution it has when no row belongs to it.
    """

    problem: Problem
    active: StudentPart

    def _concentrations(self) -> Array:
        c, K = self.problem.priors.weight_concentration, self.problem.blocks.n_components
        return np.array([self.problem.total_weight + (K - 1) * c, c])

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws with the empty component last: (n, d)."""
        problem, blocks = self.problem, self.problem.blocks
        p, priors = blocks.n_features, problem.priors
        inner = self.active.problem.blocks.unpack(self.active.sample(rng, n))
        # Logs of Gamma draws: the empty component's weight underflows for small concentrations.
        shape = self._concentrations()
        gamma = np.log(rng.standard_gamma(shape + 1.0, size=(n, len(shape))))
        gamma += np.log(rng.random((n, len(shape)))) / shape
        split = gamma - log_sum_exp(gamma)
        log_weights = np.concatenate([inner.log_weights + split[:, :1], split[:, 1:]], axis=1)
        empty = (n, 1)
        intercept = np.zeros(empty)
        if blocks.fit_intercept:
            intercept = priors.intercept_scale * rng.standard_normal(empty)
        coef = priors.coef_scale * rng.standard_normal((*empty, p))
        dispersion = np.empty(empty)
        if not blocks.shared_dispersion:
            dispersion = problem.family.sample_log_dispersion_prior(empty, priors, rng)
        else:
            dispersion[:] = inner.log_dispersion[:, :1]
        return blocks.pack(
            type(inner)(
                log_weights,
                np.concatenate([inner.intercept, intercept], axis=1),
                np.concatenate([inner.coef, coef], axis=1),
                np.concatenate([inner.log_dispersion, dispersion], axis=1),
            )
        )

    def _split(self, thetas: Array) -> tuple[Array, Array]:
        """Coordinates of the active problem, and the log density of all else."""
        problem, blocks = self.problem, self.problem.blocks
        K = blocks.n_components
        kept = K - 1
        components = blocks.unpack(thetas)
        total = log_sum_exp(components.log_weights[:, :kept])[:, 0]
        active_blocks = self.active.problem.blocks
        inner = active_blocks.pack(
            type(components)(
                components.log_weights[:, :kept],
                components.intercept[:, :kept],
                components.coef[:, :kept],
                components.log_dispersion[:, :kept],
            )
        )
        shape = self._concentrations()
        split = np.concatenate([total[:, None], components.log_weights[:, kept:]], axis=1)
        # Dirichlet density of the split, and |d(inner contrasts, split) / d contrasts|.
        log_rest = gammaln(shape.sum()) - gammaln(shape).sum() + ((shape - 1.0) * split).sum(1)
        log_rest += 0.5 * np.log(K / kept) + total + components.log_weights[:, kept:].sum(1)
        priors = problem.priors
        scales = [(components.coef[:, kept:].reshape(len(thetas), -1), priors.coef_scale)]
        if blocks.fit_intercept:
            scales.append((components.intercept[:, kept:], priors.intercept_scale))
        for values, scale in scales:
            log_rest -= 0.5 * ((values / scale) ** 2).sum(1)
            log_rest -= values.shape[1] * (np.log(scale) + 0.5 * np.log(2.0 * np.pi))
        if not blocks.shared_dispersion:
            density, _, _ = problem.family.log_dispersion_prior(
                components.log_dispersion[:, kept:], priors
            )
            log_rest += density.sum(1)
        return inner, log_rest

    def adapted(self, thetas: Array, weights: Array) -> EmptyPart:
        """The same; the prior of what is empty needs no adaptation."""
        return self

    def log_density(self, thetas: Array) -> Array:
        """Density with the empty component last: (S, d) -> (S,)."""
        inner, log_rest = self._split(thetas)
        return self.active.log_density(inner) + log_rest

    def pair_bounds(self, thetas: Array) -> Array:
        """As `StudentPart.pair_bounds`; the last of the part's components is the empty one."""
        K = self.problem.blocks.n_components
        last = np.arange(K)
        rest = np.empty((len(thetas), K))
        out = np.empty((len(thetas), K, K))
        kept = self.active.pair_bounds_of(self.problem.blocks, thetas)
        top = self.active._log_kernel(np.zeros(1))[0]
        for k in range(K):
            order = np.append(np.delete(last, k), k)
            _, rest[:, k] = self._split(self.problem.blocks.permute(thetas, order))
        out[:, :, : K - 1] = kept + rest.max(axis=1)[:, None, None]
        out[:, :, K - 1] = rest + top
        return out


Part = StudentPart | EmptyPart


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
                bounds = part.pair_bounds(thetas) + share
                near = bounds > (given - NEGLIGIBLE_NATS)[:, None, None]
                for order in _relabellings(near.any(axis=0)):
                    need = near[:, order, np.arange(K)].all(axis=1)
                    if need.any():
                        moved = self.blocks.permute(thetas[need], order)
                        term = part.log_density(moved) + share
                        total[need] = np.logaddexp(total[need], term)
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
