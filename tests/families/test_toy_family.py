"""The family of docs/add-a-family.md, as the page has it."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import block_functions
import numpy as np
import pytest
from pymc.blocking import DictToArrayBijection
from pytensor.compile.mode import Mode
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmixreg import BayesianMixtureRegressor
from skmixreg._kernels.vector_kernels import BLOCK
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._pymc.coordinates import log_jacobian, to_values, value_map
from skmixreg._pymc.model import build_model
from skmixreg.families import FAMILIES
from skmixreg.solvers import NUTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-a-family.md"
NAMES = ("weights", "intercept", "coef", "cv")
K = 3
LOCATION = 0.7


def page_code() -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    return code


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The module that the page's one block of code makes."""
    path = tmp_path_factory.mktemp("toy") / "inverse_gaussian.py"
    path.write_text(page_code())
    spec = importlib.util.spec_from_file_location("inverse_gaussian", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["inverse_gaussian"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["inverse_gaussian"]


def waiting_times(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two components far apart."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    first = rng.random(n) < 0.6
    mean = np.exp(np.where(first, 1.0 + x, 3.0 - 0.5 * x))
    return x[:, None], rng.wald(mean, mean / np.where(first, 0.3, 0.15) ** 2)


def blocks(toy, what, y, eta, extra):
    """What one of the block functions fills."""
    family = toy.InverseGaussian()
    settings, aux = family.kernel_settings(LOCATION), family.auxiliary(y)
    return block_functions.evaluate(what, y, aux, eta - LOCATION, extra, settings)


@pytest.fixture
def point(toy):
    rng = np.random.default_rng(0)
    eta, extra = rng.normal(size=(K, BLOCK)), np.log([[0.05], [0.4], [1.3]])
    return rng.wald(np.exp(eta[1]), 5.0), eta, extra


def test_densities_are_those_of_scipy(toy, point):
    y, eta, extra = point
    cv = np.exp(extra)
    expected = stats.invgauss.logpdf(y, cv**2, scale=np.exp(eta) / cv**2)
    for kernel in block_functions.FUNCTIONS:
        np.testing.assert_allclose(blocks(toy, kernel, y, eta, extra)[0], expected, rtol=1e-10)
    family = toy.InverseGaussian()
    np.testing.assert_allclose(family.log_density(y, eta, cv), expected, rtol=1e-10)
    assert all(np.isfinite(a).all() for a in blocks(toy, "hessian", 1e300 * y, eta, extra)[1:])


def test_derivatives_are_finite_differences(toy, point):
    y, eta, extra = point
    h = 1e-6
    _, d_eta, d_extra, *_ = first = blocks(toy, "gradient", y, eta, extra)
    _, same_eta, same_extra, eta2, eta_extra, extra2 = blocks(toy, "hessian", y, eta, extra)
    np.testing.assert_array_equal(same_eta, d_eta)
    np.testing.assert_array_equal(same_extra, d_extra)

    def slopes(step_eta, step_extra):
        up = blocks(toy, "gradient", y, eta + step_eta, extra + step_extra)
        down = blocks(toy, "gradient", y, eta - step_eta, extra - step_extra)
        return [(a - b) / (2.0 * h) for a, b in zip(up, down, strict=True)]

    along_eta, along_extra = slopes(h, 0.0), slopes(0.0, h)
    for got, expected in [
        (d_eta, along_eta[0]),
        (d_extra[0], along_extra[0]),
        (eta2, along_eta[1]),
        (eta_extra[0], along_extra[1]),
        (eta_extra, along_eta[2]),
        (extra2, along_extra[2]),
    ]:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(first[0]).max())


def test_information_and_moments_are_expectations(toy):
    """Sums over y by the trapezium rule in log(y)."""
    family = toy.InverseGaussian()
    for eta, cv in [(0.3, 0.15), (-1.0, 0.6), (2.0, 1.2)]:
        log_y = np.linspace(eta - 9.0 * cv - 1.0, eta + 9.0 * cv + 1.0, BLOCK)
        y = np.exp(log_y)
        mass = np.exp(family.log_density(y, eta, np.float64(cv))) * y * (log_y[1] - log_y[0])
        points = y, np.full((1, BLOCK), eta), np.log([[cv]])
        hessian = [a.reshape(-1, BLOCK)[0] @ mass for a in blocks(toy, "hessian", *points)[3:]]
        information = [a.reshape(-1, BLOCK)[0, 0] for a in blocks(toy, "information", *points)[3:]]
        np.testing.assert_allclose(information, -np.array(hessian), rtol=1e-6)
        at = np.array([eta]), np.array([cv])
        assert mass.sum() == pytest.approx(1.0, rel=1e-8)
        assert mass @ y == pytest.approx(family.mean(*at)[0], rel=1e-8)
        assert mass @ (y - np.exp(eta)) ** 2 == pytest.approx(family.variance(*at)[0], rel=1e-6)
        below = np.cumsum(mass) - 0.5 * mass
        np.testing.assert_allclose(family.cdf(y, *at), below, atol=5e-4)
        levels = np.array([0.01, 0.5, 0.99])
        np.testing.assert_allclose(family.cdf(family.quantile(levels, *at), *at), levels)
        drawn = family.sample(np.random.default_rng(0), np.full(20_000, eta), np.float64(cv))
        assert stats.kstest(drawn, family.cdf, args=at).pvalue > 1e-3


# --------------------------------------------------------------------- definition of the model


@pytest.mark.parametrize("likelihood", ["kernel", "plain"])
@pytest.mark.parametrize(("intercept", "weighted"), [(True, True), (False, False)])
def test_the_pymc_model_has_the_same_density(toy, likelihood, intercept, weighted):
    rng = np.random.default_rng(0)
    X, y = rng.normal(3.0, 2.0, (40, 2)), rng.wald(4.0, 9.0, 40)
    problem = Problem.from_arrays(
        X, y, rng.uniform(0.2, 3.0, 40) if weighted else None, family=toy.InverseGaussian(),
        n_components=3, priors=Priors(intercept_scale=1.5).resolve(), fit_intercept=intercept,
    )  # fmt: skip
    model = build_model(problem, likelihood)
    mode = Mode(linker="py", optimizer="fast_compile")
    function = model.logp_dlogp_function(ravel_inputs=True, mode=mode)
    function.set_extra_values({})
    density, start = LogPosterior(problem), model.initial_point()
    for theta in rng.normal(scale=0.5, size=(3, density.size)):
        point = to_values(theta, problem.layout, start)
        value, gradient = function(DictToArrayBijection.map(point))
        expected, slope = density.value_and_gradient(theta)
        expected += log_jacobian(problem.layout) - problem.log_scale
        assert value == pytest.approx(expected, rel=1e-9)
        slope = value_map(problem.layout).T @ slope
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())


# -------------------------------------------------------------------------------------- fits


@pytest.fixture(scope="module")
def fits(toy):
    X, y = waiting_times(250)
    return X, y, {
        solver: BayesianMixtureRegressor(
            family=toy.InverseGaussian(), solver=solver, random_state=0
        ).fit(X, y)
        for solver in ("auto", "laplace", "gibbs", "map")
    }  # fmt: skip


def agree(one, other, sds):
    for name in NAMES:
        mean, sd = other[name].mean(axis=(0, 1)), other[name].std(axis=(0, 1))
        assert (np.abs(one[name].mean(axis=(0, 1)) - mean) < sds * sd).all(), name


def test_solvers_find_the_components_and_agree(fits):
    *_, models = fits
    for name, model in models.items():
        assert model.converged_, name
        np.testing.assert_allclose(model.coef_[:, 0], [-0.5, 1.0], atol=0.15)
        np.testing.assert_allclose(model.intercept_, [3.0, 1.0], atol=0.1)
        np.testing.assert_allclose(model.cv_, [0.15, 0.3], rtol=0.2)
        np.testing.assert_allclose(model.weights_, [0.4, 0.6], atol=0.1)
    agree(models["gibbs"].posterior_, models["laplace"].posterior_, 0.1)
    agree(models["map"].posterior_, models["laplace"].posterior_, 0.5)
    evidence = models["laplace"].log_evidence_
    assert models["gibbs"].log_evidence_ == pytest.approx(evidence, abs=0.05)
    for name in NAMES:
        np.testing.assert_array_equal(
            models["auto"].posterior_[name], models["laplace"].posterior_[name]
        )


@pytest.mark.slow
@pytest.mark.parametrize("solver", [NUTS(chains=2)], ids=["nuts"])
def test_solvers_of_pymc_agree(toy, fits, solver):
    X, y, models = fits
    model = clone(models["laplace"]).set_params(solver=solver).fit(X, y)
    assert model.converged_
    agree(model.posterior_, models["laplace"].posterior_, 0.15)


def test_predictions_are_sums_over_draws(toy, fits):
    X, y, models = fits
    model, X, y = models["laplace"], X[:7], y[:7]
    family, posterior = toy.InverseGaussian(), model.posterior_
    draws = {name: posterior[name][0] for name in NAMES}
    eta = draws["intercept"][:, None] + np.einsum("nj,skj->snk", X, draws["coef"])
    weights, cv = draws["weights"][:, None], draws["cv"][:, None]
    means, S = np.exp(eta), len(eta)
    mean = (weights * means).sum(axis=2).mean(axis=0)
    square = (weights * (1.0 + cv**2) * means**2).sum(axis=2).mean(axis=0)
    got, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(got, mean, rtol=1e-9)
    np.testing.assert_allclose(std, np.sqrt(square - mean**2), rtol=1e-7)
    np.testing.assert_allclose(model.predict_components(X), means.mean(axis=0), rtol=1e-9)
    joint = weights * np.exp(family.log_density(y[:, None], eta, cv))
    density = joint.sum(axis=2)
    np.testing.assert_allclose(
        model.log_predictive_density(X, y), np.log(density.mean(axis=0)), rtol=1e-9
    )
    np.testing.assert_allclose(
        model.predict_proba(X, y), (joint / density[..., None]).mean(axis=0), rtol=1e-7
    )
    levels = (0.05, 0.5, 0.95)
    quantiles = model.predict_quantiles(X, levels)
    for column, level in zip(quantiles.T, levels, strict=True):
        below = (weights * family.cdf(column[:, None], eta, cv)).sum(axis=2).mean(axis=0)
        np.testing.assert_allclose(below, level, atol=2e-3)
    sample = model.sample_y(X, S, random_state=0)
    assert (sample > 0.0).all()
    np.testing.assert_allclose(sample.mean(axis=1), mean, rtol=0.1)
    np.testing.assert_allclose((sample < quantiles[:, 1:2]).mean(axis=1), 0.5, atol=0.04)
    for row, region in enumerate(model.predict_hdr(X, 0.8)):
        ends = family.cdf(region.reshape(-1, 1, 1), eta[:, row], draws["cv"])
        below = (draws["weights"] * ends).sum(axis=2).mean(axis=1)
        assert np.diff(below.reshape(-1, 2), axis=1).sum() == pytest.approx(0.8, abs=5e-3)
    apart = np.abs(sample - np.random.default_rng(1).permuted(sample, axis=1)).mean(axis=1)
    expected = np.abs(sample - y[:, None]).mean(axis=1) - 0.5 * apart
    np.testing.assert_allclose(model.crps(X, y), expected, rtol=0.05, atol=0.05)


def test_is_a_family_like_the_others(toy, fits):
    X, y, models = fits
    model = models["map"]
    assert repr(clone(model)) == repr(model)
    assert "cv[0]" in models["laplace"].summary().index
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    weights = np.repeat([1.0, 2.0], [200, 50])
    copies = np.repeat(np.arange(250), weights.astype(int))
    weighted, repeated = (
        clone(model).fit(*data) for data in [(X, y, weights), (X[copies], y[copies])]
    )
    np.testing.assert_allclose(weighted.coef_, repeated.coef_)
    scores = cross_val_score(make_pipeline(StandardScaler(), clone(model)), X, y, cv=3)
    assert (scores > 0.5).all()
    for wrong in (0.0, -2.0):
        with pytest.raises(ValueError, match=r"needs positive numbers, but y\[3\] is"):
            clone(model).fit(X, np.where(np.arange(250) == 3, wrong, y))
    with pytest.raises(ValueError, match="positive numbers"):
        model.score(X, -y)


def test_stands_in_no_table(toy):
    assert toy.InverseGaussian not in FAMILIES.values()
    with pytest.raises(ValueError, match="Unknown family 'inverse_gaussian'"):
        BayesianMixtureRegressor(family="inverse_gaussian").fit(*waiting_times(20))


SCRIPT = """
import json
import numpy as np
from inverse_gaussian import InverseGaussian
from skmixreg._kernels.compile import compiled
from skmixreg._model.raw import Model
from skmixreg.families._kernels.base_kernels import density_block

@compiled
def density(y, aux, eta, extra, model, out):
    density_block(y, aux, eta, extra, model.family, out)

family, y, out = InverseGaussian(), np.ones(1), np.empty((1, 1))
model = Model(family.kernel_settings())
density(y, family.auxiliary(y), np.ones((1, 1)), np.zeros((1, 1)), model, out)
print(json.dumps([out[0, 0], sum(density.stats.cache_hits.values())]))
"""


@pytest.mark.slow
def test_an_edit_of_its_file_is_seen_by_the_cache_of_compiled_kernels(tmp_path):
    path = tmp_path / "inverse_gaussian.py"
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }

    def run(code: str) -> tuple[float, int]:
        path.write_text(code)
        (tmp_path / "script.py").write_text(SCRIPT)
        done = subprocess.run(
            [sys.executable, "-B", str(tmp_path / "script.py")],
            env=environment, capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        return tuple(json.loads(done.stdout))

    code = page_code()
    expected = stats.invgauss.logpdf(1.0, 1.0, scale=np.e)
    assert run(code) == (pytest.approx(expected), 0)
    assert run(code) == (pytest.approx(expected), 1)
    assert code.count("- 0.5 * (z + gap") == 1
    edited, hits = run(code.replace("- 0.5 * (z + gap", "- 0.25 * (z + gap"))
    assert hits == 0
    assert edited != pytest.approx(expected)
