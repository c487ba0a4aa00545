"""What groups may be called: the same whatever holds it, in fits, predictions and rows seen."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV

ROWS_OF_7 = slice(21, 24)


def people():
    """Forty persons with three rows each: those with odd numbers rise, the others fall."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.uniform(-1.0, 1.0, 120), "id": np.repeat(np.arange(40), 3)})
    y = np.where(X["id"] % 2, 2.0, -2.0) * X["x"] + rng.normal(0.0, 0.3, 120)
    return X, y


def fit(X, y, **options):
    return BayesianMixtureRegressor(2, solver="map", random_state=0, **options).fit(X, y)


AS = {
    "integers": lambda X: X,
    "floats": lambda X: X.astype({"id": float}),
    "objects": lambda X: X.astype({"id": object}),
    "float objects": lambda X: X.astype({"id": float}).astype({"id": object}),
    "nullable": lambda X: X.astype({"id": "Float64"}),
    "categories of floats": lambda X: X.astype({"id": float}).astype({"id": "category"}),
    "array": lambda X: X.to_numpy(),
    "list": lambda X: X.to_numpy().tolist(),
    "series of rows": lambda X: pd.DataFrame([row for _, row in X.iterrows()]),
}


@pytest.fixture(scope="module")
def fitted():
    X, y = people()
    return fit(X, y, group_feature="id"), X, y


# An array has no names, of which scikit-learn speaks.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize("given", AS)
@pytest.mark.parametrize("new", AS)
def test_a_group_is_the_same_in_whatever_type(fitted, new, given):
    model, X, y = fitted
    seen = X["id"].isin([0, 7]).to_numpy()
    rows = AS[new](X.iloc[ROWS_OF_7])
    found = model.predict_proba(rows, given=(AS[given](X[seen]), y[seen]))
    expected = model.predict_proba(X.iloc[ROWS_OF_7], given=(X[seen], y[seen]))
    np.testing.assert_allclose(found, expected)
    assert (found[:, 1] > 0.99).all()


def test_frames_of_polars_beside_pandas(fitted):
    model, X, y = fitted
    seen = X["id"].isin([0, 7]).to_numpy()
    rows = pl.from_pandas(X.iloc[ROWS_OF_7].astype({"id": float}))
    found = model.predict_proba(rows, given=(X[seen], y[seen]))
    assert (found[:, 1] > 0.99).all()


def test_no_group_in_common_is_said(fitted):
    model, X, y = fitted
    new = X.iloc[ROWS_OF_7]
    with pytest.warns(UserWarning, match="No row of given is of a group that X has"):
        model.predict(new, given=(new.astype({"id": str}), y[ROWS_OF_7]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(new, given=(X, y))


def test_large_integers_of_arrays_stay_apart():
    X, y = people()
    large = np.column_stack([np.round(1e6 * X["x"]).astype(np.int64), 2**60 + X["id"]])
    assert large.dtype == np.int64
    frame = fit(pd.DataFrame(large, columns=["x", "id"]), y, group_feature="id")
    np.testing.assert_allclose(fit(large, y, group_feature=1).coef_, frame.coef_, rtol=1e-6)


def test_categories_of_floats_are_groups():
    X, y = people()
    categories = fit(AS["categories of floats"](X), y, group_feature="id")
    np.testing.assert_allclose(categories.coef_, fit(X, y, group_feature="id").coef_)


def test_predictions_know_the_groups_of_the_fit():
    X, y = people()
    X = X.assign(id="p" + X["id"].astype(str))
    model = fit(X, y, group_feature="id")
    expected = model.predict_proba(X, y)
    np.testing.assert_array_equal(
        model.set_params(group_feature=None).predict_proba(X, y), expected
    )
    with pytest.warns(UserWarning, match="valid feature names"):
        np.testing.assert_array_equal(model.predict_proba(X.to_numpy(), y), expected)


@pytest.mark.parametrize(
    ("X", "column", "message"),
    [
        (lambda X: X, "patient", r"group_feature='patient' is no column of X; columns are"),
        (lambda X: X.to_numpy(), "id", "group_feature='id' is no column of X; X has no names"),
        (lambda X: X, 5, "group_feature=5 is no column of X"),
    ],
)
def test_a_wrong_name_is_said_before_the_column_is_refused(X, column, message):
    rows, y = people()
    rows = rows.assign(id="p" + rows["id"].astype(str))
    with pytest.raises(ValueError, match=message):
        fit(X(rows), y, group_feature=column)


def test_few_large_groups_fill_components():
    """Three groups of a hundred rows tell what a line is."""
    rng = np.random.default_rng(1)
    group, x = np.repeat(np.arange(6), 100), rng.uniform(-1.0, 1.0, 600)
    y = np.where(group % 2, 2.0 * x, -2.0 * x) + rng.normal(0.0, 0.3, 600)
    model = BayesianMixtureRegressor(2, group_feature="id", solver="laplace", random_state=0)
    # A warning would be an error.
    model.fit(pd.DataFrame({"x": x, "id": group}), y)
    assert model.diagnostics().loc["smallest_component", "passed"]
    assert (model.summary()["empty"] == 0.0).all()


def test_labels_need_room_in_the_least_number_of_components():
    X, y = people()
    labels = np.where(X["id"] < 4, X["id"] % 2, -1)
    choice = BayesianMixtureRegressorCV(n_components=[1, 2], random_state=0)
    with pytest.raises(ValueError, match="n_components=1, the least of those compared"):
        choice.fit(X[["x"]], y, labels=labels)


@pytest.mark.parametrize(("n", "size"), [(120_000, 4), (30_000, 100)])
def test_many_rows_in_groups(n, size):
    """Samples of the search are of groups, whatever their number of rows."""
    rng = np.random.default_rng(5)
    group, x = np.repeat(np.arange(n // size), size), rng.normal(size=n)
    rises = (rng.random(n // size) < 0.4)[group]
    y = np.where(rises, x, -x) + rng.normal(0.0, 1.5, n)
    model = fit(np.column_stack([x, group]), y, group_feature=1)
    np.testing.assert_allclose(model.coef_.ravel(), [-1.0, 1.0], atol=0.05)
    np.testing.assert_allclose(model.weights_, [0.6, 0.4], atol=0.06)
