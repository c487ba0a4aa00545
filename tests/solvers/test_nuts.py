"""NUTS: every sampler of the table, one chain, and what is special to PyMC's."""

import json
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from conftest import REFERENCE, load_reference
from sklearn.exceptions import ConvergenceWarning

from skmixreg import BayesianMixtureRegressor
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg._support import exceptions
from skmixreg.families import Gaussian
from skmixreg.solvers import NUTS
from skmixreg.solvers._nuts import pymc_chains
from skmixreg.solvers._nuts.plans import Beginnings, chain_plans
from skmixreg.solvers._nuts.sampling_density import SamplingDensity
from skmixreg.solvers.nuts import SAMPLERS

RUNS = json.loads((REFERENCE / "long_runs" / "long_nuts.json").read_text())


def make_problem(n=300, K=2, p=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, p))
    slopes = np.linspace(3.0, -1.0, K)[rng.integers(K, size=n)]
    y = slopes * (X[:, 0] if p else 1.0) + rng.normal(0, 0.1, n)
    return Problem.from_arrays(X, y, family=Gaussian(), n_components=K, priors=Priors().resolve())


@pytest.fixture(scope="module")
def problem():
    return make_problem()


@pytest.fixture(scope="module")
def modes(problem):
    return find_modes(problem, np.random.default_rng(0), n_init=8)


# As numpyro, it compiles for every shape of the rows and every tune, for seconds.
SLOW = {"blackjax": pytest.mark.slow}


@pytest.fixture(params=[pytest.param(name, marks=SLOW.get(name, ())) for name in SAMPLERS])
def sampler(request):
    """Every row of the table whose package is installed."""
    package = SAMPLERS[request.param].package
    if package is not None:
        pytest.importorskip(package)
    return request.param


# A JAX sampler compiles for every shape of the rows and every tune, for seconds.
DEAR = [
    pytest.param(name, marks=pytest.mark.slow) if row.extra == "jax" else name
    for name, row in SAMPLERS.items()
]


def draw(problem, modes, seed=1, n_threads=1, **options):
    return NUTS(**options).draw(problem, modes, np.random.default_rng(seed), n_threads=n_threads)


def test_the_posterior_of_two_lines_is_the_nearly_normal_one(problem, modes, sampler):
    draws = draw(problem, modes, sampler=sampler, draws=500, chains=4)
    assert draws.failures == []
    assert draws.report["rhat"] < 1.01
    assert draws.report["divergences"] == 0
    assert draws.report["metric"] == "laplace"
    flat = draws.theta.reshape(-1, problem.layout.size)
    sd = np.sqrt(np.diag(modes.best.scale @ modes.best.scale.T))
    np.testing.assert_allclose(flat.mean(axis=0), modes.best.theta, atol=0.3 * sd.max())
    np.testing.assert_array_less(np.abs(flat.mean(axis=0) - modes.best.theta) / sd, 0.3)
    np.testing.assert_allclose(flat.std(axis=0), sd, rtol=0.15)


def test_densities_belong_to_the_draws(problem, modes, sampler):
    draws = draw(problem, modes, sampler=sampler, draws=20, chains=2)
    prior, likelihood = LogPosterior(problem).values(draws.theta.reshape(-1, problem.layout.size))
    np.testing.assert_allclose(draws.log_prior.ravel(), prior, rtol=1e-9)
    np.testing.assert_allclose(draws.log_likelihood.ravel(), likelihood, rtol=1e-9)
    assert draws.theta.shape == (2, 20, problem.layout.size)


def test_the_same_seed_gives_the_same_draws(problem, modes, sampler):
    first, again, other = (
        draw(problem, modes, seed, sampler=sampler, draws=20, chains=2).theta for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("sampler", DEAR, indirect=True)
def test_threads_do_not_change_the_draws(sampler):
    problem = make_problem(n=12_000)
    modes = find_modes(problem, np.random.default_rng(0), n_init=4)
    one, two = (
        draw(problem, modes, n_threads=n, sampler=sampler, draws=10, tune=10, chains=2).theta
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_works_off_the_main_thread(problem, modes, sampler):
    out = []
    thread = threading.Thread(
        target=lambda: out.append(draw(problem, modes, sampler=sampler, draws=10, chains=2, seed=3))
    )
    thread.start()
    thread.join()
    assert out[0].theta.shape == (2, 10, problem.layout.size)


@pytest.mark.parametrize("sampler", DEAR, indirect=True)
@pytest.mark.parametrize(("K", "p"), [(1, 0), (1, 2), (2, 0), (3, 2)])
def test_every_shape_of_problem(sampler, K, p):
    problem = make_problem(n=80, K=K, p=p)
    modes = find_modes(problem, np.random.default_rng(0), n_init=4)
    draws = draw(problem, modes, sampler=sampler, draws=10, tune=10, chains=2)
    assert np.isfinite(draws.theta).all()


def test_a_posterior_that_is_not_normal_is_tuned_longer():
    problem = make_problem(n=30, K=3)
    modes = find_modes(problem, np.random.default_rng(0), n_init=8)
    target = SamplingDensity(LogPosterior(problem))
    begin = Beginnings.drawn(modes, np.random.default_rng(0), 2)
    plans = chain_plans(target, modes, begin, draws=1000, tune=None, target_accept=0.8)
    assert not plans[0].keeps_metric
    assert plans[0].tune > 150


def test_nothing_is_printed(problem, modes, capfd):
    draw(problem, modes, draws=10, tune=10, chains=2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "stan"}, "'pymc', 'nutpie'"),
        ({"draws": 0}, "draws=...\\) must be an integer of at least 1"),
        ({"tune": -1}, "tune"),
        ({"chains": 1.5}, "chains"),
        ({"target_accept": 1.0}, "between 0 and 1"),
        ({"identify": "sort"}, "must be one of 'relabel', 'order', got 'sort'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        NUTS(**options).check_options()


@pytest.mark.parametrize("name", [name for name, row in SAMPLERS.items() if row.package])
def test_a_missing_package_names_the_extra(monkeypatch, name):
    monkeypatch.setitem(sys.modules, SAMPLERS[name].package, None)
    with pytest.raises(
        exceptions.MissingPackageError, match=rf"skmixreg\[{SAMPLERS[name].extra}\]"
    ):
        NUTS(sampler=name).check_options()


def test_many_divergences_are_a_failure(problem, modes):
    draws = draw(problem, modes, draws=10, tune=0, chains=1)
    draws.failures.clear()
    draws.report["divergences"] = 5
    NUTS(target_accept=0.8)._complain_of_divergences(draws)
    assert "target_accept=0.95" in draws.failures[0]


def test_importing_the_solvers_imports_no_sampler():
    code = (
        "import sys, skmixreg.solvers as s; "
        "heavy = ('pymc', 'pytensor', 'nutpie', 'arviz', 'jax', 'numpyro', 'blackjax'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_one_chain_is_judged_by_its_halves(problem, modes, sampler):
    draws = draw(problem, modes, sampler=sampler, chains=1)
    assert draws.theta.shape[:2] == (1, 1000)
    assert draws.failures == []
    assert 1.0 < draws.report["rhat"] < 1.01
    assert draws.report["settled"]


def test_one_chain_that_drifts_is_told(problem, modes):
    draws = draw(problem, modes, chains=1, draws=30, tune=0)
    assert any("R-hat" in text for text in draws.failures)


@pytest.mark.parametrize("sampler", DEAR, indirect=True)
def test_one_chain_cannot_settle_several_modes(sampler):
    case = load_reference("tonedata")
    problem = Problem.from_arrays(
        case.X.to_numpy(float), case.y.to_numpy(float),
        family=Gaussian(), n_components=2, priors=Priors().resolve(),
    )  # fmt: skip
    modes = find_modes(problem, np.random.default_rng(0), n_init=16)
    assert np.sort(modes.probabilities)[-2] > 0.1
    draws = draw(problem, modes, sampler=sampler, chains=1)
    assert not draws.report["settled"]
    assert any("one chain cannot tell the masses" in text for text in draws.failures)
    assert any("NUTS(chains=4)" in text for text in draws.failures)


def test_what_pymc_reads_of_a_density(problem, modes, monkeypatch):
    """PyMC takes a density of ours only as long as it asks no more of it than this."""
    known = {"dtype", "_raveled_inputs", "_extra_vars_shared", "_pytensor_function"}
    read = set()

    class Watched:
        def __init__(self, target):
            self.inner = pymc_chains.ModelDensity.__original__(target)

        def point(self, q):  # ours, not PyMC's
            return self.inner.point(q)

        def __getattr__(self, name):
            assert name in known, (
                f"PyMC now reads {name!r} of logp_dlogp_func, which ModelDensity does not have: "
                "see what it is for and add it"
            )
            read.add(name)
            return getattr(self.inner, name)

    Watched.__original__ = pymc_chains.ModelDensity
    monkeypatch.setattr(pymc_chains, "ModelDensity", Watched)
    assert np.isfinite(draw(problem, modes, draws=5, tune=5, chains=1).theta).all()
    assert read == known, f"PyMC no longer reads {known - read}: ModelDensity can do without"


def test_a_sampler_that_moves_on_another_density_is_found_out(problem, modes, monkeypatch):
    right = pymc_chains.ModelDensity.__call__

    def tempered(self, q):
        value, gradient = right(self, q)
        return 0.5 * value, 0.5 * gradient

    monkeypatch.setattr(pymc_chains.ModelDensity, "__call__", tempered)
    draws = draw(problem, modes, draws=5, tune=5, chains=2)
    assert any("off the posterior's" in text for text in draws.failures)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["npreg_yn-2", "tonedata-2"])
def test_samplers_agree_with_long_runs(sampler, key):
    """As tests/test_agreement.py for the default sampler: means and sds, mode by mode."""
    run = RUNS[key]["nuts"]
    case = load_reference(run["data"])
    est = BayesianMixtureRegressor(
        run["n_components"], solver=NUTS(sampler=sampler, draws=2000), random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.MultimodalPosteriorWarning)
        warnings.simplefilter("error", ConvergenceWarning)
        est.fit(case.X, case.y)
    narrow = est.posterior_["sigma"].min(axis=-1).ravel() < 0.012
    parts = {"": (run, np.ones(len(narrow), dtype=bool))}
    if "modes" in run:
        assert narrow.mean() == pytest.approx(run["bridge_narrow_mass"], abs=0.05)
        parts = {name: (run["modes"][name], narrow == (name == "narrow")) for name in run["modes"]}
    for part, where in parts.values():
        for name, expected in part["parameters"].items():
            values = est.posterior_[name]
            values = values.reshape(-1, *values.shape[2:])[where]
            sd = np.array(expected["sd"])
            off = (values.mean(axis=0) - expected["mean"]) / sd
            assert np.abs(off).max() < 0.1, name
            np.testing.assert_allclose(values.std(axis=0, ddof=1), sd, rtol=0.1, err_msg=name)
