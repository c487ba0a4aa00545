"""Input that cannot be used is refused, before any work, with a message that helps."""

import multiprocessing
import re
import sys

import joblib
import numpy as np
import pandas as pd
import pytest

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._estimators.parameters import resolve_generator, resolve_threads
from skmixreg._support.exceptions import MissingPackageError, import_optional
from skmixreg.families import FAMILIES, Gaussian
from skmixreg.solvers import SOLVERS, Solver


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    return X, X @ [1.0, -1.0] + rng.normal(size=30)


@pytest.fixture
def no_solver_runs(monkeypatch):
    def solve(*args, **kwargs):
        pytest.fail("a solver ran")

    monkeypatch.setattr(Solver, "solve", solve)


DAYS = pd.date_range("2020-01-01", periods=30)

pytestmark = pytest.mark.usefixtures("no_solver_runs")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components.*range \\[1, inf\\)"),
        ({"n_components": 2.0}, "n_components.*int"),
        ({"n_components": 31}, "n_components=31 needs at least as many rows.*there are 30"),
        ({"n_components": True}, "n_components must be an integer, got True"),
        ({"n_components": np.True_}, "n_components.*int"),
        ({"n_init": True}, "n_init must be an integer, got True"),
        ({"n_jobs": True}, "n_jobs must be an integer, got True"),
        ({"n_init": 0}, "n_init.*range \\[1, inf\\)"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"n_jobs": "all"}, "n_jobs.*int"),
        ({"fit_intercept": "no"}, "fit_intercept.*bool"),
        ({"random_state": "seed"}, "random_state"),
        ({"verbose": "loud"}, "verbose"),
        ({"solver": "emcee"}, "Unknown solver 'emcee'"),
        ({"solver": 3}, "solver must be one of"),
        ({"solver": Gaussian()}, "solver must be one of"),
        ({"family": "cauchy"}, "Unknown family 'cauchy'"),
        ({"family": Gaussian}, "pass an instance, family=Gaussian\\(\\)"),
        ({"priors": {"coef_scale": 1.0}}, "priors must be None or an instance of Priors"),
        ({"priors": Priors(coef_scale=-1.0)}, "coef_scale"),
    ],
    ids=str,
)
def test_parameters(rows, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        BayesianMixtureRegressor(**parameters).fit(*rows)


@pytest.mark.parametrize(("parameter", "table"), [("solver", SOLVERS), ("family", FAMILIES)])
def test_unknown_names_list_the_known_ones(rows, parameter, table):
    with pytest.raises(ValueError, match="Unknown") as raised:
        BayesianMixtureRegressor(**{parameter: "?"}).fit(*rows)
    for name in table:
        assert repr(name) in str(raised.value)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"solver__draws": 10}, "solver is 'auto'.*pass an object.*solver="),
        ({"family__shared_sigma": True}, "family is 'gaussian'.*pass an object"),
        ({"priors__coef_scale": 1.0}, "priors is None.*pass an object.*priors=Priors\\(\\)"),
        ({"draws": 10}, "Invalid parameter 'draws'"),
        ({"solver": "gibbs", "solver__draws": 10}, "solver is 'gibbs'"),
    ],
    ids=str,
)
def test_options_of_a_name_cannot_be_set(parameter, message):
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressor().set_params(**parameter)


def test_options_of_an_object_can_be_set():
    model = BayesianMixtureRegressor(solver="auto", priors=Priors())
    model.set_params(family=Gaussian(), family__shared_sigma=True, priors__coef_scale=1.5)
    assert model.family.shared_sigma
    assert model.priors.coef_scale == 1.5


def test_unknown_options_are_refused_by_name():
    with pytest.raises(ValueError, match="Invalid parameter 'drows' for estimator"):
        next(iter(SOLVERS.values()))().set_params(drows=3)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda X, y: (np.where(X > 1, np.nan, X), y), "Input X contains NaN"),
        (lambda X, y: (np.where(X > 1, np.inf, X), y), "Input X contains infinity"),
        (lambda X, y: (X, np.where(y > 1, np.nan, y)), "Input y contains NaN"),
        (lambda X, y: (X, np.where(y > 1, -np.inf, y)), "Input y contains infinity"),
        (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D array"),
        (lambda X, y: (X[:, :, None], y), "dim 3"),
        (lambda X, y: (X, np.column_stack([y, y])), "y should be a 1d array"),
        (lambda X, y: (X[:-1], y), "inconsistent numbers of samples"),
        (lambda X, y: (X[:1], y[:1]), "minimum of 2"),
        (lambda X, y: (X[:, :0], y > 0), "0 feature\\(s\\).*no more than two distinct values"),
        (lambda X, y: (X[:, :0], np.ones(30)), "0 feature\\(s\\).*no more than two distinct"),
        (lambda X, y: (X, None), "requires y to be passed"),
        (lambda X, y: (X, y.astype(str)), "y must hold numbers.*text"),
        (lambda X, y: (X, y.astype(str).astype(object)), "y must hold numbers.*text"),
        (lambda X, y: (X, pd.Series(["a", "b"] * 15)), "y must hold numbers.*text"),
        (lambda X, y: (X, ["a", "b"] * 15), "y must hold numbers.*text"),
        (lambda X, y: (X + 1j, y), "Complex data not supported"),
        (lambda X, y: (pd.DataFrame({"a": X[:, 0], "site": "u"}), y), "'site' holds text"),
        (lambda X, y: (pd.DataFrame({"day": DAYS}), y), "X must hold.*'day' holds dates"),
        (lambda X, y: (X, DAYS), "y must hold numbers.*dates"),
    ],
)
def test_data(rows, bad, message):
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressor().fit(*bad(*rows))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"X contains NaN: column 'b' has it in row 7 \(one of 2 such rows\)\."),
        (-np.inf, r"X contains infinity: column 'b' has it in row 7 \(one of 2 such rows\)\."),
    ],
)
def test_what_is_missing_is_named(rows, value, message):
    X, y = rows
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 0]})
    frame.loc[[7, 9], "b"] = value
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressor().fit(frame, y)
    frame.loc[9, "a"] = value
    with pytest.raises(ValueError, match=r"'a' has it in row 9 .*, and so has 1 more"):
        BayesianMixtureRegressor().fit(frame, y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(30), "weight.*zero"),
        (np.r_[-1.0, np.ones(29)], "Negative sample_weight: 1 of 30"),
        (np.r_[np.nan, np.ones(29)], "sample_weight contains NaN"),
        (np.r_[np.inf, np.ones(29)], "sample_weight contains infinity"),
        (np.ones(29), "sample_weight.shape"),
        (np.ones((30, 2)), "(?i)sample.weight"),
        (DAYS - DAYS[0], "sample_weight must hold numbers.*durations"),
        (np.r_[1.0, np.zeros(29)], "n_components=2 needs.*there are 1"),
    ],
)
def test_weights(rows, weights, message):
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressor().fit(*rows, sample_weight=weights)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "nutpie", None)
    with pytest.raises(
        MissingPackageError, match=re.escape('run: pip install "skmixreg[nutpie]"')
    ) as raised:
        import_optional("nutpie", extra="nutpie", needed_for="solver=NUTS(sampler='nutpie')")
    assert "solver=NUTS(sampler='nutpie')" in str(raised.value)


def test_random_states():
    same = [resolve_generator(3).random() for _ in range(2)]
    assert same[0] == same[1]
    generator = np.random.default_rng(3)
    assert resolve_generator(generator) is generator
    states = [resolve_generator(np.random.RandomState(3)).random() for _ in range(2)]
    assert states[0] == states[1]
    np.random.seed(7)  # noqa: NPY002
    first = resolve_generator(None).random()
    assert resolve_generator(None).random() != first
    np.random.seed(7)  # noqa: NPY002
    assert resolve_generator(None).random() == first


def test_threads():
    cores = joblib.cpu_count()
    assert resolve_threads(None) == resolve_threads(-1) == cores
    assert resolve_threads(3) == 3
    assert resolve_threads(-1000) == 1
    assert multiprocessing.parent_process() is None
    for backend in ("threading", "loky"):
        inside = joblib.Parallel(n_jobs=2, backend=backend)(
            joblib.delayed(resolve_threads)(n_jobs) for n_jobs in (None, -1, 4)
        )
        assert inside == [1, 1, 1]
