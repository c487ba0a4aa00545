"""Scores of predictive densities."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmixreg.metrics import crps_scorer, generalised_r2, mean_log_predictive_density_scorer


class NormalRegressor(RegressorMixin, BaseEstimator):
    """Least squares with a normal density around it: a stand-in for the estimator."""

    def __init__(self, ridge=0.0):
        self.ridge = ridge

    def fit(self, X, y):
        A = np.column_stack([np.ones(len(X)), X])
        self.coef_ = np.linalg.solve(A.T @ A + self.ridge * np.eye(A.shape[1]), A.T @ y)
        self.sigma_ = np.std(y - self.predict(X))
        return self

    def predict(self, X):
        return np.column_stack([np.ones(len(X)), X]) @ self.coef_

    def log_predictive_density(self, X, y):
        z = (y - self.predict(X)) / self.sigma_
        return -0.5 * (z**2 + np.log(2 * np.pi)) - np.log(self.sigma_)

    def crps(self, X, y):
        z = (y - self.predict(X)) / self.sigma_
        inside = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
        return self.sigma_ * inside


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    return X, X @ [1.0, -2.0] + rng.normal(size=80), rng.uniform(0, 3, 80)


def test_equals_r2_of_one_normal_line(data):
    X, y, _ = data
    model = NormalRegressor().fit(X, y)
    score = generalised_r2(model.log_predictive_density(X, y), y)
    assert isinstance(score, float)
    np.testing.assert_allclose(score, r2_score(y, model.predict(X)))


def test_weights_are_repetitions(data):
    X, y, _ = data
    density = NormalRegressor().fit(X, y).log_predictive_density(X, y)
    counts = np.random.default_rng(1).integers(0, 4, len(y))
    np.testing.assert_allclose(
        generalised_r2(density, y, counts),
        generalised_r2(np.repeat(density, counts), np.repeat(y, counts)),
    )


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e200])
def test_units_do_not_matter(data, scale):
    X, y, w = data
    density = NormalRegressor().fit(X, y).log_predictive_density(X, y)
    np.testing.assert_allclose(
        generalised_r2(density - np.log(scale), y * scale, w), generalised_r2(density, y, w)
    )


def test_losses_count_as_gains_do():
    y = np.random.default_rng(0).normal(size=50)
    normal = norm.logpdf(y, y.mean(), y.std())
    gains = np.array([-1e9, -300.0, -2.0, -1e-3, 0.0, 1e-3, 2.0, 300.0])
    scores = [generalised_r2(normal + gain, y) for gain in gains]
    np.testing.assert_allclose(scores[2], np.exp(-4.0) - 1.0)
    np.testing.assert_allclose(scores[6], 1.0 - np.exp(-4.0))
    np.testing.assert_allclose(scores[:4][::-1], [-score for score in (*scores[5:], 1.0)])
    assert np.all(np.diff(scores[1:-1]) > 0) and min(scores) == -1.0


def test_edges():
    assert generalised_r2([-1.0, -2.0], [3.0, 3.0]) == 0.0
    assert generalised_r2([-1.0, -2.0, -5.0], [3.0, 3.0, 4.0], [1, 1, 0]) == 0.0
    assert generalised_r2([50.0, 50.0], [0.0, 1.0]) == 1.0
    assert generalised_r2([-1e6, -1.0], [0.0, 1.0]) == -1.0
    assert generalised_r2([-np.inf, -1.0], [0.0, 1.0]) == -1.0
    for density, y, w in (([-1.0], [2.0], None), ([-1.0, -1.0], [1.0, 2.0], [1.0, 0.0])):
        with pytest.warns(UndefinedMetricWarning, match="fewer than two"):
            assert np.isnan(generalised_r2(density, y, w))
    for weights in ([0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="not all zero"):
            generalised_r2([-1.0, -2.0], [3.0, 4.0], weights)
    with pytest.raises(ValueError, match="3 entries"):
        generalised_r2([-1.0, -2.0], [3.0, 4.0], [1.0, 1.0, 1.0])


SCORERS = {
    mean_log_predictive_density_scorer: lambda model, X, y: model.log_predictive_density(X, y),
    crps_scorer: lambda model, X, y: -model.crps(X, y),
}


@pytest.fixture(params=SCORERS, ids=lambda scorer: scorer.__name__)
def scorer(request):
    return request.param


def test_scorer(data, scorer):
    X, y, w = data
    model = NormalRegressor().fit(X, y)
    values = SCORERS[scorer](model, X, y)
    np.testing.assert_allclose(scorer(model, X, y), values.mean())
    np.testing.assert_allclose(scorer(model, X, y, w), np.average(values, weights=w))


def test_scorer_inside_pipelines_and_searches(data, scorer):
    X, y, _ = data
    plain = scorer(NormalRegressor().fit(X, y), X, y)
    models = [
        make_pipeline(NormalRegressor()),
        make_pipeline(StandardScaler(), NormalRegressor()),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), NormalRegressor())),
        GridSearchCV(make_pipeline(StandardScaler(), NormalRegressor()), {}, cv=3),
        make_pipeline(StandardScaler(), GridSearchCV(NormalRegressor(), {"ridge": [0.0]}, cv=3)),
    ]
    for model in models:
        np.testing.assert_allclose(scorer(model.fit(X, y), X, y), plain)
    scores = cross_val_score(models[1], X, y, scoring=scorer)
    assert scores.shape == (5,)
    search = GridSearchCV(models[1], {"normalregressor__ridge": [0.0, 1e4]}, scoring=scorer)
    assert search.fit(X, y).best_params_ == {"normalregressor__ridge": 0.0}


def test_scorer_needs_a_density(data, scorer):
    X, y, _ = data
    with pytest.raises(TypeError, match=f"{scorer.__name__} needs.*got LinearRegression"):
        scorer(LinearRegression().fit(X, y), X, y)
