"""The No-U-Turn sampler, whose implementation is a choice, warm-started from the modes."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from .._draws.advice import Failure
from .._draws.draws import Draws
from .._draws.evidence import with_evidence
from .._draws.judge import judge_chains
from .._draws.limits import DENSITY_TOLERANCE, NEGLIGIBLE_SHARE, RHAT_LIMIT, most_divergences
from .._model.density import LogPosterior
from .._model.few_rows import FewRows, LogPosteriorNear
from .._model.problem import Problem
from .._search.mode_table import ModeTable
from .._support.exceptions import import_optional
from .._support.progress import SILENT, Progress
from ._base import Solver
from ._nuts.blackjax_chains import blackjax_chains
from ._nuts.chain_runs import STATISTICS, ChainPlan, ChainResult, Counter, run_chains
from ._nuts.few_row_chains import Run, expected_gradients, run_on_few_rows
from ._nuts.numpyro_chains import numpyro_chains
from ._nuts.nutpie_chains import nutpie_chains
from ._nuts.order_check import missed_share
from ._nuts.plans import Beginnings, chain_plans
from ._nuts.pymc_chains import pymc_chains
from ._nuts.sampling_density import OrderedDensity, SamplingDensity

# Above it a gradient spends long enough outside Python's lock for threads to gain.
THREADED_TERMS = 20_000
IDENTIFY = ("relabel", "order")


class Sampler(NamedTuple):
    """An implementation of the sampler.

    Attributes
    ----------
    chains : callable
        ``chains(target, plans, advance)`` prepares all chains and returns a function of the index
        of a chain that runs it; ``advance(index, n)`` is to be called after every n iterations.
    package, extra : str or None
        The optional package it needs, and the extra that installs it.
    takes_estimates : bool
        Whether it steps any density, such as an estimate from few rows.
    """

    chains: Callable[
        [SamplingDensity, list[ChainPlan], Callable[[int, int], None]],
        Callable[[int], ChainResult],
    ]
    package: str | None = None
    extra: str = ""
    takes_estimates: bool = False


SAMPLERS = {
    "pymc": Sampler(pymc_chains, takes_estimates=True),
    "nutpie": Sampler(nutpie_chains, "nutpie", "nutpie", takes_estimates=True),
    "numpyro": Sampler(numpyro_chains, "numpyro", "jax"),
    "blackjax": Sampler(blackjax_chains, "blackjax", "jax"),
}


class NUTS(Solver):
    """The No-U-Turn sampler on the PyMC model.

    Chains start in draws from the normal mixture over the modes, each with the Laplace covariance
    of its mode as metric.  Where the posterior is nearly normal around the mode that metric stays
    and only the step size is tuned, else tuning adapts it and takes longer.

    Where rows are many and all chains start at one mode, PyMC's and nutpie's chains move on the
    log density that few rows tell: the log-likelihood of all rows is expanded at the mode to
    second order, and a random sample of rows tells what is left, value and gradient.  The sample
    grows until its parts agree, and at the end draws are held against all rows: see Notes.

    Parameters
    ----------
    draws : int, default=1000
        Draws kept from every chain.
    tune : int or None, default=None
        Draws used for tuning, per chain.  By default 150 where the Laplace covariance serves
        as metric, 800 where it has to be adapted.
    chains : int, default=4
        With 1, R-hat compares the halves of that chain, and the masses of several modes cannot be
        settled; both are said where they fail.
    sampler : {"pymc", "nutpie", "numpyro", "blackjax"}, default="pymc"
        Whose implementation.  PyMC's and nutpie's step the density that the kernels compile.
        NumPyro's and BlackJAX's step the plain PyMC model in JAX, on the device that JAX chooses;
        they compile for some seconds, once in a process for every shape of data and model.
        Measured on a processor, without that: a tenth of the time of PyMC's on 100 rows, a fifth
        on 1,000, ten times as much on 100,000.  All but PyMC's are optional packages.
    target_accept : float, default=0.8
        Mean acceptance to tune the step size for, between 0 and 1; higher means smaller steps.
    identify : {"relabel", "order"}, default="relabel"
        How components get their labels.  "relabel" samples without any order and aligns the draws
        to the best mode afterwards.  "order" samples only where the coordinate ``order_by``
        increases from component to component, so that a label has one meaning in all draws.  Its
        price: where components overlap in that coordinate, the border of the region bends the
        posterior, chains mix slower, and a label stands for different components in different
        draws.  Where components cross in it but differ otherwise, as parallel lines do when
        ordered by slope, the region falls into pieces between which no chain moves; that is found
        out and said, with the share of the posterior that was missed.
    order_by : int or "intercept", default=0
        What "order" orders: the coefficients of this column of X, counted from 0, or the
        intercepts, taken at the mean of X.

    Notes
    -----
    Draws of an estimated density p^ are draws of the posterior p to within sd(w), where w is p / p^
    with mean 1: a posterior mean is off by at most sd(w) posterior sds, and the probability of
    any event by at most sd(w) / 2.  The sd of log p - log p^, which is sd(w) where it is small, is
    measured at 256 draws and may be 0.01; standard errors of log-likelihoods may be 0.01 nats for
    99% of the draws and in quadratic mean over all, and no draw of the 256 may be off by over
    0.04.  Otherwise the sample doubles, at least, and chains run again, up to all rows.
    ``solver_report_`` has ``rows_per_draw``, the rows (or groups) of the sample,
    ``log_likelihood_error``, the largest standard error of the log-likelihoods that are kept,
    ``log_likelihood_check``, the largest difference at the 256 draws, and ``log_ratio_sd``, the sd.
    They are absent where chains moved on all rows: with fewer than some 30,000, from several
    modes, by NumPyro or BlackJAX, or where components overlap so much that no sample says enough.

    JAX computes in double precision within the fit only; its setting for the process is left as
    it was.  PyTensor changes that setting once, when its JAX backend is first imported: to use
    PyMC's own JAX samplers later in the same process, call
    ``jax.config.update("jax_enable_x64", True)``.

    References
    ----------
    Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn Sampler: adaptively setting path lengths
    in Hamiltonian Monte Carlo. JMLR 15, 1593-1623.

    Quiroz, M., Kohn, R., Villani, M. and Tran, M.-N. (2019). Speeding up MCMC by efficient data
    subsampling. JASA 114, 831-843: the estimate from few rows.

    Betancourt, M. (2017). Identifying Bayesian mixture models. Stan case studies: on sampling in
    the ordered region.

    Phan, D., Pradhan, N. and Jankowiak, M. (2019). Composable effects for flexible and accelerated
    probabilistic programming in NumPyro. arXiv 1912.11554: the iterative form that runs in JAX.
    """

    name = "nuts"
    summary = "Hamiltonian Monte Carlo by PyMC, nutpie, NumPyro or BlackJAX, warm-started"
    cost = (
        "rows x K x p per gradient, 5 to 7 ns each; 4 to 10 gradients a draw; of many rows a part"
    )
    fails = "a component that empties and fills: divergences, R-hat, minutes"

    def __init__(
        self,
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        sampler: str = "pymc",
        target_accept: float = 0.8,
        identify: str = "relabel",
        order_by: int | str = 0,
    ):
        self.draws = draws
        self.tune = tune
        self.chains = chains
        self.sampler = sampler
        self.target_accept = target_accept
        self.identify = identify
        self.order_by = order_by

    def check_options(self) -> None:
        self._check_counts(draws=1, chains=1)
        if self.tune is not None:
            self._check_counts(tune=0)
        target: Any = self.target_accept
        if not (isinstance(target, Real) and 0.0 < float(target) < 1.0):
            raise ValueError(
                f"NUTS(target_accept=...) must be a number between 0 and 1, got {target!r}."
            )
        for option, known in (("sampler", tuple(SAMPLERS)), ("identify", IDENTIFY)):
            value: Any = getattr(self, option)
            if value not in known:
                names = ", ".join(repr(name) for name in known)
                raise ValueError(f"NUTS({option}=...) must be one of {names}, got {value!r}.")
        sampler = SAMPLERS[self.sampler]
        if sampler.package is not None:
            import_optional(
                sampler.package,
                extra=sampler.extra,
                needed_for=f"NUTS(sampler={self.sampler!r})",
            )

    @property
    def own_column(self) -> int | None:
        by = self.order_by
        orders = self.identify == "order" and isinstance(by, Integral) and by >= 0
        return int(by) if orders else None

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if not problem.plain and self.sampler != "pymc":
            raise ValueError(
                f"NUTS(sampler={self.sampler!r}) knows no columns with roles (groups, gates, "
                "shared slopes, offsets) and no labels; use sampler='pymc'."
            )
        if self.identify == "order":
            self._ordered_by(problem)

    def _ordered_by(self, problem: Problem) -> np.ndarray:
        """Positions in theta of the coordinate that ``order_by`` names: (K,)."""
        layout, by = problem.layout, self.order_by
        got = f"NUTS(order_by={by!r}, identify='order')"
        if by == "intercept":
            if not layout.fit_intercept:
                raise ValueError(
                    f"{got} needs intercepts, and fit_intercept=False; order by a column of X, or "
                    "use identify='relabel'."
                )
            return layout.own_lines[:, 0]
        if isinstance(by, bool) or not isinstance(by, Integral):
            raise ValueError(
                f"{got}: order_by must be the index of a column of X, an integer counted from 0, "
                f"or 'intercept', got {by!r} of type {type(by).__name__}."
            )
        n_features, x_map = len(problem.design.x_mean), problem.design.x_map
        if not 0 <= by < n_features:
            raise ValueError(
                f"{got}: X has {n_features} columns, so order_by must be an integer from 0 "
                f"to {n_features - 1}, or 'intercept'."
                if n_features
                else f"{got}: X has no columns; use order_by='intercept'."
            )
        along = [int(by)] if x_map is None else np.flatnonzero(x_map[:, by])
        if len(along) != 1:
            raise ValueError(
                f"{got}: that slope is no parameter of its own here. Fit anew, and not with "
                "refit_as; a column without spread has no slope, order by another."
            )
        return layout.own_lines[:, along[0] + int(layout.fit_intercept)]

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        progress: Progress = SILENT,
    ) -> Draws:
        self.check(problem)
        density = LogPosterior(problem)
        # Its numbers are its own: starts do not depend on what chains move on.
        few_rows = FewRows(density, rng.spawn(1)[0])
        begin = Beginnings.drawn(modes, rng, self.chains)
        run = self._on_few_rows(few_rows, modes, begin, n_threads, progress)
        if run is None:
            run = self._run(self._target(density, modes), modes, begin, n_threads, progress)
        target, plans, results = run.target, run.plans, run.results

        theta = run.theta
        log_prior = density.log_prior(theta)
        statistics = {
            name: np.stack([result.statistics[name] for result in results]) for name in STATISTICS
        }
        draws = Draws(
            theta=theta,
            log_prior=log_prior,
            log_likelihood=np.stack([result.log_posterior for result in results]) - log_prior,
            solver=self.name,
            ordered_by=target.ordered_by,
            per_draw=statistics,
            report={
                "sampler": self.sampler,
                "identify": self.identify,
                "divergences": int(statistics["diverging"].sum()),
                "gradients_per_draw": float(statistics["n_steps"].mean()),
                "tune": plans[0].tune,
                "target_accept": plans[0].target_accept,
                "metric": "laplace" if plans[0].keeps_metric else "adapted",
            },
        )
        self._complain_of_density(draws, target)
        if run.check is not None:
            draws.log_likelihood = run.check.log_likelihood.reshape(log_prior.shape)
            draws.report |= run.check.report
        self._complain_of_divergences(draws)
        judged = judge_chains(problem, modes, draws, rng)
        judged = with_evidence(problem, modes, draws, judged, rng)
        if self.identify == "order":
            self._complain_of_order(judged, self._target(density, modes))
        if self.chains == 1 and not judged.report["settled"]:
            judged.failures.append(
                Failure(
                    f"nuts: one chain cannot tell the masses of {len(modes.modes)} modes",
                    "use NUTS(chains=4) or more", ("auto",),
                )
            )  # fmt: skip
        return judged

    def _target(
        self, density: LogPosterior | LogPosteriorNear, modes: ModeTable
    ) -> SamplingDensity:
        if self.identify == "order":
            return OrderedDensity(density, self._ordered_by(density.problem), modes.best)
        return SamplingDensity(density)

    def _on_few_rows(
        self,
        few_rows: FewRows,
        modes: ModeTable,
        begin: Beginnings,
        n_threads: int,
        progress: Progress,
    ) -> Run | None:
        """Chains on an estimate; None where chains need all rows, or cannot do with fewer."""
        if not SAMPLERS[self.sampler].takes_estimates or np.ptp(begin.where) > 0:
            return None
        mode, problem = modes.modes[begin.where[0]], few_rows.density.problem
        point = mode.theta
        if self.identify == "order":
            order = np.argsort(point[self._ordered_by(problem)])
            point = problem.layout.permute(point, order)
        return run_on_few_rows(
            few_rows, mode, point,
            expected_gradients(self.chains, self.draws, self.tune),
            lambda density: self._target(density, modes),
            lambda target: self._run(target, modes, begin, n_threads, progress),
            progress,
        )  # fmt: skip

    def _run(
        self,
        target: SamplingDensity,
        modes: ModeTable,
        begin: Beginnings,
        n_threads: int,
        progress: Progress,
    ) -> Run:
        problem, at_once = target.density.problem, min(self.chains, n_threads)
        if problem.n_rows * problem.layout.n_components < THREADED_TERMS:
            at_once = 1
        if at_once > 1:
            # Chains keep the cores busy: rows within each need no threads.
            target = target.on_one_thread()
        plans = chain_plans(
            target, modes, begin,
            draws=self.draws, tune=self.tune, target_accept=self.target_accept,
        )  # fmt: skip
        counter = Counter(plans, progress)
        with progress.stage("nuts: preparing", 1):
            chain = SAMPLERS[self.sampler].chains(target, plans, counter.advance)
        return Run(target, plans, run_chains(chain, at_once, counter))

    def _complain_of_density(self, draws: Draws, target: SamplingDensity) -> None:
        """Hold the density that chains moved on against the one that they were given."""
        with np.errstate(all="ignore"):
            prior, likelihood = target.density.values(draws.theta[:, -1])
        off = np.abs(draws.log_posterior[:, -1] - (prior + likelihood)).max()
        if not off <= DENSITY_TOLERANCE + 1e-9 * np.abs(likelihood).max():
            draws.failures.append(
                f"nuts: the log density that {self.sampler!r} moved on is {off:.3g} off the "
                "posterior's, so these draws are from something else; use another sampler, and "
                f"check the version of {self.sampler}"
            )

    def _complain_of_divergences(self, draws: Draws) -> None:
        n, total = draws.report["divergences"], draws.theta[..., 0].size
        if n > most_divergences(total):
            higher = 1.0 - (1.0 - self.target_accept) / 4.0
            draws.failures.append(
                f"nuts: {n} of {total} draws diverged; use solver=NUTS(target_accept="
                f"{higher:.3g}), fewer components, or narrower priors"
            )

    def _complain_of_order(self, draws: Draws, target: SamplingDensity) -> None:
        missed = missed_share(target, draws.theta)
        advice = "use identify='relabel', or order by what tells the components apart"
        if missed > NEGLIGIBLE_SHARE:
            draws.failures.append(
                f"nuts: components cross in what they are ordered by (order_by={self.order_by!r}), "
                f"and chains missed the other side, at least {100 * missed:.0f}% of the posterior; "
                f"{advice}"
            )
        elif not draws.report["rhat"] <= RHAT_LIMIT:
            draws.failures.append(
                f"nuts: components were kept in order (order_by={self.order_by!r}), which cuts the "
                f"posterior where they overlap; {advice}"
            )
