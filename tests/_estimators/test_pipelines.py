"""The estimator among scikit-learn's tools, on real data."""

from __future__ import annotations

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from conftest import load_reference
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg.metrics import mean_log_predictive_density_scorer
from skmixreg.model_selection import cross_val_responsibilities, one_standard_error
from skmixreg.solvers import SOLVERS

# Folds of 150 rows and K = 3 need not converge; the tests are about the plumbing.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning"),
]


def mixture(**parameters):
    return BayesianMixtureRegressor(**{"random_state": 0, **parameters})


@pytest.fixture(scope="module")
def engine():
    """NO in the exhaust of an engine, with the mixture called lean or rich."""
    case = load_reference("nodata_no_on_eq")
    lean = np.where(case.X["Equivalence"] < 0.9, "lean", "rich")
    return case.X.assign(mixture=lean), case.y


def engine_pipeline():
    return make_pipeline(
        ColumnTransformer(
            [
                ("ratio", StandardScaler(), ["Equivalence"]),
                ("mixture", OneHotEncoder(drop="if_binary", sparse_output=False), ["mixture"]),
            ]
        ),
        mixture(),
    )


def test_column_transformer_on_pandas_and_polars(engine):
    X, y = engine
    from_pandas = engine_pipeline().fit(X, y)
    from_polars = engine_pipeline().fit(pl.from_pandas(X), pl.Series(y.to_numpy()))
    assert from_pandas[-1].coef_.shape == (2, 2)
    assert from_pandas.score(X, y) > 0.5
    np.testing.assert_array_equal(from_pandas[-1].coef_, from_polars[-1].coef_)
    np.testing.assert_array_equal(from_pandas.predict(X), from_polars.predict(pl.from_pandas(X)))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_feature_names(npreg, frame):
    X = frame({name: npreg.X[name].to_numpy() for name in npreg.X})
    model = mixture().fit(X, npreg.y.to_numpy())
    assert list(model.feature_names_in_) == ["x", "x2"]
    assert model.summary().index.astype(str).str.contains("x2").any()
    with pytest.raises(ValueError, match=r"(?s)feature names should match.*x3"):
        model.predict(frame({"x": [1.0], "x3": [1.0]}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(np.ones((1, 2)))


def test_set_output_pandas(npreg):
    pipeline = make_pipeline(PolynomialFeatures(2, include_bias=False), mixture())
    pipeline.set_output(transform="pandas").fit(npreg.X[["x"]], npreg.y)
    assert list(pipeline[-1].feature_names_in_) == ["x", "x^2"]
    assert np.isfinite(pipeline[-1].log_evidence_)


def test_pipeline_methods_beyond_predict(engine):
    """A pipeline knows predict and score; the rest are asked of its last step."""
    X, y = engine
    pipeline = engine_pipeline().fit(X, y)
    mean, std = pipeline.predict(X, return_std=True)
    assert mean.shape == std.shape == (88,)
    rows = pipeline[:-1].transform(X)
    assert pipeline[-1].predict_quantiles(rows).shape == (88, 3)
    np.testing.assert_allclose(pipeline[-1].predict_proba(rows, y).sum(axis=1), 1.0)


def test_grid_search_over_components(tone):
    search = GridSearchCV(
        mixture(), {"n_components": [1, 2, 3]}, cv=3, n_jobs=2, refit=one_standard_error
    ).fit(tone.X, tone.y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[1] > scores[0]
    assert search.best_params_["n_components"] >= 2
    assert search.predict(tone.X).shape == (150,)


def test_grid_search_in_a_pipeline_with_a_scorer(npreg):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), mixture()),
        {"bayesianmixtureregressor__n_components": [1, 2]},
        scoring=mean_log_predictive_density_scorer,
        refit=one_standard_error,
        cv=3,
        n_jobs=2,
    ).fit(npreg.X, npreg.y)
    assert search.best_params_ == {"bayesianmixtureregressor__n_components": 2}


def test_grid_search_over_options(npreg):
    search = GridSearchCV(
        mixture(priors=Priors()), {"priors__coef_scale": [1.0, 2.5]}, cv=2, error_score="raise"
    ).fit(npreg.X, npreg.y)
    assert search.best_estimator_.priors.coef_scale in (1.0, 2.5)
    with pytest.raises(ValueError, match="pass an object"):
        GridSearchCV(mixture(), {"solver__draws": [10]}, cv=2, error_score="raise").fit(
            npreg.X, npreg.y
        )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cross_val_predict(npreg, n_jobs):
    folds = KFold(4, shuffle=True, random_state=0)
    predicted = cross_val_predict(mixture(), npreg.X, npreg.y, cv=folds, n_jobs=n_jobs)
    assert predicted.shape == (200,)
    assert np.corrcoef(predicted, npreg.y)[0, 1] > 0.6


def test_cross_val_predict_of_probabilities_is_a_trap(tone):
    """scikit-learn encodes y as class labels there; the way out is cross_val_responsibilities."""
    with pytest.raises(AttributeError, match="classes_"):
        cross_val_predict(mixture(), tone.X, tone.y, cv=3, method="predict_proba")
    probability = cross_val_responsibilities(mixture(), tone.X, tone.y, cv=3)
    assert probability.shape == (150, 2)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)


def test_metadata_routing(npreg):
    weights = np.tile([1.0, 2.0], 100)
    with sklearn.config_context(enable_metadata_routing=True):
        model = mixture().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model)
        pipeline.fit(npreg.X, npreg.y, sample_weight=weights)
        direct = mixture().fit(
            StandardScaler().fit_transform(npreg.X), npreg.y, sample_weight=weights
        )
        np.testing.assert_array_equal(pipeline[-1].coef_, direct.coef_)
        routed = cross_validate(
            pipeline, npreg.X, npreg.y, cv=2, params={"sample_weight": weights}, n_jobs=2
        )
        assert np.isfinite(routed["test_score"]).all()
        # The second trap: a pipeline takes y for metadata.  Use the last step on its input.
        with pytest.raises(TypeError):
            pipeline.predict_proba(npreg.X, y=npreg.y)
        last = pipeline[-1].predict_proba(pipeline[:-1].transform(npreg.X), npreg.y)
        assert last.shape == (200, 2)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_clone(name):
    model = mixture(n_components=3, solver=SOLVERS[name](), priors=Priors(coef_scale=1.0))
    copy = clone(model)
    assert repr(copy) == repr(model)
    assert copy.solver is not model.solver
    with pytest.raises(NotFittedError):
        copy.predict([[0.0]])


def test_round_trips(tone, tmp_path):
    """A fitted estimator holds arrays: it pickles, is small, and predicts the same afterwards."""
    model = mixture().fit(tone.X, tone.y)
    written = pickle.dumps(model)
    big = mixture().fit(np.tile(tone.X, (50, 1)), np.tile(tone.y, 50))
    # No training data inside: fifty times the rows does not make it larger by as many bytes.
    assert len(pickle.dumps(big)) < len(written) + 7500 * 8
    joblib.dump(model, tmp_path / "model.joblib")
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    for again in (
        pickle.loads(written),
        joblib.load(tmp_path / "model.joblib"),
        joblib.load(buffer),
    ):
        np.testing.assert_array_equal(again.predict(tone.X), model.predict(tone.X))
        pd.testing.assert_frame_equal(again.summary(), model.summary())
        assert again.converged_ == model.converged_
