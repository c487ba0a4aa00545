"""Advice names only what was not tried and can help."""

import pickle

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor
from skmixreg._draws.advice import LAST_RESORT, Failure, advise, without
from skmixreg.families import Gaussian
from skmixreg.solvers import Auto, Gibbs, Laplace


@pytest.mark.parametrize(
    ("change", "instead", "tried", "words"),
    [
        ("raise draws", (), (), "raise draws"),
        ("raise draws", ("auto",), (), "raise draws, or use solver='auto'"),
        ("", ("auto", "gibbs", "nuts"), (), "use solver='auto', 'gibbs' or 'nuts'"),
        ("", ("auto", "gibbs", "nuts"), ("auto",), "use solver='gibbs' or 'nuts'"),
        ("raise draws", ("auto",), ("auto",), "raise draws"),
        ("", ("auto",), ("auto",), LAST_RESORT),
    ],
)
def test_words(change, instead, tried, words):
    assert advise(change, instead, tried) == words


def test_failures_lose_what_was_tried():
    failure = Failure("k-hat is high", "", ("auto", "gibbs"))
    assert failure == "k-hat is high; use solver='auto' or 'gibbs'"
    assert without([failure, "plain"], ["auto"]) == ["k-hat is high; use solver='gibbs'", "plain"]
    again = pickle.loads(pickle.dumps(failure))
    assert again == failure and again.instead == failure.instead


def two_lines(n=60):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, n)
    return x[:, None], np.where(rng.random(n) < 0.5, 3 * x, -x) + 0.5 * rng.normal(size=n)


BAD_LAPLACE, BAD_GIBBS = Laplace(draws=20, max_rounds=1), Gibbs(draws=10, tune=5, max_thin=1)


@pytest.mark.filterwarnings("ignore")
def test_auto_does_not_send_in_a_circle():
    X, y = two_lines()
    solver = Auto(laplace=BAD_LAPLACE, gibbs=BAD_GIBBS)
    model = BayesianMixtureRegressor(4, solver=solver, n_init=4, random_state=0).fit(X, y)
    failures = model.posterior_.failures
    assert failures and all(type(failure) is str for failure in failures)
    assert not any("solver=" in failure for failure in failures)
    assert not model.diagnostics()["verdict"].str.contains("solver=").any()
    assert set(model.solver_report_["not_advised"]) == {"auto", "laplace", "gibbs", "nuts"}


@pytest.mark.filterwarnings("ignore")
def test_a_solver_that_does_not_serve_is_not_advised():
    """A shared sigma cannot be drawn where fractional weights leave no labels to draw."""
    X, y = two_lines()
    for weights, advised in ((None, "'auto', 'gibbs' or 'nuts'"), (0.5, "'auto' or 'nuts'")):
        model = BayesianMixtureRegressor(
            4, family=Gaussian(shared_sigma=True), solver=BAD_LAPLACE, n_init=4, random_state=0
        )
        model.fit(X, y, None if weights is None else np.full(len(y), weights))
        assert any(f"use solver={advised}" in each for each in model.posterior_.failures)
