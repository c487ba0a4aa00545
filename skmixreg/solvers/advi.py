"""Automatic differentiation variational inference with independent coordinates, by PyMC."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from .._draws.approximation import draws_from
from .._draws.draws import Draws
from .._draws.limits import FEWEST_DRAWS, narrowness
from .._model.problem import Problem
from .._pymc.coordinates import value_map
from .._search.mode_table import Mode, ModeTable
from .._support.arrays import Array
from .._support.progress import SILENT, Progress
from ._advi.compiled import Schedule, compiled_advi, mean_and_root
from ._advi.window_means import WindowMeans
from ._base import Solver

LARGEST_NOISE_TABLE = 2**14


class ADVI(Solver):
    """PyMC's mean-field ADVI (`pymc.fit`) on the package's PyMC model, started at the best mode.

    A normal density with independent coordinates is fitted to the posterior around the most
    massive mode, in the PyMC model's own unconstrained coordinates.  It starts with the mode as
    mean and, as sds, the square roots of the inverse diagonal of the negative Hessian there.
    (PyMC's own start, zero with an sd of 0.7 in every coordinate, is hundreds of posterior sds
    wide on large data; from there it does not find the posterior.)

    Sds are too small wherever coordinates are correlated in the posterior: intercept and slope of
    a component whose x are not centred, correlated columns, components that overlap.  Measured
    against long NUTS runs, they are 0.92 to 1.0 of the exact ones where there is no such
    correlation (tone perception, s2), and as little as 0.31 (NO data) and 0.22 (NPreg) with it.
    Means are within 0.06 posterior sds, but for 0.35 on the NO data.  ``sd_ratio``, the smallest
    ratio of an sd to Laplace's, and k-hat say when that is too much.  Draws know nothing of other
    modes.

    Parameters
    ----------
    draws : int, default=2000
        Independent draws from the fitted density, at least 100; also what k-hat is estimated from.
    n_iterations : int, default=16384
        Iterations at most; powers of two suit the quasi-random noise.
    batch_size : int, optional
        Rows per iteration.  By default, and if there are not more rows, all.
    learning_rate : float, default=0.1
        Adam's rate at the start, in sds of the starting density.  It is divided by
        1 + iteration / 1000.
    tolerance : float, default=0.05
        For `pymc.variational.callbacks.CheckParametersConvergence`, on means of the parameters
        over windows of iterations that double in length: it stops when no parameter changes by
        more, in posterior sds.

    Notes
    -----
    It is PyMC's gradient, objective and optimiser; three things differ from a plain `pymc.fit`.
    The standard normal noise is quasi-random (scrambled Sobol), which makes averages over
    iterations converge faster (Buchholz, Wenzel and Mandt 2018).  The result is the mean of the
    iterates over the last window, not the last iterate (Polyak and Juditsky 1992).  With
    ``batch_size``, rows are read in one random order, again and again; the first-order expansion
    of the log-likelihood at the mode is taken from all rows once, and a minibatch, scaled by rows
    over batch size, estimates the remainder only: an unbiased estimate of the same posterior with
    a small fraction of the noise (control variates; Baker, Fearnhead, Fox and Nemeth 2019).

    The report holds ``elbo``, the evidence lower bound in the user's units from ``draws``,
    ``elbo_trace``, its one-draw estimate at every iteration, ``iterations``, ``change`` (what
    ``tolerance`` is held against), ``sd_ratio`` and k-hat.  The bound is that of a density on one
    labelling: with K components that are far apart, it lies log(K!) further below the evidence.

    The first fit of a structure (number of components, of columns, ...) on a machine compiles for
    10 to 60 s, the first in a process for 1 to 3 s, others not at all.

    References
    ----------
    Kucukelbir, A., Tran, D., Ranganath, R., Gelman, A. and Blei, D. M. (2017). Automatic
    differentiation variational inference. JMLR 18(14).

    Buchholz, A., Wenzel, F. and Mandt, S. (2018). Quasi-Monte Carlo variational inference. ICML.

    Polyak, B. T. and Juditsky, A. B. (1992). Acceleration of stochastic approximation by
    averaging. SIAM J. Control Optim. 30, 838-855.

    Baker, J., Fearnhead, P., Fox, E. B. and Nemeth, C. (2019). Control variates for stochastic
    gradient MCMC. Statistics and Computing 29, 599-615.
    """

    name = "advi"
    summary = "PyMC's mean-field ADVI, started at the best mode and on its scale"
    exact = False
    requires = ("memory", "plain")
    cost = "rows (or batch_size) x K x p per iteration, a few thousand iterations; compilation once"
    fails = "correlated coordinates: sds too small, and it says so; a nearly empty component"

    # The learning rate is divided by 1 + iteration / decay_after.  Independent coordinates leave
    # directions of little curvature, which need a rate that stays high.
    _decay_after: ClassVar[float] = 1000.0

    def __init__(
        self,
        draws: int = 2000,
        n_iterations: int = 16384,
        batch_size: int | None = None,
        learning_rate: float = 0.1,
        tolerance: float = 0.05,
    ):
        self.draws = draws
        self.n_iterations = n_iterations
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.tolerance = tolerance

    def check_options(self) -> None:
        self._check_counts(draws=FEWEST_DRAWS, n_iterations=1)
        if self.batch_size is not None:
            self._check_counts(batch_size=1)
        for option in ("learning_rate", "tolerance"):
            value: Any = getattr(self, option)
            if not (isinstance(value, Real) and 0.0 < float(value) < np.inf):
                raise ValueError(
                    f"{type(self).__name__}({option}=...) must be a positive finite number, got "
                    f"{value!r}."
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
        mode = modes.best
        d, n = problem.layout.size, problem.n_rows
        to_theta = value_map(problem.layout)
        centre = np.linalg.solve(to_theta, mode.theta)
        scale = self._scale(mode, to_theta)
        batched = self.batch_size is not None and self.batch_size < n
        schedule = Schedule(
            n_iterations=int(self.n_iterations),
            learning_rate=float(self.learning_rate),
            decay_after=self._decay_after,
            noise=quasi_random_normal(rng, d, int(self.n_iterations)),
            batch_size=int(self.batch_size or n),
            order=rng.permutation(n) if batched else np.zeros(1, dtype=np.int64),
        )
        means = WindowMeans(
            schedule.n_iterations, float(self.tolerance), self._mean_unit(mode, to_theta, scale)
        )
        failures = []
        with progress.stage(f"{self.name}: compiling", 1):
            inference = compiled_advi(problem, self.name, batched)
        with progress.stage(f"{self.name}: iterations", schedule.n_iterations) as stage:

            def after_step(approx: Any, losses: Array, i: int) -> None:
                stage.advance()
                means(approx, losses, i)

            losses = inference.run(problem, mode.theta, centre, scale, schedule, after_step)
        progress.say(
            f"{self.name}: {len(losses)} iterations, means still change by {means.change:.2g} sds"
        )
        if not np.isfinite(losses).all():
            failures.append(
                f"{self.name}: the ELBO became NaN or infinite after {len(losses)} iterations; "
                f"use a smaller learning_rate than {self.learning_rate:g}"
            )
        elif not means.settled:
            failures.append(
                f"{self.name}: not settled after {len(losses)} iterations: the last means differ "
                f"by {means.change:.2g} posterior sds (tolerance {self.tolerance:g}); use a larger "
                "n_iterations, or solver='auto' where a component may be empty"
            )
        mean, root = mean_and_root(means.means, d)
        approximation = NormalApproximation(
            to_theta @ (centre + scale @ mean), to_theta @ scale @ root
        )
        sd_ratio = float(
            (np.linalg.norm(approximation.root, axis=1) / np.linalg.norm(mode.scale, axis=1)).min()
        )
        failures += narrowness(sd_ratio, self.name)
        draws = draws_from(
            problem,
            approximation,
            rng,
            int(self.draws),
            solver=self.name,
            report={
                "iterations": len(losses),
                "change": means.change,
                "sd_ratio": sd_ratio,
                "elbo_trace": float(np.linalg.slogdet(scale)[1]) - losses,
            },
            failures=failures,
            progress=progress,
        )
        assert draws.log_proposal is not None
        labellings = problem.layout.log_labellings
        gap = draws.log_posterior - draws.log_proposal
        draws.report["elbo"] = float(gap.mean()) - labellings - problem.log_scale
        return draws

    def _scale(self, mode: Mode, to_theta: Array) -> Array:
        """Map from z, with mean 0 and sd 1 at the start, to PyMC's coordinates: (d, d)."""
        # The Hessian in those coordinates is the Gram matrix of this one.
        whitened = solve_triangular(mode.scale, to_theta, lower=True)
        return np.diag(1.0 / np.sqrt((whitened**2).sum(axis=0)))

    def _mean_unit(self, mode: Mode, to_theta: Array, scale: Array) -> Array:
        """One unit of z in posterior sds of the coordinates, by Laplace's approximation: (d,)."""
        root = np.linalg.solve(to_theta, mode.scale)
        return np.diagonal(scale) / np.sqrt((root**2).sum(axis=1))


class NormalApproximation:
    """A normal density on the unconstrained vector.

    Parameters
    ----------
    mean : ndarray of shape (d,)
    root : ndarray of shape (d, d)
        Square root of the covariance: ``root @ root.T``.
    """

    def __init__(self, mean: Array, root: Array):
        self.mean = mean
        self.root = root
        log_volume = float(np.linalg.slogdet(root)[1])
        self._log_height = -log_volume - 0.5 * len(mean) * float(np.log(2.0 * np.pi))

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draws: (n, d)."""
        return self.mean + rng.standard_normal((n, len(self.mean))) @ self.root.T

    def log_density(self, thetas: Array) -> Array:
        """Log density with respect to Lebesgue measure: (S, d) -> (S,)."""
        standard = np.linalg.solve(self.root, (thetas - self.mean).T)
        return self._log_height - 0.5 * (standard**2).sum(axis=0)


def quasi_random_normal(rng: np.random.Generator, d: int, n: int) -> Array:
    """Scrambled Sobol points as standard normal vectors: the next power of two of n, (m, d)."""
    from scipy.stats import qmc

    size = min(1 << (n - 1).bit_length(), LARGEST_NOISE_TABLE)
    return qmc.MultivariateNormalQMC(np.zeros(d), rng=rng).random(size)
