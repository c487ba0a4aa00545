"""Views of a fit for other packages."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import two_lines
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import make_scorer, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg.adapters import QuantileRegressorView

LEVELS = (0.05, 0.5, 0.95)


@pytest.fixture(scope="module")
def rows():
    return two_lines(300)


@pytest.fixture(scope="module")
def model(rows):
    return BayesianMixtureRegressor(solver="laplace", random_state=0).fit(*rows)


@pytest.mark.parametrize("level", LEVELS)
def test_a_view_of_a_fit_is_a_column_of_its_quantiles(model, rows, level):
    X, y = rows
    view = QuantileRegressorView(FrozenEstimator(model), level)
    check_is_fitted(view)
    expected = model.predict_quantiles(X, LEVELS)[:, LEVELS.index(level)]
    np.testing.assert_array_equal(view.predict(X), expected)
    assert view.n_features_in_ == 1
    # fit of a frozen model is of no effect, whatever it is given.
    again = view.fit(X, -y)
    assert again.model_.estimator is model
    np.testing.assert_array_equal(again.predict(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clone(view))).predict(X), expected)


def test_fit_fits_a_clone(rows):
    X, y = rows
    one = BayesianMixtureRegressor(1, solver="map", random_state=0)
    view = QuantileRegressorView(one, 0.2)
    with pytest.raises(NotFittedError, match=r"call fit, or view a fitted model by"):
        view.predict(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(view)
    assert not hasattr(view, "n_features_in_")
    weights = np.arange(len(y)) % 3
    view.fit(pd.DataFrame(X, columns=["x"]), y, sample_weight=weights)
    assert list(view.feature_names_in_) == ["x"]
    assert not hasattr(one, "posterior_")
    same = clone(one).fit(X, y, sample_weight=weights).predict_quantiles(X, 0.2)[:, 0]
    np.testing.assert_array_equal(view.model_.predict_quantiles(
        pd.DataFrame(X, columns=["x"]), 0.2)[:, 0], same)  # fmt: skip


def test_a_fitted_model_that_is_not_frozen_is_not_taken_for_the_fit(model, rows):
    with pytest.raises(NotFittedError):
        QuantileRegressorView(model).predict(rows[0])
    with pytest.raises(NotFittedError):
        QuantileRegressorView(FrozenEstimator(clone(model))).predict(rows[0])


@pytest.mark.parametrize("level", [0.0, 1.0, np.nan, "median", (0.1, 0.9)])
def test_what_is_no_level(model, rows, level):
    with pytest.raises((TypeError, ValueError), match="quantile"):
        QuantileRegressorView(model, level).fit(*rows)


def test_models_inside_of_others(rows):
    X, y = rows
    one = BayesianMixtureRegressor(1, solver="map", random_state=0)
    pipe = make_pipeline(PolynomialFeatures(2, include_bias=False), one)
    for model in (pipe, GridSearchCV(pipe, {"polynomialfeatures__degree": [2]}, cv=2)):
        fitted = clone(model).fit(X, y)
        view = QuantileRegressorView(FrozenEstimator(fitted), 0.9)
        expected = clone(one).fit(np.hstack([X, X**2]), y)
        expected = expected.predict_quantiles(np.hstack([X, X**2]), 0.9)[:, 0]
        np.testing.assert_array_equal(view.predict(X), expected)
        np.testing.assert_array_equal(
            QuantileRegressorView(model, 0.9).fit(X, y).predict(X), expected
        )


def test_a_choice_of_components(rows):
    X, y = rows
    choice = BayesianMixtureRegressorCV((1, 2), criterion="bic", solver="map", random_state=0)
    view = QuantileRegressorView(choice, 0.1).fit(X, y)
    np.testing.assert_array_equal(view.predict(X), view.model_.predict_quantiles(X, [0.1])[:, 0])


def test_levels_are_searched_and_scored(rows):
    X, y = rows
    view = QuantileRegressorView(BayesianMixtureRegressor(2, solver="map", random_state=0), 0.9)
    loss = make_scorer(mean_pinball_loss, greater_is_better=False, alpha=0.9)
    own = cross_val_score(view, X, y, scoring=loss, cv=2)
    other = cross_val_score(clone(view).set_params(quantile=0.5), X, y, scoring=loss, cv=2)
    assert (own > other).all()
    assert clone(view).set_params(model__n_components=1).model.n_components == 1


@pytest.mark.slow
@parametrize_with_checks(
    [QuantileRegressorView(BayesianMixtureRegressor(1, solver="map", random_state=0), 0.5)]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_conformal_quantile_regression_takes_three_views(rows):
    regression = pytest.importorskip("mapie.regression")
    X, y = rows
    model = BayesianMixtureRegressor(1, random_state=0).fit(X[:100], y[:100])  # too narrow for two
    views = [QuantileRegressorView(FrozenEstimator(model), q) for q in (0.05, 0.95, 0.5)]
    conformal = regression.ConformalizedQuantileRegressor(
        views, confidence_level=0.9, prefit=True
    ).conformalize(X[100:200], y[100:200])
    predicted, interval = conformal.predict_interval(X[200:])
    np.testing.assert_array_equal(predicted, views[2].predict(X[200:]))
    # Both ends of the raw interval are moved by the same amount, at all rows.
    moved = interval[:, :, 0] - model.predict_quantiles(X[200:], (0.05, 0.95))
    np.testing.assert_allclose(moved[:, 0], moved[0, 0])
    np.testing.assert_allclose(moved[:, 1], moved[0, 1])
    inside = (interval[:, 0, 0] <= y[200:]) & (y[200:] <= interval[:, 1, 0])
    assert inside.mean() > 0.8
