"""The posterior of rows that come in chunks and are not kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from ..._draws.approximation import own_labels
from ..._draws.draws import Draws
from ..._draws.importance import pareto_khat
from ..._draws.limits import far_off, khat_threshold, narrowness
from ..._model.density import LogPosterior
from ..._model.design import Design
from ..._model.layout import Layout
from ..._model.priors import NumericPriors
from ..._model.problem import Problem
from ..._search.mode_table import ModeTable
from ..._search.newton import GRADIENT_TOLERANCE, Polished, polish
from ..._support.arrays import Array
from ..._support.stored_table import StoredTable
from ...families._base import Family
from .mean_field import MeanField

# Rows of the last chunk from which the shape of the posterior beyond its curvature is estimated.
SHAPE_ROWS = 2000
# Root mean square, in standard errors, of what new rows say against earlier ones.
CONTRADICTION = 5.0
# Observations per parameter of a component without which its curvature is not looked at.
LEAST_COUNTS = 5.0
# New rows per parameter without which they are not held against earlier ones.
LEAST_ROWS = 20
# Whitened squared distance per parameter within which the mean of q belongs to a known mode.
NEAR_MODE = 4.0


@dataclass(frozen=True, eq=False)
class Belief:
    """A quadratic log posterior.

    Attributes
    ----------
    total : float
        Observations behind it.
    theta : ndarray of shape (d,)
        Its mode.
    scale : ndarray of shape (d, d)
        Lower Cholesky factor of its covariance.
    """

    total: float
    theta: Array
    scale: Array

    @cached_property
    def precision(self) -> Array:
        """Inverse of the covariance."""
        root = solve_triangular(self.scale, np.eye(len(self.scale)), lower=True)
        return root.T @ root

    def sd_ratio(self, q: MeanField) -> float:
        """Smallest ratio of an sd of q to the one from the curvature here.

        Of components with few rows for their parameters the curvature says little; they, and with
        them the weights, are left out.
        """
        own = q.layout.own
        poor = q.counts < LEAST_COUNTS * own.shape[1]
        use = np.ones(q.layout.size, dtype=bool)
        use[own[poor]] = False
        use[q.layout.table["gating"].where] = not poor.any()
        ratio = q.sd / np.linalg.norm(self.scale, axis=1)
        return float(ratio[use].min(initial=1.0))

    def contradiction(self, later: Belief) -> float:
        """How far later rows lie from these, per parameter, in standard errors.

        While rows come from one and the same model, the mode moves by a normal variable whose
        covariance is the difference of the two covariances.
        """
        root = solve_triangular(self.scale, later.scale, lower=True)
        values, vectors = np.linalg.eigh(np.eye(len(root)) - root @ root.T)
        moved = solve_triangular(self.scale, later.theta - self.theta, lower=True)
        # Directions of which the new rows say nothing.
        known = values > 1e-9
        squares = (vectors.T @ moved)[known] ** 2 / values[known]
        return float(np.sqrt(squares.sum() / len(moved)))


class _Remembered(LogPosterior):
    """Log posterior of the rows of a chunk, with earlier rows and the prior as a quadratic."""

    def __init__(self, chunk: Problem, earlier: Belief):
        super().__init__(chunk)
        self.earlier = earlier

    def value_gradient_hessian(self, theta: Array) -> tuple[float, float, Array, Array]:
        _, likelihood, gradient, hessian = super().value_gradient_hessian(theta)
        _, prior_gradient, prior_hessian = self.prior_terms(theta)
        gap = theta - self.earlier.theta
        pull = self.earlier.precision @ gap
        return (
            -0.5 * float(pull @ gap),
            likelihood,
            gradient - prior_gradient - pull,
            hessian - prior_hessian - self.earlier.precision,
        )


@dataclass(frozen=True, eq=False)
class Stream:
    r"""What is kept of the rows seen: a quadratic log posterior and second moments.

    A chunk moves the mode to the maximum of its own exact log-likelihood :math:`\ell` plus the
    quadratic of all rows before it,

    .. math::

        \theta_{t} = \arg\max \; \ell_t(\theta)
            - \tfrac12 (\theta - \theta_{t-1})^\top J_{t-1} (\theta - \theta_{t-1}), \qquad
        J_t = J_{t-1} - \nabla^2 \ell_t(\theta_t),

    so that :math:`\theta_t = \theta_{t-1} + J_{t-1}^{-1} \nabla \ell_t(\theta_t)`: a
    natural-gradient step in the metric of the mixture's own information (Amari 1998; Opper 1998),
    at the rate n / N at which an average over all rows weighs the new ones.  Steps in the metric
    of the complete data, as in stochastic variational Bayes, move at the speed of EM and lag
    behind by many standard deviations where components overlap.

    At a mode the gradient is zero, which ties the expected sufficient statistics of all rows to
    theta, but for the second moments of the columns, which are summed as they come.  From these
    statistics q follows by one update of coordinate ascent.

    Attributes
    ----------
    layout, priors, design, family : Layout, NumericPriors, Design, Family
        Those of the first chunk.
    modes : ModeTable
        Modes of the first chunk, for labels; ``table`` is the same in the user's units.
    failures : tuple of str
        What went wrong first; it stays.
    belief : Belief
        The present quadratic.
    past : tuple of Belief
        Two earlier ones, each from at most half of the observations of the next.
    second_moments : ndarray of shape (K, P (P + 1) / 2)
        Sums of r x~ x~', upper triangles by rows.
    chunks : int

    References
    ----------
    Amari, S. (1998). Natural gradient works efficiently in learning. Neural Computation 10,
    251-276.

    Opper, M. (1998). A Bayesian approach to on-line learning. In Saad, D. (ed.), On-line Learning
    in Neural Networks. Cambridge University Press.
    """

    layout: Layout
    priors: NumericPriors
    design: Design
    family: Family
    modes: ModeTable
    table: StoredTable
    failures: tuple[str, ...]
    belief: Belief
    past: tuple[Belief, ...]
    second_moments: Array
    chunks: int

    @classmethod
    def begin(cls, problem: Problem, modes: ModeTable, mean: Array) -> Stream:
        """The stream after its first chunk.

        Parameters
        ----------
        problem : Problem
        modes : ModeTable
        mean : ndarray of shape (d,)
            Mean of q: the stream goes on from the mode there.
        """
        density = LogPosterior(problem)
        known = [(_distance(mode.scale, mean - mode.theta), mode) for mode in modes.modes]
        distance, mode = min(known, key=lambda pair: pair[0])
        failures: tuple[str, ...] = ()
        if distance <= NEAR_MODE * problem.layout.size:
            theta, scale = mode.theta, mode.scale
        else:
            found = polish(density, mean)
            theta, scale = found.theta, found.scale
            if not found.definite or found.gradient_norm > GRADIENT_TOLERANCE:
                failures = (
                    "stream: the first chunk does not determine every component, so that later "
                    "ones have nothing to build on; begin with more rows or fewer components",
                )
        belief = Belief(problem.total_weight, theta, scale)
        return cls(
            problem.layout, problem.priors, problem.design, problem.family, modes,
            StoredTable.of(modes.to_frame(problem)), failures, belief, (belief,),
            _second_moments(density, theta), 1,
        )  # fmt: skip

    @property
    def total(self) -> float:
        """Observations seen."""
        return self.belief.total

    def check(self, chunk: Problem) -> None:
        """Reject a chunk that is seen by another model than the first one."""
        for name, first, now in (
            ("n_components", self.layout.n_components, chunk.layout.n_components),
            ("fit_intercept", self.layout.fit_intercept, chunk.layout.fit_intercept),
            ("family", repr(self.family), repr(chunk.family)),
            ("priors", self.priors, chunk.priors),
        ):
            if first != now:
                raise ValueError(
                    f"partial_fit: {name} was {first} in the first chunk and is {now} now; "
                    "call fit to begin again."
                )

    def updated(self, chunk: Problem) -> Stream:
        """After one more chunk; this one stays as it is."""
        density = _Remembered(chunk, self.belief)
        found = polish(density, self.belief.theta)
        later = Belief(self.total + chunk.total_weight, found.theta, found.scale)
        past = self.past
        if later.total >= 2.0 * past[-1].total:
            past = (*past[-1:], later)
        return replace(
            self, failures=self.failures or self._failures(found, later), belief=later, past=past,
            second_moments=self.second_moments + _second_moments(density, found.theta),
            chunks=self.chunks + 1,
        )  # fmt: skip

    def _failures(self, found: Polished, later: Belief) -> tuple[str, ...]:
        """What is wrong after the next chunk, which may contradict the last one or all before."""
        chunk = self.chunks + 1
        if not found.definite or found.gradient_norm > GRADIENT_TOLERANCE:
            return (
                f"stream: chunk {chunk} left no mode to go on from; begin with more rows or fewer "
                "components",
            )
        for earlier, rows in (
            (self.belief, f"chunk {chunk} contradicts"),
            (self.past[0], f"rows up to chunk {chunk} contradict"),
        ):
            if later.total - earlier.total >= LEAST_ROWS * self.layout.size:
                apart = earlier.contradiction(later)
                if not apart <= CONTRADICTION:
                    return (
                        f"stream: {rows} the first {earlier.total:g} observations: estimates move "
                        f"by {apart:.0f} standard errors per parameter (about 1 is expected, at "
                        f"most {CONTRADICTION:.0f} accepted); the data have changed, call fit on "
                        "recent rows",
                    )
        return ()

    @property
    def q(self) -> MeanField:
        """The approximation of the posterior of all rows seen."""
        return MeanField.from_statistics(
            self.layout, self.priors, self.belief.theta, self.statistics
        )

    @property
    def statistics(self) -> Array:
        """Expected sufficient statistics of all rows seen, from the gradient being zero."""
        layout, priors, total = self.layout, self.priors, self.total
        K, P = layout.n_components, layout.n_features + 1
        components = layout.expand(self.belief.theta)
        c = priors.weight_concentration
        counts = np.maximum(np.exp(components.log_weights) * (total + K * c) - c, 0.0)
        lines = components.line
        variances = np.exp(2.0 * components.extra[:, 0])
        met = np.maximum(self.second_moments[:, :1], np.finfo(float).tiny)
        packed = self.second_moments / met * counts[:, None]
        upper = np.triu_indices(P)
        moments = np.zeros((K, P, P))
        moments[:, upper[0], upper[1]] = moments[:, upper[1], upper[0]] = packed
        precision = np.full(P, priors.coef_scale**-2.0)
        precision[0] = priors.intercept_scale**-2.0
        pull = np.einsum("kij,kj->ki", moments, lines)
        products = pull + variances[:, None] * precision * lines
        of_prior = counts if not layout.shared_extras else counts / counts.sum() * total
        shares = np.ones(K) if not layout.shared_extras else counts / counts.sum()
        residual = variances * (of_prior + shares * variances / priors.sigma_ceiling**2)
        residual = np.maximum(residual - shares * priors.sigma_floor**2, 0.0)
        squares = residual + (lines * (2.0 * products - pull)).sum(axis=1)
        return np.concatenate([counts, packed.ravel(), products.ravel(), squares])

    def draws(self, chunk: Problem, rng: np.random.Generator, n: int, *, solver: str) -> Draws:
        """Draws from q, with k-hat in their report.

        k-hat is that of draws from q as proposals for the posterior of all rows, as far as the
        stream knows it: the quadratic of all rows, times what the rows of the last chunk (at most
        2000 of them, scaled to all rows) and the prior have beyond a quadratic.  A chunk of less
        than 20 rows per parameter says nothing of that.  k-hat sees sds that are too small,
        correlations and skewness, not modes elsewhere.

        Parameters
        ----------
        chunk : Problem
            The last chunk.
        rng : numpy.random.Generator
        n : int
        solver : str
            Name of the solver.
        """
        q = self.q
        thetas = q.sample(rng, n)
        log_prior = LogPosterior(chunk).log_prior(thetas)
        log_proposal = q.log_density(thetas)
        target = -0.5 * _distance(self.belief.scale, thetas - self.belief.theta)
        target = target + self._beyond_quadratic(chunk, rng, thetas)
        khat = pareto_khat(np.where(own_labels(chunk, thetas), target - log_proposal, -np.inf))
        threshold = khat_threshold(n)
        ratio = self.belief.sd_ratio(q)
        failures = [*self.failures, *narrowness(ratio, solver)]
        if not khat <= threshold:
            instead = "solver='auto' on rows that fit into memory"
            failures.append(far_off(solver, khat, threshold, instead))
        return Draws(
            theta=thetas[None],
            log_prior=log_prior[None],
            log_likelihood=None,
            log_proposal=log_proposal[None] - self.layout.log_labellings,
            solver=solver,
            report={
                "n_observations": self.total,
                "n_chunks": self.chunks,
                "khat": khat,
                "khat_threshold": threshold,
                "sd_ratio": ratio,
            },
            failures=failures,
            independent=True,
            weighs_modes=False,
        )

    def _beyond_quadratic(self, chunk: Problem, rng: np.random.Generator, thetas: Array) -> Array:
        """Terms of third and higher order of the log posterior around its mode: (S,)."""
        if chunk.n_rows < LEAST_ROWS * self.layout.size:
            return np.zeros(len(thetas))
        index = rng.permutation(chunk.n_rows)[:SHAPE_ROWS]
        density = LogPosterior(chunk.subset(index, chunk.weights[index]))
        scale = self.total / density.problem.total_weight
        theta = self.belief.theta
        _, likelihood, gradient, hessian = density.value_gradient_hessian(theta)
        prior, prior_gradient, prior_hessian = density.prior_terms(theta)
        gap = thetas - theta
        priors, likelihoods = density.values(thetas)
        out = priors - prior + scale * (likelihoods - likelihood)
        slope = prior_gradient + scale * (gradient - prior_gradient)
        curvature = prior_hessian + scale * (hessian - prior_hessian)
        return out - gap @ slope - 0.5 * np.einsum("si,ij,sj->s", gap, curvature, gap)


def _second_moments(density: LogPosterior, theta: Array) -> Array:
    """Sums of r x~ x~' over the rows, upper triangles by rows: (K, P (P + 1) / 2)."""
    K, P = density.layout.n_components, density.layout.n_features + 1
    size = P * (P + 1) // 2
    flat = density.weighted_moments(theta)[1 + K : 1 + K + K * size]
    return flat.reshape(K, size)


def _distance(scale: Array, gap: Array) -> Array:
    """Squared whitened lengths: (d,) or (S, d) -> () or (S,)."""
    return (solve_triangular(scale, gap.T, lower=True) ** 2).sum(axis=0)
