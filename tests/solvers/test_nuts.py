"""NUTS: PyMC's and nutpie's, on the compiled density."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from skmixreg import _exceptions
from skmixreg._modes import find_modes
from skmixreg._priors import Priors
from skmixreg._problem import Problem
from skmixreg.families import Gaussian
from skmixreg.solvers import NUTS
from skmixreg.solvers.nuts import SAMPLERS


def make_problem(n=300, K=2, p=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, p))
    slopes = np.linspace(3.0, -1.0, K)[rng.integers(K, size=n)]
    y = slopes * (X[:, 0] if p else 1.0) + rng.normal(0, 0.1, n)
    return Problem.from_data(X, y, family=Gaussian(), n_components=K, priors=Priors().resolve())


@pytest.fixture(scope="module")
def problem():
    return make_problem()


@pytest.fixture(scope="module")
def modes(problem):
    return find_modes(problem, np.random.default_rng(0), n_init=8)


def draw(problem, modes, seed=1, n_threads=1, **options):
    return NUTS(**options).draw(problem, modes, np.random.default_rng(seed), n_threads=n_threads)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_posterior_of_two_lines_is_the_nearly_normal_one(problem, modes, sampler):
    draws = draw(problem, modes, sampler=sampler, draws=500, chains=4)
    assert draws.failures == []
    assert draws.report["rhat"] < 1.01
    assert draws.report["divergences"] == 0
    assert draws.report["metric"] == "laplace"
    flat = draws.theta.reshape(-1, problem.blocks.size)
    sd = np.sqrt(np.diag(modes.best.scale @ modes.best.scale.T))
    np.testing.assert_allclose(flat.mean(axis=0), modes.best.theta, atol=0.3 * sd.max())
    np.testing.assert_array_less(np.abs(flat.mean(axis=0) - modes.best.theta) / sd, 0.3)
    np.testing.assert_allclose(flat.std(axis=0), sd, rtol=0.15)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_densities_belong_to_the_draws(problem, modes, sampler):
    from skmixreg._density import LogPosterior

    draws = draw(problem, modes, sampler=sampler, draws=20, tune=20, chains=2)
    prior, likelihood = LogPosterior(problem).values(draws.theta.reshape(-1, problem.blocks.size))
    np.testing.assert_allclose(draws.log_prior.ravel(), prior, rtol=1e-9)
    np.testing.assert_allclose(draws.log_likelihood.ravel(), likelihood, rtol=1e-9)
    assert draws.theta.shape == (2, 20, problem.blocks.size)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_gives_the_same_draws(problem, modes, sampler):
    first, again, other = (
        draw(problem, modes, seed, sampler=sampler, draws=20, tune=20, chains=2).theta
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_threads_do_not_change_the_draws(sampler):
    problem = make_problem(n=12_000)
    modes = find_modes(problem, np.random.default_rng(0), n_init=4)
    one, two = (
        draw(problem, modes, n_threads=n, sampler=sampler, draws=10, tune=10, chains=2).theta
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_works_off_the_main_thread(problem, modes, sampler):
    out = []
    thread = threading.Thread(
        target=lambda: out.append(
            draw(problem, modes, sampler=sampler, draws=10, tune=10, chains=2, seed=3)
        )
    )
    thread.start()
    thread.join()
    assert out[0].theta.shape == (2, 10, problem.blocks.size)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("K", "p"), [(1, 0), (1, 2), (2, 0), (3, 2)])
def test_every_shape_of_problem(sampler, K, p):
    problem = make_problem(n=80, K=K, p=p)
    modes = find_modes(problem, np.random.default_rng(0), n_init=4)
    draws = draw(problem, modes, sampler=sampler, draws=10, tune=10, chains=2)
    assert np.isfinite(draws.theta).all()


def test_a_posterior_that_is_not_normal_is_tuned_longer():
    problem = make_problem(n=30, K=3)
    modes = find_modes(problem, np.random.default_rng(0), n_init=8)
    plans = NUTS(chains=2)._plan(_density(problem), modes, np.random.default_rng(0))
    assert not plans[0].keeps_metric
    assert plans[0].tune > 150


def _density(problem):
    from skmixreg._density import LogPosterior

    return LogPosterior(problem)


def test_nothing_is_printed_unless_asked(problem, modes, capfd):
    draw(problem, modes, draws=10, tune=10, chains=2)
    assert capfd.readouterr() == ("", "")
    NUTS(draws=10, tune=10, chains=1).draw(problem, modes, np.random.default_rng(0), verbose=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "nuts: 100%" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "stan"}, "'pymc', 'nutpie'"),
        ({"draws": 0}, "draws=...\\) must be an integer of at least 1"),
        ({"tune": -1}, "tune"),
        ({"chains": 1.5}, "chains"),
        ({"target_accept": 1.0}, "between 0 and 1"),
    ],
)
def test_wrong_options(problem, options, message):
    with pytest.raises(ValueError, match=message):
        NUTS(**options).check(problem)


def test_missing_nutpie_names_the_extra(problem, monkeypatch):
    monkeypatch.setitem(sys.modules, "nutpie", None)
    with pytest.raises(_exceptions.MissingPackageError, match=r"skmixreg\[nutpie\]"):
        NUTS(sampler="nutpie").check(problem)


def test_many_divergences_are_a_failure(problem, modes):
    draws = draw(problem, modes, draws=10, tune=0, chains=1)
    draws.failures.clear()
    draws.report["divergences"] = 5
    NUTS(target_accept=0.8)._complain_of_divergences(draws)
    assert "target_accept=0.95" in draws.failures[0]


def test_importing_the_solvers_imports_no_sampler():
    code = (
        "import sys, skmixreg.solvers as s; "
        "print([m for m in ('pymc', 'pytensor', 'nutpie', 'arviz') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
