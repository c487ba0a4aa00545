"""NumPyro's No-U-Turn sampler on the plain PyMC model in JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .chain_runs import MAX_DEPTH
from .jax_chains import JaxDraw, JaxSampler, LogDensity, Tuning, jax_chains


def numpyro_sampler(tuning: Tuning) -> JaxSampler:
    """NumPyro's sampler; the metric of a window is dense."""
    from numpyro.infer.hmc import hmc

    def potential(log_density: LogDensity) -> Callable[[Any], Any]:
        return lambda z: -log_density(z)

    initial_state, next_state = hmc(potential_fn_gen=potential, algo="NUTS")

    def begin(key: Any, z: Any, log_density: LogDensity) -> Any:
        return initial_state(
            z,
            tuning.tune,
            adapt_mass_matrix=not tuning.keeps_metric,
            dense_mass=True,
            target_accept_prob=tuning.target_accept,
            max_tree_depth=MAX_DEPTH,
            model_args=(log_density,),
            rng_key=key,
        )

    def step(state: Any, log_density: LogDensity) -> tuple[Any, JaxDraw]:
        state = next_state(state, model_args=(log_density,))
        return state, JaxDraw(
            state.z, -state.potential_energy, state.diverging, state.energy, state.num_steps,
            state.accept_prob,
        )  # fmt: skip

    return JaxSampler(begin, step)


numpyro_chains = partial(jax_chains, numpyro_sampler)
