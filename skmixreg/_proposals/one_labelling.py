"""Mixture of t distributions around modes on the space where labels do not count.

Averaging a proposal over K! relabellings costs K! evaluations.  Here every part lives on one
labelling only: the draws that already are in the labels under which they resemble the part most.
A draw that is not counts as a proposal of density zero.  So

    E_q[p / qbar ; labels right] = integral of p,   qbar(theta) = (1 / K!) sum_m pi_m q_m(A_m theta)

with A_m theta the relabelling of theta that resembles part m most, holds exactly, for every K and
every rule A_m that does not depend on how theta was labelled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from .._model.problem import Problem
from .._search.alignment import Pivot
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .._support.sampling import systematic_counts
from .._support.student import student_log_constant, student_noise
from .one_labelling_kernels import part_log_densities

DF = 5.0
# A part is fitted to draws where it has this many per coordinate.
DRAWS_PER_COORDINATE = 5
# Every part keeps this share of the proposals, that no mode is forgotten.
LEAST_SHARE = 0.02


class ModeMixture:
    """Mixture over modes.

    Parameters
    ----------
    problem : Problem
    centres : ndarray of shape (n_parts, d)
    scales : ndarray of shape (n_parts, d, d)
        Lower triangular.
    shares : ndarray of shape (n_parts,)
        Proportional to the probabilities of the parts.
    """

    def __init__(self, problem: Problem, centres: Array, scales: Array, shares: Array):
        self.problem = problem
        self.centres = np.ascontiguousarray(centres)
        self.scales = np.ascontiguousarray(scales)
        self.shares = shares / shares.sum()
        layout, d = problem.layout, problem.layout.size
        pivots = [
            Pivot.from_mode(layout, centre, scale)
            for centre, scale in zip(centres, scales, strict=True)
        ]
        diagonal = np.abs(np.diagonal(self.scales, axis1=1, axis2=2))
        with np.errstate(divide="ignore"):
            constants = student_log_constant(d, DF) - np.log(diagonal).sum(axis=1)
            constants += np.log(self.shares)
        self._arguments = (
            layout.gating_basis,
            layout.forbidden,
            layout.own,
            layout.table["gating"].where.stop,
            self.centres,
            self.scales,
            constants,
            DF,
            np.stack([pivot.location for pivot in pivots]),
            np.stack([pivot.whitener for pivot in pivots]),
            np.stack([pivot.log_volume for pivot in pivots]),
        )

    @classmethod
    def from_modes(cls, problem: Problem, modes: ModeTable) -> ModeMixture:
        """Laplace's approximation of every mode, by its mass."""
        centres = np.stack([mode.theta for mode in modes.modes])
        scales = np.stack([mode.scale for mode in modes.modes])
        return cls(problem, centres, scales, modes.probabilities)

    def restricted(self, which: NDArray[np.intp]) -> ModeMixture:
        """Some of the parts."""
        shares = np.maximum(self.shares[which], np.finfo(float).tiny)
        return ModeMixture(self.problem, self.centres[which], self.scales[which], shares)

    def fitted(self, thetas: Array) -> ModeMixture:
        """Parts moved and scaled to the draws (S, d) nearest to them, shares to their numbers."""
        d = self.problem.layout.size
        densities, orders = self._evaluate(thetas)
        where = densities.argmax(axis=1)
        centres, scales = self.centres.copy(), self.scales.copy()
        for m in range(len(centres)):
            own = where == m
            if own.sum() >= DRAWS_PER_COORDINATE * d:
                aligned = self._relabelled(thetas[own], orders[own, m])
                centres[m] = aligned.mean(axis=0)
                covariance = np.cov(aligned, rowvar=False).reshape(d, d)
                # Chains that hardly moved leave a singular covariance.
                covariance += np.diag(0.02 * covariance.diagonal() + 1e-12)
                scales[m] = np.linalg.cholesky(covariance)
        counts = np.bincount(where, minlength=len(centres)) / max(len(where), 1)
        return ModeMixture(self.problem, centres, scales, np.maximum(counts, LEAST_SHARE))

    def log_density(self, thetas: Array) -> Array:
        """Log density, labels averaged: (S, d) -> (S,).

        Its integral is the share of `sample` that is right.
        """
        densities, _ = self._evaluate(thetas)
        return logsumexp(densities, axis=1) - self.problem.layout.log_labellings

    def nearest(self, thetas: Array) -> NDArray[np.intp]:
        """The part that gives a draw most of its density: (S, d) -> (S,).

        The same for every relabelling of a draw, hence a partition into regions.
        """
        return self._evaluate(thetas)[0].argmax(axis=1)

    def sample(
        self, rng: np.random.Generator, n: int
    ) -> tuple[Array, NDArray[np.bool_], NDArray[np.intp]]:
        """Draws.

        Returns
        -------
        thetas : ndarray of shape (n, d)
        right : ndarray of shape (n,)
            Whether a draw is in the labels of its part; the others count as draws of density 0.
        part : ndarray of shape (n,)
        """
        counts = systematic_counts(rng, self.shares, n)
        part = np.repeat(np.arange(len(counts)), counts)
        z = student_noise(rng, n, self.centres.shape[1], DF)
        thetas = np.empty_like(z)
        for m in np.flatnonzero(counts):
            thetas[part == m] = self.centres[m] + z[part == m] @ self.scales[m].T
        _, orders = self._evaluate(thetas)
        identity = np.arange(self.problem.layout.n_components)
        return thetas, (orders[np.arange(n), part] == identity).all(axis=1), part

    def _evaluate(self, thetas: Array) -> tuple[Array, NDArray[np.intp]]:
        """Log density of every part in its labels (S, n_parts), and these (S, n_parts, K)."""
        return part_log_densities(np.ascontiguousarray(thetas), *self._arguments)

    def _relabelled(self, thetas: Array, orders: NDArray[np.intp]) -> Array:
        layout = self.problem.layout
        return layout.collapse(layout.expand(thetas).permuted(orders))
