"""Mixing weights over gating columns: against formulas by hand, and their plumbing."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy.special import softmax
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmixreg import BayesianMixtureRegressor
from skmixreg.inspection import GatingDisplay

QUICK = {"grid_resolution": 11}


@pytest.fixture(autouse=True)
def no_open_figures():
    matplotlib.use("Agg")
    yield
    plt.close("all")


def gated_rows(n=300, seed=0):
    """Two lines over dose; who is on which depends on age and, less, on weight."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"dose": rng.uniform(-1, 1, n), "age": rng.normal(50, 10, n), "bmi": rng.normal(25, 3, n)}
    )
    odds = (X["age"] - 50) / 5 + (X["bmi"] - 25) / 6
    upper = rng.random(n) < 1 / (1 + np.exp(-odds))
    y = np.where(upper, 3 * X["dose"], -X["dose"]) + rng.normal(0, 0.2, n)
    return X, y


@pytest.fixture(scope="module")
def gated():
    X, y = gated_rows()
    model = BayesianMixtureRegressor(
        component_features=["dose"], gating_features=["age", "bmi"], random_state=0
    )
    return model.fit(X, y), X, y


def weights_of_draws(model, rows):
    """Softmax of the log odds at every draw, in units of the data: (S, n, K)."""
    posterior = model.posterior_
    intercept = posterior["gating_intercept"].reshape(-1, 1, model.n_components)
    coef = posterior["gating_coef"].reshape(-1, *posterior["gating_coef"].shape[2:])
    return softmax(intercept + np.einsum("nq,skq->snk", rows, coef), axis=-1)


@pytest.mark.parametrize("feature", [None, "age", 1])
def test_weights_and_bands_are_those_of_the_draws(gated, feature):
    model, X, _ = gated
    shown = GatingDisplay.from_estimator(model, X, feature=feature, probability=0.8, **QUICK)
    np.testing.assert_array_equal(shown.grid, np.linspace(X["age"].min(), X["age"].max(), 11))
    rows = np.column_stack([shown.grid, np.full(11, X["bmi"].mean())])
    drawn = weights_of_draws(model, rows)
    np.testing.assert_allclose(shown.weights, drawn.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(shown.lower, np.quantile(drawn, 0.1, axis=0), atol=1e-9)
    np.testing.assert_allclose(shown.upper, np.quantile(drawn, 0.9, axis=0), atol=1e-9)
    np.testing.assert_allclose(shown.weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(
        shown.deciles, np.quantile(X["age"], np.linspace(0.1, 0.9, 9)), rtol=1e-12
    )
    # Over age the share of the upper line grows.
    assert shown.weights[0, 1] < 0.1 and shown.weights[-1, 1] > 0.9


def test_other_columns_are_fixed_where_the_user_says(gated):
    model, X, _ = gated
    shown = GatingDisplay.from_estimator(model, X, feature="bmi", at={"age": 60.0}, **QUICK)
    expected = model.predict_proba(
        pd.DataFrame({"dose": 0.0, "age": 60.0, "bmi": shown.grid})[X.columns]
    )
    np.testing.assert_allclose(shown.weights, expected, atol=1e-12)
    assert shown.ax_.get_xlabel() == "bmi"


def test_display_convention(gated):
    model, X, _ = gated
    _, ax = plt.subplots()
    shown = GatingDisplay.from_estimator(model, X, ax=ax, line_kw={"lw": 5}, **QUICK)
    assert isinstance(shown, GatingDisplay)
    assert shown.ax_ is ax and shown.figure_ is ax.figure
    assert [line.get_linewidth() for line in shown.lines_] == [5, 5]
    labels = [text.get_text() for text in shown.legend_.get_texts()]
    assert labels == [f"component {k}, weight {model.weights_[k]:.2f}" for k in range(2)]
    assert len(shown.bands_) == 2
    low, high = ax.get_ylim()
    assert -0.1 < low < 0 and 1 < high < 1.1
    again = shown.plot()
    assert again is shown and shown.ax_ is not ax
    shown.figure_.canvas.draw()


def test_in_a_pipeline_features_are_those_that_it_is_given(gated):
    model, X, y = gated
    scale = ColumnTransformer(
        [("scale", StandardScaler(), ["age", "bmi"])], remainder="passthrough",
        verbose_feature_names_out=False,
    )  # fmt: skip
    pipe = make_pipeline(scale.set_output(transform="pandas"), clone(model)).fit(X, y)
    shown = GatingDisplay.from_estimator(pipe, X, **QUICK)
    assert shown.feature_name == "age" and shown.grid[0] == X["age"].min()
    alone = GatingDisplay.from_estimator(pipe[-1], pipe[:-1].transform(X), **QUICK)
    np.testing.assert_allclose(shown.weights, alone.weights, atol=1e-9)
    renamed = make_pipeline(
        scale.set_params(verbose_feature_names_out=True),
        BayesianMixtureRegressor(gating_features=["scale__age"], random_state=0),
    ).fit(X, y)
    with pytest.raises(ValueError, match="made by the pipeline"):
        GatingDisplay.from_estimator(renamed, X)
    shown = GatingDisplay.from_estimator(renamed, X, feature="age", **QUICK)
    assert np.ptp(shown.weights[:, 0]) > 0.8


def test_what_cannot_be_drawn_says_why(gated):
    model, X, y = gated
    with pytest.raises(ValueError, match=r"do not depend on feature 'dose'.*\['age', 'bmi'\]"):
        GatingDisplay.from_estimator(model, X, feature="dose")
    with pytest.raises(ValueError, match="There is no feature 'height'"):
        GatingDisplay.from_estimator(model, X, feature="height")
    with pytest.raises(TypeError, match="needs a BayesianMixtureRegressor"):
        GatingDisplay.from_estimator(LinearRegression().fit(X, y), X)
    ungated = BayesianMixtureRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="fit with gating_features"):
        GatingDisplay.from_estimator(ungated, X)


@pytest.mark.slow
def test_a_background_is_last_and_as_likely_everywhere():
    X, y = gated_rows(200)
    y[:10] = np.linspace(-8, 8, 10)
    model = BayesianMixtureRegressor(
        gating_features=["age"], background="uniform", random_state=0
    ).fit(X, y)
    shown = GatingDisplay.from_estimator(model, X, **QUICK)
    assert shown.background and shown.weights.shape == (11, 3)
    assert np.ptp(shown.weights[:, 2]) < 1e-12 and shown.weights[0, 2] > 0
    assert shown.legend_.get_texts()[2].get_text().startswith("background")
