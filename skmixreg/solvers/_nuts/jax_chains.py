"""What the JAX samplers share: the plain PyMC model as a JAX function, and chains on it.

Everything is in double precision.  JAX holds that choice as a setting of the process, which is
left as it was: functions are traced and called inside ``jax.enable_x64``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from ..._model.problem import Problem
from ..._pymc.coordinates import log_jacobian, value_map
from ..._support.arrays import Array
from .chain_runs import STATISTICS, ChainPlan, ChainResult
from .sampling_density import SamplingDensity

# Iterations between two looks at whether to stop: one call costs about one of them on small data.
ITERATIONS_PER_CALL = 50

# Compiled functions kept by the process, of a few tens of MB each.
KEPT_PROGRAMS = 16

LogDensity = Callable[[Any], Any]

_compiled: dict[tuple[Any, ...], _Programs] = {}
_lock = threading.Lock()


class JaxDraw(NamedTuple):
    """One iteration of a chain."""

    z: Any  # (d,)
    log_density: Any
    diverging: Any
    energy: Any
    n_steps: Any
    acceptance_rate: Any


class JaxSampler(NamedTuple):
    """One sampler as pure functions of its state; both are traced, not called.

    Attributes
    ----------
    begin : callable
        ``begin(key, z, log_density) -> state``, with a metric of ones.
    step : callable
        ``step(state, log_density) -> (state, JaxDraw)``; tunes in its first iterations.
    """

    begin: Callable[[Any, Any, LogDensity], Any]
    step: Callable[[Any, LogDensity], tuple[Any, JaxDraw]]


class Tuning(NamedTuple):
    """What all chains of a fit have in common."""

    keeps_metric: bool
    tune: int
    target_accept: float


class _Programs(NamedTuple):
    """Compiled functions; no rows in them."""

    begin: Callable[..., Any]
    proceed: Callable[..., Any]
    row_names: list[str]


def jax_chains(
    make_sampler: Callable[[Tuning], JaxSampler],
    target: SamplingDensity,
    plans: list[ChainPlan],
    advance: Callable[[int, int], None],
) -> Callable[[int], ChainResult]:
    """Chains in z, where v = centre + scale z; compiled once for all of them."""
    import jax
    import jax.numpy as jnp

    tuning = Tuning(plans[0].keeps_metric, plans[0].tune, plans[0].target_accept)
    with jax.enable_x64(True):
        programs = _programs(make_sampler, target, tuning)
        rows = jax.device_put(_rows(target.density.problem, programs.row_names))

    def started(plan: ChainPlan) -> tuple[Any, Any]:
        arguments = (*(jnp.asarray(a) for a in (plan.centre, plan.scale, target.widths)), rows)
        z = solve_triangular(plan.scale, plan.start - plan.centre, lower=True)
        return programs.begin(plan.seed, jnp.asarray(z), arguments), arguments

    def chain(index: int) -> ChainResult:
        plan = plans[index]
        parts: list[JaxDraw] = []
        with jax.enable_x64(True):
            state, arguments = started(plan)
            for remaining, keep in ((plan.tune, False), (plan.draws, True)):
                while remaining > 0:
                    n = min(remaining, ITERATIONS_PER_CALL)
                    state, held = programs.proceed(state, n, arguments)
                    if keep:
                        parts.append(JaxDraw(*(np.asarray(a)[:n] for a in held)))
                    remaining -= n
                    advance(index, n)
        z, values, *rest = (np.concatenate(a) for a in zip(*parts, strict=True))
        v = plan.centre + z @ plan.scale.T
        statistics = dict(zip(STATISTICS, rest, strict=True))
        return ChainResult(target.theta(v), values - target.log_jacobian(v), statistics)

    with jax.enable_x64(True):
        # Threads that find nothing compiled would each compile for themselves.
        state, arguments = started(plans[0])
        programs.proceed(state, 0, arguments)
    return chain


def _programs(
    make_sampler: Callable[[Tuning], JaxSampler], target: SamplingDensity, tuning: Tuning
) -> _Programs:
    """The compiled functions, from an earlier fit of the same model if there was one."""
    problem, ordered_by = target.density.problem, target.ordered_by
    key = (
        make_sampler,
        tuning,
        type(problem.family),
        repr(problem.family),
        problem.layout,
        problem.priors,
        _weighted(problem),
        # JAX compiles for every number of rows, and keeps that as long as the function is there.
        problem.n_rows,
        None if ordered_by is None else tuple(ordered_by),
    )
    with _lock:
        if key not in _compiled:
            if len(_compiled) >= KEPT_PROGRAMS:
                del _compiled[next(iter(_compiled))]
            _compiled[key] = _compile(make_sampler(tuning), target)
        return _compiled[key]


def _compile(sampler: JaxSampler, target: SamplingDensity) -> _Programs:
    import jax
    import jax.numpy as jnp

    d = target.size
    log_density, row_names = _log_density(target)

    @jax.jit
    def begin(seed: Any, z: Any, arguments: Any) -> Any:
        return sampler.begin(jax.random.key(seed), z, lambda z: log_density(z, *arguments))

    @jax.jit
    def proceed(state: Any, n: Any, arguments: Any) -> tuple[Any, JaxDraw]:
        def one(i: Any, carry: tuple[Any, JaxDraw]) -> tuple[Any, JaxDraw]:
            state, held = carry
            state, draw = sampler.step(state, lambda z: log_density(z, *arguments))
            return state, jax.tree.map(lambda all, new: all.at[i].set(new), held, draw)

        size = ITERATIONS_PER_CALL
        held = JaxDraw(
            jnp.zeros((size, d)),
            jnp.zeros(size),
            jnp.zeros(size, dtype=bool),
            jnp.zeros(size),
            jnp.zeros(size, dtype=jnp.int64),
            jnp.zeros(size),
        )
        return jax.lax.fori_loop(0, n, one, (state, held))

    return _Programs(begin, proceed, row_names)


def _log_density(target: SamplingDensity) -> tuple[Callable[..., Any], list[str]]:
    """A JAX function ``(z, centre, scale, widths, rows)`` and the names of the rows.

    Its value is the log density of v, standardised units, at v = centre + scale z.
    """
    import jax
    import jax.numpy as jnp

    plain, row_names = plain_model_in_jax(target.density.problem)
    inverse = np.linalg.inv(value_map(target.layout))
    shift = log_jacobian(target.layout)
    where = target.ordered_by

    def log_density(z: Any, centre: Any, scale: Any, widths: Any, rows: Any) -> Any:
        theta = centre + scale @ z
        jacobian = 0.0
        if where is not None:  # as `OrderedDensity`
            v = theta[where]
            gaps = widths * jax.nn.softplus(v[1:])
            theta = theta.at[where].set(jnp.cumsum(jnp.concatenate([v[:1], gaps])))
            jacobian = (jax.nn.log_sigmoid(v[1:]) + jnp.log(widths)).sum()
        return plain(inverse @ theta, rows) - shift + jacobian

    return log_density, row_names


def _weighted(problem: Problem) -> bool:
    return not np.all(problem.weights == 1.0)


def _rows(problem: Problem, names: list[str]) -> list[Array]:
    """What stands for the named data of the plain model, standardised.

    With the identity in the place of the way to the user's units: so the density is that of the
    target, and nothing cancels in a column whose mean is large.
    """
    p, design = problem.layout.n_features, problem.design
    y_mean, y_scale = (0.0, 1.0) if design.scales_response else (design.y_mean, design.y_scale)
    values = {
        "X": np.ascontiguousarray(problem.mean_design.T),
        "y_observed": problem.target,
        "row_weights": problem.weights,
        "x_mean": np.zeros(p),
        "x_scale": np.ones(p),
        "x_map": np.eye(p),
        "y_mean": np.asarray(y_mean),
        "y_scale": np.asarray(y_scale),
        **dict(zip(problem.family.columns, problem.family_columns, strict=True)),
    }
    return [values[name] for name in names]


def plain_model_in_jax(problem: Problem) -> tuple[Callable[[Any, Any], Any], list[str]]:
    """The log density of the plain PyMC model's raveled value variables, for JAX to trace.

    Its data are arguments and not constants: one compiled function serves any rows.

    Returns
    -------
    function : callable
        ``function(q, rows)``, to be traced inside ``jax.enable_x64(True)``.
    row_names : list of str
        Names of the `pymc.Data` that ``rows`` has to hold.
    """
    import pytensor.tensor as pt
    from pytensor.compile.mode import get_mode
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.fg import FunctionGraph
    from pytensor.graph.replace import clone_replace
    from pytensor.graph.traversal import graph_inputs

    from ..._pymc.model import build_model, origin

    # Weights make another graph; beyond that, one row states the model as well as all of them.
    one_row = problem.subset(np.arange(1), np.array([2.0]) if _weighted(problem) else None)
    model = build_model(one_row, "plain")
    log_density = model.logp()

    shared = [v for v in graph_inputs([log_density]) if isinstance(v, SharedVariable)]
    data = {v: v.type() for v in shared if v.type.dtype == "float64"}
    lengths = {v: pt.constant(v.get_value()) for v in shared if v not in data}
    (output,) = clone_replace([log_density], replace={**data, **lengths})
    graph = FunctionGraph([*model.value_vars, *data.values()], [output], clone=True)
    # JAX cannot raise from compiled code, and the value variables are unconstrained.
    get_mode("JAX").including("local_remove_check_parameter").optimizer.rewrite(graph)
    compiled = _funcify(graph)
    shapes = [value.shape for value in origin(model).values()]
    sizes = [int(np.prod(shape)) for shape in shapes]
    stops = np.cumsum(sizes)

    def function(q: Any, rows: Any) -> Any:
        parts = [
            q[stop - size : stop].reshape(shape)
            for shape, size, stop in zip(shapes, sizes, stops, strict=True)
        ]
        return compiled(*parts, *rows)[0]

    return function, [v.name for v in data]


def _funcify(graph: Any) -> Callable[..., Any]:
    """PyTensor's translation of a graph.

    PyTensor switches JAX to double precision for the whole process when its backend is first
    imported; that is undone.  In a thread of its own, where the process's setting is seen and not
    the one of a context that the caller may be in.
    """
    import jax

    def translate() -> Callable[..., Any]:
        before = jax.config.jax_enable_x64
        try:
            from pytensor.link.jax.dispatch import jax_funcify
        finally:
            jax.config.update("jax_enable_x64", before)
        with jax.enable_x64(True):  # constants of the graph become arrays here
            return jax_funcify(graph)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(translate).result()
