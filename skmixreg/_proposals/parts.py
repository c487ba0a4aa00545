"""Parts of a proposal: t distributions around modes, and parts with empty components."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from .._kernels.prior_kernels import log_priors
from .._model.problem import Problem
from .._model.raw import Raw
from .._support.arrays import Array, log_sum_exp
from .._support.sampling import log_beta_draws
from .._support.student import student_log_constant, student_log_kernel, student_noise


class Part(Protocol):
    """A density in one labelling."""

    @property
    def problem(self) -> Problem:
        """What it is a proposal for."""

    @property
    def mode(self) -> Array | None:
        """The mode that it was made for, with all components."""

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws of shape (n, d)."""

    def log_density(self, thetas: Array) -> Array:
        """Log density: (S, d) -> (S,)."""

    def adapted(self, thetas: Array, weights: Array) -> Part:
        """The part fitted to weighted draws of its own."""


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
        return self.stretched(
            self.centre + student_noise(rng, n, len(self.centre), self.df) @ self.scale.T
        )

    def stretched(self, bent: Array) -> Array:
        """From the coordinates in which the part is a t distribution, in place: (S, d)."""
        if self.funnel:
            lines, stretch = self._stretch(bent)
            bent[:, lines] = self.centre[lines] + (bent[:, lines] - self.centre[lines]) * stretch
        return bent

    def log_density(self, thetas: Array) -> Array:
        """Density in the labelling of the centre: (S, d) -> (S,)."""
        bent, log_jacobian = self.bend(thetas)
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

    def bend(self, thetas: Array) -> tuple[Array, Array]:
        """Coordinates in which the part is a t distribution, and the log Jacobian."""
        if not self.funnel:
            return thetas, np.zeros(len(thetas))
        lines, stretch = self._stretch(thetas)
        bent = thetas.copy()
        bent[:, lines] = self.centre[lines] + (thetas[:, lines] - self.centre[lines]) / stretch
        return bent, -np.log(stretch).sum(axis=1)

    def _squares(self, bent: Array) -> Array:
        """Squared distances from the centre in units of the scale: (S, d) -> (S,)."""
        z = (bent - self.centre)[:, self.by_role] @ self.whitener.T
        return np.einsum("ij,ij->i", z, z)

    @cached_property
    def common(self) -> NDArray[np.intp]:
        """Coordinates that no role has for itself, beside those of the weights."""
        layout = self.problem.layout
        rest = np.ones(layout.size, dtype=bool)
        rest[layout.own] = False
        rest[layout.table["gating"].where] = False
        return np.flatnonzero(rest)

    @cached_property
    def by_role(self) -> NDArray[np.intp]:
        """Coordinates of each role in turn, then what roles share, then contrasts of weights."""
        layout = self.problem.layout
        gating = np.arange(layout.size)[layout.table["gating"].where]
        return np.concatenate([layout.own.ravel(), self.common, gating])

    @cached_property
    def whitener(self) -> Array:
        """Inverse of the scale of the coordinates by role, lower triangular."""
        factor = np.linalg.qr(self.scale[self.by_role].T, mode="r").T
        return np.asarray(np.linalg.inv(factor))

    @cached_property
    def role_scales(self) -> Array:
        """Lower triangular scales of the coordinates of each role: (R, q, q)."""
        own = self.problem.layout.own
        covariance = self.scale @ self.scale.T
        return np.asarray(np.linalg.cholesky(covariance[own[:, :, None], own[:, None, :]]))

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
        bent, _ = self.bend(thetas)
        mean = weights @ bent
        gap = bent - mean
        covariance = (gap * weights[:, None]).T @ gap
        old = self.scale @ self.scale.T
        # Draws were in the scale's units: its covariance is df / (df - 2) times the scale.
        centre = trust * mean + (1.0 - trust) * self.centre
        scale = np.linalg.cholesky(trust * covariance + (1.0 - trust) * old)
        shape = replace(self, centre=centre, scale=scale)
        # The centre moved, and with it the bend.
        squares = shape._squares(shape.bend(thetas)[0])
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
    belongs to it, with a gate where gating columns are at their means; slopes of its gate follow
    their prior.  The part with fewer components may have an empty one itself.
    """

    problem: Problem
    active: Part
    mode: None = None

    @property
    def _beta(self) -> tuple[float, float]:
        """Counts of the empty component and of all others in the distribution of its weight."""
        c, K = self.problem.priors.weight_concentration, self.problem.layout.n_components
        return c, self.problem.unit_weight + (K - 1) * c

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
        if layout.shared_intercept:
            intercept = inner.intercept[:, :1]
        shared = list(layout.shared_columns)
        coef[..., shared] = inner.coef[:, :1, shared]
        drawn = [prior.sample(rng, (n, 1, 1)) for prior in problem.own_extra_priors]
        extra = np.concatenate([*drawn, inner.extra[:, :1, len(drawn) :]], axis=-1)
        slopes = rng.standard_normal((n, 1, layout.n_gating)) * priors.coef_scale
        slopes = inner.logits[..., 1:].mean(axis=1, keepdims=True) + slopes / self._spread
        weights = np.concatenate([inner.log_weights + full, empty], axis=1)
        gates = np.concatenate([inner.logits[..., 1:], slopes], axis=1)
        lines = np.concatenate([intercept[..., None], coef], axis=-1)
        return layout.collapse(
            Raw(
                np.concatenate([weights[..., None], gates], axis=-1),
                np.concatenate([inner.line, lines], axis=1),
                np.concatenate([inner.extra, extra], axis=1),
            )
        )

    def log_density(self, thetas: Array) -> Array:
        """Density with the empty component last: (S, d) -> (S,)."""
        components = self.problem.layout.expand(thetas)
        rest = log_prior_of_components(self.problem, components)[:, -1]
        empty, full = components.log_weights[:, -1], log_sum_exp(components.log_weights[:, :-1])
        rest += self._log_split(empty, full[:, 0])
        slopes = components.logits[..., 1:]
        apart = self._spread * (slopes[:, -1] - slopes[:, :-1].mean(axis=1))
        rest += _log_normal(apart, self.problem.priors.coef_scale).sum(axis=-1)
        return self.active.log_density(self._inner(components)) + rest

    @property
    def _spread(self) -> float:
        """How far in contrasts a slope of the gate is that is one from the mean of the others."""
        K = self.problem.layout.n_components
        return float(np.sqrt((K - 1.0) / K))

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


def log_prior_of_components(problem: Problem, components: Raw) -> Array:
    """Log prior of line and own dispersion of every component: (S, K)."""
    layout = problem.layout
    parts = [components.coef[..., list(layout.own_columns)]]
    if layout.fit_intercept and not layout.shared_intercept:
        parts.insert(0, components.intercept[..., None])
    parts.append(components.extra[..., : len(layout.own_extra_names)])
    # In one memory layout, or the kernel is compiled once more.
    values = np.ascontiguousarray(np.concatenate(parts, axis=-1))
    own = layout.own[0]
    # Not -1: a component may have no parameter of its own.
    rows = values.reshape(math.prod(values.shape[:-1]), len(own))
    total = log_priors(problem.prior_rows[own], rows)
    return np.asarray(total.reshape(values.shape[:-1]) + problem.prior_constants[own].sum())


def _log_normal(values: Array, scale: float) -> Array:
    return -0.5 * ((values / scale) ** 2 + np.log(2.0 * np.pi)) - np.log(scale)
