"""PyMC's ADVI on the package's PyMC model, in units of the posterior, compiled once.

The approximation is fitted to ``z``, where ``q = centre + scale @ z`` are PyMC's own unconstrained
coordinates.  Centre and scale, like the rows, are values of a compiled function and not part of
it, so that fits of one structure in one process share one compilation.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._model._sums import row_kernels
from ..._model.problem import Problem
from ..._model.raw import Raw
from ..._support.arrays import Array
from ..._support.quiet import without_messages

# Compiled functions kept; each is a few MB.
LARGEST_CACHE = 16
UNIT_RHO = float(np.log(np.expm1(1.0)))  # PyMC's sds are log(1 + exp(rho))


class Schedule(NamedTuple):
    """What one run is told.

    Attributes
    ----------
    n_iterations : int
    learning_rate, decay_after : float
        Adam's rate is ``learning_rate / (1 + iteration / decay_after)``.
    noise : ndarray of shape (m, d)
        Standard normal noise of the iterations, used in turn.
    batch_size : int
    order : ndarray of shape (n,)
        Order in which minibatches read the rows.
    """

    n_iterations: int
    learning_rate: float
    decay_after: float
    noise: Array
    batch_size: int
    order: NDArray[np.int64]


class CompiledADVI:
    """PyMC's inference object with its compiled step, to be run on any data of one structure.

    Parameters
    ----------
    problem : Problem
        Its structure is compiled; none of its rows are kept.
    method : {"advi", "fullrank_advi"}
        As `pymc.fit` calls it.
    batched : bool
        Whether an iteration reads a minibatch.
    """

    def __init__(self, problem: Problem, method: str, batched: bool):
        import pymc as pm
        import pytensor

        from ..._pymc.model import build_model, observed_data

        self._lock = threading.Lock()
        self._callbacks: list[Callable[..., None]] = []
        d = problem.layout.size
        # The model's graph does not depend on the rows, which are swapped in for a run.
        self._model = build_model(problem.subset(np.arange(1)), "kernel")
        self._values = {
            "centre": pytensor.shared(np.zeros(d), "centre", shape=(d,)),
            "scale": pytensor.shared(np.eye(d), "scale", shape=(d, d)),
            "noise": pytensor.shared(np.zeros((1, d)), "noise", shape=(None, d)),
            "learning_rate": pytensor.shared(0.0, "learning_rate"),
            "decay_after": pytensor.shared(1.0, "decay_after"),
            "iteration": pytensor.shared(np.int64(0), "iteration"),
        }
        self._values |= {name: self._model[name] for name in observed_data(problem)}
        whitened = self._whitened_model(problem, batched)
        families = {"advi": pm.ADVI, "fullrank_advi": pm.FullRankADVI}
        self._inference = families[method](model=whitened)
        approx = self._inference.approx
        iteration, noise = self._values["iteration"], self._values["noise"]
        rate = self._values["learning_rate"] / (1.0 + iteration / self._values["decay_after"])
        with without_messages("pymc.variational.inference"):
            pm.fit(
                0,
                method=self._inference,
                model=whitened,
                progressbar=False,
                callbacks=self._callbacks,
                obj_optimizer=pm.adam(learning_rate=rate),
                more_updates={iteration: iteration + 1},
                # Noise that is handed in: it comes from the caller's generator, and a generator
                # inside the compiled step costs ten times the step.
                more_replacements={
                    approx.groups[0].symbolic_initial: noise[iteration % noise.shape[0]][None, :]
                },
            )
        self._fresh = [
            (value, value.get_value().copy()) for value in self._inference.state.step.get_shared()
        ]

    def _whitened_model(self, problem: Problem, batched: bool) -> Any:
        """The model with one free variable z, and the posterior of q as its potential."""
        import pymc as pm
        from pytensor.graph.replace import graph_replace

        from ..._pymc.model import origin

        model, values = self._model, self._values
        prior, likelihood = model.varlogp, model.datalogp
        if batched:
            likelihood = self._on_minibatches(problem, likelihood)
        with pm.Model() as whitened:
            z = pm.Flat("z", shape=(problem.layout.size,))
            q = values["centre"] + values["scale"] @ z
            start, replacements = 0, {}
            zeros = origin(model)
            for variable in model.value_vars:
                shape = zeros[variable.name].shape
                stop = start + int(np.prod(shape))
                replacements[variable] = q[start:stop].reshape(shape)
                start = stop
            (logp,) = graph_replace([prior + likelihood], replacements, strict=False)
            pm.Potential("log_posterior", logp)
        return whitened

    def _on_minibatches(self, problem: Problem, likelihood: Any) -> Any:
        """An unbiased estimate of the log-likelihood from the rows of one minibatch.

        The likelihood's first-order expansion at the centre is known from all rows; a minibatch,
        scaled by rows over batch size, estimates the rest only.
        """
        import pytensor
        import pytensor.tensor as pt
        from pytensor.graph.replace import graph_replace
        from pytensor.graph.traversal import ancestors

        from ..._pymc.likelihood_op import MixtureLogLikelihood

        values = self._values
        K, p = problem.layout.n_components, problem.layout.n_features
        values["order"] = pytensor.shared(np.zeros(1, dtype=np.int64), "order")
        values["batch_size"] = pytensor.shared(np.int64(1), "batch_size")
        values["total"] = pytensor.shared(0.0, "total")
        shapes = [(K,), (K, 1 + p), (K, len(problem.layout.extras))]
        for i, shape in enumerate(shapes):
            for name in (f"anchor_{i}", f"slope_{i}"):
                values[name] = pytensor.shared(np.zeros(shape), name, shape=shape)
        node = next(
            variable.owner
            for variable in ancestors([likelihood])
            if variable.owner is not None and isinstance(variable.owner.op, MixtureLogLikelihood)
        )
        parameters, (X, y, weights, auxiliary) = node.inputs[:3], node.inputs[3:]
        n, size = y.shape[0], values["batch_size"]
        rows = values["order"][(values["iteration"] * size + pt.arange(size)) % n]
        batch = X[:, rows], y[rows], weights[rows], auxiliary[:, rows]
        anchors = [values[f"anchor_{i}"] for i in range(3)]
        here = node.op(*parameters, *batch)[0]
        there, *slopes = node.op(*anchors, *batch)
        rest, expansion = here - there, values["total"]
        for i, (value, anchor) in enumerate(zip(parameters, anchors, strict=True)):
            rest -= (slopes[i] * (value - anchor)).sum()
            expansion += (values[f"slope_{i}"] * (value - anchor)).sum()
        estimate = expansion + (n / size) * rest
        (replaced,) = graph_replace([likelihood], {node.outputs[0]: estimate})
        return replaced

    def run(
        self,
        problem: Problem,
        theta: Array,
        centre: Array,
        scale: Array,
        schedule: Schedule,
        callback: Callable[..., None],
    ) -> Array:
        """Iterate from mean 0 and sd 1 of z until the callback stops it.

        Parameters
        ----------
        problem : Problem
        theta : ndarray of shape (d,)
            The centre, as the package's unconstrained vector.
        centre : ndarray of shape (d,)
            The same in PyMC's unconstrained coordinates.
        scale : ndarray of shape (d, d)
            Map from z to PyMC's unconstrained coordinates.
        schedule : Schedule
        callback : callable
            As PyMC calls it: ``(approx, losses, i)``; it may raise StopIteration.

        Returns
        -------
        ndarray of shape (iterations,)
            PyMC's loss of every iteration; ends with NaN if it became NaN.
        """
        inference = self._inference
        losses: Array | None = None

        def after_step(approx: Any, so_far: Array, i: int) -> None:
            nonlocal losses
            try:
                callback(approx, so_far, i)
            except StopIteration:
                losses = so_far.copy()  # PyMC drops the last one
                raise

        with self._lock, without_messages("pymc.variational.inference"):
            try:
                self._load(problem, theta, centre, scale, schedule)
                for parameter in inference.approx.params:
                    parameter.set_value(_unit_start(parameter.name, len(centre)))
                self._callbacks[:] = [after_step]
                inference.hist = np.empty(0)
                inference.state = inference.state._replace(i=0)
                with np.errstate(all="ignore"):
                    inference.refine(schedule.n_iterations, progressbar=False)
                if losses is None:
                    losses = inference.hist
                    if len(losses) < schedule.n_iterations:
                        # PyMC takes ctrl-C for the wish to go on with what there is.
                        raise KeyboardInterrupt
            except FloatingPointError:
                losses = np.append(inference.hist, np.nan)
            finally:
                self._callbacks.clear()
                for value, fresh in self._fresh:
                    value.set_value(fresh)
        return losses

    def _load(
        self, problem: Problem, theta: Array, centre: Array, scale: Array, schedule: Schedule
    ) -> None:
        from ..._pymc.model import observed_data

        content: dict[str, Any] = observed_data(problem)
        content |= {
            "centre": centre,
            "scale": scale,
            "noise": schedule.noise,
            "learning_rate": np.float64(schedule.learning_rate),
            "decay_after": np.float64(schedule.decay_after),
        }
        if "order" in self._values:
            raw = Raw(*(np.array(part) for part in problem.layout.expand(theta)))
            flat = problem.rows.sum(row_kernels.log_likelihood_gradient, raw, problem.model)
            line = raw.line.copy()
            line[:, 0] += problem.design.location
            components = [raw.logits[:, 0], line, raw.extra]
            content |= {
                "order": schedule.order,
                "batch_size": np.int64(schedule.batch_size),
                "total": flat[0],
            }
            ends = np.cumsum([part.size for part in components])[:-1]
            slopes = np.split(flat[1:], ends)
            for i, (part, slope) in enumerate(zip(components, slopes, strict=True)):
                content |= {f"anchor_{i}": part, f"slope_{i}": slope.reshape(part.shape)}
        for name, value in content.items():
            # Borrowed: the rows are not copied.
            self._values[name].set_value(value, borrow=True)


def _unit_start(name: str, d: int) -> Array:
    """Mean 0 and covariance 1, by PyMC's name of the parameter."""
    if name == "rho":
        return np.full(d, UNIT_RHO)
    if name == "L_tril":
        return (UNIT_RHO * np.eye(d))[np.tril_indices(d)]
    return np.zeros(d)


def mean_and_root(parameters: dict[str, Array], d: int) -> tuple[Array, Array]:
    """Mean (d,) and square root of the covariance (d, d), from PyMC's parameters.

    Without parameters, those of the start.
    """
    if not parameters:
        return np.zeros(d), np.eye(d)
    if "rho" in parameters:
        return parameters["mu"], np.diag(np.logaddexp(0.0, parameters["rho"]))
    root = np.zeros((d, d))
    root[np.tril_indices(d)] = parameters["L_tril"]
    diagonal = np.diag_indices(d)
    root[diagonal] = np.logaddexp(0.0, root[diagonal])
    return parameters["mu"], root


_CACHE: OrderedDict[Hashable, CompiledADVI] = OrderedDict()
_CACHE_LOCK = threading.Lock()


def compiled_advi(problem: Problem, method: str, batched: bool) -> CompiledADVI:
    """The compiled inference for the structure of a problem, from the cache if it is there."""
    family = problem.family
    settings = tuple(sorted(family.get_params().items()))
    key = (method, batched, type(family), settings, problem.priors, problem.layout)
    with _CACHE_LOCK:
        if key not in _CACHE:
            _CACHE[key] = CompiledADVI(problem, method, batched)
        _CACHE.move_to_end(key)
        while len(_CACHE) > LARGEST_CACHE:
            _CACHE.popitem(last=False)
        return _CACHE[key]
