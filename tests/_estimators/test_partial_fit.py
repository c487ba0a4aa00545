"""Rows in chunks: held against one fit to all of them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import two_lines
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmixreg import BayesianMixtureRegressor, Gaussian, Priors
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._search.search import find_modes
from skmixreg.solvers import CAVI, SOLVERS
from skmixreg.solvers._cavi.stream import Stream

PARAMETERS = ("weights", "intercept", "coef", "sigma")


def overlapping(n, seed, noise=0.6):
    """Three planes, of which most rows could belong to two."""
    rng = np.random.default_rng(seed)
    z = rng.choice(3, n, p=[0.3, 0.3, 0.4])
    X = rng.normal(size=(n, 2))
    slopes = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    y = (X * slopes[z]).sum(axis=1) + np.array([0.0, 0.5, 1.0])[z] + noise * rng.normal(size=n)
    return X, y


def crossing(n, seed):
    """Two lines whose noise is as wide as the gap between them."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    return x[:, None], np.where(rng.random(n) < 0.4, x, -x) + 0.5 * rng.normal(size=n)


def streamed(X, y, chunk, K=2, weights=None, **options):
    options = {"solver": "cavi", "random_state": 0} | options
    model = BayesianMixtureRegressor(K, **options)
    for start in range(0, len(y), chunk):
        rows = slice(start, start + chunk)
        model.partial_fit(X[rows], y[rows], None if weights is None else weights[rows])
    return model


def means_and_sds(model):
    return {
        name: (model.posterior_[name].mean(axis=(0, 1)), model.posterior_[name].std(axis=(0, 1)))
        for name in PARAMETERS
    }


# --------------------------------------------------------------------------- who can


@pytest.mark.parametrize("solver", [*SOLVERS, CAVI(batch_size=128), SOLVERS["gibbs"]()])
def test_only_where_the_solver_streams(solver):
    model = BayesianMixtureRegressor(solver=solver)
    able = solver == "cavi" or isinstance(solver, CAVI)
    assert hasattr(model, "partial_fit") == able
    if not able:
        with pytest.raises(AttributeError, match="partial_fit") as caught:
            model.partial_fit(*two_lines(50))
        assert "'cavi'" in str(caught.value.__cause__)


# --------------------------------------------------------------------------- is it right


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
@pytest.mark.parametrize(
    ("data", "K"), [(two_lines, 2), (crossing, 2), (overlapping, 3)],
    ids=["two lines", "crossing", "three planes"],
)  # fmt: skip
def test_chunks_agree_with_one_fit_to_all_rows(data, K, seed):
    """In sds of cavi, which are up to twice too small here."""
    X, y = data(100_000, seed)
    model = streamed(X, y, 5000, K, solver=CAVI(draws=4000))
    whole = clone(model).set_params(priors=Priors().standardised_as(model), random_state=7)
    expected = means_and_sds(whole.fit(X, y))
    for name, (mean, sd) in means_and_sds(model).items():
        assert (np.abs(mean - expected[name][0]) < 0.5 * expected[name][1]).all(), name
        np.testing.assert_allclose(sd, expected[name][1], rtol=0.1)
    report, other = model.solver_report_, whole.solver_report_
    assert report["n_observations"] == 100_000 and report["n_chunks"] == 20
    assert report["sd_ratio"] == pytest.approx(other["sd_ratio"], rel=0.1)
    assert (report["khat"] > 0.5) == (other["khat"] > 0.5)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_statistics_follow_from_the_mode(fit_intercept, shared):
    """At a mode the gradient is zero: counts, products and squares are known from theta."""
    X, y = crossing(400, 0)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, 400)
    problem = Problem.from_arrays(
        X, y, weights, family=Gaussian(shared_sigma=shared), n_components=2,
        priors=Priors(weight_concentration=2.0, coef_scale=0.7).resolve(),
        fit_intercept=fit_intercept,
    )  # fmt: skip
    modes = find_modes(problem, np.random.default_rng(0), n_init=10)
    stream = Stream.begin(problem, modes, modes.best.theta)
    expected = LogPosterior(problem).weighted_moments(modes.best.theta)[1:]
    found = stream.statistics
    if shared:  # the sum of squares has meaning over both components only
        expected[-2:], found[-2:] = expected[-2:].sum(), found[-2:].sum()
    if not fit_intercept:  # the product with the ones is not used
        expected[[8, 10]] = found[[8, 10]] = 0.0
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_one_component_agrees_to_a_tenth_of_an_sd():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = X @ [1.0, 2.0, -1.0] + rng.normal(size=2000)
    model = streamed(X, y, 500, K=1, solver=CAVI(draws=10_000))
    whole = clone(model).set_params(priors=Priors().standardised_as(model)).fit(X, y)
    expected = means_and_sds(whole)
    for name, (mean, sd) in means_and_sds(model).items():
        assert (np.abs(mean - expected[name][0]) <= 0.1 * expected[name][1]).all(), name
        np.testing.assert_allclose(sd, expected[name][1], rtol=0.05)


def test_weights_are_frequencies():
    X, y = two_lines(600)
    weights = np.random.default_rng(0).integers(0, 4, 600).astype(float)
    order = np.repeat(np.arange(600), weights.astype(int))
    weighted = streamed(X, y, 200, weights=weights)
    repeated = BayesianMixtureRegressor(solver="cavi", random_state=0)
    for start in range(0, 600, 200):
        rows = order[(order >= start) & (order < start + 200)]
        repeated.partial_fit(X[rows], y[rows])
    np.testing.assert_array_equal(weighted.coef_, repeated.coef_)
    assert weighted.solver_report_["n_observations"] == weights.sum()


# --------------------------------------------------------------------------- a stream's life


def test_the_first_chunk_is_a_fit():
    X, y = two_lines(500)
    first = streamed(X, y, 500)
    whole = BayesianMixtureRegressor(solver="cavi", random_state=0).fit(X, y)
    np.testing.assert_array_equal(first.coef_, whole.coef_)
    assert first.solver_report_["elbo"] == whole.solver_report_["elbo"]


def test_fit_forgets_the_stream_and_begins_another():
    (X, y), (X2, y2) = two_lines(400, seed=1), two_lines(400, seed=2)
    model = streamed(*two_lines(400, seed=3), 200).fit(X, y)
    assert "n_chunks" not in model.solver_report_
    model.partial_fit(X2, y2)
    expected = streamed(np.r_[X, X2], np.r_[y, y2], 400)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.solver_report_["n_observations"] == 800


def test_a_stream_survives_pickling_and_does_not_grow():
    X, y = two_lines(3000)
    model = streamed(X[:600], y[:600], 300)
    size = len(pickle.dumps(model))
    copy = pickle.loads(pickle.dumps(model))
    for start in range(600, 3000, 300):
        for each in (model, copy):
            each.partial_fit(X[start : start + 300], y[start : start + 300])
    np.testing.assert_array_equal(model.coef_, copy.coef_)
    assert len(pickle.dumps(model)) < 1.02 * size


def test_fitted_attributes_without_rows():
    X, y = two_lines(900)
    model = streamed(X, y, 300)
    first = streamed(X[:300], y[:300], 300)
    assert "log_likelihood" not in model.posterior_
    assert np.isnan(model.log_evidence_)
    assert model.modes_.equals(first.modes_)
    assert model.predict_proba(X, y).shape == (900, 2)
    assert model.score(X, y) > 0.5
    assert "lp" not in model.to_datatree()["sample_stats"]
    assert list(model.summary().index)[:2] == ["weights[0]", "weights[1]"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_components", 3), ("fit_intercept", False), ("priors", Priors(coef_scale=1.0)),
        ("family", Gaussian(shared_sigma=True)),
    ],
)  # fmt: skip
def test_the_model_stays_that_of_the_first_chunk(name, value):
    X, y = two_lines(400)
    model = streamed(X, y, 200).set_params(**{name: value})
    before = model.coef_.copy()
    with pytest.raises(ValueError, match=f"{name} was .* call fit"):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, before)


def test_other_columns_are_rejected():
    X, y = two_lines(400)
    model = streamed(X, y, 200)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(np.column_stack([X, X]), y)


# --------------------------------------------------------------------------- what it admits


@pytest.mark.parametrize("change", ["slope", "noise", "third line"])
def test_a_chunk_that_contradicts_the_others(change):
    X, y = two_lines(8000)
    model = streamed(X[:4000], y[:4000], 1000)
    assert model.converged_
    X, y = X[4000:5000], y[4000:5000].copy()
    if change == "slope":
        y += 0.3 * X[:, 0]
    elif change == "noise":
        y += np.random.default_rng(0).normal(0, 0.1, 1000)
    else:
        y[:200] = 2.0
    with pytest.warns(ConvergenceWarning, match="chunk 5 contradicts the first 4000"):
        model.partial_fit(X, y)
    with pytest.warns(ConvergenceWarning, match="chunk 5 contradicts"):
        model.partial_fit(*two_lines(1000, seed=5))


def test_slow_drift_is_seen_in_the_end():
    """By less per chunk than a chunk can tell."""
    X, y = two_lines(40_000)
    y = y + X[:, 0] * np.linspace(0.0, 0.15, 40_000)
    with pytest.warns(ConvergenceWarning, match="rows up to chunk .* contradict"):
        streamed(X, y, 1000)


@pytest.mark.parametrize("seed", range(2))
def test_no_false_alarm_from_small_chunks_or_heavy_tails(seed):
    X, y = two_lines(6000, seed=seed)
    y = y + 0.1 * np.random.default_rng(seed).standard_t(5, 6000)
    model = streamed(X[:1000], y[:1000], 1000)
    for start in range(1000, 1030):
        model.partial_fit(X[start : start + 1], y[start : start + 1])
    for start in range(1030, 6000, 710):
        model.partial_fit(X[start : start + 710], y[start : start + 710])
    assert model.converged_ and model.solver_report_["n_observations"] == 6000


# --------------------------------------------------------------------------- standardisation


def test_given_standardisation_is_used():
    X, y = two_lines(300)
    given = {"x_location": [0.5], "x_scale": 2.0, "y_location": -1.0, "y_scale": 3.0}
    model = BayesianMixtureRegressor(solver="cavi", priors=Priors(**given), random_state=0)
    design = model.fit(X, y).posterior_.design
    np.testing.assert_array_equal(design.x_mean, [0.5])
    np.testing.assert_array_equal(design.x_scale, [2.0])
    assert (design.y_mean, design.y_scale) == (-1.0, 3.0)
    np.testing.assert_allclose(model.coef_, [[-1], [3]], atol=0.05)
    # With the numbers of the data themselves nothing changes, bit for bit.
    plain = BayesianMixtureRegressor(solver="cavi", random_state=0).fit(X, y)
    same = clone(plain).set_params(priors=Priors().standardised_as(plain)).fit(X, y)
    np.testing.assert_array_equal(plain.coef_, same.coef_)


@pytest.mark.parametrize(
    ("given", "fit_intercept", "message"),
    [
        ({"x_scale": [1.0, 2.0]}, True, "x_scale=.*positive finite number, or 1 of them"),
        ({"x_scale": 0.0}, True, "x_scale"),
        ({"y_scale": [1.0, 1.0]}, True, "y_scale=.*positive finite number, got"),
        ({"y_location": "far"}, True, "y_location"),
        ({"y_location": np.inf}, True, "y_location"),
        ({"x_location": 1.0}, False, "there is no intercept"),
    ],
)
def test_given_standardisation_is_checked(given, fit_intercept, message):
    model = BayesianMixtureRegressor(priors=Priors(**given), fit_intercept=fit_intercept)
    with pytest.raises(ValueError, match=message):
        model.fit(*two_lines(50))


def test_a_fit_without_intercept_can_be_standardised_as_another():
    X, y = two_lines(300)
    first = BayesianMixtureRegressor(solver="cavi", fit_intercept=False, random_state=0).fit(X, y)
    again = clone(first).set_params(priors=Priors().standardised_as(first)).fit(X, y)
    np.testing.assert_array_equal(first.coef_, again.coef_)
