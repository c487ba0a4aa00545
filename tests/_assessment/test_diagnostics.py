"""The table of checks, the warning on unidentified components, and ArviZ's predictive checks."""

import dataclasses
import warnings

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import QUICK_NUTS, two_lines
from scipy.stats import kstest
from synthetic import simple_posterior

from skmixreg import BayesianMixtureRegressor, Priors, WeaklyIdentifiedWarning
from skmixreg._assessment.diagnostics import diagnostics_table
from skmixreg._assessment.identification import Identification
from skmixreg._assessment.power_scaling import sensitivities
from skmixreg._draws.limits import LIMITS
from skmixreg._posterior.filled import n_observations
from skmixreg.solvers import CAVI, MAP, NUTS, Auto, Gibbs, Laplace

ignore_weak = pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
ignore_all = pytest.mark.filterwarnings("ignore")


def fitted(n_components, solver="auto", n=120, **params):
    X, y = two_lines(n)
    model = BayesianMixtureRegressor(n_components, solver=solver, random_state=0, **params)
    return model.fit(X, y)


@pytest.fixture(scope="module")
def good():
    return fitted(2)


@pytest.fixture(scope="module")
def overfitted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeaklyIdentifiedWarning)
        return fitted(4, Gibbs())


def table_of(posterior, **options):
    names = [f"x{j}" for j in range(posterior.layout.n_features)]
    return diagnostics_table(posterior, Priors().resolve(), names, options)


# ---------------------------------------------------------------------------------------------
# The verdict is that of the fit


@ignore_all
@pytest.mark.parametrize(
    ("n_components", "solver", "converges"),
    [
        (2, Auto(), True),
        (2, CAVI(), True),
        (2, MAP(), True),
        (2, NUTS(**QUICK_NUTS), False),
        (4, Laplace(draws=200, max_rounds=1), False),
        (4, Gibbs(draws=40, max_thin=1), False),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "get_params") else str(value),
)
def test_failed_rows_are_the_failures_of_the_fit(n_components, solver, converges):
    model = fitted(n_components, solver)
    table = model.diagnostics()
    assert model.converged_ == converges
    failed = table[~table["passed"].fillna(True)]
    assert (len(failed) == 0) == converges
    assert table.index.is_unique
    assert table.loc["converged", "value"] == len(model.posterior_.failures)
    for failure in model.posterior_.failures:
        assert failure in table.loc["converged", "verdict"]
    if not converges:
        assert len(failed) > 1  # not only that, but which check


def test_a_sound_fit_passes_everything(good):
    table = good.diagnostics()
    judged = table[table["threshold"].notna()]
    assert judged["passed"].all() and judged["passed"].notna().all()
    report = good.solver_report_
    assert table.loc["khat", "value"] == report["khat"]
    assert table.loc["importance_ess", "value"] == report["importance_ess"]
    assert table.loc["log_evidence", "value"] == good.log_evidence_
    assert table.loc["starts_at_best_mode", "value"] == good.modes_["starts"].iloc[0]
    assert not {"rhat", "divergences", "sd_ratio"} & set(table.index)


def test_an_overfitted_one_gets_notes_and_no_failures(overfitted):
    assert overfitted.converged_
    table = overfitted.diagnostics()
    for check in ("smallest_component", "ambiguous_share", "prior_sensitivity"):
        assert table["passed"].isna()[check], check
        assert table.loc[check, "verdict"].startswith("note: ")
    assert not (~table["passed"].fillna(True)).any()


def test_worst_parameters_are_those_of_arviz(overfitted):
    posterior = overfitted.posterior_
    names = {
        "weights": posterior["weights"],
        "intercept": posterior.components.intercept,
        "coef": posterior["coef"],
        "log sigma": np.log(posterior["sigma"]),
    }
    tree = az.from_dict({"posterior": names})
    table = overfitted.diagnostics()
    report = overfitted.solver_report_
    for check, values, worst in (
        ("rhat", az.rhat(tree, method="rank"), max),
        ("ess_bulk", az.ess(tree, method="bulk"), min),
        ("ess_tail", az.ess(tree, method="tail", prob=(0.05, 0.95)), min),
    ):
        each = {}
        for name in names:
            for k, value in enumerate(values[name].to_numpy().ravel()):
                each[f"coef[{k}, x0]" if name == "coef" else f"{name}[{k}]"] = value
        expected = worst(each, key=each.get)
        assert f"(worst: {expected})" in table.loc[check, "verdict"], check
        # Ranks that nearly tie change places, and draws between two labellings their labels: chains
        # were diagnosed under those of the best mode.
        np.testing.assert_allclose(table.loc[check, "value"], each[expected], rtol=1e-4)
        assert table.loc[check, "value"] == report[check]


@pytest.mark.parametrize("key", LIMITS)
def test_reported_numbers_are_held_against_their_limits(key):
    _, posterior = simple_posterior()
    item = LIMITS[key]

    def row(value, failures):
        report = {key: value, "khat_threshold": 0.7, "resampled_over_modes": True}
        changed = dataclasses.replace(posterior, report=report, failures=failures)
        return table_of(changed, tolerance=0.05).loc[item.check]

    low, high = row(0.0, ["a failure"]), row(1e9, ["a failure"])
    good, bad = (low, high) if item.side == "at most" else (high, low)
    assert good["passed"] and good["verdict"] == item.good
    assert not bad["passed"] and bad["verdict"] == f"{item.bad}: {item.advice}"
    assert not row(np.nan, ["a failure"])["passed"]
    # What the solver does not count as a failure is none.
    note = row(np.nan, [])
    assert note["passed"] is pd.NA and note["verdict"] == f"note: {item.bad}: {item.advice}"


def test_evidence_that_is_not_known():
    _, posterior = simple_posterior()
    assert table_of(posterior).loc["log_evidence_error", "passed"]
    rough = table_of(dataclasses.replace(posterior, log_evidence_error=2.0))
    assert rough.loc["log_evidence_error", "verdict"].startswith("note: the evidence is too unce")
    failed = table_of(dataclasses.replace(posterior, log_evidence=np.nan))
    assert failed.loc["log_evidence", "verdict"].startswith("note: could not be estimated")
    for absent in (failed, table_of(dataclasses.replace(posterior, log_evidence=None))):
        assert "log_evidence_error" not in absent.index


# ---------------------------------------------------------------------------------------------
# Prior sensitivity


def test_sensitivities_are_those_of_arviz_and_pymc(good):
    from pymc.stats import compute_log_prior

    X, y = two_lines(120)
    components = good.posterior_.components
    values = {
        "weights": np.exp(components.log_weights),
        "intercept_std": components.intercept,
        "coef_std": components.coef,
        "log_sigma_std": components.extra[..., 0],
    }
    with good.to_pymc(X, y):
        log_prior = compute_log_prior(
            az.from_dict({"posterior": values}), extend_inferencedata=False, progressbar=False
        )
    tree = good.to_datatree(X, y, random_state=0)
    tree["log_prior"] = xr.DataTree(log_prior)
    own = sensitivities(good.posterior_, ["x0"])
    for group in ("prior", "likelihood"):
        theirs = az.psense(tree, group=group)
        for name in ("weights", "intercept", "coef", "sigma"):
            index = [f"coef[{k}, x0]" if name == "coef" else f"{name}[{k}]" for k in (0, 1)]
            np.testing.assert_allclose(
                own.loc[index, group], theirs[name].to_numpy().ravel(), rtol=1e-4
            )


def test_a_prior_against_the_data_is_noticed():
    X, y = two_lines(60, noise=1.0)
    calm = BayesianMixtureRegressor(1, random_state=0).fit(X, y)
    tight = BayesianMixtureRegressor(1, priors=Priors(coef_scale=0.05), random_state=0).fit(X, y)
    assert calm.diagnostics().loc["prior_sensitivity", "passed"]
    table = tight.diagnostics()
    assert table.loc["prior_sensitivity", "value"] > 0.05
    assert "coef[0, x0], beside or against the data" in table.loc["prior_sensitivity", "verdict"]


def test_no_sensitivity_of_few_draws():
    _, posterior = simple_posterior(shape=(2, 150))
    assert sensitivities(posterior, ["x0"]) is None


# ---------------------------------------------------------------------------------------------
# Identification


def test_number_of_observations():
    X, y = two_lines(80, noise=0.5)
    weights = np.random.default_rng(0).integers(0, 4, 80)
    for K, concentration, solver in ((1, 1.0, "map"), (3, 0.3, "map"), (2, 2.0, "cavi")):
        priors = Priors(weight_concentration=concentration)
        model = BayesianMixtureRegressor(K, solver=solver, priors=priors, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y, weights)
            found = n_observations(model.posterior_)
            assert found == pytest.approx(weights.sum(), rel=1e-4)
            if solver == "cavi":
                model.partial_fit(X, y)
                assert n_observations(model.posterior_) == weights.sum() + 80


@pytest.mark.parametrize("n_components", [3, 4])
def test_warns_of_components_that_the_data_do_not_fill(n_components):
    with pytest.warns(WeaklyIdentifiedWarning, match="with probability") as caught:
        model = fitted(n_components, "gibbs", n=200)
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert "\n" not in message and f"n_components={n_components}" in message
    expected = 200 * model.posterior_["weights"]
    unfilled = (expected.min(axis=-1) < 3).mean()
    assert f"{unfilled:.2f}" in message
    assert model.diagnostics().loc["smallest_component", "value"] == pytest.approx(
        np.quantile(expected.min(axis=-1), 0.1), rel=1e-4
    )


def test_warns_of_components_that_cannot_be_told_apart():
    # Two components in truth, nearly one cloud to the eye.
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    y = np.where(rng.random(200) < 0.5, 0.4, -0.4) * x + rng.normal(0, 0.4, 200)
    with pytest.warns(WeaklyIdentifiedWarning, match="most of all 0 and 1, could exchange labels"):
        BayesianMixtureRegressor(2, solver="gibbs", random_state=0).fit(x[:, None], y)


def test_silent_where_the_data_identify_the_components(tone, npreg):
    # Warnings are errors.
    BayesianMixtureRegressor(3, random_state=0).fit(tone.X, tone.y)
    BayesianMixtureRegressor(2, random_state=0).fit(npreg.X, npreg.y)
    fitted(2, n=60)


def test_silent_on_one_component_and_on_priors_that_ask_for_empty_ones():
    rng = np.random.default_rng(0)
    BayesianMixtureRegressor(1, random_state=0).fit(rng.normal(size=(8, 10)), rng.normal(size=8))
    model = fitted(3, "gibbs", n=200, priors=Priors(weight_concentration=0.01))
    found = Identification.of(model.posterior_, model.priors.resolve())
    assert found.unfilled > 0.5 and found.complaint() is None
    assert model.diagnostics().loc["smallest_component", "verdict"].startswith("note: ")


# ---------------------------------------------------------------------------------------------
# Predictive checks


def test_loo_pit_is_uniform_for_the_right_model_only():
    # Far from where the lines cross.
    rng = np.random.default_rng(0)
    x = rng.uniform(2, 3, 300)
    X, y = x[:, None], np.where(rng.random(300) < 0.5, 3.0, -1.0) * x + rng.normal(0, 0.3, 300)
    departures = {}
    for K in (1, 2):
        model = BayesianMixtureRegressor(K, random_state=0).fit(X, y)
        tree = model.to_datatree(X, y, random_state=0)
        for group in ("log_likelihood", "posterior_predictive"):
            assert tree[group]["y"].dims == ("chain", "draw", "observation")
            assert tree[group]["y"].shape == (*model.posterior_["log_prior"].shape, 300)
        departures[K] = kstest(az.loo_pit(tree)["y"].to_numpy(), "uniform").pvalue
    assert departures[2] > 0.05
    assert departures[1] < 1e-6


def test_predictive_draws_belong_to_the_draws_of_the_parameters(good):
    # Both groups come in the order of the posterior: row by row, a predictive draw is within
    # what the parameters of the same draw allow.
    X, y = two_lines(120)
    tree = good.to_datatree(X, y, random_state=0)
    posterior = good.posterior_
    eta = posterior["intercept"][..., None, :] + np.einsum("np,cskp->csnk", X, posterior["coef"])
    density = np.exp(-0.5 * ((y[:, None] - eta) / posterior["sigma"][..., None, :]) ** 2)
    density *= posterior["weights"][..., None, :] / posterior["sigma"][..., None, :]
    expected = np.log(density.sum(axis=-1) / np.sqrt(2.0 * np.pi))
    np.testing.assert_allclose(tree["log_likelihood"]["y"].to_numpy(), expected, rtol=1e-8)
    residual = np.abs(tree["posterior_predictive"]["y"].to_numpy()[..., None] - eta)
    assert ((residual / posterior["sigma"][..., None, :]).min(axis=-1) < 6.0).all()


@pytest.mark.parametrize("plot", ["plot_ppc_dist", "plot_ppc_pit", "plot_loo_pit"])
def test_pictures_of_arviz(good, plot):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    X, y = two_lines(120)
    tree = good.to_datatree(X, y, random_state=0)
    assert getattr(az, plot)(tree, backend="matplotlib") is not None
    plt.close("all")
