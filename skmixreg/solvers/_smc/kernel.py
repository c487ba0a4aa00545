"""PyMC's sequential Monte Carlo with moves of our own.

Imported where it is used: it needs PyMC when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymc.smc.kernels import SMC_KERNEL
from scipy.special import logsumexp

from ..._model.density import LogPosterior
from ..._model.problem import Problem
from ..._pymc.coordinates import log_jacobian, value_map
from ..._support.arrays import Array
from ..._support.progress import Progress
from .mixture import ParticleMixture
from .moves import Moves
from .particles import Labels, Modes, Population, prior_draws

MOST_PARTS = 12
# States passed by a group in a stage, that a mixture of the next one is fitted to.
HISTORY = 2000
HISTORY_PER_CYCLE = 500
# A group of particles that falls below this share of all is filled up from the other.
SMALLEST_GROUP = 0.1
# Particles to climb from: most while modes form.
CLIMBING_STAGES = 8
CLIMBS = 24
LATER_CLIMBS = 2
SHARE_OF_MODES = 0.15
LEAST_CYCLES = 3
SMALLEST_STEP = 1e-12
# What a chain counts as where it is reported how far it is.
CHAIN_STEPS = 100


class Run(NamedTuple):
    """One chain: a population brought from the prior to the posterior.

    Attributes
    ----------
    population : Population
    log_evidence : float
        Standardised units.
    betas : list of float
        Inverse temperatures of the stages.
    cycles : list of int
        Cycles of moves per stage.
    correlations : list of float
        What was left, after each stage, of the correlation of particles with where they started.
    """

    population: Population
    log_evidence: float
    betas: list[float]
    cycles: list[int]
    correlations: list[float]


class ParticleKernel(SMC_KERNEL):
    """Moves that learn where particles are, evaluated for all of them at once.

    Parameters
    ----------
    problem : Problem
        That of the model.
    runs : list of Run
        Every chain is added to it: PyMC returns neither densities nor, for chains with unequal
        numbers of stages, regular arrays.
    correlation_threshold : float
    max_cycles : int
    progress : Progress
    advance : callable
        ``advance(n)`` counts steps, of which a chain makes `CHAIN_STEPS`.
    """

    beta: float

    def __init__(
        self,
        *args: Any,
        problem: Problem,
        runs: list[Run],
        correlation_threshold: float,
        max_cycles: int,
        progress: Progress,
        advance: Callable[[int], None],
        **options: Any,
    ):
        super().__init__(*args, **options)
        self.problem = problem
        self.density = LogPosterior(problem)
        self.runs = runs
        self.correlation_threshold = correlation_threshold
        self.max_cycles = max_cycles
        self.progress, self.advance = progress, advance
        # theta = M q for the raveled value variables q of the model.
        self._from_values = value_map(problem.layout)
        self._to_values = np.linalg.inv(self._from_values)
        self._shift = log_jacobian(problem.layout)

    def initialize_population(self) -> dict[str, Array]:
        values = prior_draws(self.problem, self.rng, self.draws) @ self._to_values.T
        sizes = [size for _, size in self.var_info.values()]
        parts = np.split(values, np.cumsum(sizes)[:-1], axis=1)
        return {
            name: part.reshape(self.draws, *shape)
            for (name, (shape, _)), part in zip(self.var_info.items(), parts, strict=True)
        }

    def setup_kernel(self) -> None:
        theta = self.tempered_posterior @ self._from_values.T
        self._store(Population.at(self.density, theta))
        # Particles of a chain form two groups without common ancestors, one after the other, and
        # move by proposals fitted to the other group.  A proposal fitted to the particles that it
        # moves is too dense where they are, and drives them out of regions where they are few.
        self._border = self.draws // 2
        population = self._population()
        self._history = [[population.take(rows)] for rows in self._groups()]
        self._labels = Labels(self.problem.layout)
        self._modes = Modes(self.density, 1.0 / theta.var(axis=0))
        self._mixtures: list[ParticleMixture | None] = [None, None]
        self._moves: list[Moves] = []
        self._previous_beta = 0.0
        self._betas: list[float] = []
        self._cycles: list[int] = []
        self._correlations: list[float] = []
        self._steps = 0

    def update_beta_and_weights(self) -> None:
        """The next inverse temperature, to a relative precision.

        PyMC's own search stops at 1e-6, which for many rows is more than the first steps.
        """
        self.iteration += 1
        self._previous_beta = self.beta
        left = 1.0 - self.beta
        step = left
        if self._effective_share(left) < self.threshold:
            low, high = SMALLEST_STEP, left
            while high > 1.0001 * low:
                step = float(np.sqrt(low * high))
                if self._effective_share(step) < self.threshold:
                    high = step
                else:
                    low = step
            self.beta += low
            step = low
        else:
            self.beta = 1.0
        log_weights = step * self.likelihood_logp
        total = logsumexp(log_weights)
        self.weights = np.exp(log_weights - total)
        self.weights /= self.weights.sum()
        self.log_marginal_likelihood += total - np.log(self.draws)

    def resample(self) -> None:
        """Resample, in the order of the ancestors."""
        super().resample()
        self._border = int((self.resampling_indexes < self._border).sum())
        if not SMALLEST_GROUP < self._border / self.draws < 1.0 - SMALLEST_GROUP:
            self._border = self.draws // 2

    def tune(self) -> None:
        """Learn labels, modes and shape from the states passed in the stage before."""
        histories = [self._weighted(Population.joined(parts)) for parts in self._history]
        population = self._population()
        climbs = CLIMBS if self.iteration <= CLIMBING_STAGES else LATER_CLIMBS
        starts = self.rng.choice(self.draws, min(climbs, self.draws), replace=False)
        self._modes.climb(population.theta[starts])
        best = self._modes.best()
        if best is None:
            self._labels.follow_population(*histories[0])
        else:
            self._labels.follow_modes(*best)
        population.theta = self._labels.apply(population.theta)
        around_modes = self._modes.mixture(self.beta, self._labels)
        self._moves = []
        for group, rows in enumerate(self._groups()):
            theta, weights = histories[1 - group]
            local = ParticleMixture.fitted(
                self._labels.apply(theta), weights, MOST_PARTS, self.rng, self._mixtures[group]
            )
            self._mixtures[group] = local
            proposal = local if around_modes is None else local.joined(around_modes, SHARE_OF_MODES)
            self._moves.append(
                Moves(
                    self.density, self.beta, population.take(rows), self._labels, local, proposal,
                    self.rng,
                )
            )  # fmt: skip

    def mutate(self) -> None:
        """Cycles of moves until particles have forgotten where they started."""
        self._history = [[], []]
        cycles, correlation = 0, 1.0
        while cycles < self.max_cycles:
            cycles += 1
            for moves, history in zip(self._moves, self._history, strict=True):
                moves.cycle()
                n = len(moves.population.theta)
                some = self.rng.choice(n, min(n, HISTORY_PER_CYCLE), replace=False)
                history.append(moves.population.take(some))
            if cycles >= LEAST_CYCLES:
                sizes = [len(moves.population.theta) for moves in self._moves]
                by_group = [moves.correlations() for moves in self._moves]
                correlation = float(np.average(by_group, axis=0, weights=sizes).max())
                if correlation <= self.correlation_threshold:
                    break
        self._store(Population.joined([moves.population for moves in self._moves]))
        self._betas.append(self.beta)
        self._cycles.append(cycles)
        self._correlations.append(correlation)
        self._report()

    def sample_stats(self) -> dict[str, float]:
        return {"log_marginal_likelihood": self.log_marginal_likelihood, "beta": self.beta}

    def sample_settings(self) -> dict[str, float]:
        """Called at the end of every chain, which is recorded here."""
        self.runs.append(
            Run(
                self._population(),
                float(self.log_marginal_likelihood + self.problem.log_scale),
                self._betas,
                self._cycles,
                self._correlations,
            )
        )
        return {"threshold": self.threshold}

    def _report(self) -> None:
        # Inverse temperatures grow by about the same factor from stage to stage.
        from_first, to_go = np.log(self.beta / self._betas[0]), -np.log(self.beta)
        steps = int(CHAIN_STEPS * (from_first + 1.0) / (from_first + 1.0 + to_go))
        self.advance(steps - self._steps)
        self._steps = steps
        rates = ", ".join(
            f"{name} {np.mean(values):.2f}" for name, values in self._moves[0].accepted.items()
        )
        self.progress.say(
            f"smc: chain {len(self.runs)}, stage {self.iteration}, beta {self.beta:.2g}, "
            f"{self._cycles[-1]} cycles, correlation {self._correlations[-1]:.2f}; "
            f"accepted: {rates}"
        )

    def _effective_share(self, step: float) -> float:
        log_weights = step * self.likelihood_logp
        doubled = 2.0 * logsumexp(log_weights) - logsumexp(2.0 * log_weights)
        return float(np.exp(doubled) / self.draws)

    def _groups(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        rows = np.arange(self.draws)
        return rows[: self._border], rows[self._border :]

    def _weighted(self, history: Population) -> tuple[Array, Array]:
        """Some of the states passed, and the weights that they have at the new temperature."""
        if len(history.theta) > HISTORY:
            history = history.take(self.rng.choice(len(history.theta), HISTORY, replace=False))
        step = self.beta - self._previous_beta
        weights = np.exp(step * (history.log_likelihood - history.log_likelihood.max()))
        return history.theta, weights / weights.sum()

    def _population(self) -> Population:
        """The state in our coordinates and units."""
        return Population(
            self.tempered_posterior @ self._from_values.T,
            self.prior_logp - self._shift,
            self.likelihood_logp + self.problem.log_scale,
        )

    def _store(self, population: Population) -> None:
        """The state as PyMC holds it: the model's variables, y in the user's units."""
        self.tempered_posterior = population.theta @ self._to_values.T
        self.prior_logp = population.log_prior + self._shift
        self.likelihood_logp = population.log_likelihood - self.problem.log_scale
        self.tempered_posterior_logp = self.prior_logp + self.beta * self.likelihood_logp
