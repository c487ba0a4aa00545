"""What a fit with groups is asked of rows that contradict each other, and of rows seen before."""

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.base import clone

from skmixreg import BayesianMixtureRegressor
from skmixreg.inspection import ResponsibilityDisplay
from skmixreg.metrics import crps_scorer, mean_log_predictive_density_scorer
from skmixreg.solvers import Laplace

FAST = {"solver": Laplace(draws=200), "random_state": 0}
ROLES = {"group_feature": "person", "gating_features": ["z"], "shared_features": ["u"]}


def visits(seed=0, n_groups=30, size=4):
    """Two lines of groups of rows in random order, with a gate on z."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), size)
    z = rng.normal(size=n_groups)[group]
    label = (rng.random(n_groups) < special.expit(2.0 * z[::size]))[group]
    x, u = rng.uniform(-1.0, 1.0, (2, len(group)))
    y = np.where(label, 1.0 + 1.5 * x, -1.0 - x) + 0.7 * u + rng.normal(0.0, 0.8, len(group))
    order = rng.permutation(len(group))
    names = np.array([f"person {i}" for i in rng.permutation(n_groups)])
    X = pd.DataFrame({"x": x, "person": names[group], "z": z, "u": u})
    return X.iloc[order].reset_index(drop=True), pd.Series(y[order])


@pytest.fixture(scope="module")
def fitted():
    X, y = visits()
    return BayesianMixtureRegressor(2, **ROLES, **FAST).fit(X, y), X, y


def varied(X, by=1e-12):
    """X whose first row has another gate than the others of its group, and where these two are."""
    other = X["z"].to_numpy().copy()
    first = int(np.flatnonzero(X.duplicated("person", keep=False))[0])
    other[first] *= 1.0 + by
    second = np.flatnonzero(X["person"] == X["person"].iloc[first])[1]
    return X.assign(z=other), int(second), first


BY_GROUP = [
    ("predict_proba", {}), ("assign", {}), ("log_predictive_density", {}), ("score", {}),
    ("aic", {}), ("loo", {}), ("sample_memberships", {}), ("component_table", {}),
    ("entropy", {}), ("to_datatree", {}), ("to_pymc", {}),
]  # fmt: skip


@pytest.mark.parametrize("by", [1e-12, 0.5])
@pytest.mark.parametrize(("method", "options"), BY_GROUP)
def test_a_gate_that_varies_within_a_group_is_refused_as_by_fit(fitted, method, options, by):
    model, X, y = fitted
    wrong, row, first = varied(X, by)
    values = wrong["z"].to_numpy()
    message = (
        f"varies within a group \\(row {row} has {float(values[row])!r}, row {first}, the first of "
        f"its group, has {float(values[first])!r}\\)"
    )
    with pytest.raises(ValueError, match=message):
        clone(model).fit(wrong, y)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(wrong, y, **options)


def test_a_gate_that_varies_is_refused_where_rows_are_drawn_and_used_row_by_row(fitted):
    model, X, y = fitted
    wrong, row, _ = varied(X, 0.5)
    for method in ("sample_y", "to_datatree"):
        with pytest.raises(ValueError, match="varies within a group"):
            getattr(model, method)(wrong)
    # What is said of every row by itself has its own gate.
    for method in ("predict", "predict_proba", "predict_interval"):
        answer = getattr(model, method)
        np.testing.assert_allclose(answer(wrong)[row], answer(wrong.iloc[[row]])[0], rtol=1e-12)
    assert model.crps(wrong, y).shape == (len(X),)


def test_a_group_has_the_gate_that_it_was_seen_with(fitted):
    model, X, y = fitted
    wrong, _, _ = varied(X, 0.5)
    with pytest.raises(ValueError, match=r"In given=\(X, y\).*varies within a group"):
        model.predict(X, given=(wrong, y))
    for method in ("predict", "predict_proba", "predict_quantiles", "sample_y"):
        with pytest.raises(ValueError, match=r"in row 1 of X and .* in row \d+ of given"):
            getattr(model, method)(X.iloc[:3].assign(z=[*X["z"][:1], 9.0, 9.0]), given=(X, y))
    # Of a group that was not seen nothing is known that its rows could contradict.
    strangers = wrong.assign(person=wrong["person"] + "!")
    np.testing.assert_allclose(
        model.predict(strangers, given=(X, y)), model.predict(strangers), rtol=1e-12
    )


def test_weights_that_vary_within_a_group_are_refused_as_by_fit(fitted):
    model, X, y = fitted
    weights = np.ones(len(X))
    weights[5] = 3.0
    first = int(np.flatnonzero(X["person"] == X["person"].iloc[5])[0])
    row = 5 if first < 5 else int(np.flatnonzero(X["person"] == X["person"].iloc[5])[1])
    message = (
        f"must be the same in all rows of one, but that of row {row} is {float(weights[row])!r} "
        f"and that of row {first}, the first of its group, is {float(weights[first])!r}"
    )
    assert (weights[row], weights[first]) != (1.0, 1.0)
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, y, weights)
    for method in ("score", "aic", "bic", "icl", "loo", "component_table", "entropy", "to_pymc"):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(X, y, weights)
    with pytest.raises(ValueError, match=message):
        mean_log_predictive_density_scorer(model, X, y, weights)
    with pytest.raises(ValueError, match=message):
        ResponsibilityDisplay.from_estimator(model, X, y, sample_weight=weights)
    assert crps_scorer(model, X, y, weights) < 0.0  # of every row by itself


def test_no_rows_seen_is_nothing_seen(fitted):
    model, X, y = fitted
    rows = X.iloc[:7]
    for method, options in (
        ("predict", {}), ("predict", {"return_std": True}), ("predict_proba", {}),
        ("predict_quantiles", {}), ("predict_interval", {}), ("predict_hdr", {}),
        ("sample_y", {"random_state": 0}),
    ):  # fmt: skip
        answer = getattr(model, method)
        for nothing in ((X.iloc[:0], y.iloc[:0]), (X.iloc[:0], []), (X.to_numpy()[:0], [])):
            np.testing.assert_equal(answer(rows, given=nothing, **options), answer(rows, **options))
    for seen in ((X.iloc[:0], y), (X, y.iloc[:0])):
        with pytest.raises(ValueError, match=r"In given=\(X, y\).*inconsistent numbers of samples"):
            model.predict(rows, given=seen)


def test_errors_of_rows_seen_say_so(fitted):
    model, X, y = fitted
    for seen, message in (
        ((X, y[:-1]), "inconsistent numbers of samples"),
        ((X.drop(columns="z"), y), "feature names should match"),
        ((X.assign(u=np.where(np.arange(len(X)) == 3, np.nan, 0.0)), y), "column 'u' .* row 3 "),
        ((X, y.where(np.arange(len(X)) != 3)), "Input y contains NaN"),
        ((X.assign(person=[*X["person"][:3], None, *X["person"][4:]]), y), "no value in row 3 "),
        ((X, y.astype(str)), "y must hold numbers"),
    ):
        with pytest.raises(ValueError, match=rf"^In given=\(X, y\), whose rows are .*{message}"):
            model.predict(X, given=seen)
    with pytest.raises(TypeError, match=r"^In given=\(X, y\).*Expected sequence"):
        model.predict(X, given=(None, y))
    with pytest.raises(ValueError, match=r"^Input X contains NaN"):
        model.predict(X.assign(z=np.nan), given=(X, y))


def test_responses_seen_that_no_component_can_have_leave_weights_finite(fitted):
    model, X, _ = fitted
    rows, far = X.iloc[:6], np.where(np.arange(len(X)) % 2, 1e200, -1e200)
    share = model.predict_proba(rows, given=(X, far))
    np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-12)
    assert np.isfinite(model.predict(rows, given=(X, far))).all()
    # As those of these rows themselves.
    np.testing.assert_allclose(share, model.predict_proba(X, far)[:6], rtol=1e-9)
    beyond = X.assign(x=1e308)
    share = model.predict_proba(rows, given=(beyond, far))
    np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-12)


def test_rows_seen_as_objects_keep_their_groups():
    X, y = visits()
    A = X.to_numpy(object)
    options = {"group_feature": 1, "gating_features": [2], "shared_features": [3]}
    model = BayesianMixtureRegressor(2, **options, **FAST).fit(A, y)
    alone = A[:, 1] == A[7, 1]
    np.testing.assert_allclose(
        model.predict_proba(A[7:8], given=(A, y)),
        model.predict_proba(A[7:8], given=(A[alone], y[alone])),
        rtol=1e-12,
    )
