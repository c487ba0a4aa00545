"""What is special to the JAX samplers: the plain model in JAX, precision, compiling once."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
from conftest import responses_of
from scipy.optimize import approx_fprime

from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._pymc.coordinates import log_jacobian, value_map
from skmixreg._search.search import find_modes
from skmixreg.families import Exponential, Gaussian, LogNormal
from skmixreg.solvers import NUTS
from skmixreg.solvers._nuts import jax_chains
from skmixreg.solvers._nuts.sampling_density import OrderedDensity

jax = pytest.importorskip("jax")

JAX_SAMPLERS = ["numpyro", pytest.param("blackjax", marks=pytest.mark.slow)]


def make_problem(n=60, K=2, p=1, seed=0, weights=None, centre=0.0, **options):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, p))
    slopes = np.linspace(3.0, -1.0, K)[rng.integers(K, size=n)]
    y = slopes * (X[:, 0] if p else 1.0) + rng.normal(0, 0.1, n)
    if weights is not None:
        weights = rng.choice(weights, size=n)
    family = options.pop("family", Gaussian())
    y = responses_of(family, y)
    priors = Priors(weight_concentration=0.7).resolve()
    return Problem.from_arrays(
        X + centre, y, weights, family=family, n_components=K, priors=priors, **options
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weights": [0.5, 1.0, 3.0], "K": 3, "p": 2},
        {"centre": 1e7},
        {"K": 1, "p": 0},
        {"K": 2, "p": 3, "fit_intercept": False, "family": Gaussian(shared_sigma=True)},
        {"weights": [2.0], "centre": -50.0},
        {"family": Exponential()},
        {"family": LogNormal()},
    ],
)
def test_jax_sees_the_same_density_and_gradient(options):
    problem = make_problem(**options)
    density = LogPosterior(problem)
    M = value_map(problem.layout)
    function, names = jax_chains.plain_model_in_jax(problem)
    rows = jax_chains._rows(problem, names)
    with jax.enable_x64(True):
        compiled = jax.jit(jax.value_and_grad(function))
        for seed in range(3):
            theta = np.random.default_rng(seed).normal(size=density.size)
            value, gradient = compiled(np.linalg.solve(M, theta), rows)
            expected, slope = density.value_and_gradient(theta)
            assert float(value) - log_jacobian(problem.layout) == pytest.approx(expected, rel=1e-12)
            np.testing.assert_allclose(
                np.asarray(gradient), slope @ M, rtol=1e-9, atol=1e-9 * np.abs(slope).max()
            )


def test_jax_orders_as_numpy_does():
    problem = make_problem(K=3)
    modes = find_modes(problem, np.random.default_rng(0), n_init=4)
    layout = problem.layout
    target = OrderedDensity(LogPosterior(problem), layout.own_lines[:, 1], modes.best)
    centre, scale = target.around(modes.best)
    log_density, names = jax_chains._log_density(target)
    rows = jax_chains._rows(problem, names)
    z = np.random.default_rng(1).normal(size=target.size)
    with jax.enable_x64(True):
        value, gradient = jax.value_and_grad(log_density)(z, centre, scale, target.widths, rows)
    expected, slope = target.value_and_gradient(centre + scale @ z)
    assert float(value) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(np.asarray(gradient), slope @ scale, rtol=1e-8)
    step = approx_fprime(z, lambda z: target.value_and_gradient(centre + scale @ z)[0], 1e-6)
    np.testing.assert_allclose(slope @ scale, step, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sampler", JAX_SAMPLERS)
def test_fits_of_one_shape_compile_once_and_keep_no_rows(sampler):
    pytest.importorskip(sampler)
    before = set(jax_chains._compiled)
    solver = NUTS(sampler=sampler, draws=60, tune=30, chains=3)
    found = []
    for seed in (0, 1):
        problem = make_problem(n=200, seed=seed)
        modes = find_modes(problem, np.random.default_rng(0), n_init=4)
        draws = solver.draw(problem, modes, np.random.default_rng(0), n_threads=2)
        density = LogPosterior(problem)
        prior, likelihood = density.values(draws.theta.reshape(-1, density.size))
        np.testing.assert_allclose(draws.log_posterior.ravel(), prior + likelihood, rtol=1e-9)
        found.append(weakref.ref(problem.target))
        del problem, density, draws, modes
    (key,) = set(jax_chains._compiled) - before
    programs = jax_chains._compiled[key]
    assert programs.begin._cache_size() == programs.proceed._cache_size() == 1
    gc.collect()
    assert [ref() for ref in found] == [None, None]


@pytest.mark.slow
def test_jax_is_left_in_the_precision_it_was_in():
    code = """
import jax, numpy as np
from skmixreg import BayesianMixtureRegressor
from skmixreg.solvers import NUTS
assert jax.numpy.zeros(1).dtype == np.float32
rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (200, 1))
y = np.where(rng.random(200) < 0.5, 3, -1) * X[:, 0] + rng.normal(0, 0.1, 200)
est = BayesianMixtureRegressor(2, solver=NUTS(sampler="numpyro"), random_state=0)
with jax.enable_x64(True):
    est.fit(X, y)
assert est.converged_
assert jax.numpy.zeros(1).dtype == np.float32
est.fit(X, y)
assert est.converged_
assert jax.numpy.zeros(1).dtype == np.float32
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
