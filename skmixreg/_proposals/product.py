r"""Parts whose roles are independent, for where draws could be any of many relabellings.

A t distribution of all coordinates has a term for every relabelling, and where components are many
and few rows tell them apart, most of the K! count.  There its roles are taken as independent: a t
distribution for line and extras of each, and a Dirichlet distribution of the weights,

.. math::

    q(\theta) = \sqrt{R} \, \frac{\Gamma(\sum_r a_r)}{\prod_r \Gamma(a_r)}
        \prod_r w_r^{a_r} \, t_r(b_r, \log \sigma_r),

whose sum over relabellings is a permanent: 2^K K terms, by dynamic programming over subsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, polygamma, psi

from .._model.problem import Problem
from .._support.arrays import Array
from .._support.sampling import log_gamma_draws
from .._support.student import student_log_constant, student_log_kernel, student_noise
from .parts import StudentPart

# More relabellings than these, as far as distances from roles tell, are summed as a permanent.
MOST_RELABELLINGS = 200
# Distances of many roles one by one bound too little of what they are together.
MOST_JOINT_ROLES = 6
# Terms so far below the largest are not summed one by one.
NEGLIGIBLE_NATS = 18.0


@dataclass
class ProductPart:
    """The marginal distributions of the roles of a t distribution, taken as independent.

    Parameters
    ----------
    joint : StudentPart
    """

    joint: StudentPart

    @property
    def problem(self) -> Problem:
        """That of the joint distribution."""
        return self.joint.problem

    @property
    def mode(self) -> Array | None:
        """The mode that the part was made for."""
        return self.joint.mode

    @cached_property
    def common_scale(self) -> Array:
        """Scales of what the roles share, one by one."""
        return np.sqrt((self.joint.scale[self.joint.common] ** 2).sum(axis=1))

    @cached_property
    def counts(self) -> Array:
        """Dirichlet parameters with the mean and the total variance of the contrasts: (R,).

        Contrasts of logs of Gamma variates have means psi(a) and total variance (1 - 1 / R) times
        the sum of psi'(a).
        """
        problem, layout, joint = self.problem, self.problem.layout, self.joint
        R, at = layout.n_components, layout.table["gating"].where
        most = problem.unit_weight + R * problem.priors.weight_concentration
        if R == 1:
            return np.array([most])
        log_weights = layout.gating_basis @ joint.centre[at]
        log_weights -= log_weights.max()
        variance = (joint.scale[at] ** 2).sum() * joint.df / (joint.df - 2.0)

        def shapes(largest: float) -> Array:
            return np.asarray(_inverse_psi(psi(largest) + log_weights))

        def excess(log_largest: float) -> float:
            total = polygamma(1, shapes(np.exp(log_largest))).sum()
            return float(np.log(total * (1.0 - 1.0 / R) / variance))

        low, high = np.log(1e-3), np.log(most)
        largest = low if excess(low) < 0.0 else high
        if excess(low) > 0.0 > excess(high):
            largest = brentq(excess, low, high)
        counts = shapes(np.exp(largest))
        return np.asarray(counts * min(1.0, most / counts.sum()))

    @property
    def log_constant(self) -> float:
        """Log of all that depends on no coordinate."""
        q, df = self.joint.role_scales.shape[-1], self.joint.df
        counts = self.counts
        value = 0.5 * np.log(len(counts)) + gammaln(counts.sum()) - gammaln(counts).sum()
        value += len(counts) * student_log_constant(q, df)
        value -= np.log(np.abs(np.diagonal(self.joint.role_scales, axis1=1, axis2=2))).sum()
        value += (
            len(self.joint.common) * student_log_constant(1, df) - np.log(self.common_scale).sum()
        )
        return float(value)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws in the labelling of the centre: (n, d)."""
        layout, joint = self.problem.layout, self.joint
        thetas = np.empty((n, layout.size))
        log_weights = log_gamma_draws(rng, self.counts, (n, layout.n_components))
        thetas[:, layout.table["gating"].where] = log_weights @ layout.gating_basis
        for own, scale in zip(layout.own, self.joint.role_scales, strict=True):
            thetas[:, own] = student_noise(rng, n, len(own), joint.df) @ scale.T
        for i, scale in zip(joint.common, self.common_scale, strict=True):
            thetas[:, i] = scale * student_noise(rng, n, 1, joint.df)[:, 0]
        rest = np.concatenate([layout.own.ravel(), joint.common])
        thetas[:, rest] += joint.centre[rest]
        return joint.stretched(thetas)

    def log_density(self, thetas: Array) -> Array:
        """Density in the labelling of the centre: (S, d) -> (S,)."""
        layout, joint = self.problem.layout, self.joint
        bent, total = joint.bend(thetas)
        for own, scale in zip(layout.own, self.joint.role_scales, strict=True):
            z = np.linalg.solve(scale, (bent[:, own] - joint.centre[own]).T)
            total += student_log_kernel((z**2).sum(axis=0), len(own), joint.df)
        z = (bent[:, joint.common] - joint.centre[joint.common]) / self.common_scale
        total += student_log_kernel(z**2, 1, joint.df).sum(axis=1)
        return np.asarray(
            total + self.log_constant + layout.expand(thetas).log_weights @ self.counts
        )

    def adapted(self, thetas: Array, weights: Array) -> ProductPart:
        """The marginal distributions of the adapted joint one."""
        return ProductPart(self.joint.adapted(thetas, weights))


def _inverse_psi(values: Array) -> Array:
    """Newton's method, from Minka (2000), Estimating a Dirichlet distribution, appendix C."""
    x = np.where(
        values > -2.22, np.exp(np.minimum(values, 700.0)) + 0.5, -1.0 / (values - psi(1.0))
    )
    for _ in range(6):
        x = x - (psi(x) - values) / polygamma(1, x)
    return x


def with_few_terms(part: StudentPart, n_components: int) -> StudentPart | ProductPart:
    """A part, with independent roles where too many relabellings of its draws would count.

    Parameters
    ----------
    part : StudentPart
    n_components : int
        Those that play a role, and empty ones.
    """
    layout = part.problem.layout
    R, (_, q) = layout.n_components, layout.own.shape
    if R > MOST_JOINT_ROLES:
        return ProductPart(part)
    d, df = len(part.centre), part.df
    centres = part.centre[layout.own]
    near = np.empty((R, n_components), dtype=bool)
    # A draw is about d from the centre, and about q from that of its role.
    limit = df * ((1.0 + d / df) * np.exp(2.0 * NEGLIGIBLE_NATS / (df + d)) - 1.0)
    for role in range(R):
        z = np.linalg.solve(part.role_scales[role], (centres - centres[role]).T)
        near[role, :R] = (z**2).sum(axis=0) + q <= limit
        near[role, R:] = _distance_of_prior(part, role) <= limit
    if np.prod(near.sum(axis=1, dtype=float)) <= MOST_RELABELLINGS:
        return part
    return ProductPart(part) if _assignments(near) > MOST_RELABELLINGS else part


def _distance_of_prior(part: StudentPart, role: int) -> float:
    """Mean squared distance of the line of an empty component from a role."""
    layout, priors = part.problem.layout, part.problem.priors
    at = layout.own_lines[role]
    scale = np.full(len(at), priors.coef_scale)
    if layout.fit_intercept:
        scale[0] = priors.intercept_scale
    factor = part.scale[at]
    inverse = np.linalg.inv(factor @ factor.T)
    centre = part.centre[at]
    return float(centre @ inverse @ centre + (np.diagonal(inverse) * scale**2).sum())


def _assignments(near: NDArray[np.bool_]) -> int:
    """Number of ways to give every role a component that is near to it."""
    ways = {0: 1}
    for row in near:
        following: dict[int, int] = {}
        for taken, count in ways.items():
            for k in np.flatnonzero(row):
                bit = 1 << int(k)
                if not taken & bit:
                    following[taken | bit] = following.get(taken | bit, 0) + count
        ways = following
    return sum(ways.values())
