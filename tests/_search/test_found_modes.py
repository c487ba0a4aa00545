"""Which modes count: spikes on a few rows where nothing else explains these, and only there."""

from types import SimpleNamespace

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._search.empty import EmptyComponent
from skmixreg._search.found_modes import FoundMode, FoundModes
from skmixreg._search.mode_metric import alike_where_fed, collapsed
from skmixreg._search.mode_table import Mode
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian

pytestmark = pytest.mark.filterwarnings(
    "ignore::skmixreg.MultimodalPosteriorWarning", "ignore::skmixreg.WeaklyIdentifiedWarning"
)


def with_outliers(seed, n=100, n_outliers=1, size=25.0, second_line=False):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 10, n)
    y = 1 + 2 * x + rng.normal(size=n)
    if second_line:
        y = np.where(rng.random(n) < 0.5, y, 20 - 1.5 * x + rng.normal(size=n))
    y[rng.choice(n, n_outliers, replace=False)] += size
    return x[:, None], y


def problem_of(X, y, K):
    return Problem.from_arrays(X, y, family=Gaussian(), n_components=K, priors=Priors().resolve())


def found_with(masses, collapsed, empty=None):
    """Modes of these log masses that are alike in nothing."""
    found = FoundModes(SimpleNamespace(layout=SimpleNamespace(size=7)))
    found.all = [
        FoundMode(SimpleNamespace(log_evidence=mass), spike, set())
        for mass, spike in zip(masses, collapsed, strict=True)
    ]
    found.empty = None if empty is None else EmptyComponent(empty, True)
    return found


@pytest.mark.parametrize(
    ("masses", "collapsed", "empty", "listed"),
    [
        ([0.0, 3.0], [False, True], None, [0.0]),  # not above by enough
        ([0.0, 5.0], [False, True], None, [0.0, 5.0]),
        ([0.0, 5.0], [False, True], 2.0, [0.0]),  # a component fewer explains the rows
        ([0.0, 5.0], [False, True], -2.0, [0.0, 5.0]),
        ([0.0, 5.0], [True, True], 9.0, [0.0, 5.0]),  # there is no other
        ([0.0, 5.0], [False, False], 9.0, [0.0, 5.0]),
    ],
)
def test_spikes_count_where_nothing_else_explains_the_rows(masses, collapsed, empty, listed):
    found = found_with(masses, collapsed, empty)
    assert found.masses.tolist() == listed


def test_modes_alike_but_for_few_rows():
    """Two components of 50 and 2 rows: the second may lie anywhere, the first may not."""
    problem = problem_of(*with_outliers(0), 2)
    layout = problem.layout
    scale = 0.1 * np.eye(layout.size)

    def mode(line, other, counts):
        theta = np.zeros(layout.size)
        theta[layout.own[0]], theta[layout.own[1]] = line, other
        return Mode(theta, 0.0, 0.0, scale, 0.0, 1, np.array(counts))

    here = mode([0.0, 1.0, -2.0], [3.0, 1.0, -6.0], [98.0, 2.0])
    assert alike_where_fed(problem, here, mode([0.05, 1.0, -2.05], [-3, 0, 0], [98.0, 2.0]))
    assert alike_where_fed(problem, here, mode([-3, 0, 0], [0.05, 1.0, -2.05], [1.0, 99.0]))
    assert not alike_where_fed(problem, here, mode([0.4, 1.0, -2.0], [3, 1, -6], [98.0, 2.0]))
    assert not alike_where_fed(problem, here, mode([0.0, 1.0, -2.0], [3, 1, -6], [60.0, 40.0]))
    fed = mode([0.0, 1.0, -2.0], [3.0, 1.0, -6.0], [60.0, 40.0])
    assert not alike_where_fed(problem, fed, fed)


SEEDS = [0, 1, 2, pytest.param(range(3, 20), marks=pytest.mark.slow)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n_outliers", [1, 2])
def test_a_line_and_outliers(n_outliers, seed):
    for one in np.atleast_1d(seed):
        X, y = with_outliers(int(one), n_outliers=n_outliers)
        model = BayesianMixtureRegressor(2, random_state=0).fit(X, y)
        assert model.converged_
        line = int(np.argmax(model.weights_))
        near, far = np.ones(100, bool), np.argsort(-np.abs(y - 1 - 2 * X[:, 0]))[:n_outliers]
        near[far] = False
        slope, level = np.polyfit(X[near, 0], y[near], 1)
        assert model.coef_[line, 0] == pytest.approx(slope, abs=0.02)
        assert model.intercept_[line] == pytest.approx(level, abs=0.15)
        assert model.log_evidence_error_ < 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_two_lines_and_an_outlier(seed):
    for one in np.atleast_1d(seed):
        X, y = with_outliers(int(one), size=40.0, second_line=True)
        model = BayesianMixtureRegressor(3, random_state=0).fit(X, y)
        assert model.converged_
        lines = np.argsort(-model.weights_)[:2]
        np.testing.assert_allclose(np.sort(model.coef_[lines, 0]), [-1.5, 2.0], atol=0.4)


def test_the_evidence_is_that_of_a_long_chain():
    X, y = with_outliers(1)
    default, chain = (
        BayesianMixtureRegressor(2, solver=solver, random_state=0).fit(X, y)
        for solver in ("auto", "gibbs")
    )
    error = np.hypot(default.log_evidence_error_, chain.log_evidence_error_)
    assert default.log_evidence_ == pytest.approx(chain.log_evidence_, abs=4 * error)
    np.testing.assert_allclose(default.predict(X), chain.predict(X), atol=0.1)


def test_an_outlier_that_the_sample_of_rows_misses():
    X, y = with_outliers(0, n=5000)
    model = BayesianMixtureRegressor(2, random_state=0).fit(X, y)
    assert model.converged_
    line = int(np.argmax(model.weights_))
    assert model.coef_[line, 0] == pytest.approx(2.0, abs=0.02)
    assert model.sigma_[line] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_spikes_of_ordinary_rows_are_not_listed(seed):
    """Three rows exactly on a line that the others explain as well."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 1))
    y = X[:, 0] + rng.normal(size=60)
    y[:3] = 2 * X[:3, 0]
    problem = problem_of(X, y, 2)
    for mode in find_modes(problem, np.random.default_rng(0), n_init=20).modes:
        assert not collapsed(problem, mode)
