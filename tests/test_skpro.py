"""A mixture as skpro's regressor: its distributions are those of the model."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import two_lines
from scipy import integrate, stats
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

pytest.importorskip("skpro")
from skpro.metrics import CRPS, LogLoss
from skpro.model_selection import GridSearchCV
from skpro.regression.compose import Pipeline
from skpro.utils import check_estimator

from skmixreg import BayesianMixtureRegressor
from skmixreg.adapters import SkproRegressorView

LAPLACE = {"solver": "laplace", "random_state": 0}
POINT = {"solver": "map", "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    X, y = two_lines(200)
    index = pd.Index(np.arange(200) + 7, name="patient")
    return pd.DataFrame({"dose": X[:, 0]}, index), pd.DataFrame({"fall": y}, index)


@pytest.fixture(scope="module")
def view(rows):
    return SkproRegressorView(BayesianMixtureRegressor(2, **LAPLACE), random_state=0).fit(*rows)


@pytest.fixture(scope="module")
def predicted(view, rows):
    return view.predict_proba(rows[0][:12])


def test_everything_is_that_of_the_model(view, rows, predicted):
    model, X, y = view.model_, rows[0][:12], rows[1][:12]
    mean, sd = model.predict(X, return_std=True)
    expected = {
        "mean": (predicted.mean(), mean),
        "predict": (view.predict(X), mean),
        "var": (predicted.var(), sd**2),
        "log_pdf": (predicted.log_pdf(y), model.log_predictive_density(X, y["fall"])),
        "pdf": (predicted.pdf(y), np.exp(model.log_predictive_density(X, y["fall"]))),
        "ppf": (predicted.ppf(0.3), model.predict_quantiles(X, 0.3)[:, 0]),
        "crps": (predicted.energy(y) - 0.5 * predicted.energy(), model.crps(X, y["fall"])),
        "sample": (predicted.sample(), model.sample_y(X, random_state=0)[:, 0]),
    }
    for name, (found, values) in expected.items():
        np.testing.assert_allclose(found.iloc[:, 0], values, rtol=1e-12, err_msg=name)
        assert found.index.equals(X.index), name
    quantiles = view.predict_quantiles(X, [0.1, 0.9])
    np.testing.assert_array_equal(quantiles, model.predict_quantiles(X, (0.1, 0.9)))
    assert (predicted.pmf(y) == 0).all(axis=None)


def test_metrics_of_skpro_are_those_of_the_model(view, rows, predicted):
    model, X, y = view.model_, rows[0][:12], rows[1][:12]
    assert CRPS()(y, predicted) == pytest.approx(model.crps(X, y["fall"]).mean(), rel=1e-12)
    density = model.log_predictive_density(X, y["fall"])
    assert LogLoss()(y, predicted) == pytest.approx(-density.mean(), rel=1e-12)


def test_two_humps_are_kept(predicted):
    """A normal distribution would have its peak where there is nothing."""
    at = predicted.iloc[[int(np.argmax(predicted.var()))]]
    ends = [at.pdf(at.ppf(level)).iloc[0, 0] for level in (0.25, 0.75)]
    assert min(ends) > 100 * at.pdf(at.mean()).iloc[0, 0]


def test_distribution_function_inverts_quantiles_and_integrates_the_density(predicted):
    levels = np.linspace(0.01, 0.99, 12)[:, None]
    np.testing.assert_allclose(predicted.cdf(predicted.ppf(levels)), levels, atol=1e-7)
    one = predicted.iat[3, 0]
    assert one.ndim == 0
    middle = one.ppf(0.6)
    low = one.ppf(1e-9)
    mass, _ = integrate.quad(one.pdf, low, middle, points=[one.ppf(0.25)], limit=200)
    assert mass == pytest.approx(one.cdf(middle), abs=2e-3)  # of some draws, as quantiles are
    assert np.isnan(predicted.ppf(1.5)).all(axis=None)


def test_parts_are_parts(predicted, rows):
    labels = [9, 7]
    part = predicted.loc[labels]
    assert list(part.index) == labels and list(part.columns) == ["fall"]
    pd.testing.assert_frame_equal(part.mean(), predicted.mean().loc[labels])
    pd.testing.assert_frame_equal(predicted.head(3).var(), predicted.var()[:3])
    assert predicted.at[9, "fall"].mean() == predicted.mean().loc[9, "fall"]
    some = rows[1].loc[labels]
    pd.testing.assert_frame_equal(predicted.pdf(some), part.pdf(some))
    drawn = predicted.sample(3)
    assert drawn.shape == (36, 1) and drawn.index.nlevels == 2
    pd.testing.assert_frame_equal(predicted.clone().mean(), predicted.mean())


def test_energy_of_a_normal_distribution():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=400)})
    y = pd.DataFrame({"y": X["x"] + rng.normal(size=400)})
    view = SkproRegressorView(BayesianMixtureRegressor(1, **POINT)).fit(X, y)
    sigma = view.model_.posterior_["sigma"].item()
    predicted = view.predict_proba(X[:4])
    expected = 2 * sigma / np.sqrt(np.pi)
    np.testing.assert_allclose(predicted.energy(), expected, rtol=5e-3)
    at = predicted.mean() + 0.7
    exact = stats.norm(0, sigma).expect(lambda z: abs(z - 0.7))
    np.testing.assert_allclose(predicted.energy(at), exact, rtol=5e-3)


def test_counts_have_probabilities():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.uniform(-1, 1, 120)})
    y = pd.DataFrame({"y": rng.poisson(np.exp(1 + X["x"]))})
    model = BayesianMixtureRegressor(1, family="poisson", **POINT)
    predicted = SkproRegressorView(model).fit(X, y).predict_proba(X[:3])
    assert predicted.get_tag("distr:measuretype") == "discrete"
    total = sum(predicted.pmf(np.full((3, 1), float(count))) for count in range(40))
    np.testing.assert_allclose(total, 1.0, atol=1e-9)
    up_to = sum(predicted.pmf(np.full((3, 1), float(count))) for count in range(4))
    np.testing.assert_allclose(predicted.cdf(3.0), up_to, atol=1e-9)
    assert (predicted.pdf(3.0) == 0).all(axis=None)


def test_densities_are_of_rows_by_themselves_in_groups():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.uniform(-1, 1, 120), "who": np.repeat(np.arange(40), 3)})
    up = (rng.random(40) < 0.5)[X["who"]]
    y = pd.DataFrame({"y": np.where(up, 3, -1) * X["x"] + 0.3 * rng.normal(size=120)})
    model = BayesianMixtureRegressor(2, group_feature="who", **POINT)
    view = SkproRegressorView(model).fit(X, y)
    X, y = X[:9], y[:9]
    alone = [view.model_.log_predictive_density(X[i : i + 1], y["y"][i : i + 1]) for i in range(9)]
    np.testing.assert_allclose(view.predict_proba(X).log_pdf(y)["y"], np.ravel(alone), rtol=1e-12)


def test_pipelines_and_models_that_are_fitted(rows):
    X, y = rows
    model = BayesianMixtureRegressor(1, **POINT)
    pipe = make_pipeline(PolynomialFeatures(2, include_bias=False), model).fit(X, y["fall"])
    view = SkproRegressorView(FrozenEstimator(pipe)).fit(X, y)
    assert view.model_.estimator is pipe
    predicted = view.predict_proba(X[:5])
    np.testing.assert_array_equal(predicted.mean()["fall"], pipe.predict(X[:5]))
    again = pickle.loads(pickle.dumps(view)).predict_proba(X[:5])
    pd.testing.assert_frame_equal(again.mean(), predicted.mean())
    wanted = pipe[-1].log_predictive_density(pipe[:-1].transform(X[:5]), y["fall"][:5])
    np.testing.assert_array_equal(predicted.log_pdf(y[:5])["fall"], wanted)


def test_searches_and_pipelines_of_skpro(rows):
    X, y = rows
    view = SkproRegressorView(BayesianMixtureRegressor(2, **POINT))
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(view, folds, {"model__n_components": [1, 2]}, CRPS())
    assert search.fit(X, y).best_params_ == {"model__n_components": 2}
    chain = Pipeline([("scale", StandardScaler()), ("view", view)]).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    alone = view.fit(pd.DataFrame(scaled, X.index, X.columns), y)
    expected = alone.model_.predict(pd.DataFrame(scaled, columns=X.columns))
    np.testing.assert_allclose(chain.predict_proba(X).mean()["fall"], expected, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # skpro's own checks warn, and few rows of two components
def test_checks_of_skpro(predicted):
    assert set(check_estimator(SkproRegressorView, verbose=False).values()) == {"PASSED"}
    # Distributions come of a model and have no parameters for a test to make one of.
    excluded = [
        "test_class_has_doctest_example",
        "test_constructor",
        "test_create_test_instance",
        "test_create_test_instances_and_names",
        "test_get_test_params_coverage",
        "test_set_params_sklearn",
    ]
    results = check_estimator(predicted, tests_to_exclude=excluded, verbose=False)
    assert len(results) > 40
    assert set(results.values()) == {"PASSED"}
