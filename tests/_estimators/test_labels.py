"""Memberships that are known: one component per label, and the others follow."""

import numpy as np
import pytest
from sklearn.base import clone
from test_roles import visits

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg.solvers import Laplace

FAST = {"solver": Laplace(draws=400), "random_state": 0}


@pytest.mark.slow
def test_all_labels_known_is_separate_regressions():
    X, y, label = visits(n_groups=100, noise=0.3)
    y, X = y - 0.7 * X["u"], X[["x"]]
    model = BayesianMixtureRegressor(2, **FAST).fit(X, y, labels=label)
    for k in range(2):
        rows = label == k
        alone = np.polynomial.polynomial.polyfit(X["x"][rows], y[rows], 1)
        sd = model.posterior_["coef"][0, :, k, 0].std()
        assert abs(model.coef_[k, 0] - alone[1]) < 0.15 * sd
        assert abs(model.intercept_[k] - alone[0]) < 0.15 * sd
    # The labels say which component is which.
    flipped = BayesianMixtureRegressor(2, **FAST).fit(X, y, labels=1 - label)
    np.testing.assert_allclose(flipped.coef_[::-1], model.coef_, atol=0.05)
    certain = np.eye(2)[label]
    same = BayesianMixtureRegressor(2, **FAST).fit(X, y, labels=certain)
    np.testing.assert_allclose(same.coef_, model.coef_, rtol=1e-9)


@pytest.mark.slow
def test_wrong_labels_are_named():
    X, y, label = visits(noise=0.2)
    y = y - 0.7 * X["u"]
    model = BayesianMixtureRegressor(2, **FAST)
    for labels, message in (
        (label + 1, r"labels must be integers from 0 to 1"),
        (label[:-1], r"must have shape \(120,\), or \(120, 2\)"),
        (np.full((len(y), 2), -1.0), "prior probabilities"),
        (["a"] * len(y), "labels must be integers"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X[["x"]], y, labels=labels)
    grouped = BayesianMixtureRegressor(2, group_feature="person", **FAST)
    with pytest.raises(ValueError, match="labels of different components"):
        grouped.fit(X, y, labels=np.arange(len(y)) % 2)
    none = model.fit(X[["x"]], y, labels=np.full(len(y), -1)).coef_
    np.testing.assert_array_equal(none, clone(model).fit(X[["x"]], y).coef_)


def parallel_lines(seed=0, n=300, known=0.3):
    """Two lines one apart, the upper one labelled 0."""
    rng = np.random.default_rng(seed)
    x, kind = rng.uniform(-1.0, 1.0, n), rng.integers(0, 2, n)
    y = x + 1.0 - kind + rng.normal(0.0, 0.3, n)
    return x[:, None], y, np.where(rng.random(n) < known, kind, -1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
def test_choice_of_the_number_with_labels():
    X, y, labels = parallel_lines()
    model = BayesianMixtureRegressorCV((2, 3), random_state=0).fit(X, y, labels=labels)
    assert model.n_components_ == 2
    np.testing.assert_allclose(model.intercept_, [1.0, 0.0], atol=0.15)
    alone = BayesianMixtureRegressor(3, random_state=0).fit(X, y, labels=labels)
    table = model.criterion_table_
    assert table.loc[3, "log_evidence"] == pytest.approx(
        alone.log_evidence_, abs=5.0 * table.loc[3, "log_evidence_error"] + 0.05
    )
    np.testing.assert_allclose(alone.intercept_[:2], [1.0, 0.0], atol=0.2)


def test_labels_that_go_with_one_number():
    X, y, labels = parallel_lines()
    for options, given, message in (
        ({}, np.eye(2)[np.maximum(labels, 0)], "go with one n_components"),
        ({"criterion": "loo"}, labels, "knows no labels"),
        ({}, labels + 1, "n_components=2, the least of those compared"),
    ):
        model = BayesianMixtureRegressorCV((2, 3), **options)
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, labels=given)


@pytest.mark.slow
def test_leaving_out_knows_no_labels():
    X, y, labels = parallel_lines()
    model = BayesianMixtureRegressor(2, **FAST).fit(X, y, labels=labels)
    with pytest.raises(ValueError, match="loo is not there for a fit with labels"):
        model.loo(X, y)
