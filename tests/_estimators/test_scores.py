"""Scores under scikit-learn's tools: importances, folds, weights that are routed."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from conftest import two_lines
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg.metrics import crps_scorer, mean_log_predictive_density_scorer

FOLDS = KFold(3, shuffle=True, random_state=0)


def model():
    return BayesianMixtureRegressor(solver="map", random_state=0)


@pytest.fixture(scope="module")
def rows():
    X, y = two_lines(150)
    return X, y, np.random.default_rng(1).integers(0, 4, len(y)).astype(float)


def test_importances_are_bounded():
    """One row far from both narrow lines would count 1e29 without a bound."""
    X, y = two_lines(200, noise=1e-3)
    X = np.column_stack([X, np.random.default_rng(0).normal(size=200)])
    fitted = model().set_params(priors=Priors(sigma_floor=1e-4)).fit(X, y)
    assert fitted.score(X, y) > 0.99
    found = permutation_importance(fitted, X, y, n_repeats=5, random_state=0)
    assert 1.0 < found.importances_mean[0] <= 2.0
    assert abs(found.importances_mean[1]) < 0.01
    assert fitted.score(X, y[::-1]) >= -1.0


@pytest.fixture(params=[mean_log_predictive_density_scorer, crps_scorer], ids=str)
def scorer(request):
    return request.param


def by_hand(scorer, X, y, weights, weighted):
    """Scores of the folds, fitted with weights."""
    scores = []
    for train, test in FOLDS.split(X):
        fitted = model().fit(X[train], y[train], weights[train])
        scores.append(scorer(fitted, X[test], y[test], weights[test] if weighted else None))
    return scores


@pytest.mark.parametrize("name", [True, "their_weight"])
def test_a_search_scores_with_the_weights(scorer, rows, name):
    X, y, weights = rows
    expected = by_hand(scorer, X, y, weights, weighted=True)
    passed = {"sample_weight" if name is True else name: weights}
    with sklearn.config_context(enable_metadata_routing=True):
        weighted = scorer.set_score_request(sample_weight=name)
        estimator = model().set_fit_request(sample_weight=name)
        search = GridSearchCV(estimator, {"n_components": [1, 2]}, scoring=weighted, cv=FOLDS)
        results = search.fit(X, y, **passed).cv_results_
        np.testing.assert_allclose([results[f"split{i}_test_score"][1] for i in range(3)], expected)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        several = cross_validate(
            make_pipeline(scaler, estimator), X, y, cv=FOLDS, params=passed,
            scoring={"own": weighted},
        )  # fmt: skip
        np.testing.assert_allclose(several["test_own"], expected, rtol=0.05)


def test_weights_are_never_lost_without_a_word(scorer, rows):
    X, y, weights = rows
    plain = by_hand(scorer, X, y, weights, weighted=False)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = model().set_fit_request(sample_weight=True)
        options = {"cv": FOLDS, "params": {"sample_weight": weights}}
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            cross_validate(estimator, X, y, scoring=scorer, **options)
        without = scorer.set_score_request(sample_weight=False)
        scores = cross_validate(estimator, X, y, scoring=without, **options)["test_score"]
        np.testing.assert_allclose(scores, plain)


def test_what_is_shared_stays_as_it_is(scorer, rows):
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        scorer.set_score_request(sample_weight=True)
    with sklearn.config_context(enable_metadata_routing=True):
        weighted = scorer.set_score_request(sample_weight=True)
        assert weighted is not scorer
        assert scorer.get_metadata_routing().score.requests == {"sample_weight": None}
        again = pickle.loads(pickle.dumps(weighted))
        assert again.get_metadata_routing().score.requests == {"sample_weight": True}
    fitted = model().fit(*rows[:2])
    assert again(fitted, *rows) == scorer(fitted, *rows)
    assert repr(again) == scorer.__name__
    assert "higher is better" in again.__doc__
