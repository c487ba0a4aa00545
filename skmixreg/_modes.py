"""The search for modes: many cheap starts, local moves, exact polish, merging.

Starts (`_starts`) run a short annealed EM on at most `SEARCH_ROWS` rows; their ends are climbed by
Newton's method on all rows to exact modes and merged up to relabelling.  Components of the best
modes are then taken out one at a time and put back elsewhere (split and merge, Ueda et al. 2000),
which finds narrow modes that random starts rarely see.  Starts are doubled until two independent
ones have led to the best mode.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from . import _em_kernels, _starts
from ._blocks import Array, Components
from ._density import LogPosterior
from ._mode_table import Mode, ModeTable
from ._newton import GRADIENT_TOLERANCE, Polished, polish
from ._problem import Problem

SEARCH_ROWS = 2000
ANNEALING_ITERATIONS = 10
SHORT_ITERATIONS = 60
SHORT_TOLERANCE = 1e-2
LARGEST_DOUBLING = 8
# Work units (rows x components x starts) spent on extra starts where rows are few.
EXTRA_WORK = 40_000
MOST_EXTRA_STARTS = 120


@dataclass
class _Candidate:
    components: Components
    objective: float
    start: int  # which independent start it came from


class _Search:
    """State of one search on one problem."""

    def __init__(self, problem: Problem, rng: np.random.Generator, n_threads: int):
        self.problem = problem
        self.rng = rng
        self.n_threads = n_threads
        n = problem.n_rows
        if n > SEARCH_ROWS:
            self.sample = problem.subset(_subsample(problem, rng))
        else:
            self.sample = problem
        self.Z = _starts.with_ones(self.sample)
        self.density = LogPosterior(problem)
        self.sample_density = self.density if n <= SEARCH_ROWS else LogPosterior(self.sample)
        self.window = max(10.0, float(problem.blocks.size))
        self.modes: list[Mode] = []
        self.hit_by: list[set[int]] = []
        self.n_starts = 0

    def run(self, n_init: int) -> ModeTable:
        K = self.problem.blocks.n_components
        extra = EXTRA_WORK // (self.sample.n_rows * K) if K > 1 else 0
        wanted = n_init + min(extra, MOST_EXTRA_STARTS) if K > 1 else 2
        most = wanted * LARGEST_DOUBLING
        while True:
            self.take(self.starts(wanted - self.n_starts))
            if K > 1:
                self.take(self.moves())
            settled = len(self.hit_by[self.best]) >= 2
            if settled or self.n_starts >= most:
                break
            wanted *= 2
        return self.table(settled)

    def starts(self, count: int) -> list[_Candidate]:
        """Ends of short runs from fresh starts."""
        jobs = []
        for _ in range(count):
            recipe = _starts.RECIPES[self.n_starts % len(_starts.RECIPES)]
            components, anneal = recipe(self.sample, self.Z, self.rng)
            jobs.append((components, anneal, self.n_starts))
            self.n_starts += 1
        return self._run_short(jobs)

    def moves(self) -> list[_Candidate]:
        """Short runs from the best modes with one component taken out and put elsewhere."""
        jobs = []
        order = np.argsort([-m.log_evidence for m in self.modes])[:2]
        for m in order:
            mode = self.modes[m]
            components = self.problem.blocks.unpack(mode.theta)
            start = min(self.hit_by[m])
            jobs += [(c, 0.0, start) for c in _starts.relocations(self.sample, self.Z, components, self.rng)]
        return self._run_short(jobs)

    def _run_short(self, jobs: list[tuple[Components, float, int]]) -> list[_Candidate]:
        sample = self.sample
        blocks = sample.blocks

        def run(job: tuple[Components, float, int]) -> _Candidate:
            components = Components(*(np.array(a, order="C") for a in job[0]))
            objective, _ = _em_kernels.run_em(
                sample.mean_design, sample.target, sample.weights, *components,
                sample.family.kernel_settings(), tuple(sample.priors), blocks.fit_intercept,
                blocks.shared_dispersion, SHORT_ITERATIONS, SHORT_TOLERANCE, job[1],
                ANNEALING_ITERATIONS,
            )  # fmt: skip
            return _Candidate(components, objective, job[2])

        if self.n_threads == 1 or len(jobs) < 2:
            return [run(job) for job in jobs]
        with ThreadPoolExecutor(self.n_threads) as pool:
            return list(pool.map(run, jobs))

    def take(self, candidates: list[_Candidate]) -> None:
        """Polish candidates that may matter and merge them into the modes."""
        candidates = [c for c in candidates if np.isfinite(c.objective)]
        candidates.sort(key=lambda c: -c.objective)
        blocks = self.problem.blocks
        for candidate in candidates:
            theta = blocks.pack(candidate.components)
            if self.modes and candidate.objective < candidates[0].objective - 3.0 * self.window - 20:
                break
            known = self._basin(theta)
            if known is None:
                polished = polish(self.density, theta)
                known = self._merge(polished)
            if known is not None:
                self.hit_by[known].add(candidate.start)

    def _basin(self, theta: Array) -> int | None:
        """The mode whose quadratic explains the density at ``theta``, if there is one."""
        if self.problem is not self.sample:
            return None
        for m, mode in enumerate(self.modes):
            order = _matching(self.problem, theta, mode)
            gap = np.linalg.solve(mode.scale, self.problem.blocks.permute(theta, order) - mode.theta)
            square = float(gap @ gap)
            if square < 4.0:
                prior, likelihood = self.density.values(theta[None])
                lost = mode.log_posterior - float(prior[0] + likelihood[0])
                if abs(lost - 0.5 * square) < 0.1 + 0.3 * lost:
                    return m
        return None

    def _merge(self, found: Polished) -> int | None:
        """Index of the mode, added if new; None for what is no mode worth keeping."""
        if found.scale is None or not np.isfinite(found.log_likelihood):
            return None
        if found.gradient_norm > 1e-3:
            return None
        moments = self.density.weighted_moments(found.theta)
        K = self.problem.blocks.n_components
        counts = moments[1 : 1 + K]
        mode = Mode(
            found.theta, found.log_prior, found.log_likelihood, found.scale,
            found.gradient_norm, 0, counts,
        )  # fmt: skip
        for m, other in enumerate(self.modes):
            if abs(other.log_posterior - mode.log_posterior) < 1e-3:
                order = _matching(self.problem, mode.theta, other)
                gap = self.problem.blocks.permute(mode.theta, order) - other.theta
                if np.abs(np.linalg.solve(other.scale, gap)).max() < 0.05:
                    return m
        if self._degenerate(mode):
            return None
        self.modes.append(mode)
        self.hit_by.append(set())
        return len(self.modes) - 1

    def _degenerate(self, mode: Mode) -> bool:
        """A component that lives on too few rows to have a residual: a collapse."""
        blocks = self.problem.blocks
        if blocks.n_components == 1:
            return False
        needed = blocks.n_features + int(blocks.fit_intercept) + 1
        sigma = np.exp(blocks.unpack(mode.theta).log_dispersion)
        small = mode.counts < needed + 0.5
        collapsed = sigma < 3.0 * self.problem.priors.sigma_floor
        return bool((small & collapsed & (mode.counts > 1.0)).any())

    @property
    def best(self) -> int:
        return int(np.argmax([m.log_evidence for m in self.modes]))

    def table(self, settled: bool) -> ModeTable:
        masses = np.array([m.log_evidence for m in self.modes])
        order = [i for i in np.argsort(-masses) if masses[i] > masses.max() - self.window]
        for i in order:
            self.modes[i].hits = len(self.hit_by[i])
        modes = [self.modes[i] for i in order]
        failures = []
        if modes[0].gradient_norm > GRADIENT_TOLERANCE:
            failures.append(
                f"the whitened gradient at the best mode is {modes[0].gradient_norm:.1e}, not "
                f"under {GRADIENT_TOLERANCE:.0e}; check for columns of wildly different scales"
            )
        if not settled:
            failures.append(
                f"only one of {self.n_starts} starts reached the best mode; raise n_init"
            )
        return ModeTable(modes, masses[order], failures)


def find_modes(
    problem: Problem, rng: np.random.Generator, *, n_init: int, n_threads: int = 1
) -> ModeTable:
    """Distinct modes within max(10, d) nats of evidence of the best.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
        Draws the starts and the subsample.
    n_init : int
        Starts at least; more where rows are few, and doubled (up to 8 times) until two
        independent starts have reached the best mode.
    n_threads : int

    Returns
    -------
    ModeTable
    """
    return _Search(problem, rng, n_threads).run(n_init)


def _subsample(problem: Problem, rng: np.random.Generator) -> Array:
    w = problem.weights
    if (w == w[0]).all():
        return rng.choice(problem.n_rows, SEARCH_ROWS, replace=False)
    return rng.choice(problem.n_rows, SEARCH_ROWS, p=w / w.sum())


def _matching(problem: Problem, theta: Array, mode: Mode) -> Array:
    """The relabelling of ``theta`` that brings its components nearest to the mode's."""
    index = problem.blocks.component_index
    K = len(index)
    if K == 1:
        return np.zeros(1, dtype=np.intp)
    spread = np.sqrt((mode.scale**2).sum(axis=1))
    cost = np.empty((K, K))
    for k in range(K):
        z = (theta[index] - mode.theta[index[k]]) / spread[index[k]]
        cost[:, k] = np.minimum((z * z).sum(axis=1), 1e12)
    rows, columns = linear_sum_assignment(cost)
    order = np.empty(K, dtype=np.intp)
    order[columns] = rows
    return order
