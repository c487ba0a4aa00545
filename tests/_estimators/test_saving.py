"""Fits survive formats that are safe to load, and the documentation lists what these must trust."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import quick_solver, responses_of, two_lines

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV, Gaussian, Priors
from skmixreg.families import FAMILIES
from skmixreg.formula import from_formula

PAGE = Path(__file__).parents[2] / "docs" / "saving.md"
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),  # quick solvers
    pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning"),
]


def listed():
    (block,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return block.split()


@pytest.fixture(scope="module")
def rows():
    X, y = two_lines(200)
    return pd.DataFrame(X, columns=["dose"]), y


def round_trip(model):
    """By skops, which is given no more trust than the page says."""
    skops = pytest.importorskip("skops.io")
    stored = skops.dumps(model)
    needed = skops.get_untrusted_types(data=stored)
    assert set(needed) <= set(listed())
    return skops.loads(stored, trusted=listed())


def assert_same_answers(model, again, X, y):
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.predict_proba(X, y), model.predict_proba(X, y))
    np.testing.assert_array_equal(again.predict_interval(X[:5]), model.predict_interval(X[:5]))
    pd.testing.assert_frame_equal(again.modes_, model.modes_)
    pd.testing.assert_frame_equal(again.summary(), model.summary())
    pd.testing.assert_frame_equal(again.diagnostics(), model.diagnostics())
    assert again.to_datatree(X, y, random_state=0).equals(model.to_datatree(X, y, random_state=0))
    assert again.score(X, y) == model.score(X, y)


def test_skops_of_every_solver(solver_name, rows):
    model = BayesianMixtureRegressor(solver=quick_solver(solver_name), random_state=0).fit(*rows)
    again = round_trip(model)
    assert_same_answers(model, again, *rows)
    other = again.refit_as("map", *rows)
    np.testing.assert_allclose(other.coef_, model.coef_, atol=0.2)


@pytest.mark.slow
def test_skops_of_every_family(family_name, rows):
    X, y = rows[0], responses_of(FAMILIES[family_name](), rows[1])
    priors, state = Priors(coef_scale=2.0), np.random.default_rng(0)
    model = BayesianMixtureRegressor(
        family=family_name, priors=priors, solver="map", random_state=state
    ).fit(X, y)
    assert_same_answers(model, round_trip(model), X, y)


def test_skops_of_a_choice_with_averages(rows):
    model = BayesianMixtureRegressorCV((1, 2, 3), average=True, random_state=0).fit(*rows)
    again = round_trip(model)
    assert_same_answers(model, again, *rows)
    pd.testing.assert_frame_equal(again.criterion_table_, model.criterion_table_)
    assert again.criterion_table_["converged"].dtype == "boolean"
    assert again.criterion_table_.index.name == "n_components"


def test_skops_of_a_choice_of_family_with_averages():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (60, 1))
    y = rng.negative_binomial(30, 30 / (30 + np.exp(1.5 + 0.7 * X[:, 0])))
    model = BayesianMixtureRegressorCV(
        1, family=["poisson", "negative_binomial"], average=True, solver="laplace", random_state=0
    ).fit(X, y)
    assert len(model.estimators_) == 2
    again = round_trip(model)
    assert_same_answers(model, again, X, y)
    pd.testing.assert_frame_equal(again.criterion_table_, model.criterion_table_)
    assert list(again.estimators_) == list(model.estimators_)
    assert again.estimators_[again.best_candidate_] is again.best_estimator_


def test_skops_of_rounded_responses_and_a_stream(rows):
    X, y = rows[0], rows[1].round(1)
    family = Gaussian(shared_sigma=True)
    model = BayesianMixtureRegressor(family=family, solver="cavi", random_state=0)
    again = round_trip(model.partial_fit(X, y))
    for one in (model, again):
        one.partial_fit(X, y)
    assert_same_answers(model, again, X, y)


def test_pickle(rows):
    model = BayesianMixtureRegressor(random_state=0).fit(*rows)
    assert_same_answers(model, pickle.loads(pickle.dumps(model)), *rows)


@pytest.fixture(scope="module")
def of_formula(rows):
    pytest.importorskip("formulaic")
    X, y = rows
    frame = X.assign(site=np.tile(["Bonn", "Lyon"], len(X) // 2), y=y)
    formula = "y ~ poly(dose, 2) | gate(double(dose)) + shared(site)"
    return formula, frame


def pipeline(of_formula, double):
    formula, frame = of_formula
    return from_formula(formula, frame, context={"double": double}, solver="map", random_state=0)


def twice(x):
    return 2 * x


def test_pickle_and_joblib_of_a_formula(of_formula):
    pipe, frame = pipeline(of_formula, twice), of_formula[1]
    stored = io.BytesIO()
    joblib.dump(pipe, stored)
    stored.seek(0)
    for again in (pickle.loads(pickle.dumps(pipe)), joblib.load(stored)):
        np.testing.assert_array_equal(again.predict(frame), pipe.predict(frame))


def test_cloudpickle_of_a_formula_with_a_lambda(of_formula):
    cloudpickle = pytest.importorskip("cloudpickle")
    pipe, frame = pipeline(of_formula, lambda x: 2 * x), of_formula[1]
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(pipe)
    again = pickle.loads(cloudpickle.dumps(pipe))
    np.testing.assert_array_equal(again.predict(frame), pipe.predict(frame))


def test_skops_of_a_formula_takes_the_mixture_alone(of_formula):
    skops = pytest.importorskip("skops.io")
    pipe, frame = pipeline(of_formula, twice), of_formula[1]
    with pytest.raises(TypeError, match="__slots__"):
        skops.dumps(pipe)
    again = round_trip(pipe["mixture"])
    np.testing.assert_array_equal(again.predict(pipe[:-1].transform(frame)), pipe.predict(frame))


def test_tables_are_new_frames(rows):
    model = BayesianMixtureRegressorCV((1, 2), random_state=0).fit(*rows)
    for table, column in ((model.modes_, "probability"), (model.criterion_table_, "bic")):
        table[column] = 7.0
    assert (model.modes_["probability"] <= 1.0).all()
    assert (model.criterion_table_["bic"] != 7.0).all()
    assert not any(isinstance(v, pd.DataFrame) for v in vars(model).values())
    unfitted = BayesianMixtureRegressorCV()
    assert not hasattr(unfitted, "modes_") and not hasattr(unfitted, "criterion_table_")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # mlflow's own, of type hints and of its environment
def test_mlflow(rows, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.sklearn")
    model = BayesianMixtureRegressor(random_state=0).fit(*rows)
    path = tmp_path / "model"
    mlflow.sklearn.save_model(
        model, path, serialization_format="skops", skops_trusted_types=listed()
    )
    assert_same_answers(model, mlflow.sklearn.load_model(str(path)), *rows)
