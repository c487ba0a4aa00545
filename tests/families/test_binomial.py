"""Successes among trials: the column that holds these, and what only this family has."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from skmixreg import BayesianMixtureRegressor
from skmixreg.families import Binomial
from skmixreg.metrics import generalised_r2


def rows(n=300, seed=0, most=30):
    """Two kinds, whose odds go up and down."""
    rng = np.random.default_rng(seed)
    x, trials = rng.uniform(-1, 1, n), rng.integers(0, most, n)
    eta = np.where(rng.random(n) < 0.6, -1.0 + 1.5 * x, 1.5 - x)
    return pd.DataFrame({"a": x, "of": trials}), rng.binomial(trials, special.expit(eta))


def quick(trials, **options):
    options = {"solver": "map", "random_state": 0, **options}
    return BayesianMixtureRegressor(family=Binomial(trials=trials), **options)


def test_the_column_by_name_and_position_and_wherever_it_is():
    X, y = rows()
    models = [
        quick("of").fit(X, y),
        quick(1).fit(X.to_numpy(), y),
        quick(-1).fit(X.to_numpy(), y),
        quick(0).fit(X[["of", "a"]].to_numpy(), y),
    ]
    for model in models:
        assert model.coef_.shape == (2, 1) and model.n_features_in_ == 2
        np.testing.assert_allclose(model.coef_, models[0].coef_, rtol=1e-12)
    np.testing.assert_allclose(models[3].predict(X[["of", "a"]].to_numpy()), models[0].predict(X))
    assert "coef[0, a]" in models[0].summary().index
    np.testing.assert_allclose(np.sort(models[0].coef_[:, 0]), [-1.0, 1.5], atol=0.3)


@pytest.mark.slow
def test_predictions_are_of_the_trials_of_each_row():
    X, y = rows()
    model = quick("of").fit(X, y)
    at = pd.DataFrame({"a": [0.3, 0.3, 0.3], "of": [0, 1, 40]})
    p = special.expit(model.intercept_ + 0.3 * model.coef_[:, 0])
    np.testing.assert_allclose(model.predict(at), np.array([0, 1, 40]) * (model.weights_ @ p))
    np.testing.assert_allclose(model.predict_components(at)[2], 40 * p)
    mixed = model.weights_ @ stats.binom.pmf(np.arange(41), 40, p[:, None])
    (none, _, many) = model.predict_hdr(at, coverage=0.9)
    np.testing.assert_array_equal(none, [[0.0, 0.0]])
    held = np.concatenate([np.arange(a, b + 1) for a, b in many.astype(int)])
    order = np.argsort(-mixed)
    assert set(held) == set(order[: np.searchsorted(np.cumsum(mixed[order]), 0.9) + 1])
    median = model.predict_quantiles(at, 0.5)[2, 0]
    assert median == np.searchsorted(np.cumsum(mixed), 0.5)
    assert (model.sample_y(at, 50, random_state=0) <= at["of"].to_numpy()[:, None]).all()
    np.testing.assert_allclose(
        model.log_predictive_density(at.iloc[[2]], [20]), np.log(mixed[20]), rtol=1e-9
    )
    (score,) = model.crps(at.iloc[[2]], [20])
    steps = np.cumsum(mixed) - (np.arange(41) >= 20)
    assert score == pytest.approx((steps**2).sum(), rel=1e-7)


def test_trials_merge_no_rows_that_differ_in_them():
    X = np.array([[0.0, 5.0], [0.0, 9.0], [1.0, 5.0], [1.0, 9.0]] * 5)
    y = np.array([2.0, 2.0, 3.0, 3.0] * 5)
    model = quick(1, n_components=1).fit(X, y)
    p = special.expit(model.intercept_ + X[:, :1] @ model.coef_[0])
    expected = stats.binom.logpmf(y, X[:, 1], p).sum()
    assert model.modes_["log_likelihood"].iloc[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_score_counts_from_one_probability_for_all_rows():
    X, y = rows()
    model = quick("of").fit(X, y)
    density = model.log_predictive_density(X, y)
    trials, p = X["of"].to_numpy(), y.sum() / X["of"].sum()
    plain = stats.binom.logpmf(y, trials, p)
    # Trials of a row go together, as the beta-binomial distribution has it.
    squares = ((y - trials * p) ** 2).sum() / (p * (1 - p))
    correlation = (squares - trials.sum()) / (trials * (trials - 1)).sum()
    size = 1 / correlation - 1
    reference = stats.betabinom.logpmf(y, trials, p * size, (1 - p) * size)
    assert reference.sum() > plain.sum() + 50
    expected = generalised_r2(density, y, reference=reference)
    assert 0.0 < expected < 1.0 and model.score(X, y) == pytest.approx(expected, rel=1e-9)
    chunks = [da.from_array(a, chunks=(100, *a.shape[1:])) for a in (X.to_numpy(), y)]
    own = quick(1).fit(X.to_numpy(), y)
    assert own.score(*chunks) == pytest.approx(model.score(X, y), rel=1e-9)
    np.testing.assert_allclose(own.predict(chunks[0]), model.predict(X))


@pytest.mark.slow
def test_one_trial_in_every_row():
    X, _ = rows()
    y = (X["a"] + np.random.default_rng(0).normal(size=len(X)) > 0).to_numpy().astype(float)
    model = quick(None, n_components=1).fit(X[["a"]], y)
    assert (model.predict_quantiles(X[["a"]]) <= 1.0).all()
    p = special.expit(model.intercept_ + X["a"].to_numpy() * model.coef_[0, 0])
    gain = stats.bernoulli.logpmf(y, p) - stats.bernoulli.logpmf(y, y.mean())
    assert model.score(X[["a"]], y) == pytest.approx(1 - np.exp(-2 * gain.mean()))


@pytest.mark.parametrize(
    ("trials", "y", "message"),
    [
        ("n", [0, 1, 1], r"trials='n'\) is no column of X; columns are \['a', 'of'\]"),
        (2, [0, 1, 1], r"trials=2\) is no column"),
        (True, [0, 1, 1], "is no column"),
        ("of", [0, 1, 4], r"y\[2\] is 4 of 3 trials"),
        ("of", [0, 0.5, 1], r"y\[1\] is 0.5 .*number of successes, not their share"),
        ("of", [0, -1, 1], r"y\[1\] is -1"),
        (0, [0, 0, 0], r"Trials are whole numbers.* column 0 of X is 0.5 in row 0"),
        (None, [0, 1, 2], r"y\[2\] is 2 .*Name the column of X that holds the trials"),
    ],
)
def test_what_is_wrong_is_named_before_any_work(trials, y, message):
    X = pd.DataFrame({"a": [0.5, 1.0, 2.0], "of": [1, 2, 3]})
    with pytest.raises(ValueError, match=message):
        quick(trials).fit(X, y)


@pytest.mark.slow
def test_rows_of_predictions_are_checked_too():
    X, y = rows()
    model = quick("of").fit(X, y)
    with pytest.raises(ValueError, match=r"Trials are whole numbers.*-1 in row 1"):
        model.predict(pd.DataFrame({"a": [0.0, 0.0], "of": [1, -1]}))
    with pytest.raises(ValueError, match=r"y\[0\] is 5 of 1 trials"):
        model.predict_proba(pd.DataFrame({"a": [0.0], "of": [1]}), [5])


@pytest.mark.slow
def test_in_chunks_as_in_memory():
    X, y = rows(12_000)
    X = X.to_numpy()
    held = quick(1, solver="laplace").fit(X, y)
    chunks = [da.from_array(a, chunks=(3000, *a.shape[1:])) for a in (X, y)]
    chunked = quick(1, solver="laplace").fit(*chunks)
    assert held.converged_ and chunked.converged_
    np.testing.assert_allclose(chunked.coef_, held.coef_, atol=0.02)
    assert chunked.log_evidence_ == pytest.approx(held.log_evidence_, abs=0.05)
