"""nutpie's No-U-Turn sampler on the compiled density."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from ..._support.arrays import Array
from .chain_runs import MAX_DEPTH, ChainPlan, ChainResult
from .sampling_density import SamplingDensity

# Between two looks at whether to stop.
SECONDS_PER_LOOK = 0.2
# As nutpie names the statistics of a draw, and as they are named here.
THEIR_NAMES = {
    "diverging": "diverging",
    "energy": "energy",
    "n_steps": "n_steps",
    "mean_tree_accept": "acceptance_rate",
}


def nutpie_chains(
    target: SamplingDensity, plans: list[ChainPlan], advance: Callable[[int, int], None]
) -> Callable[[int], ChainResult]:
    """Prepare the chains; see `SAMPLERS`."""
    nutpie = importlib.import_module("nutpie")
    from nutpie.compiled_pyfunc import from_pyfunc

    d = target.size

    def chain(index: int) -> ChainResult:
        plan = plans[index]
        centre, scale = plan.centre, plan.scale

        # nutpie takes no metric to start with: it samples z, with v = centre + scale z.
        def whitened(z: Array) -> tuple[float, Array]:
            with np.errstate(all="ignore"):
                value, gradient = target.value_and_gradient(centre + scale @ z)
            return value, scale.T @ gradient

        raised: list[BaseException] = []

        # Called once for every iteration, in a thread of nutpie's that an error would bring down.
        def expand(z: Array) -> dict[str, Array]:
            try:
                advance(index, 1)
            except BaseException as error:
                raised.append(error)
            return {"z": np.asarray(z)}

        start = solve_triangular(scale, plan.start - centre, lower=True)
        model = from_pyfunc(
            d, lambda: whitened, lambda *_: expand, [np.dtype(np.float64)], [(d,)], ["z"],
            make_initial_point_fn=lambda seed: start,
        )  # fmt: skip
        sampler = nutpie.sample(
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
            blocking=False,
        )
        tree = _result(sampler, raised)
        stats = tree["sample_stats"]
        v = centre + tree["posterior"]["z"].to_numpy()[0] @ scale.T
        return ChainResult(
            target.theta(v),
            stats["logp"].to_numpy()[0] - target.log_jacobian(v),
            {name: stats[theirs].to_numpy()[0] for theirs, name in THEIR_NAMES.items()},
        )

    return chain


def _result(sampler: Any, raised: list[BaseException]) -> Any:
    """The draws, once there are all of them; raises what was raised meanwhile."""
    try:
        while not raised:
            try:
                return sampler.wait(timeout=SECONDS_PER_LOOK)
            except TimeoutError:
                pass
        raise raised[0]
    except BaseException:
        sampler.cancel()
        raise
