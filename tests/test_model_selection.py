"""Helpers around cross-validation."""

import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.special import softmax
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmixreg.model_selection import (
    OneStandardError,
    cross_val_responsibilities,
    one_standard_error,
)


def results(scores, n_components, metric="score", **params):
    """``cv_results_`` of a search: scores (candidates, splits)."""
    table = {
        f"split{i}_test_{metric}": np.asarray(column, float)
        for i, column in enumerate(np.transpose(scores))
    }
    table[f"mean_test_{metric}"] = np.mean(scores, axis=1)
    candidates = []
    for i, K in enumerate(n_components):
        candidates.append({"n_components": K} | {name: v[i] for name, v in params.items()})
    return table | {"params": candidates}


def test_smallest_within_one_standard_error():
    # Best: K = 3 with mean 0.82 and standard error std(ddof=1) / sqrt(4).
    best = np.array([0.80, 0.84, 0.81, 0.83])
    error = best.std(ddof=1) / 2
    just_in, just_out = best - 0.999 * error, best - 1.001 * error
    assert one_standard_error(results([best - 1, just_in, best], [1, 2, 3])) == 1
    assert one_standard_error(results([best - 1, just_out, best], [1, 2, 3])) == 2
    # The order of candidates does not matter.
    assert one_standard_error(results([best, just_in, best - 1], [3, 2, 1])) == 1
    assert one_standard_error(results([just_in, best], ["3", np.int64(2)])) == 1


def test_failed_folds():
    scores = [[0.9, np.nan], [0.5, 0.6], [0.7, -np.inf]]
    assert one_standard_error(results(scores, [1, 2, 3])) == 1
    with pytest.raises(ValueError, match="error_score='raise'"):
        one_standard_error(results([[0.9, np.nan]], [1]))
    with pytest.raises(ValueError, match="two splits"):
        one_standard_error(results([[0.9]], [1]))


def test_only_n_components_may_vary():
    scores = [[0.1, 0.2], [0.3, 0.4]]
    assert one_standard_error(results(scores, [1, 2], fit_intercept=[True, True])) == 1
    with pytest.raises(ValueError, match=r"\['fit_intercept'\] vary"):
        one_standard_error(results(scores, [1, 2], fit_intercept=[True, False]))
    table = results(scores, [1, 2])
    table["params"] = [{"alpha": 1}, {"alpha": 2}]
    with pytest.raises(ValueError, match=r"only \['alpha'\]"):
        one_standard_error(table)
    table["params"] = [{"a__n_components": 1, "b__n_components": 2}] * 2
    with pytest.raises(ValueError, match="several"):
        one_standard_error(table)
    table["params"] = [{"n_components": 1}, {}]
    with pytest.raises(ValueError, match="not every candidate"):
        one_standard_error(table)


def test_several_scores():
    table = results([[0.1, 0.2], [0.9, 0.9]], [1, 2], "r2")
    table |= results([[0.9, 0.9], [0.1, 0.2]], [1, 2], "density")
    with pytest.raises(ValueError, match=r"refit=one_standard_error.for_metric\('density'\)"):
        one_standard_error(table)
    assert one_standard_error.for_metric("r2")(table) == 1
    assert one_standard_error.for_metric("density")(table) == 0
    with pytest.raises(ValueError, match="no score named 'mse'"):
        one_standard_error.for_metric("mse")(table)


class TwoLines(RegressorMixin, BaseEstimator):
    """A stand-in: responsibilities for two given lines, in an order that each fit makes up."""

    def __init__(self, n_components=2, random_state=0):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        X, y = np.asarray(X), np.asarray(y)
        self.names_ = getattr(X, "columns", None)
        slopes = np.array([3.0, -1.0, 0.0, 9.0])[: self.n_components]
        # Not a function of the data alone: the labels depend on how many rows there are.
        self.order_ = np.random.default_rng(int(1e3 * abs(y.sum()))).permutation(len(slopes))
        self.slopes_ = slopes[self.order_]
        self.total_weight_ = np.sum(sample_weight if sample_weight is not None else len(y))
        self.scale_ = X[:, 0].std()
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0] * self.slopes_.mean()

    def score(self, X, y):
        return {1: 0.0, 2: 0.80, 3: 0.8 + 1e-3 * np.sin(np.sum(y))}.get(self.n_components, 0.7)

    def predict_proba(self, X, y):
        x, y = np.asarray(X)[:, :1], np.asarray(y)[:, None]
        return softmax(-0.5 * ((y - x * self.slopes_) / 0.1) ** 2, axis=1)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 90)
    first = rng.random(90) < 0.5
    return x[:, None], np.where(first, 3 * x, -x) + rng.normal(0, 0.1, 90), first


def test_in_a_search(data):
    X, y, _ = data
    for model, name in (
        (TwoLines(), "n_components"),
        (make_pipeline(StandardScaler(), TwoLines()), "twolines__n_components"),
    ):
        search = GridSearchCV(model, {name: [1, 2, 3, 4]}, refit=one_standard_error)
        assert search.fit(X, y).best_params_ == {name: 2}
    search = clone(search).set_params(
        scoring={"a": "r2", "b": "neg_mean_squared_error"}, refit=one_standard_error.for_metric("b")
    )
    search.fit(X, y)
    assert pickle.loads(pickle.dumps(one_standard_error)) == OneStandardError()


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_columns_mean_the_same_in_all_folds(data, n_jobs):
    X, y, first = data
    cv = KFold(9, shuffle=True, random_state=0)
    with parallel_config(backend="threading"):
        share = cross_val_responsibilities(TwoLines(), X, y, cv=cv, n_jobs=n_jobs)
    assert share.shape == (90, 2)
    np.testing.assert_allclose(share.sum(axis=1), 1.0)
    reference = TwoLines().fit(X, y)
    column = int(np.argmax(reference.slopes_))
    apart = np.abs(X[:, 0]) > 0.15
    np.testing.assert_array_equal(share[apart, column] > 0.5, first[apart])


def test_containers_and_pipelines(data):
    X, y, _ = data
    expected = cross_val_responsibilities(TwoLines(), X, y)
    frame = pd.DataFrame(X, columns=["x"], index=np.arange(90)[::-1])
    series = pd.Series(y, index=frame.index)
    for a, b in ((frame, series), (X.tolist(), y.tolist()), (frame, y), (X, series)):
        np.testing.assert_allclose(cross_val_responsibilities(TwoLines(), a, b), expected)
    scaled = make_pipeline(StandardScaler(with_mean=False, with_std=False), TwoLines())
    np.testing.assert_allclose(cross_val_responsibilities(scaled, frame, series), expected)
    np.testing.assert_allclose(
        cross_val_responsibilities(make_pipeline(scaled), X, y),
        expected,
    )


def test_weights_are_split(data):
    X, y, _ = data
    seen = []

    class Spy(TwoLines):
        def fit(self, X, y, sample_weight=None):
            seen.append(len(sample_weight) == len(y))
            return super().fit(X, y, sample_weight)

    cross_val_responsibilities(Spy(), X, y, params={"sample_weight": np.ones(90)})
    pipe = make_pipeline(StandardScaler(), Spy())
    cross_val_responsibilities(pipe, X, y, params={"spy__sample_weight": np.ones(90)})
    assert seen == [True] * 12


def test_folds_must_be_a_partition(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="exactly one test fold"):
        cross_val_responsibilities(TwoLines(), X, y, cv=ShuffleSplit(3))


def test_the_estimator_is_not_fitted(data):
    X, y, _ = data
    model = TwoLines()
    cross_val_responsibilities(model, X, y, cv=2)
    assert not hasattr(model, "slopes_")
