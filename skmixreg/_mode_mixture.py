"""Mixture of t distributions around modes on the space where labels do not count.

Averaging a proposal over K! relabellings costs K! evaluations.  Here every part lives on one
labelling only: the draws that already are in the labels under which they resemble the part most.
A draw that is not counts as a proposal of density zero.  So

    E_q[p / qbar ; labels right] = integral of p,   qbar(theta) = (1 / K!) sum_m pi_m q_m(A_m theta)

with A_m theta the relabelling of theta that resembles part m most, holds exactly, for every K and
every rule A_m that does not depend on how theta was labelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from ._alignment import Pivot
from ._blocks import Array
from ._mode_table import ModeTable
from ._problem import Problem
from ._proposal import StudentPart

DF = 5.0
# A part is fitted to draws where it has this many per coordinate.
DRAWS_PER_COORDINATE = 5
# Every part keeps this share of the proposals, that no mode is forgotten.
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Part:
    """One t distribution and the rule that labels draws for it."""

    student: StudentPart
    pivot: Pivot

    @classmethod
    def around(cls, problem: Problem, centre: Array, scale: Array) -> Part:
        """Part with the given centre (d,) and lower triangular scale (d, d)."""
        pivot = Pivot.from_mode(problem.blocks, centre, scale)
        return cls(StudentPart(problem, centre, scale, DF), pivot)

    def orders(self, thetas: Array) -> NDArray[np.intp]:
        """Labels under which draws resemble this part most: (S, K)."""
        orders, _ = self.pivot.align(self.student.problem.blocks.unpack(thetas))
        return orders

    def aligned(self, thetas: Array) -> Array:
        """Draws in these labels: (S, d) -> (S, d)."""
        blocks = self.student.problem.blocks
        components = blocks.unpack(thetas)
        orders, _ = self.pivot.align(components)
        return blocks.pack(components.permuted(orders))


class ModeMixture:
    """Mixture over modes.

    Parameters
    ----------
    problem : Problem
    parts : list of Part
    shares : ndarray of shape (n_parts,)
        Proportional to the probabilities of the parts.
    """

    def __init__(self, problem: Problem, parts: list[Part], shares: Array):
        self.problem = problem
        self.parts = parts
        self.shares = shares / shares.sum()

    @classmethod
    def from_modes(cls, problem: Problem, modes: ModeTable) -> ModeMixture:
        """Laplace's approximation of every mode, by its mass."""
        parts = [Part.around(problem, mode.theta, mode.scale) for mode in modes.modes]
        return cls(problem, parts, modes.probabilities)

    def restricted(self, which: NDArray[np.intp]) -> ModeMixture:
        """Some of the parts."""
        return ModeMixture(self.problem, [self.parts[m] for m in which], self.shares[which])

    def fitted(self, thetas: Array, where: NDArray[np.intp] | None = None) -> ModeMixture:
        """Parts moved and scaled to the draws nearest to them, shares to their numbers.

        Parameters
        ----------
        thetas : ndarray of shape (S, d)
        where : ndarray of shape (S,), optional
            Parts of the draws; the nearest by default.
        """
        where = self.nearest(thetas) if where is None else where
        d = self.problem.blocks.size
        parts = []
        for m, part in enumerate(self.parts):
            own = thetas[where == m]
            if len(own) >= DRAWS_PER_COORDINATE * d:
                aligned = part.aligned(own)
                covariance = np.cov(aligned, rowvar=False).reshape(d, d)
                # A chain that hardly moved leaves a singular covariance: keep a little of before.
                covariance += 0.02 * np.diag(covariance.diagonal() + 1e-12)
                part = Part.around(
                    self.problem, aligned.mean(axis=0), np.linalg.cholesky(covariance)
                )
            parts.append(part)
        counts = np.bincount(where, minlength=len(parts)) / max(len(where), 1)
        return ModeMixture(self.problem, parts, np.maximum(counts, LEAST_SHARE))

    def log_parts(self, thetas: Array) -> Array:
        """Log of every term of the density: (S, d) -> (S, n_parts)."""
        constant = gammaln(self.problem.blocks.n_components + 1.0)
        terms = [part.student.log_density(part.aligned(thetas)) for part in self.parts]
        with np.errstate(divide="ignore"):
            return np.stack(terms, axis=1) + np.log(self.shares) - constant

    def log_density(self, thetas: Array) -> Array:
        """Log density, labels averaged: (S, d) -> (S,); it integrates to the share of `sample`
        that is right."""
        return logsumexp(self.log_parts(thetas), axis=1)

    def nearest(self, thetas: Array) -> NDArray[np.intp]:
        """The part that gives a draw most of its density: (S, d) -> (S,).

        The same for every relabelling of a draw, hence a partition into regions.
        """
        if len(self.parts) == 1:
            return np.zeros(len(thetas), dtype=np.intp)
        return self.log_parts(thetas).argmax(axis=1)

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
        edges = np.concatenate([[0.0], np.cumsum(self.shares)])
        edges[-1] = 1.0
        counts = np.diff(np.floor(edges * n + rng.random()).astype(int))
        thetas, right = [], []
        identity = np.arange(self.problem.blocks.n_components)
        for part, count in zip(self.parts, counts, strict=True):
            if count:
                thetas.append(part.student.sample(rng, int(count)))
                right.append((part.orders(thetas[-1]) == identity).all(axis=1))
        where = np.repeat(np.arange(len(self.parts)), counts)
        return np.concatenate(thetas), np.concatenate(right), where
