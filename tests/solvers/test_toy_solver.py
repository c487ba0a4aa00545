"""The solver of docs/add-a-solver.md, as the page has it."""

import importlib.util
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import two_lines
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmixreg import BayesianMixtureRegressor

PAGE = Path(__file__).parents[2] / "docs" / "add-a-solver.md"


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The module that the page's one block of code makes."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    path = tmp_path_factory.mktemp("toy") / "random_walk.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("random_walk", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["random_walk"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["random_walk"]


def test_recovers_the_lines_and_agrees_with_an_exact_solver(toy):
    X, y = two_lines(300)
    fits = {
        solver: BayesianMixtureRegressor(solver=solver, random_state=0).fit(X, y)
        for solver in (toy.RandomWalk(), "laplace")
    }
    walk, exact = fits.values()
    assert walk.converged_ and exact.converged_
    np.testing.assert_allclose(walk.coef_[:, 0], [-1, 3], atol=0.05)
    np.testing.assert_allclose(walk.sigma_, 0.1, rtol=0.15)
    assert 0.1 < walk.solver_report_["accepted"] < 0.5
    for name in ("weights", "intercept", "coef", "sigma"):
        one, other = (model.posterior_[name] for model in (walk, exact))
        mean, sd = other.mean(axis=(0, 1)), other.std(axis=(0, 1))
        assert (np.abs(one.mean(axis=(0, 1)) - mean) < 0.1 * sd).all()
        np.testing.assert_allclose(one.std(axis=(0, 1)), sd, rtol=0.1)


def test_is_a_solver_like_the_others(toy):
    X, y = two_lines(100)
    solver = toy.RandomWalk(draws=100, thin=2, chains=3)
    assert repr(clone(solver)) == repr(solver)
    model = BayesianMixtureRegressor(solver=solver, random_state=3)
    with pytest.warns(ConvergenceWarning):
        first, second = (clone(model).fit(X, y) for _ in range(2))
    assert first.posterior_["coef"].shape == (3, 100, 2, 1)
    np.testing.assert_array_equal(first.posterior_["coef"], second.posterior_["coef"])
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(again.predict(X), first.predict(X))


def test_says_when_the_chains_are_too_short(toy):
    X, y = two_lines(100)
    solver = toy.RandomWalk(draws=60, thin=1)
    with pytest.warns(ConvergenceWarning, match="random_walk: the bulk effective sample size"):
        model = BayesianMixtureRegressor(solver=solver, random_state=0).fit(X, y)
    assert not model.converged_
