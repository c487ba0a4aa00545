"""The estimator itself: attributes, predictions, and data at the edge of what fits."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import quick_solver, two_lines
from scipy import stats
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.metrics import r2_score

from skmixreg import (
    BayesianMixtureRegressor,
    BayesianMixtureRegressorCV,
    Gaussian,
    MultimodalPosteriorWarning,
    Priors,
)
from skmixreg._posterior.posterior import Posterior
from skmixreg.solvers import SOLVERS


@pytest.fixture(scope="module")
def lines():
    return two_lines(1000)


@pytest.fixture(scope="module")
def model(lines):
    return BayesianMixtureRegressor(random_state=0).fit(*lines)


# ---------------------------------------------------------------------- the seed problem


@pytest.mark.parametrize("n", [1_000, 100_000])
def test_the_seed_problem(n):
    """Every posterior mean lies within five posterior sds of the truth."""
    X, y = two_lines(n, seed=1)
    model = BayesianMixtureRegressor(random_state=0).fit(X, y)
    assert model.converged_
    truth = {
        "weights": [0.5, 0.5],
        "intercept": [0.0, 0.0],
        "coef": [[-1.0], [3.0]],
        "sigma": [0.1, 0.1],
    }
    for name, value in truth.items():
        draws = model.posterior_[name]
        mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
        assert (np.abs(mean - value) < 5 * sd).all(), name
        assert (sd < 10 / np.sqrt(n)).all(), name


def test_the_seeds_own_model():
    """One shared sigma and no intercept."""
    X, y = two_lines(2000, seed=2)
    model = BayesianMixtureRegressor(
        family=Gaussian(shared_sigma=True), fit_intercept=False, random_state=0
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_.ravel(), [-1, 3], atol=0.05)
    np.testing.assert_array_equal(model.intercept_, [0.0, 0.0])
    assert model.sigma_[0] == model.sigma_[1] == pytest.approx(0.1, rel=0.1)


# ---------------------------------------------------------------------- parameters, attributes


def test_signature_is_the_promised_one():
    parameters = inspect.signature(BayesianMixtureRegressor).parameters
    assert list(parameters) == [
        "n_components", "family", "background", "censoring_feature", "component_features",
        "shared_features", "gating_features", "offset_feature", "exposure_feature",
        "group_feature", "shared_intercept", "solver", "priors", "fit_intercept", "n_init",
        "n_jobs", "random_state", "verbose",
    ]  # fmt: skip
    kinds = [parameter.kind.name for parameter in parameters.values()]
    assert kinds == ["POSITIONAL_OR_KEYWORD"] + ["KEYWORD_ONLY"] * 17


def test_attributes(model):
    assert model.weights_.shape == (2,)
    assert model.weights_.sum() == pytest.approx(1.0)
    assert model.coef_.shape == (2, 1)
    assert model.intercept_.shape == model.sigma_.shape == (2,)
    assert model.n_features_in_ == 1
    assert not hasattr(model, "feature_names_in_")
    assert model.family_.name == "gaussian"
    assert model.solver == "auto"
    assert model.converged_ is True
    columns = {"log_posterior", "log_likelihood", "log_evidence", "probability"}
    assert columns <= set(model.modes_.columns)
    assert model.modes_["probability"].sum() == pytest.approx(1.0)
    assert isinstance(model.solver_report_, dict)


def test_the_resolved_solver_is_a_clone():
    solver = SOLVERS["laplace"]()
    X, y = two_lines(200)
    model = BayesianMixtureRegressor(solver=solver, random_state=0).fit(X, y)
    assert model.solver is solver
    assert model.solver_ is not solver
    assert model.solver_.get_params() == solver.get_params()


def test_a_seed_repeats_and_threads_change_nothing(lines):
    fits = [
        BayesianMixtureRegressor(random_state=5, n_jobs=n_jobs).fit(*lines) for n_jobs in (1, 2, 2)
    ]
    for other in fits[1:]:
        for name in ("weights", "coef", "sigma"):
            np.testing.assert_array_equal(other.posterior_[name], fits[0].posterior_[name])


def test_an_own_generator_moves_on(lines):
    generator = np.random.default_rng(0)
    model = BayesianMixtureRegressor(random_state=generator)
    first = model.fit(*lines).posterior_["coef"]
    assert not np.array_equal(first, model.fit(*lines).posterior_["coef"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few draws
@pytest.mark.parametrize("small", [np.int8, np.uint8, np.int16, np.int64])
def test_integers_of_few_bits_are_integers(small, lines):
    """In 8 bits 2 * 100 is -56."""
    X, y = lines

    def fit(integer):
        solver = SOLVERS["gibbs"](draws=integer(120), tune=integer(100), chains=integer(3))
        model = BayesianMixtureRegressor(
            integer(2),
            n_init=integer(120),
            solver=solver,
            random_state=integer(3),
            n_jobs=integer(1),
        )
        return model.fit(X, y)

    one, other = fit(int), fit(small)
    np.testing.assert_array_equal(one.posterior_["coef"], other.posterior_["coef"])
    chosen = BayesianMixtureRegressorCV([small(1), small(2)], random_state=0).fit(X, y)
    assert chosen.n_components_ == 2


@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
def test_priors_matter(lines):
    X, y = lines
    tight = BayesianMixtureRegressor(random_state=0, priors=Priors(coef_scale=0.01)).fit(
        X[:20], y[:20]
    )
    wide = BayesianMixtureRegressor(random_state=0).fit(X[:20], y[:20])
    assert np.abs(tight.coef_).max() < 0.1 < np.abs(wide.coef_).max()


def test_weights_are_repetitions(npreg):
    weights = np.arange(200) % 3
    repeated = np.repeat(np.arange(200), weights)
    shuffled = np.random.default_rng(0).permutation(repeated)
    weighted = BayesianMixtureRegressor(random_state=0).fit(npreg.X, npreg.y, sample_weight=weights)
    written_out = BayesianMixtureRegressor(random_state=0).fit(
        npreg.X.iloc[shuffled], npreg.y.iloc[shuffled]
    )
    np.testing.assert_array_equal(weighted.posterior_["coef"], written_out.posterior_["coef"])


def test_units_do_not_matter(npreg):
    model = BayesianMixtureRegressor(random_state=0).fit(npreg.X.to_numpy(), npreg.y)
    X, y = npreg.X.to_numpy() * [1e3, 1e-3], npreg.y * 1e6 + 1e6
    scaled = BayesianMixtureRegressor(random_state=0).fit(X, y)
    # Standardised rows agree to rounding, and draws to their Monte Carlo error.
    sd = model.posterior_["coef"].std(axis=(0, 1))
    difference = scaled.coef_ * [1e-3, 1e-9] - model.coef_
    assert (np.abs(difference) < 0.2 * sd).all()
    np.testing.assert_allclose(scaled.sigma_ * 1e-6, model.sigma_, rtol=0.02)


# ---------------------------------------------------------------------- warnings


def test_each_failure_is_named(monkeypatch, lines):
    import dataclasses

    from_draws = Posterior.from_draws

    def failing(*args):
        posterior = from_draws(*args)
        modes = pd.concat([posterior.modes] * 2, ignore_index=True)
        modes["probability"] = [0.9, 0.1]
        return dataclasses.replace(
            posterior, failures=["k-hat is 0.9; do this", "one start; do that"], modes=modes
        )

    monkeypatch.setattr(Posterior, "from_draws", failing)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = BayesianMixtureRegressor(solver="laplace", random_state=0).fit(*lines)
    assert model.converged_ is False
    assert [warning.category for warning in caught] == [
        ConvergenceWarning,
        MultimodalPosteriorWarning,
    ]
    for text in ("k-hat is 0.9; do this", "one start; do that"):
        assert text in str(caught[0].message)
    assert "0.90, 0.10" in str(caught[1].message)
    assert "by_mode=True" in str(caught[1].message)
    assert all(warning.filename == __file__ for warning in caught)


# ---------------------------------------------------------------------- predictions


def test_moments_are_those_of_the_draws(model):
    """Mean and sd against their definitions, draw by draw."""
    X = np.array([[-0.9], [0.0], [0.4]])
    posterior = {name: model.posterior_[name] for name in ("weights", "intercept", "coef", "sigma")}
    w, b0, b, sigma = (v.reshape(-1, *v.shape[2:]) for v in posterior.values())
    eta = b0[:, None] + np.einsum("nj,skj->snk", X, b)
    mean = np.einsum("sk,snk->sn", w, eta)
    second = np.einsum("sk,snk->sn", w, eta**2 + sigma[:, None] ** 2)
    predicted, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(predicted, mean.mean(axis=0), rtol=1e-8, atol=1e-10)
    variance = second.mean(axis=0) - mean.mean(axis=0) ** 2
    np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-8)
    np.testing.assert_array_equal(predicted, model.predict(X))
    np.testing.assert_allclose(model.predict_components(X), eta.mean(axis=0), rtol=1e-8, atol=1e-10)


def test_log_predictive_density_is_that_of_the_draws(model):
    X, y = two_lines(20, seed=9)
    w, b0, b, sigma = (
        v.reshape(-1, *v.shape[2:])
        for v in (model.posterior_[n] for n in ("weights", "intercept", "coef", "sigma"))
    )
    eta = b0[:, None] + np.einsum("nj,skj->snk", X, b)
    density = w[:, None] * stats.norm.pdf(y[None, :, None], eta, sigma[:, None])
    expected = np.log(density.sum(axis=2).mean(axis=0))
    np.testing.assert_allclose(model.log_predictive_density(X, y), expected, rtol=1e-6)
    responsibilities = (density / density.sum(axis=2, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(model.predict_proba(X, y), responsibilities, rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(model.assign(X, y), responsibilities.argmax(axis=1))


def test_mixing_weights_without_y(model):
    np.testing.assert_allclose(model.predict_proba([[0.1], [0.2]]), [model.weights_] * 2)


def test_assign_finds_the_groups():
    rng = np.random.default_rng(3)
    x, group = rng.uniform(0.3, 1, 500), rng.integers(2, size=500)
    y = np.where(group, 3 * x, -x) + rng.normal(0, 0.1, 500)
    model = BayesianMixtureRegressor(random_state=0).fit(x[:, None], y)
    assert (model.assign(x[:, None], y) == group).all()


def test_regions_leave_out_the_gap(model):
    """At x = 0.5 a new y is near 1.5 or near -0.5: two intervals, with 90% of new rows."""
    (region,) = model.predict_hdr([[0.5]])
    assert region.shape == (2, 2)
    np.testing.assert_allclose(region.mean(axis=1), [-0.5, 1.5], atol=0.05)
    ((low, high),) = model.predict_interval([[0.5]])
    assert low < -0.5
    assert high > 1.5
    np.testing.assert_allclose(
        model.predict_quantiles([[0.5]], [0.05, 0.95]), [[low, high]], rtol=1e-9
    )
    fresh = model.sample_y([[0.5]], 4000, random_state=0)[0]
    inside = ((fresh[:, None] >= region[:, 0]) & (fresh[:, None] <= region[:, 1])).any(axis=1)
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    assert np.mean((fresh >= low) & (fresh <= high)) == pytest.approx(0.9, abs=0.02)


def test_samples(model):
    X = [[0.5], [-0.5]]
    samples = model.sample_y(X, 2000, random_state=1)
    assert samples.shape == (2, 2000)
    np.testing.assert_array_equal(samples, model.sample_y(X, 2000, random_state=1))
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(samples.mean(axis=1), mean, atol=5 * std.max() / np.sqrt(2000))
    np.testing.assert_allclose(samples.std(axis=1), std, rtol=0.1)
    assert model.sample_y(X).shape == (2, 1)


def test_score(model, lines):
    X, y = lines
    one = BayesianMixtureRegressor(1, random_state=0).fit(X, y)
    assert isinstance(model.score(X, y), float)
    assert model.score(X, y) > 0.7 > 0.3 > one.score(X, y)
    assert one.score(X, y) == pytest.approx(r2_score(y, one.predict(X)), abs=0.01)
    weights = np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), weights)
    assert model.score(X, y, weights) == pytest.approx(model.score(X[rows], y[rows]))
    assert model.score(X[:5], np.ones(5)) == 0.0
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(model.score(X[:1], y[:1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.predict_interval([[0.0]], coverage=1.0), "coverage.*between 0 and 1"),
        (lambda m: m.predict_hdr([[0.0]], coverage=90), "coverage.*between 0 and 1"),
        (lambda m: m.predict_quantiles([[0.0]], [0.5, 1.5]), "quantiles.*between 0 and 1"),
        (lambda m: m.predict_quantiles([[0.0]], []), "quantiles"),
        (lambda m: m.sample_y([[0.0]], 0), "n_samples must be an integer of at least 1"),
        (lambda m: m.summary(probability=95), "probability.*between 0 and 1"),
        (lambda m: m.predict_proba([[0.0]], [0.0, 1.0]), "inconsistent"),
        (lambda m: m.assign([[0.0]], ["a"]), "y must hold numbers"),
        (lambda m: m.to_datatree(y=[0.0]), "y without X"),
        (lambda m: m.score([[0.0], [1.0]], [0.0, 1.0], [0.0, 0.0]), "weight.*zero"),
    ],
)
def test_wrong_questions(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


# ---------------------------------------------------------------------- tables and other forms


def test_tables(npreg):
    model = BayesianMixtureRegressor(random_state=0).fit(npreg.X, npreg.y)
    summary = model.summary()
    assert {"mean", "sd"} <= set(summary.columns)
    assert summary.index.astype(str).str.contains("x2").sum() == 2
    contrast = model.contrast()
    draws = model.posterior_["coef"]
    difference = (draws[..., 1, 1] - draws[..., 0, 1]).ravel()
    assert contrast.loc[("coef[x2]", 1, 0), "mean"] == pytest.approx(difference.mean())
    assert contrast.loc[("coef[x2]", 1, 0), "P(> 0)"] == pytest.approx((difference > 0).mean())


def test_two_solutions(tone):
    """The likelihood of tone perception has two optima: a warning, and a table by mode."""
    with pytest.warns(MultimodalPosteriorWarning, match="2 distinct solutions"):
        model = BayesianMixtureRegressor(random_state=0).fit(tone.X, tone.y)
    assert (model.modes_["probability"][:2] > 0.05).all()
    by_mode = model.summary(by_mode=True)
    assert {0, 1} <= set(by_mode.index.get_level_values("mode"))


def test_to_datatree(model, lines):
    X, y = (part[:30] for part in lines)
    tree = model.to_datatree(X, y, random_state=0)
    posterior = tree["posterior"]
    assert {"weights", "intercept", "coef", "sigma"} <= set(posterior.data_vars)
    assert posterior["coef"].dims == ("chain", "draw", "mixture_component", "feature")
    np.testing.assert_array_equal(posterior["coef"], model.posterior_["coef"])
    shape = model.posterior_["weights"].shape[:2]
    assert tree["log_likelihood"]["y"].shape == (*shape, 30)
    assert tree["posterior_predictive"]["y"].shape == (*shape, 30)
    np.testing.assert_array_equal(tree["observed_data"]["y"], y)
    assert "log_likelihood" not in model.to_datatree().children
    only_x = model.to_datatree(X).children
    assert "posterior_predictive" in only_x
    assert "observed_data" not in only_x


def test_to_pymc(model, lines):
    pymc_model = model.to_pymc(*lines)
    names = {variable.name for variable in pymc_model.unobserved_RVs}
    assert {"weights", "intercept", "coef", "sigma"} <= names


# ---------------------------------------------------------------------- data at the edge


def edge_cases():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, 1))
    y = np.where(rng.random(60) < 0.5, 3 * x[:, 0], -x[:, 0]) + rng.normal(0, 0.1, 60)
    exact = np.where(np.arange(60) % 2, 3 * x[:, 0] + 1, -x[:, 0])
    yield "constant y", x, np.full(60, 3.0)
    yield "constant y, large", x, np.full(60, 1e9)
    yield "constant column", np.column_stack([x, np.full(60, 7.0)]), y
    yield "only a constant column", np.full((60, 1), 7.0), y
    yield "everything constant", np.full((60, 1), 7.0), np.full(60, 3.0)
    yield "collinear columns", np.column_stack([x, 2 * x, x - 1]), y
    yield "p >= n", rng.normal(size=(20, 30)), rng.normal(size=20)
    yield "five distinct rows repeated", np.tile(x[:5], (12, 1)), np.tile(y[:5], 12)
    yield "no noise", x, exact
    yield "no noise, one line", x, 3 * x[:, 0] + 1
    yield "one gross outlier", x, np.r_[1e6, y[1:]]
    yield "X times 1e9", x * 1e9, y
    yield "X times 1e-9", x * 1e-9, y
    yield "y times 1e9", x, y * 1e9
    yield "y times 1e-9", x, y * 1e-9
    yield "X + 1e6", x + 1e6, y
    yield "y + 1e6", x, y + 1e6
    yield "two rows", x[:2], y[:2]
    yield "integers", np.arange(40).reshape(20, 2), np.arange(20) % 3
    yield "single precision", x.astype(np.float32), y.astype(np.float32)


EDGE = {name: (X, y) for name, X, y in edge_cases()}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
@pytest.mark.filterwarnings("ignore:log_evidence_ is nan")
@pytest.mark.parametrize(
    "solver",
    ["auto", *(pytest.param(name, marks=pytest.mark.slow) for name in ("laplace", "gibbs"))],
)
@pytest.mark.parametrize("case", EDGE)
def test_data_at_the_edge_fit(case, solver):
    X, y = EDGE[case]
    model = BayesianMixtureRegressor(solver=quick_solver(solver), random_state=0).fit(X, y)
    for name in ("weights_", "coef_", "intercept_", "sigma_"):
        assert np.isfinite(getattr(model, name)).all(), name
    assert (model.sigma_ > 0).all()
    mean, std = model.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    assert np.isfinite(model.log_predictive_density(X, y)).all()
    np.testing.assert_allclose(model.predict_proba(X, y).sum(axis=1), 1.0)
    assert np.isfinite(model.predict_interval(X[:3])).all()
    assert np.isfinite(model.score(X, y))


def relative_fit(case):
    X, y = EDGE[case]
    return BayesianMixtureRegressor(random_state=0).fit(X, y)


@pytest.mark.parametrize(
    ("case", "x_unit", "y_unit"),
    [
        ("X times 1e9", 1e9, 1.0),
        ("X times 1e-9", 1e-9, 1.0),
        ("y times 1e9", 1.0, 1e9),
        ("y times 1e-9", 1.0, 1e-9),
        ("X + 1e6", 1.0, 1.0),
        ("y + 1e6", 1.0, 1.0),
    ],
)
def test_scales_do_not_hide_the_lines(case, x_unit, y_unit):
    model = relative_fit(case)
    np.testing.assert_allclose(model.coef_.ravel() * x_unit / y_unit, [-1, 3], atol=0.15)
    np.testing.assert_allclose(model.sigma_ / y_unit, [0.1, 0.1], atol=0.05)


def test_lines_without_noise_are_found():
    model = relative_fit("no noise")
    np.testing.assert_allclose(model.coef_.ravel(), [-1, 3], atol=0.01)
    np.testing.assert_allclose(model.intercept_, [0, 1], atol=0.01)
