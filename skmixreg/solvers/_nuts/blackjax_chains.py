"""BlackJAX's No-U-Turn sampler on the plain PyMC model in JAX."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from .chain_runs import MAX_DEPTH
from .jax_chains import JaxDraw, JaxSampler, LogDensity, Tuning, jax_chains


class _State(NamedTuple):
    key: Any
    iteration: Any
    chain: Any
    step_size: Any
    metric: Any


def blackjax_sampler(tuning: Tuning) -> JaxSampler:
    """BlackJAX's sampler with Stan's windows; the metric of a window is dense."""
    import jax
    import jax.numpy as jnp
    from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
    from blackjax.adaptation.step_size import dual_averaging_adaptation
    from blackjax.adaptation.window_adaptation import build_schedule
    from blackjax.mcmc import nuts

    kernel = nuts.build_kernel()
    metric_init, metric_update, metric_final = mass_matrix_adaptation(is_diagonal_matrix=False)
    step_init, step_update, step_final = dual_averaging_adaptation(tuning.target_accept)
    # Whether an iteration feeds the metric, and whether a window ends with it.  After tuning the
    # last row is looked up and not used.
    schedule = jnp.zeros((max(tuning.tune, 1), 2), dtype=bool)
    if tuning.tune > 0 and not tuning.keeps_metric:
        schedule = build_schedule(tuning.tune).astype(bool)

    def begin(key: Any, z: Any, log_density: LogDensity) -> _State:
        return _State(
            key,
            jnp.zeros((), dtype=jnp.int64),
            nuts.init(z, log_density),
            step_init(1.0),
            metric_init(z.size),
        )

    def tuned(step_size: Any, metric: Any, iteration: Any, z: Any, accepted: Any) -> Any:
        feeds, ends = schedule[iteration]
        step_size = step_update(step_size, accepted)
        metric = jax.lax.cond(feeds, lambda: metric_update(metric, z), lambda: metric)
        return jax.lax.cond(
            ends,
            lambda: (step_init(step_final(step_size)), metric_final(metric)),
            lambda: (step_size, metric),
        )

    def step(state: _State, log_density: LogDensity) -> tuple[_State, JaxDraw]:
        key, iteration, chain, step_size, metric = state
        key, own = jax.random.split(key)
        early = iteration < tuning.tune
        length = jnp.where(early, jnp.exp(step_size.log_step_size), step_final(step_size))
        chain, info = kernel(own, chain, log_density, length, metric.inverse_mass_matrix, MAX_DEPTH)
        step_size, metric = jax.lax.cond(
            early,
            lambda: tuned(step_size, metric, iteration, chain.position, info.acceptance_rate),
            lambda: (step_size, metric),
        )
        draw = JaxDraw(
            chain.position, chain.logdensity, info.is_divergent, info.energy,
            info.num_integration_steps, info.acceptance_rate,
        )  # fmt: skip
        return _State(key, iteration + 1, chain, step_size, metric), draw

    return JaxSampler(begin, step)


blackjax_chains = partial(jax_chains, blackjax_sampler)
