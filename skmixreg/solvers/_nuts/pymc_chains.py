"""PyMC's No-U-Turn sampler, stepped by hand on the compiled density."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._pymc.coordinates import log_jacobian, value_map
from ..._support.arrays import Array
from .chain_runs import MAX_DEPTH, ChainPlan, ChainResult
from .sampling_density import SamplingDensity

# As PyMC names the statistics of a draw, and as they are named here.
THEIR_NAMES: dict[str, tuple[str, type]] = {
    "diverging": ("diverging", bool),
    "energy": ("energy", float),
    "tree_size": ("n_steps", int),
    "mean_tree_accept": ("acceptance_rate", float),
}


class ModelDensity:
    """The log density of the model's raveled value variables, in the place of a compiled one.

    `pymc.NUTS` reads these attributes of its ``logp_dlogp_func``, three of them private.
    """

    dtype = "float64"
    _raveled_inputs = True

    def __init__(self, target: SamplingDensity):
        self._target = target
        self._gating = slice(0, target.layout.n_components - 1)
        self._map = value_map(target.layout)[self._gating, self._gating]
        self._log_jacobian = log_jacobian(target.layout)
        self._extra_vars_shared: dict[str, Any] = {}
        self._pytensor_function = self.__call__

    def point(self, q: Array) -> Array:
        """The coordinates of the target at value variables (..., d)."""
        out = q.copy()
        out[..., self._gating] = q[..., self._gating] @ self._map.T
        return out

    def __call__(self, q: Array) -> tuple[float, Array]:
        value, gradient = self._target.value_and_gradient(self.point(q))
        gradient[self._gating] = gradient[self._gating] @ self._map
        return value + self._log_jacobian, gradient


def pymc_chains(
    target: SamplingDensity, plans: list[ChainPlan], advance: Callable[[int, int], None]
) -> Callable[[int], ChainResult]:
    """Prepare the chains; see `SAMPLERS`."""
    import pymc as pm
    from pymc.blocking import DictToArrayBijection, RaveledVars
    from pymc.step_methods.hmc.quadpotential import QuadPotentialFull, QuadPotentialFullAdapt

    from ..._pymc.model import build_model, origin

    # The model's variables do not depend on the rows, and the rows need no second copy in memory.
    model = build_model(target.density.problem.subset(np.arange(1)), "kernel")
    start = origin(model)
    layout = DictToArrayBijection.map(start).point_map_info
    function = ModelDensity(target)
    # Ordering leaves the weights alone: the map from value variables to theta is its own as well.
    inverse = np.linalg.inv(value_map(target.layout))

    def step_method(plan: ChainPlan) -> Any:
        scale = inverse @ plan.scale
        covariance = scale @ scale.T
        rng, metric_rng = np.random.default_rng(plan.seed).spawn(2)
        if plan.keeps_metric:
            potential = QuadPotentialFull(covariance, rng=metric_rng)
        else:
            potential = QuadPotentialFullAdapt(
                target.size,
                inverse @ plan.centre,
                covariance,
                initial_weight=10 + target.size,
                rng=metric_rng,
            )
        return pm.NUTS(
            model=model,
            initial_point=start,
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
        points = np.empty((plan.draws, target.size))
        log_density = np.empty(plan.draws)
        statistics: dict[str, Any] = {
            name: np.empty(plan.draws, kind) for name, kind in THEIR_NAMES.values()
        }
        q = RaveledVars(inverse @ plan.start, layout)
        with np.errstate(all="ignore"):
            for i in range(-plan.tune, plan.draws):
                if i == 0:
                    step.stop_tuning()
                q, (stats,) = step.astep(q)
                if i >= 0:
                    points[i] = q.data
                    log_density[i] = stats["model_logp"]
                    for theirs, (name, _) in THEIR_NAMES.items():
                        statistics[name][i] = stats[theirs]
                advance(index, 1)
        v = function.point(points)
        log_posterior = log_density - log_jacobian(target.layout) - target.log_jacobian(v)
        return ChainResult(target.theta(v), log_posterior, statistics)

    return chain
