"""Sweeps of problems whose columns have roles, against a sampler that sees densities alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from exact_draws import exact_draws
from from_python import from_python
from role_problems import drawn, problem_of
from scipy.special import log_softmax

from skmixreg._kernels.prior_kernels import prior_terms
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._model.rows import HeldRows
from skmixreg.backgrounds import BACKGROUNDS
from skmixreg.backgrounds._prior import LogOddsPrior
from skmixreg.families import FAMILIES, Gaussian
from skmixreg.solvers._gibbs import role_kernels
from skmixreg.solvers._gibbs.chains import SWEEP_NEEDS, Chains
from skmixreg.solvers._gibbs.conjugate import ConjugateSweeps
from skmixreg.solvers._gibbs.metropolis import MetropolisSweeps
from skmixreg.solvers._gibbs.roles import RoleSweeps
from skmixreg.solvers._needs import missing

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
    concentration: float = 1.0,
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
    priors = problem.priors._replace(weight_concentration=concentration)
    problem = replace(problem, priors=priors)
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
        FAMILIES["poisson"](), 40, size=4, q=1, copies=True, lines=((2.0, 0.3), (0.5, -0.3)),
        concentration=30.0,
    ),
    "shared slope": lambda: case(
        FAMILIES["poisson"](), 120, lines=((2.2, 0.6, 0.3), (0.3, -0.4, 0.3)),
        layout={"shared_columns": (1,)}, concentration=30.0,
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
    assert np.abs((drawn.mean(axis=0) - mean) / sd).max() < 0.07
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.07)

    # Draws that are exact stay so: every chain is compared with the draw that it starts in.
    starts = exact[::2]
    with ThreadPoolExecutor(1) as pool:
        after = chains_of(problem, starts, pool, seed=3).run(1, 5, None, 1)[0][:, 0]
    before, after = (starts - mean) / sd, (after - mean) / sd
    for power in (1, 2):
        change = after**power - before**power
        z = change.mean(axis=0) / (change.std(axis=0) / np.sqrt(len(change)))
        assert np.abs(z).max() < 4.5


def finite_differences(terms, at):
    """Score and the triangle of minus its derivatives, numerically."""
    steps = 1e-5 * np.eye(len(at))
    score = [(terms(at + h)[0] - terms(at - h)[0]) / 2e-5 for h in steps]
    slopes = [(terms(at + h)[1] - terms(at - h)[1]) / 2e-5 for h in steps]
    return np.array(score), np.tril(-np.array(slopes))


def with_derivatives(kernel, size):
    def terms(at):
        score, information = np.empty(size), np.zeros((size, size))
        value = kernel(at, score, information)
        return value, score, np.tril(information)

    return terms


@pytest.mark.slow
@pytest.mark.parametrize("groups", [False, True])
def test_terms_of_the_gate(groups):
    """Multinomial probabilities of labels, the Dirichlet density, and normal slopes."""
    problem, _, _ = case(
        Gaussian(), 30, q=2, copies=True, size=3 if groups else 1,
        lines=((0.8, 0.7), (-0.8, -0.4)),
    )  # fmt: skip
    problem = replace(
        problem.with_components(3), priors=problem.priors._replace(weight_concentration=0.7)
    )
    layout, observations = problem.layout, problem.rows.observations
    rng = np.random.default_rng(0)
    gate = RoleSweeps(problem)._gate
    first = np.arange(30) * (3 if groups else 1)
    counts = rng.multinomial(4, np.ones(3) / 3, size=30).T.astype(float)
    counts[:, -1] *= 2.0
    gate.copies[:-1] = counts.sum(axis=0)
    counts = np.column_stack([counts, np.full(3, 0.7)])
    size = len(gate.priors)
    terms = with_derivatives(lambda *args: gate_terms(gate, counts, *args), size)

    def expected(contrasts):
        theta = np.zeros(layout.size)
        theta[:size] = contrasts
        raw = layout.expand(theta)
        linear = raw.logits[:, :1] + raw.logits[:, 1:] @ observations.gating[:, first]
        labels = (counts[:, :-1] * log_softmax(linear, axis=0)).sum()
        return labels + LogPosterior(problem).log_prior(theta)

    points = rng.normal(size=(3, size))
    gaps = [terms(point)[0] - expected(point) for point in points]
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-10)
    _, score, information = terms(points[0])
    numeric = finite_differences(terms, points[0])
    np.testing.assert_allclose(score, numeric[0], atol=1e-5)
    np.testing.assert_allclose(information, numeric[1], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shared slope", "shared intercept", "no intercept"])
def test_terms_of_coordinates(name):
    """Sums over the rows of components, and the prior of what is moved; Poisson is canonical."""
    layout = {
        "shared slope": {"shared_columns": (1,)},
        "shared intercept": {"shared_intercept": True},
        "no intercept": {"fit_intercept": False, "shared_columns": (0,)},
    }[name]
    problem, _, _ = case(
        FAMILIES["poisson"](), 40, lines=((0.9, 0.6, 0.3), (0.3, -0.4, 0.3)), layout=layout
    )
    layout, observations = problem.layout, problem.rows.observations
    rng = np.random.default_rng(0)
    labels = np.arange(40) // 25
    copies = rng.integers(1, 3, size=40).astype(float)
    starts = np.array([0, 25, 40])
    theta = 0.3 * rng.normal(size=layout.size)
    sweeps = RoleSweeps(problem)
    shared = np.setdiff1d(np.arange(1, layout.size), layout.own)
    density = LogPosterior(problem)

    def expected(at):
        raw = layout.expand(at)
        eta = raw.line[labels, 0] + (raw.line[labels, 1:] * observations.columns.T).sum(axis=1)
        eta += problem.design.location
        return copies @ (observations.target * eta - np.exp(eta)) + density.log_prior(at)

    for moved, where, first, last in (
        (sweeps._own, layout.own[1], 1, 2), (sweeps._shared, shared, 0, 2)
    ):  # fmt: skip
        raw = layout.expand(theta).copied()
        terms = with_derivatives(
            lambda *args, moved=moved, first=first, last=last, raw=raw: coordinates_terms(
                observations, copies, starts, raw, first, last, moved, args[0],
                problem.model.family, *args[1:],
            ),
            len(where),
        )  # fmt: skip
        at = theta.copy()
        points = theta[where] + np.array([[0.0], [0.2], [-0.3]])
        gaps = []
        for point in points:
            at[where] = point
            gaps.append(terms(point)[0] - expected(at))
        np.testing.assert_allclose(gaps, gaps[0], atol=1e-9)
        _, score, information = terms(points[0])
        numeric = finite_differences(terms, points[0])
        np.testing.assert_allclose(score, numeric[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(information, numeric[1], rtol=1e-5, atol=1e-5)


def test_compiled_prior_of_the_odds_of_a_background():
    prior = LogOddsPrior(1.5, 0.7)
    values = np.array([-800.0, -3.0, 0.4, 2.0, 800.0])
    compiled = np.array([prior_terms(np.array(prior.row()), v) for v in values]).T
    density, slope, curvature = prior.terms(values)
    np.testing.assert_allclose(compiled[0] - compiled[0, 2], density - density[2], atol=1e-12)
    np.testing.assert_allclose(compiled[1:], [slope, -curvature], atol=1e-12)


def test_same_keys_same_draws():
    problem, centre, _ = CASES["gate and groups"]()
    draws = []
    for parts in ((20, 20), (40,)):
        with ThreadPoolExecutor(2) as pool:
            chains = chains_of(problem, np.tile(centre, (3, 1)), pool)
            draws.append(np.concatenate([chains.run(n, 1, None, 1)[0] for n in parts], axis=1))
    np.testing.assert_array_equal(*draws)
    assert len(np.unique(draws[0][:, -1], axis=0)) == 3


def test_one_component_has_no_gate_to_move():
    one = CASES["gate and groups"]().problem.with_components(1)
    with ThreadPoolExecutor(1) as pool:
        chains = chains_of(one, np.zeros((2, 2)), pool)
        assert isinstance(chains._sweeps, RoleSweeps)
        thetas, filled = chains.run(50, 1, None, 1)
    assert (filled == 1).all()
    assert (thetas.std(axis=1) > 0.0).all()


def test_sweeps_are_chosen_by_what_a_problem_has():
    def kind(problem):
        with ThreadPoolExecutor(1) as pool:
            return type(chains_of(problem, np.zeros((1, problem.layout.size)), pool)._sweeps)

    for shared in (False, True):
        assert kind(case(Gaussian(shared_sigma=shared), 20).problem) is ConjugateSweeps
    assert kind(case(FAMILIES["poisson"](), 20).problem) is MetropolisSweeps
    uniform = BACKGROUNDS["uniform"]()
    assert kind(case(Gaussian(), 20, background=uniform).problem) is MetropolisSweeps
    assert kind(case(Gaussian(), 20, size=2).problem) is MetropolisSweeps
    assert kind(case(Gaussian(), 20, known=5).problem) is MetropolisSweeps
    assert kind(case(Gaussian(), 20, known=5, background=uniform).problem) is RoleSweeps
    without = {"fit_intercept": False, "shared_intercept": True}
    assert kind(case(Gaussian(), 20, layout=without).problem) is ConjugateSweeps


@pytest.mark.parametrize("name", ["gate", "shared slope", "shared sigma and groups"])
def test_fractional_weights_are_refused(name):
    problem, _, _ = CASES[name]()
    assert not missing(SWEEP_NEEDS, problem)
    observations = problem.rows.observations
    rows = HeldRows(observations._replace(weights=observations.weights + 0.5))
    (words,) = missing(SWEEP_NEEDS, replace(problem, rows=rows))
    assert "counts (integers) where there is a background, components share parameters" in words
    assert "mixing weights depend on" in words
    plain, _, _ = case(FAMILIES["poisson"](), 20)
    observations = plain.rows.observations
    rows = HeldRows(observations._replace(weights=observations.weights + 0.5))
    assert not missing(SWEEP_NEEDS, replace(plain, rows=rows))
