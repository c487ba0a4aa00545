"""Mixture of t distributions fitted to particles, evaluated for all of them at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._support.arrays import Array, log_sum_exp
from ..._support.student import student_log_constant, student_log_kernel, student_noise

DF = 6.0
# Effective particles per coordinate that a part must have to be added, and to be kept.
DRAWS_TO_ADD = 8.0
DRAWS_TO_KEEP = 2.0
ITERATIONS = 4
# Towards a part that is round in the units of all particles, where it has few of them.
SHRINKAGE = 0.2
ROUNDS = 3


class _Conditional(NamedTuple):
    """What the distribution of one block given the rest needs, for every part."""

    slopes: Array  # (M, b, r)
    scales: Array  # (M, b, b)
    whiteners: Array  # (M, r, r)
    log_volumes: Array  # (M,)


class ParticleMixture:
    """Mixture of normal distributions with t tails.

    Parameters
    ----------
    shares : ndarray of shape (M,)
    centres : ndarray of shape (M, d)
    covariances : ndarray of shape (M, d, d)
        Scale matrices of the t distributions.
    """

    def __init__(self, shares: Array, centres: Array, covariances: Array):
        self.shares = shares / shares.sum()
        self.centres = centres
        self.covariances = covariances
        self.scales = _safe_roots(covariances)
        M, d = centres.shape
        whiteners = np.linalg.inv(self.scales)
        # One product of matrices whitens all particles for all parts.
        self._whiten = np.ascontiguousarray(whiteners.reshape(M * d, d).T)
        self._offset = np.einsum("mij,mj->mi", whiteners, centres).ravel()
        self._log_volumes = log_diagonal(self.scales)
        self._blocks: dict[tuple[int, ...], _Conditional] = {}

    @classmethod
    def fitted(
        cls,
        thetas: Array,
        weights: Array,
        most_parts: int,
        rng: np.random.Generator,
        start: ParticleMixture | None = None,
    ) -> ParticleMixture:
        """Fit by expectation and maximisation, with the normal density.

        Parameters
        ----------
        thetas : ndarray of shape (S, d)
        weights : ndarray of shape (S,)
            Normalised.
        most_parts : int
            Parts to have if there are enough particles for them.
        rng : numpy.random.Generator
            Picks the particles at which parts are added.
        start : ParticleMixture, optional
        """
        fit = _Fit(thetas, weights)
        mixture = fit.step(fit.single() if start is None else start, 1)
        wanted = min(most_parts, int(fit.effective / (DRAWS_TO_ADD * thetas.shape[1])))
        for _ in range(ROUNDS):
            missing = wanted - len(mixture.shares)
            if missing <= 0:
                break
            at = rng.choice(len(thetas), size=min(missing, (most_parts + 2) // 3), p=weights)
            parents = mixture.log_parts(thetas[at]).argmax(axis=1)
            mixture = cls(
                np.concatenate([0.7 * mixture.shares, np.full(len(at), 0.3 / len(at))]),
                np.concatenate([mixture.centres, thetas[at]]),
                np.concatenate([mixture.covariances, mixture.covariances[parents]]),
            )
            mixture = fit.step(mixture, ITERATIONS)
        return fit.step(mixture, ITERATIONS)

    def joined(self, other: ParticleMixture, share: float) -> ParticleMixture:
        """The mixture of both, in which the other has the given share."""
        return ParticleMixture(
            np.concatenate([(1.0 - share) * self.shares, share * other.shares]),
            np.concatenate([self.centres, other.centres]),
            np.concatenate([self.covariances, other.covariances]),
        )

    def log_parts(self, thetas: Array) -> Array:
        """Log normal density times share of every part: (S, d) -> (S, M)."""
        d = thetas.shape[1]
        constants = np.log(self.shares) - self._log_volumes - 0.5 * d * np.log(2.0 * np.pi)
        return np.asarray(constants - 0.5 * self._squares(thetas))

    def log_responsibilities(self, thetas: Array) -> Array:
        """Log probability of every part given the particle: (S, d) -> (S, M)."""
        parts = self.log_parts(thetas)
        return np.asarray(parts - log_sum_exp(parts))

    def log_density(self, thetas: Array) -> Array:
        """Log density of the t mixture: (S, d) -> (S,)."""
        d = thetas.shape[1]
        parts = self._log_student(self._squares(thetas), d, self._log_volumes)
        return np.asarray(log_sum_exp(parts)[:, 0])

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Independent draws of the t mixture: (n, d)."""
        part = rng.choice(len(self.shares), size=n, p=self.shares)
        z = student_noise(rng, n, self.centres.shape[1], DF)
        return self.centres[part] + _rows_times(self.scales[part], z)

    def sample_block(self, rng: np.random.Generator, thetas: Array, block: Array) -> Array:
        """Particles with the coordinates of a block drawn from their distribution given the rest.

        The conditional distributions of a multivariate t are t again (Ding 2016, "On the
        conditional distribution of the multivariate t distribution").

        Parameters
        ----------
        rng : numpy.random.Generator
        thetas : ndarray of shape (S, d)
        block : ndarray of int of shape (b,)
            Not all coordinates.
        """
        n, d = thetas.shape
        rest = np.setdiff1d(np.arange(d), block)
        given = self._conditional(block, rest)
        gap = thetas[:, None, rest] - self.centres[:, rest]
        white = np.einsum("mij,smj->smi", given.whiteners, gap, optimize=True)
        squares = np.einsum("smi,smi->sm", white, white)
        log_parts = self._log_student(squares, len(rest), given.log_volumes)
        part = draw_index(rng, np.exp(log_parts - log_sum_exp(log_parts)))
        each = np.arange(n)
        df = DF + len(rest)
        stretch = np.sqrt((DF + squares[each, part]) / df / (rng.chisquare(df, n) / df))
        noise = _rows_times(given.scales[part], rng.standard_normal((n, len(block))))
        out = thetas.copy()
        out[:, block] = (
            self.centres[part][:, block]
            + _rows_times(given.slopes[part], gap[each, part])
            + stretch[:, None] * noise
        )
        return out

    def _conditional(self, block: Array, rest: Array) -> _Conditional:
        key = tuple(int(i) for i in block)
        if key not in self._blocks:
            of_rest = self.covariances[:, rest[:, None], rest]
            across = self.covariances[:, rest[:, None], block]
            slopes = np.swapaxes(np.linalg.solve(of_rest, across), 1, 2)
            inner = self.covariances[:, block[:, None], block] - slopes @ across
            inner = 0.5 * (inner + np.swapaxes(inner, 1, 2))
            roots = np.linalg.cholesky(of_rest)
            self._blocks[key] = _Conditional(
                slopes, _safe_roots(inner), np.linalg.inv(roots), log_diagonal(roots)
            )
        return self._blocks[key]

    def _squares(self, thetas: Array) -> Array:
        """Squared distances from every part in its scale: (S, M)."""
        M, d = self.centres.shape
        white = (thetas @ self._whiten - self._offset).reshape(-1, M, d)
        return np.asarray(np.einsum("smi,smi->sm", white, white))

    def _log_student(self, squares: Array, size: int, log_volumes: Array) -> Array:
        constants = np.log(self.shares) + student_log_constant(size, DF) - log_volumes
        return np.asarray(constants + student_log_kernel(squares, size, DF))


class _Fit:
    """Weighted particles, whitened as a whole: parts are shrunk to round ones in these units."""

    def __init__(self, thetas: Array, weights: Array):
        d = thetas.shape[1]
        self.weights = weights
        self.effective = float(1.0 / (weights**2).sum())
        self.mean = weights @ thetas
        gap = thetas - self.mean
        covariance = (gap * weights[:, None]).T @ gap
        covariance += np.diag(1e-9 * covariance.diagonal() + 1e-300)
        self.root = _safe_roots(covariance[None])[0]
        self.thetas = thetas
        self.white = gap @ np.linalg.inv(self.root).T
        self._upper = np.triu_indices(d)
        self._products = self.white[:, self._upper[0]] * self.white[:, self._upper[1]]

    def single(self) -> ParticleMixture:
        """One part with the moments of all particles."""
        return ParticleMixture(np.ones(1), self.mean[None], (self.root @ self.root.T)[None])

    def step(self, mixture: ParticleMixture, iterations: int) -> ParticleMixture:
        """Iterations; parts that are left with too few particles are dropped."""
        d = len(self.mean)
        for _ in range(iterations):
            share = np.exp(mixture.log_responsibilities(self.thetas)) * self.weights[:, None]
            total = share.sum(axis=0)
            kept = total * self.effective > DRAWS_TO_KEEP * (d + 1)
            kept[total.argmax()] = True
            share, total = share[:, kept], total[kept]
            centres = share.T @ self.white / total[:, None]
            second = np.empty((len(total), d, d))
            second[:, self._upper[0], self._upper[1]] = share.T @ self._products / total[:, None]
            second[:, self._upper[1], self._upper[0]] = second[:, self._upper[0], self._upper[1]]
            second -= centres[:, :, None] * centres[:, None, :]
            diagonal = np.maximum(np.diagonal(second, axis1=1, axis2=2), 1e-12)
            shrunk = SHRINKAGE * d / (total * self.effective + d)
            covariances = (1.0 - shrunk[:, None, None]) * second
            at = np.arange(d)
            covariances[:, at, at] = (1.0 + 1e-9) * diagonal
            mixture = ParticleMixture(
                total,
                self.mean + centres @ self.root.T,
                self.root @ covariances @ self.root.T,
            )
        return mixture


def draw_index(rng: np.random.Generator, probabilities: Array) -> NDArray[np.intp]:
    """One column per row, with the probabilities of the row: (S, M) -> (S,)."""
    edges = np.cumsum(probabilities, axis=1)
    edges /= edges[:, -1:]
    return np.asarray((edges < rng.random((len(edges), 1))).sum(axis=1), dtype=np.intp)


def _rows_times(matrices: Array, vectors: Array) -> Array:
    return np.asarray(np.matmul(matrices, vectors[..., None])[..., 0])


def log_diagonal(roots: Array) -> Array:
    """Logs of the absolute determinants of triangular matrices: (M, d, d) -> (M,)."""
    return np.asarray(np.log(np.abs(np.diagonal(roots, axis1=1, axis2=2))).sum(axis=1))


def _safe_roots(covariances: Array) -> Array:
    """Cholesky factors; where rounding left a matrix indefinite, of its absolute value."""
    try:
        return np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariances)
        values = np.maximum(np.abs(values), 1e-14 * np.abs(values).max(axis=-1, keepdims=True))
        roots = vectors * np.sqrt(values)[:, None, :]
        triangular = np.swapaxes(np.linalg.qr(np.swapaxes(roots, 1, 2), mode="r"), 1, 2)
        signs = np.sign(np.diagonal(triangular, axis1=1, axis2=2))
        return np.asarray(triangular * signs[:, None, :])
