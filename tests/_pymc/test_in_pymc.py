"""Draws and model of a fit in the hands of PyMC and ArviZ themselves."""

from __future__ import annotations

import arviz as az
import matplotlib as mpl
import numpy as np
import pymc as pm
import pytest
from conftest import quick_solver, two_lines
from scipy import stats

from skmixreg import BayesianMixtureRegressor, Gaussian, Priors
from skmixreg.solvers import NUTS

mpl.use("Agg")
# What PyMC is about to change of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`pymc:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`find_MAP`:FutureWarning"),
]
QUIET = {"progressbar": False}
FREE = {"intercept_std", "coef_std", "log_sigma_std"}


@pytest.fixture(scope="module")
def rows():
    return two_lines(300)


@pytest.fixture(scope="module")
def model(rows):
    return BayesianMixtureRegressor(random_state=0).fit(*rows)


@pytest.fixture(scope="module")
def tree(model, rows):
    return model.to_datatree(*rows, random_state=0)


@pytest.fixture(scope="module")
def in_pymc(model, rows):
    return model.to_pymc(*rows)


def test_the_tree_has_the_names_and_dimensions_of_the_model(tree, in_pymc):
    for variable in (*in_pymc.free_RVs, *in_pymc.deterministics):
        dims = in_pymc.named_vars_to_dims[variable.name]
        assert tree.posterior[variable.name].dims == ("chain", "draw", *dims), variable
        for name in dims:
            assert list(tree.posterior[name].to_numpy()) == list(in_pymc.coords[name])
    for name in ("X", "x_mean", "x_scale", "y_mean", "y_scale"):
        np.testing.assert_array_equal(tree.constant_data[name], in_pymc[name].get_value())
        assert tree.constant_data[name].dims == in_pymc.named_vars_to_dims.get(name, ())
    assert in_pymc.named_vars_to_dims["y"] == tree.observed_data["y"].dims == ("observation",)


def test_predictive_draws_are_those_of_the_posterior(model, in_pymc, tree):
    for given in (tree, model.to_datatree()):
        drawn = pm.sample_posterior_predictive(given, model=in_pymc, random_seed=1, **QUIET)
        y = drawn.posterior_predictive["y"]
        mean, std = model.predict(tree.constant_data["X"].to_numpy(), return_std=True)
        np.testing.assert_allclose(y.mean(("chain", "draw")), mean, atol=5 * std.max() / 4000**0.5)
        np.testing.assert_allclose(y.std(("chain", "draw")), std, rtol=0.06)


@pytest.mark.parametrize(
    ("family", "K", "fit_intercept"),
    [
        (Gaussian(), 1, True),
        (Gaussian(), 2, True),
        (Gaussian(shared_sigma=True), 3, True),
        ("poisson", 2, False),
        pytest.param("gamma", 2, True, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
def test_log_densities_are_those_of_pymc(family, K, fit_intercept, rows):
    X, y = rows[0][:50], rows[1][:50]
    if isinstance(family, str):
        y = np.rint(np.exp(y)) if family == "poisson" else np.exp(y)
    model = BayesianMixtureRegressor(
        K, family=family, fit_intercept=fit_intercept, random_state=0,
        priors=Priors(weight_concentration=1.7), solver="gibbs",
    ).fit(X, y)  # fmt: skip
    ours = model.to_datatree(X, y, random_state=0).isel(draw=slice(20))
    bare = model.to_datatree().isel(draw=slice(20)).drop_nodes("log_prior")
    with model.to_pymc(X, y) as in_pymc:
        theirs = pm.compute_log_prior(bare, **QUIET).log_prior
        likelihood = pm.compute_log_likelihood(bare, **QUIET).log_likelihood
    assert set(ours.log_prior.data_vars) == set(theirs.data_vars)
    assert {v.name for v in in_pymc.free_RVs} == set(theirs.data_vars)
    for name in theirs.data_vars:
        assert ours.log_prior[name].dims == theirs[name].dims
        np.testing.assert_allclose(ours.log_prior[name], theirs[name], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.log_likelihood["y"], likelihood["y"], rtol=1e-9, atol=1e-9)


def test_sensitivities_by_arviz_are_near_those_of_the_table(model, tree):
    """ArviZ smooths the weights and rounds."""
    table = az.psense_summary(tree, var_names=["coef", "sigma", "weights"])
    worst = model.diagnostics()["value"]
    assert len(table) == 6
    assert table["prior"].max() == pytest.approx(worst["prior_sensitivity"], abs=0.006)
    assert table["likelihood"].max() == pytest.approx(worst["likelihood_sensitivity"], rel=0.5)


def test_lines_are_plotted_by_arviz(tree):
    az.plot_lm(tree)
    az.plot_lm(tree, x="x0", y="y")
    az.plot_lm(tree, x="X", y="y", plot_dim="observation")


def test_names_of_columns_may_be_those_of_parameters(rows):
    X = np.column_stack([rows[0], rows[0] ** 2, rows[0] ** 3, rows[0] ** 4])
    names = ["coef", "weights", "y", "X"]
    pd = pytest.importorskip("pandas")
    model = BayesianMixtureRegressor(solver="map").fit(pd.DataFrame(X, columns=names), rows[1])
    tree = model.to_datatree(pd.DataFrame(X, columns=names), rows[1])
    assert tree.constant_data["coef"].dims == ("observation",)
    assert tree.constant_data["X"].shape == X.shape
    assert tree.posterior["coef"].shape == (1, 1, 2, 4)


@pytest.mark.parametrize(
    "sampler",
    [
        "pymc",
        "nutpie",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("numpyro", "blackjax")),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_statistics_of_nuts(sampler, rows):
    pytest.importorskip(sampler)
    solver = NUTS(draws=100, tune=50, chains=2, sampler=sampler)
    model = BayesianMixtureRegressor(solver=solver, random_state=0).fit(*rows)
    stats_ = model.to_datatree().sample_stats
    assert stats_["diverging"].dtype == bool
    assert int(stats_["diverging"].sum()) == model.solver_report_["divergences"]
    assert float(stats_["n_steps"].mean()) == pytest.approx(
        model.solver_report_["gradients_per_draw"]
    )
    assert 0.5 < float(stats_["acceptance_rate"].mean()) <= 1.0
    # Energy is minus the log density, up to a constant, plus half a chi-squared number.
    kinetic = (stats_["energy"] + stats_["lp"]).to_numpy()
    assert kinetic.var() == pytest.approx(0.5 * len(model.posterior_.modes.columns), rel=1.0)
    assert (az.bfmi(model.to_datatree())["energy"] > 0.4).all()
    az.plot_energy(model.to_datatree())


def test_the_weighted_model_predicts(rows):
    X, y = rows
    weights = np.random.default_rng(0).uniform(0.3, 2.0, len(y))
    model = BayesianMixtureRegressor(solver="laplace", random_state=0).fit(X, y, weights)
    with model.to_pymc(X, y, weights) as in_pymc:
        assert [rv.name for rv in in_pymc.observed_RVs] == ["y"]
        given = model.to_datatree()
        density = pm.compute_log_likelihood(given, **QUIET).log_likelihood["y"]
        total = density.sum("observation").to_numpy()
        np.testing.assert_allclose(total, model.posterior_["log_likelihood"], rtol=1e-9)
        drawn = pm.sample_posterior_predictive(given, random_seed=1, **QUIET)
        _, std = model.predict(X, return_std=True)
        np.testing.assert_allclose(
            drawn.posterior_predictive["y"].std(("chain", "draw")), std, rtol=0.06
        )
        new = {"X": np.zeros((5, 1)), "y_observed": np.zeros(5), "row_weights": np.ones(5)}
        pm.set_data(new, coords={"observation": np.arange(5)})
        drawn = pm.sample_posterior_predictive(given, random_seed=1, predictions=True, **QUIET)
    assert drawn.predictions["y"].shape == (1, 4000, 5)


def test_the_prior_is_drawn_without_leaving_compiled_code(model, in_pymc):
    """Numba warns where it cannot compile, and warnings are errors here."""
    drawn = pm.sample_prior_predictive(4000, model=in_pymc, random_seed=1).prior
    prior = model.posterior_.block_priors["sigma"]
    fresh = prior.sample(np.random.default_rng(0), (8000,))
    assert stats.ks_2samp(drawn["log_sigma_std"].to_numpy().ravel(), fresh).pvalue > 1e-3
    assert float(drawn["coef_std"].std()) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_the_initial_point_separates_the_components(seed):
    X, y = two_lines(1000, seed=seed)
    model = BayesianMixtureRegressor(random_state=0).fit(X, y)
    with model.to_pymc(X, y):
        point = pm.find_MAP(**QUIET)
        np.testing.assert_allclose(point["coef"], [[-1.0], [3.0]], atol=0.1)
        np.testing.assert_allclose(point["sigma"], 0.1, atol=0.02)
        short = pm.fit(1000, method="advi", random_seed=1, **QUIET).sample(200, random_seed=1)
    slopes = short.posterior["coef"].mean(("chain", "draw")).to_numpy().ravel()
    assert slopes[1] - slopes[0] > 2.0


def test_the_initial_point_is_the_same_for_every_solver(solver_name, rows):
    model = BayesianMixtureRegressor(solver="map", random_state=0).fit(*rows)
    start = model.to_pymc(*rows).initial_point()["coef_std"]
    assert np.ptp(start) > 1.0
    if solver_name in ("laplace", "gibbs"):
        other = model.refit_as(quick_solver(solver_name), *rows)
        np.testing.assert_allclose(
            other.to_pymc(*rows).initial_point()["coef_std"], start, atol=1e-6
        )
