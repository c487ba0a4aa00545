"""Moves of particles that leave a tempered posterior as it is.

The tempered posterior is symmetric in labels: its restriction to the particles that are in the
labels of the population (`Labels`) says all there is to say, and proposals that leave these are
rejected.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from ..._model.density import LogPosterior
from ..._model.problem import Problem
from ..._proposals.parts import log_prior_of_components
from ..._support.arrays import Array
from ..._support.sampling import log_beta_draws
from ..._support.student import student_log_constant, student_log_kernel, student_noise
from .mixture import ParticleMixture, draw_index
from .particles import Labels, Population, component_prior_draws

# Scales of random walks: factors of ten around the best one for a normal distribution.
WALK_DECADES = (-1.5, 0.2)
# Replacements that are hardly ever accepted are tried in one of so many cycles.
RARE = 0.003
RARELY = 8
REPLACEMENT_DF = 4.0


class Moves:
    """Metropolis steps of all particles at once, at one inverse temperature.

    Parameters
    ----------
    density : LogPosterior
    beta : float
        Inverse temperature: the power of the likelihood.
    population : Population
        In the labels of the population; changed in place.
    labels : Labels
    local : ParticleMixture
        Fitted to particles; its parts are the shapes of random walks.
    proposal : ParticleMixture
        Where independent draws come from.
    rng : numpy.random.Generator

    Attributes
    ----------
    accepted : dict of lists of float
        Acceptance rates by the name of the move.
    """

    def __init__(
        self,
        density: LogPosterior,
        beta: float,
        population: Population,
        labels: Labels,
        local: ParticleMixture,
        proposal: ParticleMixture,
        rng: np.random.Generator,
    ):
        self.density = density
        self.problem: Problem = density.problem
        self.beta = beta
        self.population = population
        self.labels = labels
        self.local = local
        self.proposal = proposal
        self.rng = rng
        self.cycles = 0
        self.accepted: dict[str, list[float]] = {}
        self._start = _ranks(population)
        self._log_proposal = proposal.log_density(population.theta)
        layout = self.problem.layout
        self._replaceable = layout.n_components > 1 and layout.own.shape[1] > 0
        if self._replaceable:
            self._component_root = self._spread_of_components()

    def cycle(self) -> None:
        """One step of every kind for all particles."""
        K = self.problem.layout.n_components
        self.refresh()
        if K > 1:
            self.refresh_component(self.cycles % K)
        if self._replaceable and (self.cycles % RARELY == 0 or self.accepted["replace"][-1] > RARE):
            self.replace()
        self.walk()
        self.cycles += 1

    def correlations(self) -> Array:
        """Rank correlations of particles with where they started: (d + 1,).

        Over coordinates and the log-likelihood, which tells whether particles have passed between
        regions where the data are fitted well and badly.
        """
        return np.asarray((self._start * _ranks(self.population)).mean(axis=0))

    def refresh(self) -> None:
        """Independent draws of all coordinates."""
        new = self.proposal.sample(self.rng, len(self.population.theta))
        self._independence_step("refresh", new)

    def refresh_component(self, label: int) -> None:
        """Independent draws of one component and the weights, given the other components."""
        layout = self.problem.layout
        gating = np.arange(layout.n_components - 1)
        block = np.concatenate([gating, layout.own[label]])
        new = self.proposal.sample_block(self.rng, self.population.theta, block)
        # What is conditioned on cancels: the ratio of conditionals is that of joint densities.
        self._independence_step("refresh_component", new)

    def walk(self) -> None:
        """A random walk whose shape is that of the part a particle belongs to.

        The part is drawn with its responsibility for the particle; Metropolis and Hastings' ratio
        holds the odds of drawing it again on the way back.
        """
        theta, rng = self.population.theta, self.rng
        n, d = theta.shape
        responsible = self.local.log_responsibilities(theta)
        part = draw_index(rng, np.exp(responsible))
        scale = 2.38 / np.sqrt(d) * 10.0 ** rng.uniform(*WALK_DECADES, size=(n, 1))
        step = np.matmul(self.local.scales[part], rng.standard_normal((n, d, 1)))[..., 0]
        new = theta + scale * step
        each = np.arange(n)
        back = self.local.log_responsibilities(new)[each, part] - responsible[each, part]
        self._update(self._step("walk", new, back))

    def replace(self) -> None:
        """One component leaves its place for one near another component or in the prior.

        Component b is drawn anew, from its prior or from a t distribution around another
        component a; a and b share their weights anew, as in the prior or as if b were empty.
        Components that stand empty come and go this way.
        """
        problem, layout, rng = self.problem, self.problem.layout, self.rng
        theta = self.population.theta
        n, K = len(theta), layout.n_components
        each = np.arange(n)
        b = rng.integers(K, size=n)
        a = (b + rng.integers(1, K, size=n)) % K
        old = layout.expand(theta)

        anchor = theta[each[:, None], layout.own[a]]
        drawn = component_prior_draws(problem, rng, (n,))
        noise = student_noise(rng, n, drawn.shape[1], REPLACEMENT_DF)
        near = rng.random(n) < 0.5
        drawn[near] = (anchor + noise @ self._component_root.T)[near]
        new = theta.copy()
        new[each[:, None], layout.own[b]] = drawn

        log_a, log_b = old.log_weights[each, a], old.log_weights[each, b]
        both = np.logaddexp(log_a, log_b)
        c = problem.priors.weight_concentration
        rest = c + self.beta * problem.total_weight * np.exp(both)
        as_if_empty = rng.random(n) < 0.5
        log_v, log_1mv = log_beta_draws(rng, np.full(n, c), np.where(as_if_empty, rest, c))
        log_weights = old.log_weights.copy()
        log_weights[each, b], log_weights[each, a] = both + log_v, both + log_1mv
        new[:, layout.table["gating"].where] = log_weights @ layout.gating_basis

        def log_drawn(vector: Array, log_v: Array, log_1mv: Array) -> Array:
            values = vector[each[:, None], layout.own[b]]
            prior = log_prior_of_components(problem, layout.expand(vector))[each, b]
            # Weights enter as v (1 - v) times a Beta density, which is what theta's measure asks.
            share = np.logaddexp(
                c * (log_v + log_1mv) - betaln(c, c), c * log_v + rest * log_1mv - betaln(c, rest)
            )
            return np.logaddexp(prior, self._log_near(values - anchor)) + share

        hastings = log_drawn(theta, log_b - both, log_a - both) - log_drawn(new, log_v, log_1mv)
        self._update(self._step("replace", new, hastings, relabel=True))

    def _log_near(self, gap: Array) -> Array:
        """Log density of the t distribution around another component: (n, m) -> (n,)."""
        m = gap.shape[1]
        squares = (np.linalg.solve(self._component_root, gap.T) ** 2).sum(axis=0)
        constant = student_log_constant(m, REPLACEMENT_DF)
        constant -= np.log(np.diagonal(self._component_root)).sum()
        return np.asarray(constant + student_log_kernel(squares, m, REPLACEMENT_DF))

    def _spread_of_components(self) -> Array:
        """Root of the covariance of components around their means, the same for all labels."""
        layout, theta = self.problem.layout, self.population.theta
        weights = np.exp(layout.expand(theta).log_weights)
        values = theta[:, layout.own]
        means = np.einsum("sk,skm->km", weights, values) / weights.sum(axis=0)[:, None]
        gap = (values - means).reshape(-1, values.shape[-1])
        covariance = (gap * weights.reshape(-1, 1)).T @ gap / weights.sum()
        covariance += np.diag(1e-9 * covariance.diagonal() + 1e-12)
        return np.linalg.cholesky(covariance)

    def _update(self, rows: NDArray[np.intp]) -> None:
        if len(rows):
            self._log_proposal[rows] = self.proposal.log_density(self.population.theta[rows])

    def _independence_step(self, name: str, new: Array) -> None:
        log_proposal = self.proposal.log_density(new)
        rows = self._step(name, new, self._log_proposal - log_proposal)
        self._log_proposal[rows] = log_proposal[rows]

    def _step(
        self, name: str, new: Array, hastings: Array, *, relabel: bool = False
    ) -> NDArray[np.intp]:
        """Metropolis and Hastings' acceptance; which particles moved.

        Particles that would leave their labels stay; with ``relabel`` they take the right ones,
        which is for moves that do not depend on labels.
        """
        population, beta = self.population, self.beta
        trial = Population.at(self.density, new)
        with np.errstate(invalid="ignore"):
            gain = trial.tempered(beta) - population.tempered(beta) + hastings
            rows = np.flatnonzero(np.log(self.rng.random(len(new))) < gain)
        if len(rows):
            if relabel:
                trial.theta[rows] = self.labels.apply(new[rows])
            else:
                rows = rows[self.labels.right(new[rows])]
            population.put(rows, trial.take(rows))
        self.accepted.setdefault(name, []).append(len(rows) / len(new))
        return rows


def _ranks(population: Population) -> Array:
    """Ranks in every coordinate and of the log-likelihood, with mean 0 and variance 1."""
    values = np.column_stack([population.theta, population.log_likelihood])
    n = len(values)
    ranks = np.argsort(np.argsort(values, axis=0), axis=0) - 0.5 * (n - 1)
    return np.asarray(ranks / np.sqrt((n * n - 1.0) / 12.0))
