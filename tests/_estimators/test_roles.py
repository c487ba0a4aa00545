"""Columns with roles, from frames to predictions."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import special, stats
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg.families import Binomial, Gaussian
from skmixreg.solvers import Laplace

FAST = {"solver": Laplace(draws=400), "random_state": 0}


def visits(seed=0, n_groups=30, size=4, noise=0.8):
    """Two lines of groups of rows, in random order; a gate on z, and hours of exposure."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), size)
    z = rng.normal(size=n_groups)[group]
    label = (rng.random(n_groups) < special.expit(2.0 * z[::size]))[group].astype(int)
    x = rng.uniform(-1.0, 1.0, len(group))
    u = rng.uniform(-1.0, 1.0, len(group))
    y = np.where(label, 1.0 + 1.5 * x, -1.0 - x) + 0.7 * u + rng.normal(0.0, noise, len(group))
    order = rng.permutation(len(group))
    names = np.array([f"person {i}" for i in rng.permutation(n_groups)])
    frame = pd.DataFrame({"x": x, "person": names[group], "z": z, "u": u})
    return frame.iloc[order], pd.Series(y).iloc[order], label[order]


ROLES = {"group_feature": "person", "gating_features": ["z"], "shared_features": ["u"]}


@pytest.fixture(scope="module")
def fitted():
    X, y, label = visits()
    return BayesianMixtureRegressor(2, **ROLES, **FAST).fit(X, y), X, y, label


def test_attributes(fitted):
    model, X, y, label = fitted
    assert model.converged_
    assert model.feature_names_in_.tolist() == ["x", "person", "z", "u"]
    assert model.coef_.shape == (2, 2)  # x and u
    assert model.coef_[0, 1] == pytest.approx(model.coef_[1, 1], abs=0.0)
    np.testing.assert_allclose(model.coef_, [[-1.0, 0.7], [1.5, 0.7]], atol=0.4)
    assert model.gating_coef_.shape == (2, 1)
    np.testing.assert_allclose(model.gating_coef_.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(model.gating_intercept_.sum(), 0.0, atol=1e-12)
    assert 0.3 < model.gating_coef_[1, 0] < 3.0
    table = model.contrast()
    assert table.loc[("gating_coef[z]", 1, 0), "P(> 0)"] > 0.95
    assert ("coef[u]", 1, 0) not in table.index
    assert (model.predict_proba(X, y).argmax(axis=1) == label).mean() > 0.95


def test_rows_of_a_group_share_their_membership(fitted):
    model, X, y, _ = fitted
    share = pd.DataFrame(model.predict_proba(X, y)).groupby(X["person"].to_numpy())
    np.testing.assert_allclose(share.std(ddof=0).to_numpy(), 0.0, atol=1e-15)
    drawn = model.sample_memberships(X, y, 5, random_state=0)
    assert (pd.DataFrame(drawn).groupby(X["person"].to_numpy()).nunique() == 1).all(axis=None)


def _joint_density(model, X, y):
    """Per draw, the log-likelihood of every group, by SciPy alone."""
    p = {
        name: model.posterior_[name][0]
        for name in ("gating_intercept", "gating_coef", "intercept", "coef", "sigma")
    }
    groups = X["person"].to_numpy()
    out = {}
    for name in np.unique(groups):
        at = groups == name
        rows = X[at]
        eta = p["intercept"][:, None] + np.einsum("skj,nj->snk", p["coef"], rows[["x", "u"]])
        log_f = stats.norm.logpdf(y[at].to_numpy()[:, None], eta, p["sigma"][:, None]).sum(axis=1)
        odds = p["gating_intercept"] + p["gating_coef"][..., 0] * rows["z"].iloc[0]
        out[name] = special.log_softmax(odds, axis=1) + log_f
    return out


def test_densities_and_responsibilities_are_those_of_groups(fitted):
    model, X, y, _ = fitted
    joint = _joint_density(model, X, y)
    groups = X["person"].to_numpy()
    total = sum(special.logsumexp(v, axis=1) for v in joint.values())
    np.testing.assert_allclose(model.posterior_["log_likelihood"][0], total, rtol=1e-9)
    density = model.log_predictive_density(X, y)
    share = model.predict_proba(X, y)
    for name, value in list(joint.items())[:5]:
        at = groups == name
        log_mean = special.logsumexp(value) - np.log(len(value))
        np.testing.assert_allclose(density[at].sum(), log_mean, rtol=1e-9)
        np.testing.assert_allclose(
            share[at][0], special.softmax(value, axis=1).mean(axis=0), rtol=1e-7
        )
    per_draw = model.to_datatree(X, y, random_state=0)["log_likelihood"]["y"].to_numpy()
    np.testing.assert_allclose(per_draw.sum(axis=-1)[0], total, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:loo. k-hat is over")
def test_left_out_are_groups(fitted):
    model, X, y, _ = fitted
    found = model.loo(X, y)
    assert found.n_data_points == X["person"].nunique()
    # A group's elpd is below its density under all rows, and near it.
    gap = model.log_predictive_density(X, y).sum() - float(found.elpd)
    assert 0.0 < gap < 3.0 * model.posterior_.layout.size


def test_predictions_are_averages_over_the_weights_of_the_row(fitted):
    model, X, _, _ = fitted
    rows = X.iloc[:6]
    p = model.posterior_
    odds = (
        p["gating_intercept"][0][:, None]
        + p["gating_coef"][0, :, None, :, 0] * rows["z"].to_numpy()[:, None]
    )
    weights = special.softmax(odds, axis=2)
    eta = p["intercept"][0][:, None] + np.einsum("skj,nj->snk", p["coef"][0], rows[["x", "u"]])
    mean, std = model.predict(rows, return_std=True)
    np.testing.assert_allclose(mean, (weights * eta).sum(axis=2).mean(axis=0), rtol=1e-9)
    second = (weights * (eta**2 + p["sigma"][0][:, None] ** 2)).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(std, np.sqrt(second - mean**2), rtol=1e-7)
    np.testing.assert_allclose(model.predict_proba(rows), weights.mean(axis=0), rtol=1e-9)
    # Quantiles are over 200 of the 400 draws.
    median = model.predict_quantiles(rows, 0.5)[:, 0]
    below = (weights * stats.norm.cdf((median[:, None] - eta) / p["sigma"][0][:, None])).sum(axis=2)
    np.testing.assert_allclose(below.mean(axis=0), 0.5, atol=0.02)
    sample = model.sample_y(rows, 4000, random_state=0)
    np.testing.assert_allclose(sample.mean(axis=1), mean, atol=0.12)
    scores = model.crps(rows, median)
    by_sample = np.abs(sample - median[:, None]).mean(axis=1)
    by_sample -= 0.5 * np.abs(sample - np.roll(sample, 1999, axis=1)).mean(axis=1)
    np.testing.assert_allclose(scores, by_sample, atol=0.06)


def test_rows_seen_tell_of_the_next(fitted):
    model, X, y, label = fitted
    new = np.zeros(len(X), dtype=bool)
    new[np.unique(X["person"].to_numpy(), return_index=True)[1]] = True
    seen = (X[~new], y[~new])
    before = model.predict_interval(X[new])
    after = model.predict_interval(X[new], given=seen)
    assert np.median(np.ptp(after, axis=1) / np.ptp(before, axis=1)) < 0.8
    share = model.predict_proba(X[new], given=seen)
    assert (share.argmax(axis=1) == label[new]).mean() > 0.9
    # By Bayes' rule on the draws themselves.
    joint = _joint_density(model, *seen)
    for row, name in enumerate(X["person"].to_numpy()[new][:4]):
        expected = special.softmax(joint[name], axis=1).mean(axis=0)
        np.testing.assert_allclose(share[row], expected, rtol=1e-7)
    # A group of which nothing was seen has the weights of its gate.
    stranger = X[new].iloc[:1].assign(person="nobody")
    np.testing.assert_allclose(
        model.predict_proba(stranger, given=seen), model.predict_proba(stranger), rtol=1e-12
    )
    for method, options in (("predict", {}), ("predict_hdr", {}), ("predict_quantiles", {})):
        answer = getattr(model, method)(X[new], given=seen, **options)
        assert len(answer) == new.sum()
    drawn = model.sample_y(X[new], 300, random_state=0, given=seen)
    np.testing.assert_allclose(drawn.mean(axis=1), model.predict(X[new], given=seen), atol=0.35)


@pytest.mark.slow
def test_order_of_rows_and_names_of_groups_do_not_matter(fitted):
    model, X, y, _ = fitted
    order = np.random.default_rng(3).permutation(len(X))
    other = X.iloc[order].assign(person=lambda f: f["person"].str.upper())
    again = clone(model).fit(other, y.iloc[order])
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-9)
    np.testing.assert_allclose(again.log_evidence_, model.log_evidence_, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["category", "date", "polars", "array of numbers", "objects"])
def test_groups_may_be_anything(fitted, kind):
    model, X, y, _ = fitted
    options = {**ROLES, **FAST}
    codes = pd.factorize(X["person"])[0]
    if kind == "category":
        X = X.assign(person=X["person"].astype("category"))
    elif kind == "date":
        X = X.assign(person=pd.Timestamp("2026-01-01") + pd.to_timedelta(codes, unit="D"))
    elif kind == "polars":
        X = pl.DataFrame({name: X[name].to_numpy() for name in X})
    else:
        X = X.to_numpy() if kind == "objects" else X.assign(person=codes).to_numpy(dtype=float)
        options |= {"group_feature": 1, "gating_features": [2], "shared_features": [-1]}
    again = BayesianMixtureRegressor(2, **options).fit(X, y.to_numpy())
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-9)


@pytest.mark.slow
def test_selectors_mean_the_same(fitted):
    _, X, y, _ = fitted
    numbers = X[["x", "z", "u"]]
    options = {"shared_features": ["u"], **FAST}
    first = BayesianMixtureRegressor(2, gating_features=["z"], **options).fit(numbers, y)
    for features in ([1], [False, True, False], make_column_selector("^z$"), "z", [-2]):
        other = BayesianMixtureRegressor(2, gating_features=features, **options).fit(numbers, y)
        np.testing.assert_array_equal(other.coef_, first.coef_)
    everything = BayesianMixtureRegressor(
        2, component_features="all", gating_features="all", **FAST
    ).fit(numbers, y)
    assert everything.coef_.shape == (2, 3) and everything.gating_coef_.shape == (2, 3)
    both = BayesianMixtureRegressor(2, component_features=["z"], gating_features=["z"], **FAST).fit(
        numbers, y
    )
    assert both.coef_.shape == (2, 3)  # a column in no role has a slope


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gating_features": ["w"]}, "names 'w', which is no column of X; columns are"),
        ({"gating_features": [7]}, "names 7, which is no column"),
        ({"gating_features": [True, False]}, "a mask of length 2, but X has 4 columns"),
        ({"gating_features": 1.5}, "must be names or positions"),
        (
            {"offset_feature": "x", "component_features": ["x"]},
            "which is offset_feature='x'",
        ),
        ({"shared_features": ["x"], "component_features": ["x"]}, "both name column 'x'"),
        ({"shared_features": "all", "component_features": "all"}, "both name column 'x'"),
        ({"group_feature": "nobody"}, "group_feature='nobody' is no column of X"),
        ({"group_feature": "person", "gating_features": ["x"]}, "varies within a group"),
        (
            {"group_feature": "person", "gating_features": ["person"]},
            "which is group_feature=",
        ),
        ({"exposure_feature": "u"}, "needs a family with a log link"),
        ({}, "column 'person' holds text.* group_feature"),
    ],
)
def test_errors_say_what_was_wrong(options, message):
    X, y, _ = visits()
    if options:
        X["person"] = pd.factorize(X["person"])[0]
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressor(2, **options, **FAST).fit(X, y)


def test_errors_of_values():
    X, y, _ = visits()
    model = BayesianMixtureRegressor(2, group_feature="person", **FAST)
    with pytest.raises(ValueError, match="must be the same in all rows of one"):
        model.fit(X, y, np.arange(1, len(y) + 1))
    with pytest.raises(ValueError, match="has no value in row 0"):
        model.fit(X.assign(person=[None, *X["person"].iloc[1:]]), y)
    counts = np.round(np.exp(y))
    with pytest.raises(ValueError, match="exposure_feature must be positive, but in row"):
        BayesianMixtureRegressor(2, family="poisson", exposure_feature="u", **FAST).fit(
            X[["x", "u"]], counts
        )
    plain = BayesianMixtureRegressor(1, **FAST).fit(X[["x"]], y)
    with pytest.raises(ValueError, match="this fit has no groups"):
        plain.predict(X[["x"]], given=(X[["x"]], y))
    with pytest.raises(ValueError, match="serves no columns with roles"):
        BayesianMixtureRegressor(2, group_feature="person", solver="cavi").fit(X, y)


@pytest.mark.slow
def test_roles_that_say_nothing_are_told():
    X, y, _ = visits(noise=0.2)
    y = y - 0.7 * X["u"]
    alone = X[["x"]].assign(c=1.0, row=np.arange(len(X)))
    with pytest.warns(UserWarning, match="gating column 'c' is constant"):
        gated = BayesianMixtureRegressor(2, gating_features=["c"], **FAST).fit(alone[["x", "c"]], y)
    np.testing.assert_allclose(gated.gating_coef_, 0.0, atol=1e-12)
    with pytest.warns(UserWarning, match="every row is a group of its own"):
        rows = BayesianMixtureRegressor(2, group_feature="row", **FAST).fit(alone[["x", "row"]], y)
    plain = BayesianMixtureRegressor(2, **FAST).fit(alone[["x"]], y)
    np.testing.assert_allclose(rows.coef_, plain.coef_, atol=0.15)


@pytest.mark.slow
def test_offset_is_a_known_part():
    rng = np.random.default_rng(0)
    x, t = rng.uniform(-1.0, 1.0, (2, 300))
    z = rng.random(300) < 0.5
    y = np.where(z, 3.0 * x, -x) + 5.0 * t + rng.normal(0.0, 0.3, 300)
    X = pd.DataFrame({"x": x, "t": 5.0 * t})
    model = BayesianMixtureRegressor(2, offset_feature="t", **FAST).fit(X, y)
    known = BayesianMixtureRegressor(2, **FAST).fit(X[["x"]], y - 5.0 * t)
    np.testing.assert_allclose(model.coef_, known.coef_, atol=0.02)
    np.testing.assert_allclose(model.log_evidence_, known.log_evidence_, atol=0.1)
    np.testing.assert_allclose(model.predict(X), known.predict(X[["x"]]) + 5.0 * t, atol=0.03)


@pytest.mark.slow
def test_exposure_makes_rates():
    rng = np.random.default_rng(1)
    x, hours = rng.uniform(-1.0, 1.0, 400), rng.uniform(0.5, 20.0, 400)
    z = rng.random(400) < 0.5
    y = rng.poisson(hours * np.exp(np.where(z, 1.0 + x, -0.5 - x)))
    X = pd.DataFrame({"x": x, "hours": hours})
    options = {"family": "poisson", **FAST}
    model = BayesianMixtureRegressor(2, exposure_feature="hours", **options).fit(X, y)
    np.testing.assert_allclose(model.coef_[:, 0], [-1.0, 1.0], atol=0.15)
    np.testing.assert_allclose(model.intercept_, [-0.5, 1.0], atol=0.15)
    twice = X.assign(hours=2.0 * hours)
    np.testing.assert_allclose(model.predict(twice), 2.0 * model.predict(X), rtol=1e-9)
    logs = X.assign(hours=np.log(hours))
    other = BayesianMixtureRegressor(2, offset_feature="hours", **options).fit(logs, y)
    np.testing.assert_allclose(other.coef_, model.coef_, rtol=1e-6)


@pytest.mark.slow
def test_choice_of_the_number_with_roles():
    X, y, _ = visits()
    model = BayesianMixtureRegressorCV(range(1, 4), **ROLES, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    assert model.n_components_ == 2
    assert model.predict(X).shape == (len(X),)


def test_tables_of_components(fitted):
    model, X, y, label = fitted
    table = model.component_table(X, y)
    assert table.loc[(slice(None), "units"), "mean"].sum() == pytest.approx(30.0)
    assert table.loc[(slice(None), "share"), "mean"].sum() == pytest.approx(1.0)
    counts = np.bincount(label) / 4.0
    np.testing.assert_allclose(table.loc[(slice(None), "units"), "mean"], counts, atol=1.5)
    for k in range(2):
        assert table.loc[(k, "mean of z"), "mean"] == pytest.approx(
            X["z"].to_numpy()[label == k].mean(), abs=0.15
        )
    assert 0.7 < model.entropy(X, y) <= 1.0


@pytest.mark.slow
def test_groups_of_trials():
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(40), 2)
    z = rng.random(40)[group] < 0.5
    arm = np.tile([0.0, 1.0], 40)
    trials = rng.integers(50, 200, 80)
    y = rng.binomial(trials, special.expit(np.where(z, -0.5, -2.0) + 0.4 * arm))
    X = pd.DataFrame({"arm": arm, "n": trials, "centre": group})
    model = BayesianMixtureRegressor(
        2, family=Binomial(trials="n"), group_feature="centre", shared_features=["arm"], **FAST
    ).fit(X, y)
    np.testing.assert_allclose(model.intercept_, [-2.0, -0.5], atol=0.2)
    np.testing.assert_allclose(model.coef_[:, 0], 0.4, atol=0.2)
    shared = BayesianMixtureRegressor(
        2, family=Gaussian(shared_sigma=True), group_feature="centre", **FAST
    ).fit(X[["arm", "centre"]], y / trials)
    assert shared.sigma_[0] == shared.sigma_[1]


@pytest.mark.slow
def test_a_search_over_numbers_of_components_with_whole_groups():
    X, y, _ = visits(n_groups=60)
    X = X.assign(site=np.where(X["z"] > 0.0, "north", "south"))[["x", "person", "u", "site"]]
    encode = ColumnTransformer(
        [("site", OneHotEncoder(sparse_output=False, drop="first"), ["site"])],
        remainder="passthrough", verbose_feature_names_out=False,
    ).set_output(transform="pandas")  # fmt: skip
    mixture = BayesianMixtureRegressor(
        group_feature="person", gating_features=["site_south"], shared_features=["u"], **FAST
    )
    search = GridSearchCV(
        make_pipeline(encode, mixture), {"bayesianmixtureregressor__n_components": [1, 2]},
        cv=GroupKFold(3), n_jobs=2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y, groups=X["person"])
    assert search.best_params_ == {"bayesianmixtureregressor__n_components": 2}
    best = search.best_estimator_[-1]
    assert best.gating_coef_[1, 0] < 0.0  # the rising line is that of the north
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_saved_and_loaded_as_fitted(fitted):
    skops = pytest.importorskip("skops.io")
    model, X, y, _ = fitted
    listed = (Path(__file__).parents[2] / "docs" / "saving.md").read_text()
    stored = skops.dumps(model)
    trusted = [kind for kind in skops.get_untrusted_types(data=stored) if kind in listed]
    again = skops.loads(stored, trusted=trusted)
    np.testing.assert_array_equal(again.predict_proba(X, y), model.predict_proba(X, y))
    np.testing.assert_array_equal(again.gating_coef_, model.gating_coef_)
