"""Mixtures of distributions: X has no columns."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import quick_solver
from scipy import stats

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg.inspection import ComponentLinesDisplay, ResidualQuantileDisplay
from skmixreg.model_selection import cross_val_responsibilities
from skmixreg.solvers import SOLVERS

mpl.use("Agg")

N = 300
NOTHING = np.empty((N, 0))


@pytest.fixture(scope="module")
def y():
    rng = np.random.default_rng(1)
    return np.where(rng.random(N) < 0.4, -2.0, 3.0) + rng.normal(0.0, 0.5, N)


@pytest.fixture(scope="module")
def model(y):
    return BayesianMixtureRegressor(random_state=0).fit(NOTHING, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # the quick ones
def test_every_solver_finds_both_groups(solver_name, y):
    solver = quick_solver(solver_name)
    model = BayesianMixtureRegressor(solver=solver, random_state=0).fit(NOTHING, y)
    low = y < 0.5
    assert model.n_features_in_ == 0 and model.coef_.shape == (2, 0)
    np.testing.assert_allclose(model.intercept_, [y[low].mean(), y[~low].mean()], atol=0.06)
    np.testing.assert_allclose(model.sigma_, [y[low].std(), y[~low].std()], atol=0.06)
    np.testing.assert_allclose(model.weights_, [low.mean(), 1 - low.mean()], atol=0.03)


def test_answers(model, y):
    density = model.log_predictive_density(NOTHING, y)
    parts = model.weights_ * stats.norm.pdf(y[:, None], model.intercept_, model.sigma_)
    np.testing.assert_allclose(density, np.log(parts.sum(axis=1)), atol=0.1)
    np.testing.assert_allclose(model.predict(NOTHING), model.weights_ @ model.intercept_, atol=0.01)
    assert (model.assign(NOTHING, y) == (y > 0.5)).all()
    (region,) = model.predict_hdr(NOTHING[:1])
    assert region.shape == (2, 2)
    assert model.score(NOTHING, y) > 0.5
    assert model.crps(NOTHING, y).shape == (N,)
    assert model.loo(NOTHING, y).elpd == pytest.approx(density.sum(), abs=10)
    assert list(model.contrast().index) == [("intercept", 1, 0)]
    names = ["weights", "intercept", "sigma"]
    assert list(model.summary().index) == [f"{name}[{k}]" for name in names for k in (0, 1)]
    assert model.to_pymc(NOTHING, y)["coef"].eval().shape == (2, 0)
    assert model.to_datatree(NOTHING, y).posterior["coef"].shape[2:] == (2, 0)
    assert cross_val_responsibilities(model, NOTHING, y).shape == (N, 2)
    ResidualQuantileDisplay.from_estimator(model, NOTHING, y)
    with pytest.raises(ValueError, match="X has no columns"):
        ComponentLinesDisplay.from_estimator(model, NOTHING, y)


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame(index=range(N)),
        pd.DataFrame({"a": np.ones(N)})[[]],
        pl.DataFrame(),
        pl.DataFrame({"a": np.ones(N)}).select([]),
        pa.table({"a": np.ones(N)}).select([]),
        [[]] * N,
        NOTHING.astype(np.float32),
        NOTHING.astype(int),
    ],
    ids=lambda X: type(X).__name__,
)
def test_frames_and_lists(X, model, y):
    other = BayesianMixtureRegressor(random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.posterior_["intercept"], other.posterior_["intercept"])
    if len(X):  # some frames have no rows without columns
        np.testing.assert_array_equal(model.predict(NOTHING), other.predict(X))


def test_counts_and_the_choice_of_k():
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.where(rng.random(N) < 0.4, 2.0, 30.0)).astype(float)
    model = BayesianMixtureRegressorCV((1, 2, 3), family="poisson", random_state=0)
    assert model.fit(NOTHING, counts).n_components_ == 2
    np.testing.assert_allclose(np.exp(model.intercept_), [2.0, 30.0], rtol=0.1)


def test_scales_alone_without_an_intercept():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(1000) < 0.5, 0.1, 2.0) * rng.normal(size=1000)
    model = BayesianMixtureRegressor(fit_intercept=False, random_state=0)
    np.testing.assert_allclose(model.fit(np.empty((1000, 0)), y).sigma_, [0.1, 2.0], rtol=0.1)
    with pytest.raises(ValueError, match="nothing to fit; use fit_intercept=True"):
        model.set_params(family="poisson").fit(NOTHING, np.arange(N) % 5)


def test_streams(y):
    model = BayesianMixtureRegressor(solver=SOLVERS["cavi"](), random_state=0)
    model.partial_fit(NOTHING, y).partial_fit(NOTHING, y)
    np.testing.assert_allclose(model.intercept_, [-2.0, 3.0], atol=0.15)


@pytest.mark.parametrize("n", [N, pytest.param(30_000, marks=pytest.mark.slow)])
def test_dask(n):
    da, dd = pytest.importorskip("dask.array"), pytest.importorskip("dask.dataframe")
    y = np.random.default_rng(0).normal([-2.0, 3.0], 0.5, size=(n // 2, 2)).ravel()
    held = BayesianMixtureRegressor(random_state=0).fit(np.empty((n, 0)), y)
    frame = dd.from_pandas(pd.DataFrame({"y": y}), npartitions=3)
    for X, target in ((da.empty((n, 0), chunks=(n // 3, 1)), frame["y"]), (frame[[]], frame["y"])):
        model = BayesianMixtureRegressor(random_state=0).fit(X, target)
        np.testing.assert_allclose(model.intercept_, held.intercept_, atol=0.05)
        density = model.log_predictive_density(X, target).compute()
        np.testing.assert_allclose(density, model.log_predictive_density(np.empty((n, 0)), y))
        np.testing.assert_allclose(
            model.score(X, target), held.score(np.empty((n, 0)), y), atol=1e-3
        )


def test_other_columns_than_those_of_the_fit(model, y):
    with pytest.raises(ValueError, match="expecting 0 features"):
        model.predict(np.ones((3, 2)))
    for names in (None, ["a", "b"]):
        X = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 2)), columns=names)
        other = BayesianMixtureRegressor(solver="map").fit(X if names else X.to_numpy(), y)
        for rows in (pd.DataFrame(index=range(3)), pl.DataFrame()):
            with pytest.raises(ValueError, match="expecting 2 features"):
                other.predict(rows)
