"""Particles, the labels they carry, and modes found by climbing from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._model.density import LogPosterior
from ..._model.layout import Layout
from ..._model.problem import Problem
from ..._proposals.one_labelling_kernels import part_log_densities
from ..._search.alignment import DEGREES_OF_FREEDOM, Pivot, coordinates, permuted_scale
from ..._search.newton import polish
from ..._support.arrays import Array
from ..._support.sampling import log_gamma_draws
from .mixture import ParticleMixture, log_diagonal

# Log-likelihood of particles that have none: finite, so that any power of it is.
IMPOSSIBLE = -1e200
ALIGNMENTS = 5
CLIMB_ITERATIONS = 30
LOOSE_GRADIENT = 1e-3
SAME_MODE = 1e-3  # nats
# Modes to propose at low temperature: so far below the highest one, and so many of most mass.
RELEVANT_HEIGHT = 25.0
MOST_MODES = 8
# Modes whose labels particles carry: by their mass.
RELEVANT_MASS = 7.0
MOST_LABELLED = 4
LEAST_MODE_SHARE = 0.1


@dataclass
class Population:
    """Particles and their densities.

    Attributes
    ----------
    theta : ndarray of shape (S, d)
    log_prior, log_likelihood : ndarray of shape (S,)
        In standardised units; the likelihood untempered.
    """

    theta: Array
    log_prior: Array
    log_likelihood: Array

    @classmethod
    def at(cls, density: LogPosterior, theta: Array) -> Population:
        """Particles with their densities; what is not finite counts as a density of zero."""
        with np.errstate(all="ignore"):
            prior, likelihood = density.values(theta)
        possible = np.isfinite(prior) & np.isfinite(likelihood)
        return cls(
            theta, np.where(possible, prior, -np.inf), np.where(possible, likelihood, IMPOSSIBLE)
        )

    @classmethod
    def joined(cls, parts: list[Population]) -> Population:
        """All particles of several populations."""
        return cls(
            np.concatenate([part.theta for part in parts]),
            np.concatenate([part.log_prior for part in parts]),
            np.concatenate([part.log_likelihood for part in parts]),
        )

    def tempered(self, beta: float) -> Array:
        """Log prior plus ``beta`` times log-likelihood: (S,)."""
        return self.log_prior + beta * self.log_likelihood

    def take(self, rows: NDArray[np.intp]) -> Population:
        """Copies of some of the particles."""
        return Population(self.theta[rows], self.log_prior[rows], self.log_likelihood[rows])

    def put(self, rows: NDArray[np.intp], new: Population) -> None:
        """Replace particles."""
        self.theta[rows] = new.theta
        self.log_prior[rows] = new.log_prior
        self.log_likelihood[rows] = new.log_likelihood


def component_prior_draws(
    problem: Problem, rng: np.random.Generator, shape: tuple[int, ...]
) -> Array:
    """Line and own extras of components from their prior: (*shape, m)."""
    layout, priors = problem.layout, problem.priors
    parts = []
    if layout.fit_intercept:
        parts.append(priors.intercept_scale * rng.standard_normal((*shape, 1)))
    parts.append(priors.coef_scale * rng.standard_normal((*shape, layout.n_features)))
    parts += [prior.sample(rng, (*shape, 1)) for prior in problem.own_extra_priors]
    return np.concatenate(parts, axis=-1)


def prior_draws(problem: Problem, rng: np.random.Generator, n: int) -> Array:
    """Independent draws of the unconstrained vector from the prior: (n, d)."""
    layout, priors = problem.layout, problem.priors
    K, c = layout.n_components, priors.weight_concentration
    theta = np.empty((n, layout.size))
    log_weights = log_gamma_draws(rng, c, (n, K))
    theta[:, layout.table["gating"].where] = log_weights @ layout.gating_basis
    for name, prior in zip(layout.extras, problem.extra_priors, strict=True):
        if name in layout.shared_extras:
            theta[:, layout.table[name].where] = prior.sample(rng, (n, 1))
    theta[:, layout.own] = component_prior_draws(problem, rng, (n, K))
    return theta


class Labels:
    """The labels that particles carry.

    Those under which a particle resembles the population most (Stephens 2000) or, once modes are
    known, the mode that it resembles most: a mode must not be cut in two by the border between
    one labelling and another.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout):
        self.layout = layout
        self._arguments: tuple[Any, ...] | None = None

    def follow_population(self, theta: Array, weights: Array) -> None:
        """Components are those of the mean and covariance of weighted particles (S, d)."""
        layout = self.layout
        components = layout.expand(theta)
        # Any order to start from.
        key = coordinates(layout, components)[..., -1]
        components = components.permuted(np.argsort(key, axis=-1))
        for _ in range(ALIGNMENTS):
            points = coordinates(layout, components)
            location = np.einsum("s,skm->km", weights, points)
            gap = points - location
            covariance = np.einsum("s,skm,skn->kmn", weights, gap, gap, optimize=True)
            at = np.arange(points.shape[-1])
            covariance[:, at, at] += 1e-9 * covariance[:, at, at] + 1e-12
            root = np.linalg.cholesky(covariance)
            log_volume = np.log(root[:, at, at]).sum(axis=1)
            pivot = Pivot(location, np.linalg.inv(root), log_volume, layout)
            self._follow([pivot], np.zeros((1, layout.size)), np.eye(layout.size)[None])
            components = components.permuted(self.orders(layout.collapse(components)))

    def follow_modes(self, centres: Array, roots: Array) -> None:
        """Components are those of the most similar mode.

        Parameters
        ----------
        centres : ndarray of shape (M, d)
            The first one says how the others are labelled.
        roots : ndarray of shape (M, d, d)
            Of their covariances, triangular.
        """
        layout = self.layout
        self._follow([Pivot.from_mode(layout, centres[0], roots[0])], centres[:1], roots[:1])
        orders = self.orders(centres)
        centres = np.stack([layout.permute(c, o) for c, o in zip(centres, orders, strict=True)])
        roots = np.stack([_permuted_root(layout, r, o) for r, o in zip(roots, orders, strict=True)])
        pivots = [Pivot.from_mode(layout, c, r) for c, r in zip(centres, roots, strict=True)]
        self._follow(pivots, centres, roots)

    def orders(self, theta: Array) -> NDArray[np.intp]:
        """For `Raw.permuted` of particles (S, d): (S, K)."""
        assert self._arguments is not None
        densities, orders = part_log_densities(np.ascontiguousarray(theta), *self._arguments)
        return np.asarray(orders[np.arange(len(theta)), densities.argmax(axis=1)])

    def apply(self, theta: Array) -> Array:
        """Particles in their labels: (S, d)."""
        return self.layout.collapse(self.layout.expand(theta).permuted(self.orders(theta)))

    def right(self, theta: Array) -> NDArray[np.bool_]:
        """Whether particles are in their labels: (S,)."""
        in_order = self.orders(theta) == np.arange(self.layout.n_components)
        return np.asarray(in_order.all(axis=1))

    def _follow(self, pivots: list[Pivot], centres: Array, roots: Array) -> None:
        layout = self.layout
        self._arguments = (
            layout.gating_basis,
            layout.forbidden,
            layout.own,
            layout.n_components - 1,
            np.ascontiguousarray(centres),
            np.ascontiguousarray(roots),
            -log_diagonal(roots),
            DEGREES_OF_FREEDOM,
            np.stack([pivot.location for pivot in pivots]),
            np.stack([pivot.whitener for pivot in pivots]),
            np.stack([pivot.log_volume for pivot in pivots]),
        )


def _permuted_root(layout: Layout, root: Array, order: NDArray[np.intp]) -> Array:
    """Triangular root of the covariance after relabelling."""
    upper = np.linalg.qr(permuted_scale(layout, root, order).T, mode="r")
    return np.asarray(upper.T * np.sign(np.diagonal(upper)))


class Modes:
    """Modes of the posterior, reached by climbing from particles.

    A narrow mode may hold much of the posterior and, tempered, next to nothing, so that no
    particle is left there when its time comes.  Climbing from early particles finds it, and
    proposals around it let particles return.

    Parameters
    ----------
    density : LogPosterior
    prior_precision : ndarray of shape (d,)
    """

    def __init__(self, density: LogPosterior, prior_precision: Array):
        self.density = density
        self.prior_precision = prior_precision
        self.theta: list[Array] = []
        self.log_prior: list[float] = []
        self.log_likelihood: list[float] = []
        self.precision: list[Array] = []

    def climb(self, starts: Array) -> None:
        """Climb from all starts (S, d) by Newton's method; keep the modes that are new."""
        for start in starts:
            try:
                with np.errstate(all="ignore"):
                    end = polish(self.density, start, CLIMB_ITERATIONS)
            except (np.linalg.LinAlgError, ValueError):  # an overflow on the way
                continue
            height = end.log_prior + end.log_likelihood
            known = np.abs(np.add(self.log_prior, self.log_likelihood) - height) < SAME_MODE
            if not end.definite or not end.gradient_norm < LOOSE_GRADIENT or known.any():
                continue
            whitener = np.linalg.inv(end.scale)
            self.theta.append(end.theta)
            self.log_prior.append(end.log_prior)
            self.log_likelihood.append(end.log_likelihood)
            self.precision.append(whitener.T @ whitener)

    def best(self) -> tuple[Array, Array] | None:
        """The modes that matter: where they are (M, d), and roots of their covariances."""
        if not self.theta:
            return None
        chosen, precision, log_masses = self._weighed(1.0)
        kept = log_masses > log_masses[0] - RELEVANT_MASS
        chosen = chosen[kept][:MOST_LABELLED]
        roots = np.linalg.cholesky(np.linalg.inv(precision[kept][:MOST_LABELLED]))
        return np.stack([self.theta[i] for i in chosen]), roots

    def mixture(self, beta: float, labels: Labels) -> ParticleMixture | None:
        """Laplace's approximation of the tempered posterior around the modes that matter."""
        if not self.theta:
            return None
        chosen, precision, log_masses = self._weighed(beta)
        # Flattened, since Laplace's masses are rough where the prior still rules.
        shares = np.exp(0.3 * (log_masses - log_masses[0]))
        shares = np.maximum(shares / shares.sum(), LEAST_MODE_SHARE)
        theta = np.stack([self.theta[i] for i in chosen])
        layout, orders = labels.layout, labels.orders(theta)
        roots = [
            permuted_scale(layout, np.linalg.cholesky(np.linalg.inv(p)), order)
            for p, order in zip(precision, orders, strict=True)
        ]
        centres = [layout.permute(t, order) for t, order in zip(theta, orders, strict=True)]
        covariances = np.stack([root @ root.T for root in roots])
        return ParticleMixture(shares, np.stack(centres), covariances)

    def _weighed(self, beta: float) -> tuple[NDArray[np.intp], Array, Array]:
        """The most massive modes at ``beta``: which, their precisions and log masses."""
        heights = np.add(self.log_prior, self.log_likelihood)
        near = np.argsort(-heights)[: 4 * MOST_MODES]
        near = near[heights[near] > heights.max() - RELEVANT_HEIGHT]
        # The curvature of the likelihood alone is tempered, that of the prior is not.
        precision = beta * np.stack([self.precision[i] for i in near])
        precision += np.diag((1.0 - beta) * self.prior_precision)
        log_masses = np.array([self.log_prior[i] + beta * self.log_likelihood[i] for i in near])
        log_masses -= 0.5 * np.linalg.slogdet(precision)[1]
        most = np.argsort(-log_masses)[:MOST_MODES]
        return near[most], precision[most], log_masses[most]
