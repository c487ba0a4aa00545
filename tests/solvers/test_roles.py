"""Sweeps of problems whose columns have roles, against a sampler that sees densities alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
from exact_draws import exact_draws
from from_python import from_python
from role_problems import drawn, problem_of

from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg.backgrounds import BACKGROUNDS
from skmixreg.families import FAMILIES, Gaussian
from skmixreg.solvers._gibbs import role_kernels
from skmixreg.solvers._gibbs.chains import Chains
from skmixreg.solvers._gibbs.metropolis import MetropolisSweeps
from skmixreg.solvers._gibbs.roles import RoleSweeps

gate_terms = from_python(role_kernels.gate_terms)
coordinates_terms = from_python(role_kernels.coordinates_terms)


class Case(NamedTuple):
    problem: Problem
    centre: np.ndarray  # about the only mode, but for labels
    sweeps: type


def case(
    family: Any,
    n_units: int,
    sweeps: type = RoleSweeps,
    *,
    lines: Any = ((0.8, 0.7), (-0.8, -0.4)),
    q: int = 0,
    copies: bool = False,
    known: int = 0,
    background: Any = None,
    extra: float = np.log(0.3),
    layout: Any = None,
    seed: int = 0,
    **options: Any,
) -> Case:
    observations, labels = drawn(family, n_units, lines=lines, q=q, seed=seed, **options)
    rng = np.random.default_rng(seed)
    size = len(observations.target) // n_units
    if copies:
        weights = rng.integers(1, 4, size=n_units).astype(float)
        observations = observations._replace(weights=np.repeat(weights, size))
    if known:
        allowed = np.zeros((n_units, 2))
        allowed[np.arange(known), 1 - labels[:known]] = -np.inf
        allowed[known:] = [0.2, -0.3]
        observations = observations._replace(allowed=allowed)
    if background is not None:
        wild = rng.random(len(observations.target)) < 0.1
        y = np.where(wild, rng.uniform(-3.0, 3.0, len(wild)), observations.target)
        observations = observations._replace(target=y)
    problem = problem_of(family, observations, 2, background, **(layout or {}))
    line = np.array(lines)
    line[:, 0] -= problem.design.location
    extras = np.full((2, len(problem.layout.extras)), extra)
    logits = np.zeros((2, 1 + q))
    logits[:, 1:] = np.array([[-1.0], [1.0]])
    return Case(problem, problem.layout.collapse(Raw(logits, line, extras)), sweeps)


TWO_SLOPES = ((1.0, 0.6, 0.3), (-0.6, -0.4, 0.3))
CASES = {
    "gate": lambda: case(Gaussian(), 150, q=2),
    "gate and groups": lambda: case(
        FAMILIES["poisson"](), 40, size=4, q=1, copies=True, lines=((2.0, 0.3), (0.5, -0.3))
    ),
    "shared slope": lambda: case(
        FAMILIES["poisson"](), 120, lines=((2.2, 0.6, 0.3), (0.3, -0.4, 0.3)),
        layout={"shared_columns": (1,)},
    ),
    "shared intercept and a gate": lambda: case(
        FAMILIES["negative_binomial"](), 60, size=3, q=1, lines=((1.0, 1.2), (1.0, -1.0)),
        layout={"shared_intercept": True}, extra=-1.0,
    ),
    "shared sigma and groups": lambda: case(
        Gaussian(shared_sigma=True), 40, size=3, layout={"shared_extras": ("sigma",)}
    ),
    "offset": lambda: case(Gaussian(), 100, MetropolisSweeps, offset=True),
    "offset and a shared slope": lambda: case(
        Gaussian(), 100, offset=True, lines=TWO_SLOPES, layout={"shared_columns": (1,)}
    ),
    "known labels and a gate": lambda: case(Gaussian(), 80, q=1, known=30, noise=0.8),
    "background and groups": lambda: case(
        Gaussian(), 40, size=3, background=BACKGROUNDS["uniform"]()
    ),
}  # fmt: skip
EVERY = [
    pytest.param(name, marks=() if name == "gate and groups" else pytest.mark.slow)
    for name in CASES
]


def log_density(problem):
    density = LogPosterior(problem)

    def of(thetas):
        with np.errstate(over="ignore"):
            return np.add(*density.values(thetas))

    return of


def chains_of(problem, starts, pool, seed=2):
    return Chains(problem, starts, np.random.default_rng(seed), pool)


@pytest.mark.parametrize("name", EVERY)
def test_agrees_with_importance_sampling(name):
    problem, centre, kind = CASES[name]()
    exact = exact_draws(log_density(problem), centre, 20_000)
    mean, sd = exact.mean(axis=0), exact.std(axis=0)
    with ThreadPoolExecutor(1) as pool:
        chains = chains_of(problem, np.tile(centre, (4, 1)), pool)
        assert type(chains._sweeps) is kind
        chains.run(200, 1, None, 1)
        thetas, filled = chains.run(2500, 4, None, 1)
        # What goes on from here are the states that were kept last.
        np.testing.assert_allclose(chains.theta, thetas[:, -1], atol=1e-12)
    assert (filled == 2).all()
    drawn = thetas.reshape(-1, problem.layout.size)
    print(name, np.round((drawn.mean(axis=0) - mean) / sd, 3), np.round(drawn.std(axis=0) / sd, 3))
    assert np.abs((drawn.mean(axis=0) - mean) / sd).max() < 0.1
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.1)

    # Draws that are exact stay so: every chain is compared with the draw that it starts in.
    starts = exact[::2]
    with ThreadPoolExecutor(1) as pool:
        after = chains_of(problem, starts, pool, seed=3).run(1, 5, None, 1)[0][:, 0]
    before, after = (starts - mean) / sd, (after - mean) / sd
    for power in (1, 2):
        change = after**power - before**power
        z = change.mean(axis=0) / (change.std(axis=0) / np.sqrt(len(change)))
        print(power, np.round(z, 1))
        assert np.abs(z).max() < 4.5
