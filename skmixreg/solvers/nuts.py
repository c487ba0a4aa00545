"""The No-U-Turn sampler, PyMC's or nutpie's, warm-started from the modes."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._blocks import Array
from .._chains import judge_chains, start_points
from .._density import LogPosterior
from .._draws import Draws
from .._exceptions import import_optional
from .._mode_table import Mode, ModeTable
from .._problem import Problem
from .._rows import RowBlocks
from ._base import Solver
from ._convert import log_jacobian, value_map

# Above it a gradient spends long enough outside Python's lock for threads to gain.
THREADED_TERMS = 20_000
PROBES = 128
# Standard deviation of log density minus its normal approximation, over draws from the latter:
# 0 for a normal posterior; beyond it the Laplace covariance is a start, not a metric to keep.
NORMAL_ENOUGH = 1.0
# With a component that empties and fills, scales differ a thousandfold and every tree would grow
# to its limit; chains mix badly there with long trees too, and say so much later.
MAX_DEPTH = 8
DIVERGENT_SHARE = 0.001


class ChainResult(NamedTuple):
    """One Markov chain."""

    theta: Array  # (draws, d)
    log_posterior: Array  # (draws,)
    divergent: NDArray[np.bool_]  # (draws,)
    gradients: int


class ChainPlan(NamedTuple):
    """What a sampler is told about one chain."""

    start: Array
    mode: Mode
    keeps_metric: bool
    draws: int
    tune: int
    target_accept: float
    seed: int


class NUTS(Solver):
    """The No-U-Turn sampler on the PyMC model, with its density compiled by the kernels.

    Chains start in draws from the normal mixture over the modes, each with the Laplace covariance
    of its mode as metric.  Where the posterior is nearly normal around the mode that metric stays
    and only the step size is tuned, else tuning adapts it and takes longer.

    Parameters
    ----------
    draws : int, default=1000
        Draws kept from every chain.
    tune : int or None, default=None
        Draws used for tuning, per chain.  By default 150 where the Laplace covariance serves
        as metric, 800 where it has to be adapted.
    chains : int, default=4
    sampler : {"pymc", "nutpie"}, default="pymc"
        Whose implementation; nutpie is an optional package.
    target_accept : float, default=0.8
        Mean acceptance to tune the step size for, between 0 and 1; higher means smaller steps.

    References
    ----------
    Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn Sampler: adaptively setting path lengths
    in Hamiltonian Monte Carlo. JMLR 15, 1593-1623.
    """

    name = "nuts"
    summary = "Hamiltonian Monte Carlo by PyMC or nutpie, warm-started from the modes"
    cost = "rows x K x p per gradient, 5 to 7 ns each; 4 to 10 gradients per draw, more if hard"
    needs = "nothing"
    fails = "a component that empties and fills: divergences, R-hat, minutes"

    def __init__(
        self,
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        sampler: str = "pymc",
        target_accept: float = 0.8,
    ):
        self.draws = draws
        self.tune = tune
        self.chains = chains
        self.sampler = sampler
        self.target_accept = target_accept

    def check(self, problem: Problem) -> None:
        super().check(problem)
        for option, lowest in (("draws", 1), ("tune", 0), ("chains", 1)):
            value: Any = getattr(self, option)
            if option == "tune" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, Integral) or value < lowest:
                raise ValueError(
                    f"NUTS({option}=...) must be an integer of at least {lowest}, got {value!r}."
                )
        target: Any = self.target_accept
        if not (isinstance(target, Real) and 0.0 < float(target) < 1.0):
            raise ValueError(
                f"NUTS(target_accept=...) must be a number between 0 and 1, got {target!r}."
            )
        if self.sampler not in SAMPLERS:
            known = ", ".join(repr(name) for name in SAMPLERS)
            raise ValueError(f"NUTS(sampler=...) must be one of {known}, got {self.sampler!r}.")
        if self.sampler == "nutpie":
            import_optional("nutpie", extra="nutpie", needed_for="NUTS(sampler='nutpie')")

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        verbose: bool = False,
    ) -> Draws:
        self.check(problem)
        at_once = min(self.chains, n_threads)
        if problem.n_rows * problem.blocks.n_components < THREADED_TERMS:
            at_once = 1
        if at_once > 1:
            # Chains keep the cores busy: rows within each need no threads.
            problem = dataclasses.replace(problem, rows=RowBlocks(problem.n_rows))
        density = LogPosterior(problem)
        plans = self._plan(density, modes, rng)
        progress = _Progress(sum(plan.draws + plan.tune for plan in plans), verbose)
        with progress:
            chain = SAMPLERS[self.sampler](density, plans, progress.advance)
            results = _run(chain, plans, at_once, progress)

        theta = np.stack([result.theta for result in results])
        log_prior = density.log_prior(theta)
        draws = Draws(
            theta=theta,
            log_prior=log_prior,
            log_likelihood=np.stack([result.log_posterior for result in results]) - log_prior,
            solver=self.name,
            report={
                "sampler": self.sampler,
                "divergences": int(sum(result.divergent.sum() for result in results)),
                "gradients_per_draw": sum(r.gradients for r in results) / theta[..., 0].size,
                "tune": plans[0].tune,
                "target_accept": plans[0].target_accept,
                "metric": "laplace" if plans[0].keeps_metric else "adapted",
            },
        )
        self._complain_of_divergences(draws)
        return judge_chains(problem, modes, draws, rng)

    def _plan(
        self, density: LogPosterior, modes: ModeTable, rng: np.random.Generator
    ) -> list[ChainPlan]:
        starts, where = start_points(modes, rng, self.chains)
        seeds = rng.integers(2**31, size=self.chains)
        probes = rng.standard_normal((PROBES, density.size))
        started = [modes.modes[m] for m in np.unique(where)]
        normal = all(_departure(density, mode, probes) < NORMAL_ENOUGH for mode in started)
        tune = self.tune if self.tune is not None else (150 if normal else 800)
        return [
            ChainPlan(
                start=_pulled_in(density, modes.modes[m], start),
                mode=modes.modes[m],
                keeps_metric=normal,
                draws=int(self.draws),
                tune=int(tune),
                target_accept=float(self.target_accept),
                seed=int(seed),
            )
            for start, m, seed in zip(starts, where, seeds, strict=True)
        ]

    def _complain_of_divergences(self, draws: Draws) -> None:
        n, total = draws.report["divergences"], draws.theta[..., 0].size
        if n > max(1.0, DIVERGENT_SHARE * total):
            higher = 1.0 - (1.0 - self.target_accept) / 4.0
            draws.failures.append(
                f"nuts: {n} of {total} draws diverged; use solver=NUTS(target_accept="
                f"{higher:.3g}), fewer components, or narrower priors"
            )


def _departure(density: LogPosterior, mode: Mode, probes: Array) -> float:
    """How far the posterior around a mode is from normal, in nats."""
    prior, likelihood = density.values(mode.theta + probes @ mode.scale.T)
    surplus = prior + likelihood + 0.5 * (probes**2).sum(axis=1)
    return float(surplus.std()) if np.isfinite(surplus).all() else np.inf


def _pulled_in(density: LogPosterior, mode: Mode, start: Array) -> Array:
    """The start, moved towards the mode until its density is one that draws have."""
    lowest = mode.log_posterior - 2.0 * density.size - 10.0
    for _ in range(20):
        with np.errstate(all="ignore"):
            prior, likelihood = density.values(start[None])
        if prior[0] + likelihood[0] >= lowest:
            return start
        start = 0.5 * (start + mode.theta)
    return mode.theta.copy()


# ---------------------------------------------------------------------------------------------
# Running chains


class _Stopped(Exception):
    """Another chain failed, or the user pressed ctrl-C."""


class _Progress:
    """A line on stderr, and the way to stop all chains."""

    def __init__(self, total: int, verbose: bool):
        self.total, self.done, self.verbose = total, 0, verbose
        self.stopped = threading.Event()
        self._lock = threading.Lock()

    def advance(self, n: int = 1) -> None:
        if self.stopped.is_set():
            raise _Stopped
        with self._lock:
            before, self.done = self.done, self.done + n
        if self.verbose and 100 * before // self.total < 100 * self.done // self.total:
            sys.stderr.write(f"\rnuts: {100 * self.done // self.total}%")
            sys.stderr.flush()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.verbose:
            sys.stderr.write("\n")


def _run(
    chain: Callable[[int], ChainResult], plans: list[ChainPlan], at_once: int, progress: _Progress
) -> list[ChainResult]:
    if at_once == 1:
        return [chain(index) for index in range(len(plans))]
    with ThreadPoolExecutor(at_once) as pool:
        try:
            futures = [pool.submit(chain, index) for index in range(len(plans))]
            return [future.result() for future in futures]
        except BaseException:
            progress.stopped.set()
            raise


# ---------------------------------------------------------------------------------------------
# PyMC


class _ModelDensity:
    """The log density of the model's raveled value variables, in the place of a compiled one.

    `pm.NUTS` reads these attributes of its ``logp_dlogp_func``.
    """

    dtype = "float64"
    _raveled_inputs = True

    def __init__(self, density: LogPosterior):
        self._density = density
        self._gating = slice(0, density.blocks.n_components - 1)
        self._map = value_map(density.blocks)[self._gating, self._gating]
        self._log_jacobian = log_jacobian(density.blocks)
        self._extra_vars_shared: dict[str, Any] = {}
        self._pytensor_function = self.__call__

    def theta(self, q: Array) -> Array:
        """The unconstrained vector of points (..., d)."""
        out = q.copy()
        out[..., self._gating] = q[..., self._gating] @ self._map.T
        return out

    def __call__(self, q: Array) -> tuple[float, Array]:
        value, gradient = self._density.value_and_gradient(self.theta(q))
        gradient[self._gating] = gradient[self._gating] @ self._map
        return value + self._log_jacobian, gradient


def _pymc_chains(
    density: LogPosterior, plans: list[ChainPlan], advance: Callable[[int], None]
) -> Callable[[int], ChainResult]:
    import pymc as pm
    from pymc.blocking import DictToArrayBijection, RaveledVars
    from pymc.step_methods.hmc.quadpotential import QuadPotentialFull, QuadPotentialFullAdapt

    from .._model import build_model

    # The model's variables do not depend on the rows, and the rows need no second copy in memory.
    model = build_model(density.problem.subset(np.arange(1)), "kernel")
    origin = model.initial_point()
    layout = DictToArrayBijection.map(origin).point_map_info
    function = _ModelDensity(density)
    inverse = np.linalg.inv(value_map(density.blocks))

    def step_method(plan: ChainPlan) -> Any:
        scale = inverse @ plan.mode.scale
        covariance = scale @ scale.T
        rng, metric_rng = np.random.default_rng(plan.seed).spawn(2)
        if plan.keeps_metric:
            potential = QuadPotentialFull(covariance, rng=metric_rng)
        else:
            potential = QuadPotentialFullAdapt(
                density.size,
                inverse @ plan.mode.theta,
                covariance,
                initial_weight=10 + density.size,
                rng=metric_rng,
            )
        return pm.NUTS(
            model=model,
            initial_point=origin,
            logp_dlogp_func=function,
            potential=potential,
            step_scale=1.0,
            max_treedepth=MAX_DEPTH,
            target_accept=plan.target_accept,
            rng=rng,
        )

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="QuadPotentialFullAdapt is an experimental")
        steps = [step_method(plan) for plan in plans]

    def chain(index: int) -> ChainResult:
        plan, step = plans[index], steps[index]
        points = np.empty((plan.draws, density.size))
        log_posterior = np.empty(plan.draws)
        divergent = np.zeros(plan.draws, dtype=bool)
        gradients = 0
        q = RaveledVars(inverse @ plan.start, layout)
        with np.errstate(all="ignore"):
            for i in range(-plan.tune, plan.draws):
                if i == 0:
                    step.stop_tuning()
                q, (stats,) = step.astep(q)
                if i >= 0:
                    points[i] = q.data
                    log_posterior[i] = stats["model_logp"]
                    divergent[i] = stats["diverging"]
                    gradients += stats["tree_size"]
                advance(1)
        return ChainResult(
            function.theta(points),
            log_posterior - log_jacobian(density.blocks),
            divergent,
            gradients,
        )

    return chain


# ---------------------------------------------------------------------------------------------
# nutpie


def _nutpie_chains(
    density: LogPosterior, plans: list[ChainPlan], advance: Callable[[int], None]
) -> Callable[[int], ChainResult]:
    nutpie = importlib.import_module("nutpie")
    from nutpie.compiled_pyfunc import from_pyfunc
    from scipy.linalg import solve_triangular

    d = density.size

    def chain(index: int) -> ChainResult:
        plan = plans[index]
        centre, scale = plan.mode.theta, plan.mode.scale

        # nutpie takes no metric to start with: it samples z, with theta = centre + scale z.
        def whitened(z: Array) -> tuple[float, Array]:
            with np.errstate(all="ignore"):
                value, gradient = density.value_and_gradient(centre + scale @ z)
            return value, scale.T @ gradient

        def expand(z: Array) -> dict[str, Array]:
            return {"z": np.asarray(z)}

        start = solve_triangular(scale, plan.start - centre, lower=True)
        model = from_pyfunc(
            d, lambda: whitened, lambda *_: expand, [np.dtype(np.float64)], [(d,)], ["z"],
            make_initial_point_fn=lambda seed: start,
        )  # fmt: skip
        tree = nutpie.sample(
            model,
            draws=plan.draws,
            tune=plan.tune,
            chains=1,
            cores=1,
            seed=plan.seed,
            target_accept=plan.target_accept,
            maxdepth=MAX_DEPTH,
            save_warmup=False,
            progress_bar=False,
        )
        stats = tree["sample_stats"]
        z = tree["posterior"]["z"].to_numpy()[0]
        advance(plan.draws + plan.tune)
        return ChainResult(
            centre + z @ scale.T,
            stats["logp"].to_numpy()[0],
            stats["diverging"].to_numpy()[0].astype(bool),
            int(stats["n_steps"].to_numpy().sum()),
        )

    return chain


SAMPLERS = {"pymc": _pymc_chains, "nutpie": _nutpie_chains}
