"""The search for modes: many cheap starts, local moves, exact polish, merging.

Starts (`starts`) run a short annealed EM on at most `SEARCH_ROWS` rows, or groups of rows; their
ends are climbed by Newton's method, on more and more rows, to exact modes and merged up to
relabelling.  Components of the best modes are then taken out one at a time and put back elsewhere
(split and merge, Ueda et al. 2000), which finds narrow modes that random starts rarely see.  Starts
go on until two agree.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._model.raw import Raw
from .._support.arrays import Array
from .._support.progress import SILENT, UNWATCHED, Progress, Stage
from . import starts as _starts
from ._runs.joint_runs import JointRuns
from ._runs.short_runs import ShortRuns
from .empty import can_be_empty, empty_component, log_empty_share
from .found_modes import FoundMode, FoundModes, search_failures
from .mode_metric import collapsed, whitened_distance, window
from .mode_table import Mode, ModeTable
from .newton import Polished, polish

SEARCH_ROWS = 2000
# Modes of a subsample are climbed on so many times its rows next: few are left for all rows.
MORE_ROWS = 7
# From a sample of more rows, Newton's method needs no fewer steps on all of them.
LARGEST_SAMPLE = 1_000_000
# Iterations of a short run: many where they are cheap.
ITERATION_WORK = 200_000
ITERATION_RANGE = (60, 600)
LARGEST_DOUBLING = 8
# (Rows x components + d^2) x starts spent on more starts than asked for, where rows are few.
EXTRA_WORK = 40_000
MOST_EXTRA_STARTS = 120
JOINT_ITERATIONS, MOST_JOINT_STARTS = 60, 20
MODES_TO_MOVE = 2
NEIGHBOUR_START = -1  # the independent start that modes with fewer components count as
# Starts go on while the modes found once hold more of the mass.
LEAST_UNSEEN = 0.01
MOST_LIFTED = 8
# Newton runs per round of starts, by the same measure; further candidates are dropped.
POLISH_WORK = 100_000
POLISH_RANGE = (10, 40)
# Above it the Newton run ended in a plateau, not at a mode.
LOOSE_GRADIENT = 1e-3
# Nats below the best mode from which an empty component does not matter, however rough both are.
IRRELEVANT_NATS = 30.0


@dataclass
class _Candidate:
    components: Raw
    objective: float  # log posterior up to a constant, at the end of a short run
    start: int  # the independent start it came from


class _Search:
    """Modes of one problem with few rows, and which independent starts led to each."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        n_threads: int,
        neighbour: ModeTable | None = None,
    ):
        self.problem = problem
        self.neighbour = neighbour
        self.rng = rng
        self.n_threads = n_threads
        self.stage: Stage = UNWATCHED
        self.density = LogPosterior(problem)
        self.window = window(problem)
        self.found = FoundModes(problem)
        self.n_starts = 0
        self.lost = False  # whether no mode survived the climb from a sample
        self.smaller: ModeTable | None = None
        self.reduced: list[Mode] = []  # the modes that those of `smaller` were found from
        work = problem.n_rows * problem.layout.n_components
        self.most_polished = int(
            np.clip(POLISH_WORK / (work + problem.layout.size**2), *POLISH_RANGE)
        )
        self.iterations = int(np.clip(ITERATION_WORK / work, *ITERATION_RANGE))
        self.short_run: ShortRuns | JointRuns
        self.most_extra = MOST_EXTRA_STARTS
        if problem.separate:
            self.short_run = ShortRuns(self.density, self.iterations)
        else:
            # Each iteration is a call of its own; Newton's method makes up for fewer.
            self.short_run = JointRuns(self.density, min(self.iterations, JOINT_ITERATIONS))
            self.most_extra = MOST_JOINT_STARTS

    @property
    def recipes(self) -> tuple[_starts.Recipe, ...]:
        """How starts are made, in turn."""
        if self.problem.layout.n_components == 1 and not self.problem.unimodal:
            return _starts.RECIPES_OF_ONE
        return _starts.RECIPES if self.problem.conjugate else _starts.GENERAL_RECIPES

    @cached_property
    def design(self) -> Array:
        """Rows as starts want them: (n, P), a copy that is not made where there are no starts."""
        return _starts.with_ones(self.problem)

    def run(self, n_init: int) -> bool:
        """Search; whether two independent starts reached the best mode."""
        K = self.problem.layout.n_components
        if self.problem.unimodal:
            wanted = 2
        else:
            work = self.problem.n_rows * K + self.problem.layout.size**2
            wanted = n_init + min(EXTRA_WORK // work, self.most_extra)
        most = wanted * LARGEST_DOUBLING
        while True:
            self.take(self.starts(wanted - self.n_starts) + self.additions())
            if K > 1 and self.found.listed:
                self.take(self.moves())
                if self.found.empty is None:
                    best = self.found.table(MODES_TO_MOVE)
                    self.smaller = find_smaller_modes(self.problem, best, self.rng)
                    self.reduced = best.modes
                    self.found.empty = empty_component(self.problem, self.smaller)
            settled = self.found.settled
            complete = settled and self.found.unseen_mass() < LEAST_UNSEEN
            if complete or self.n_starts >= (most // 2 if settled else most):
                break
            wanted = min(2 * wanted, most)
        if not self.found.listed:
            top = max(self.starts(len(self.recipes)), key=lambda c: c.objective)
            theta = self.problem.layout.collapse(top.components)
            self.force(polish(self.density, theta), {top.start})
        return settled

    def starts(self, count: int) -> list[_Candidate]:
        """Ends of short runs from fresh starts."""
        jobs = []
        for _ in range(count):
            recipes = self.recipes
            recipe = recipes[self.n_starts % len(recipes)]
            components, anneal = recipe(self.problem, self.design, self.rng)
            if not self.problem.conjugate and self.n_starts // len(recipes) % 2:
                # No annealing is safe alone, and neither is none.
                anneal = 0.0
            jobs.append((components, anneal, self.n_starts))
            self.n_starts += 1
        return self.run_short(jobs)

    def additions(self) -> list[_Candidate]:
        """Ends of short runs from modes with one component fewer and one put in."""
        if self.neighbour is None:
            return []
        smaller = self.problem.with_components(self.problem.layout.n_components - 1).layout
        jobs = []
        for m, mode in enumerate(self.neighbour.modes[:MODES_TO_MOVE]):
            components = smaller.expand(mode.theta)
            for added in _starts.additions(self.problem, self.design, components, self.rng):
                jobs.append((added, 0.0, NEIGHBOUR_START - m))
        return self.run_short(jobs)

    def moves(self) -> list[_Candidate]:
        """Ends of short runs from the best modes with one component put elsewhere."""
        jobs = []
        for found in self.found.most_massive(MODES_TO_MOVE):
            components = self.problem.layout.expand(found.mode.theta)
            start = min(found.starts)
            for moved in _starts.relocations(self.problem, self.design, components, self.rng):
                jobs.append((moved, 0.0, start))
        return self.run_short(jobs)

    def run_short(self, jobs: list[tuple[Raw, float, int]]) -> list[_Candidate]:
        """Ends of short EM runs from (components, annealing sigma, independent start)."""

        def run(job: tuple[Raw, float, int]) -> _Candidate:
            components, objective = self.short_run(job[0], job[1])
            self.stage.advance()
            return _Candidate(components, objective, job[2])

        if self.n_threads == 1 or len(jobs) < 2:
            return [run(job) for job in jobs]
        with ThreadPoolExecutor(self.n_threads) as pool:
            return list(pool.map(run, jobs))

    def take(self, candidates: list[_Candidate]) -> None:
        """Polish the candidates that may matter and merge them into the modes."""
        candidates = [c for c in candidates if np.isfinite(c.objective)]
        # Ends of runs in other labels tie to rounding, which must not decide on labels.
        candidates.sort(key=lambda c: -round(c.objective, 6))
        polished = 0
        for candidate in candidates:
            # A lower mode may be wider and so more massive, hence the margin.
            low = candidate.objective < candidates[0].objective - 15.0 - self.window
            if low or polished == self.most_polished:
                break
            theta = self.problem.layout.collapse(candidate.components)
            known = self._basin(theta, candidate.objective)
            if known is None:
                polished += 1
                known = self.merge(polish(self.density, theta))
            if known is not None:
                known.starts.add(candidate.start)

    def _basin(self, theta: Array, objective: float) -> FoundMode | None:
        """The mode near enough for its quadratic to explain the objective, if there is one."""
        for known in self.found.listed:
            lost = known.mode.log_posterior - objective
            if -0.1 < lost < 2.0:
                square = whitened_distance(self.problem, theta, known.mode)
                if square < 4.0 and abs(lost - 0.5 * square) < 0.05 + 0.5 * lost:
                    return known
        return None

    def merge(self, end: Polished) -> FoundMode | None:
        """The mode, added if it is new; None for what is no mode."""
        self.stage.advance()
        if not end.definite or end.gradient_norm >= LOOSE_GRADIENT:
            return None
        mode = self._mode(end)
        for known in self.found.all:
            near = abs(known.mode.log_posterior - mode.log_posterior) < 1e-2
            if near and whitened_distance(self.problem, mode.theta, known.mode) < 0.05:
                return known
        self.found.all.append(FoundMode(mode, collapsed(self.problem, mode)))
        return self.found.all[-1]

    def force(self, end: Polished, starts: set[int]) -> None:
        """Take this for the only mode, whatever it is."""
        self.found.all = [FoundMode(self._mode(end), False, set(starts))]

    def _mode(self, end: Polished) -> Mode:
        counts = self.density.expected_counts(end.theta)
        return Mode(
            end.theta, end.log_prior, end.log_likelihood, end.scale, end.gradient_norm, 0, counts
        )


def find_modes(
    problem: Problem,
    rng: np.random.Generator,
    *,
    n_init: int,
    n_threads: int = 1,
    neighbour: ModeTable | None = None,
    progress: Progress = SILENT,
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
    neighbour : ModeTable, optional
        Modes of the same rows with one component fewer, to start from as well.
    progress : Progress

    Returns
    -------
    ModeTable
    """
    small = problem
    if problem.rows.n_units > SEARCH_ROWS:
        small = problem.subset(problem.rows.sample(rng, SEARCH_ROWS))
    search = _Search(small, rng, n_threads, neighbour)
    with progress.stage("search for modes") as search.stage:
        settled = search.run(n_init)
        smaller = search.smaller
        if small is not problem:
            search = _lift(search, problem)
        if smaller is not None and neighbour is None:
            best = search.found.table(MODES_TO_MOVE)
            if search.reduced != best.modes:
                smaller = find_smaller_modes(problem, best, rng)
    if neighbour is not None:
        top = search.found.best.mode
        out = _rules_out(problem, top.log_likelihood, neighbour.modes, top.log_evidence)
        smaller = None if out or not can_be_empty(problem) else neighbour
    table = _table(search, settled)
    table.smaller, table.knows_smaller = smaller, True
    return table


def find_smaller_modes(
    problem: Problem, modes: ModeTable, rng: np.random.Generator
) -> ModeTable | None:
    """Modes with one component fewer, where an empty component may carry posterior mass.

    Starts are the best modes with two components merged or one left out.  The table knows its
    own smaller modes.

    Returns
    -------
    ModeTable or None
        None where the data rule an empty component out: its absence costs more log-likelihood
        than the prior of a component can.
    """
    K = problem.layout.n_components
    if K == 1 or not can_be_empty(problem):
        return None
    smaller = problem.with_components(K - 1)
    small, rows = smaller, 1.0
    if problem.rows.n_units > SEARCH_ROWS:
        small = smaller.subset(problem.rows.sample(rng, SEARCH_ROWS))
        rows = problem.total_weight / small.total_weight
    search = _Search(small, rng, 1)
    jobs: list[tuple[Raw, float, int]] = []
    for mode in modes.modes[:MODES_TO_MOVE]:
        components = problem.layout.expand(mode.theta)
        for merged in _starts.reductions(components, len(problem.layout.fixed_labels)):
            jobs.append((merged, 0.0, len(jobs)))
    search.take(search.run_short(jobs))
    if not search.found.listed:
        return None
    _, likelihood = LogPosterior(small.with_components(K)).values(modes.best.theta[None])
    found = [each.mode for each in search.found.listed]
    mass = modes.best.log_evidence if small is smaller else np.inf
    if _rules_out(problem, float(likelihood[0]), found, mass, rows):
        return None
    if small is not smaller:
        search = _lift(search, smaller)
    if search.lost:
        return None
    table = _table(search, True)
    table.smaller, table.knows_smaller = find_smaller_modes(smaller, table, rng), True
    return table


def _rules_out(
    problem: Problem, log_likelihood: float, smaller: list[Mode], log_mass: float, rows: float = 1.0
) -> bool:
    """Whether the log-likelihood that ``smaller`` modes lose is more than a component is worth.

    ``rows`` is how many rows each one at hand stands for.  With nearly as many parameters as rows
    a likelihood says little: ``log_mass``, that of the best mode, must be far above as well.
    """
    beside = log_empty_share(problem) + np.logaddexp.reduce([m.log_evidence for m in smaller])
    if beside > log_mass - IRRELEVANT_NATS:
        return False
    m = len(problem.layout.own[0]) + 1 + problem.layout.n_gating
    worth = 12.0 + m * (2.0 + 0.5 * np.log(problem.total_weight))
    return (log_likelihood - max(mode.log_likelihood for mode in smaller)) * rows > worth


def _lift(small: _Search, problem: Problem) -> _Search:
    """Climb from the modes of a subsample to those of all rows, by way of larger subsamples.

    Runs that start apart take many steps and then meet: that should not happen on all rows.
    """
    size = MORE_ROWS * small.problem.rows.n_units
    if 2 * size < problem.rows.n_units and size <= LARGEST_SAMPLE:
        larger = problem.subset(problem.rows.sample(small.rng, size))
        small = _lift(small, larger)
        return _lift(small, problem)
    search = _Search(problem, small.rng, small.n_threads)
    search.n_starts, search.stage = small.n_starts, small.stage
    order = small.found.most_massive(MOST_LIFTED)
    ends: list[Polished] = []
    for known in order:
        if known.mode.log_evidence < order[0].mode.log_evidence - small.window:
            break
        ends.append(polish(search.density, known.mode.theta))
        reached = search.merge(ends[-1])
        if reached is not None:
            reached.starts |= known.starts
    if not search.found.listed:
        search.lost = True
        best = max(range(len(ends)), key=lambda m: ends[m].log_prior + ends[m].log_likelihood)
        search.force(ends[best], order[best].starts)
    return search


def _table(search: _Search, settled: bool) -> ModeTable:
    listed, masses = search.found.listed, search.found.masses
    order = np.array([i for i in np.argsort(-masses) if masses[i] > masses.max() - search.window])
    modes = [listed[i].mode for i in order]
    for i, mode in zip(order, modes, strict=True):
        mode.hits = len(listed[i].starts)
    modes[0].hits = len(search.found.starts_at_best())
    failures = search_failures(
        modes[0].gradient_norm, search.problem.n_rows, search.n_starts,
        lost=search.lost, settled=settled,
    )  # fmt: skip
    return ModeTable(modes, masses[order], failures)
