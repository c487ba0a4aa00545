"""Coordinate-ascent and stochastic variational Bayes."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from .._draws.approximation import draws_from
from .._draws.draws import Draws
from .._draws.limits import FEWEST_DRAWS, INSTEAD, SECOND_OPTIMUM_SHARE, narrowness
from .._model.density import LogPosterior
from .._model.problem import Problem
from .._search.alignment import Pivot
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .._support.progress import SILENT, UNWATCHED, Progress, Stage
from ._base import Solver
from ._cavi import q_kernels as kernels
from ._cavi.mean_field import JOINT_ROUNDS, MeanField
from ._cavi.stream import Stream

# Modes so many nats of mass below the best are starts too.
START_NATS = 5.0
MOST_STARTS = 5
# Relative rounding error of the bound.
ROUNDING = 1e-14
# Stochastic steps have settled when the two halves of the averaged epochs differ by fewer sds of
# q than this, and coordinate ascent would raise the bound by fewer nats than that: by its
# curvature, 0.2 posterior sds.
HALVES_SD = 0.1
SETTLED_NATS = 0.02
LEAST_EPOCHS = 4
# Passes of coordinate ascent that show it: the first ones gain in fast directions only.
CHECKING_PASSES = 10


@dataclass
class _Run:
    """Where one start led."""

    q: MeanField
    elbo: float
    trace: list[float]
    failures: list[str] = field(default_factory=list)


class CAVI(Solver):
    r"""Coordinate-ascent variational Bayes: a fast approximation around one mode.

    The posterior of memberships and parameters is approximated by a product,

    .. math::

        q(z) \, q(w) \prod_k q(b_{0k}, b_k) \, q(\sigma_k^2),

    a Dirichlet distribution, normal ones and generalised inverse Gaussian ones, which are updated
    in turn, each to its optimum given the others (Bishop 2006, section 10.2; Blei, Kucukelbir and
    McAuliffe 2017, section 3).  The evidence lower bound never falls.  Starts are the modes of
    the posterior, and the one that ends with the highest bound is kept.

    It settles on one mode, and its standard deviations are too small, the more so the more
    components overlap, since q knows no correlation between memberships and parameters: k-hat
    and ``sd_ratio``, the smallest ratio of an sd of q to the one from the curvature of the log
    posterior at its mode, say when that is too much.  Measured against long NUTS runs: means
    within 0.05 posterior sds and sds 0.85 to 0.99 of the exact ones where components part (NPreg,
    s2); 0.38 sds off and 0.52 to 0.85 of the exact sds on the NO data, whose components overlap.

    With ``batch_size`` the bound is maximised by stochastic natural gradients (Hoffman, Blei,
    Wang and Paisley 2013).  The state is the mean expected sufficient statistics per observation,
    :math:`n_k, S_k, s_k` and the squares of y, in which the natural parameters of q are linear
    given :math:`E[\sigma_k^{-2}]`; a step moves it towards those of a batch, scaled by N over the
    batch, at the rate ``(t + delay) ** -forgetting``.  Epochs pass over the rows in random order,
    and the result is the average of the statistics met in the last half of the epochs: over whole
    epochs the noise of the choice of rows nearly cancels.  It ends when the halves of this
    average agree within 0.1 sd and coordinate ascent from it would gain less than 0.02 nats.

    Estimators with this solver have ``partial_fit``, which sees the data in chunks; see there.

    Parameters
    ----------
    draws : int, default=2000
        Independent draws from q, at least 100.  Their cost, rows x K x p times a few ns each, is
        that of k-hat, and most of a fit.
    tol : float, default=1e-12
        Coordinate ascent ends when the bound is expected to rise by less than ``tol`` times its
        size, extrapolated from the last two gains.  A rise of r nats moves the means by about
        ``sqrt(2 r)`` posterior sds: with the default that is under 0.001 sd for 10^5 rows.
    max_iter : int, default=10000
        Passes over the rows per start; it says so if they were not enough.
    batch_size : int or None, default=None
        Rows per step of stochastic natural gradients; None, or as many as there are rows or more,
        is coordinate ascent.  For rows in memory coordinate ascent is both faster and exact.
    delay : float, default=10.0
        Makes the first rates smaller, so that the first batches do not wipe out the start.
    forgetting : float, default=0.6
        How fast rates fall, over 0.5 and up to 1.  Small values forget the start faster where
        components overlap; averaging takes care of the noise.
    max_epochs : int, default=100
        Passes over the rows of stochastic steps; it says so if they were not enough.

    References
    ----------
    Bishop, C. M. (2006). Pattern Recognition and Machine Learning. Springer.

    Blei, D. M., Kucukelbir, A. and McAuliffe, J. D. (2017). Variational inference: a review for
    statisticians. JASA 112, 859-877.

    Hoffman, M. D., Blei, D. M., Wang, C. and Paisley, J. (2013). Stochastic variational
    inference. JMLR 14, 1303-1347.
    """

    name = "cavi"
    summary = "coordinate-ascent variational Bayes around one mode; streams"
    cost = "rows x K x (p + p^2) per pass, 5 ns each, tens of passes; and that per draw"
    fails = "components that overlap: sds are too small, by k-hat; other modes are ignored"
    exact = False
    requires = ("conjugate",)
    streams = True

    stream_: Stream

    def __init__(
        self,
        draws: int = 2000,
        tol: float = 1e-12,
        max_iter: int = 10_000,
        batch_size: int | None = None,
        delay: float = 10.0,
        forgetting: float = 0.6,
        max_epochs: int = 100,
    ):
        self.draws = draws
        self.tol = tol
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.delay = delay
        self.forgetting = forgetting
        self.max_epochs = max_epochs

    def check_options(self) -> None:
        self._check_counts(draws=FEWEST_DRAWS, max_iter=1, max_epochs=1)
        if self.batch_size is not None:
            self._check_counts(batch_size=1)
        bounds = {"tol": (0.0, 1.0), "delay": (0.0, 1e9), "forgetting": (0.5, 1.0)}
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not isinstance(value, Real) or not low < float(value) <= high:
                raise ValueError(
                    f"CAVI({name}=...) must be a number over {low:g} and at most {high:g}, "
                    f"got {value!r}."
                )

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if self.batch_size is not None and not problem.rows.in_memory:
            raise ValueError(
                "CAVI(batch_size=...) needs all rows in memory, to draw batches from them; use "
                "batch_size=None for Dask collections."
            )

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        progress: Progress = SILENT,
    ) -> Draws:
        near = np.flatnonzero(modes.log_masses >= modes.log_masses.max() - START_NATS)
        runs = []
        for m in near[:MOST_STARTS]:
            with progress.stage(f"cavi: passes from mode {m}") as stage:
                runs.append(self._run(problem, modes.modes[m].theta, rng, stage))
            elbo = runs[-1].elbo - problem.log_scale
            progress.say(f"cavi: {len(runs[-1].trace)} passes, ELBO {elbo:.6g}")
        best = max(runs, key=lambda run: run.elbo)
        self.stream_ = Stream.begin(problem, modes, best.q.mean)
        ratio = self.stream_.belief.sd_ratio(best.q)
        return draws_from(
            problem, best.q, rng, self.draws, solver=self.name,
            report={
                "elbo": best.elbo - problem.log_scale,
                "n_iter": len(best.trace),
                "elbo_trace": np.array(best.trace) - problem.log_scale,
                "sd_ratio": ratio,
            },
            failures=[
                *best.failures, *_other_optima(best, runs), *narrowness(ratio, self.name)
            ],
            progress=progress,
        )  # fmt: skip

    def continue_stream(
        self,
        stream: Stream,
        problem: Problem,
        rng: np.random.Generator,
        *,
        progress: Progress = SILENT,
    ) -> Draws:
        """Draws from the posterior of all rows seen, after one more chunk.

        ``stream`` is not changed.

        Parameters
        ----------
        stream : Stream
            ``stream_`` of the solver that saw the rows before.
        problem : Problem
            The rows of the chunk, with the stream's priors and standardisation.
        rng : numpy.random.Generator
        progress : Progress
        """
        self.check_options()
        self.check(problem)
        stream.check(problem)
        self.stream_ = stream.updated(problem)
        draws = self.stream_.draws(problem, rng, self.draws, solver=self.name)
        progress.say(f"cavi: {self.stream_.total:g} observations, k-hat {draws.report['khat']:.2f}")
        return draws

    def _run(
        self, problem: Problem, theta: Array, rng: np.random.Generator, stage: Stage = UNWATCHED
    ) -> _Run:
        statistics = LogPosterior(problem).weighted_moments(theta)[1:]
        q = MeanField.from_statistics(problem.layout, problem.priors, theta, statistics)
        if self.batch_size is None or self.batch_size >= problem.n_rows:
            return self._ascend(problem, q, stage)
        return self._step(problem, q, statistics, rng, stage)

    def _ascend(self, problem: Problem, q: MeanField, stage: Stage) -> _Run:
        """Coordinate ascent."""
        trace: list[float] = []
        for _ in range(self.max_iter):
            elbo, statistics = bound(problem, q)
            trace.append(elbo)
            stage.advance()
            if remaining_rise(trace) <= self.tol * max(1.0, abs(elbo)):
                return _Run(q, elbo, trace)
            q.update(statistics, 1.0)
        return _Run(
            q, trace[-1], trace,
            [f"cavi: the evidence lower bound still rises by about {remaining_rise(trace):.1g} "
             f"nats after max_iter={self.max_iter} passes; raise max_iter"],
        )  # fmt: skip

    def _step(
        self,
        problem: Problem,
        q: MeanField,
        statistics: Array,
        rng: np.random.Generator,
        stage: Stage,
    ) -> _Run:
        """Stochastic natural gradients."""
        state = statistics / problem.total_weight
        epochs: list[Array] = []
        trace: list[float] = []
        steps = -(-problem.n_rows // int(self.batch_size or 1))
        for epoch in range(self.max_epochs):
            order = rng.permutation(problem.n_rows)
            sums = np.zeros_like(state)
            rows = kernels.natural_gradient_steps(
                np.ascontiguousarray(problem.mean_design[:, order]), problem.target[order],
                problem.weights[order], self.batch_size, epoch * steps, float(self.delay),
                float(self.forgetting), *q.hyper, state, sums, *q.arrays,
            )  # fmt: skip
            trace.append(rows - q.divergence())
            epochs.append(sums)
            stage.advance()
            tail = epochs[len(epochs) // 2 :]
            average = _at_statistics(q, np.mean(tail, axis=0))
            rise = np.inf
            if len(epochs) >= LEAST_EPOCHS and _halves_apart(average, tail) < HALVES_SD:
                elbo, rise = _possible_rise(problem, average)
                if rise < SETTLED_NATS:
                    return _Run(average, elbo, trace)
        return _Run(
            average, bound(problem, average)[0], trace,
            [f"cavi: steps with batch_size={self.batch_size} have not settled after "
             f"max_epochs={self.max_epochs} epochs; raise max_epochs, or use batch_size=None"],
        )  # fmt: skip


def bound(problem: Problem, q: MeanField) -> tuple[float, Array]:
    """Evidence lower bound at the optimal q(z), and the expected sufficient statistics there."""
    _, log_weights, lines, factors, spreads = q.arrays
    flat = problem.rows.sum(kernels.variational_moments, log_weights, lines, factors, spreads)
    return float(flat[0]) - q.divergence(), flat[1:]


def remaining_rise(trace: list[float]) -> float:
    """What a linearly converging sequence still gains, from its last two gains."""
    if len(trace) < 3:
        return np.inf
    before, last = trace[-2] - trace[-3], trace[-1] - trace[-2]
    if abs(last) <= ROUNDING * abs(trace[-1]):
        return 0.0
    if last >= before:
        return np.inf
    return last * last / (before - last)


def _at_statistics(q: MeanField, statistics: Array) -> MeanField:
    q = q.copy()
    q.update(statistics, 1.0, JOINT_ROUNDS)
    return q


def _halves_apart(average: MeanField, tail: list[Array]) -> float:
    """Largest difference of means between the halves of the averaged epochs, in sds."""
    middle = len(tail) // 2
    halves = [
        _at_statistics(average, np.mean(part, axis=0)).mean
        for part in (tail[:middle], tail[middle:])
    ]
    return float((np.abs(halves[0] - halves[1]) / average.sd).max())


def _possible_rise(problem: Problem, q: MeanField) -> tuple[float, float]:
    """The bound, and what coordinate ascent would add to it, judged from a few of its passes."""
    trace, step = [], q.copy()
    for _ in range(CHECKING_PASSES):
        elbo, statistics = bound(problem, step)
        trace.append(elbo)
        step.update(statistics, 1.0)
    return trace[0], trace[-1] - trace[0] + remaining_rise(trace)


def _other_optima(best: _Run, runs: list[_Run]) -> list[str]:
    """A failure if another optimum, at other parameters, has much of the posterior's mass."""
    q = best.q
    pivot = Pivot.from_mode(q.layout, q.mean, np.diag(q.sd))
    others: list[_Run] = []
    for run in runs:
        components = q.layout.expand(run.q.mean[None])
        moved = q.layout.collapse(components.permuted(pivot.align(components)[0]))[0]
        distinct = (np.abs(moved - q.mean) / q.sd).max() > 1.0
        if distinct and not any(abs(run.elbo - other.elbo) < 1e-3 for other in others):
            others.append(run)
    share = 1.0 - 1.0 / (1.0 + sum(np.exp(run.elbo - best.elbo) for run in others))
    if share <= SECOND_OPTIMUM_SHARE:
        return []
    return [
        f"cavi: about {share:.0%} of the posterior lies around {len(others)} other "
        f"mode{'s' if len(others) > 1 else ''}, which one approximation cannot hold; use {INSTEAD}"
    ]
