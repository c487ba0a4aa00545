"""The pages docs/coming-from-*.md: tables are those of the records, and numbers agree."""

from __future__ import annotations

import importlib
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from scipy.special import logsumexp
from scipy.stats import norm

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg.families import Binomial

ROOT = REFERENCE.parents[1]
RECORDS: dict[str, Any] = json.loads((REFERENCE / "measured" / "coming_from.json").read_text())
# As on the pages.
FLAT = Priors(
    weight_concentration=1e-3,
    coef_scale=1e3,
    intercept_scale=1e3,
    sigma_floor=1e-4,
    sigma_ceiling=1e4,
)


@pytest.fixture(scope="module")
def tables():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
        return importlib.import_module("coming_from_tables")


def test_tables_of_the_pages_are_those_of_the_records(tables):
    pages = {name: (ROOT / "docs" / f"coming-from-{name}.md").read_text() for name in tables.TABLES}
    assert tables.pages_with_tables(pages, RECORDS) == pages


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "from_r" / f"{name}.csv")


def npreg() -> tuple[Any, ...]:
    data = read("NPreg")
    return data[["x"]].assign(x2=data["x"] ** 2), data["yn"], 2, {}


def co2() -> tuple[Any, ...]:
    data = read("CO2data")
    return data[["GNP"]], data["CO2"], 2, {}


def betablocker() -> tuple[Any, ...]:
    data = read("betablocker")
    X = data[["Center", "Total"]].assign(treated=data["Treatment"] == "Treated").astype(float)
    roles = {
        "family": Binomial(trials="Total"),
        "shared_features": "treated",
        "group_feature": "Center",
    }
    return X, data["Deaths"], 3, roles


def patents() -> tuple[Any, ...]:
    data = read("patent")
    roles = {"family": "poisson", "gating_features": "RDS"}
    return data[["lgRD", "RDS"]], data["Patents"], 3, roles


CASES = [
    ("flexmix", "npreg", npreg),
    ("mixtools", "co2", co2),
    pytest.param("flexmix", "betablocker_fit", betablocker, marks=pytest.mark.slow),
    pytest.param("stata-fmm", "patents", patents, marks=pytest.mark.slow),
]


def mode_of(case: tuple[Any, ...], priors: Priors) -> BayesianMixtureRegressor:
    X, y, K, roles = case
    model = BayesianMixtureRegressor(K, **roles, priors=priors, solver="map", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of several solutions, which these data have
        return model.fit(X, y)


@pytest.mark.parametrize(("page", "name", "case"), CASES)
def test_the_mode_under_nearly_flat_priors_is_the_maximum_of_the_likelihood(
    page, name, case, tables
):
    """As R found it: EM stops where steps are under 1e-6 or so, slightly below."""
    theirs = RECORDS[page]["theirs"][name]
    X, y, *_ = given = case()
    model = mode_of(given, FLAT)
    likely = model.modes_["log_likelihood"].max()
    lines = tables.lines_of(theirs)
    weights = np.array(theirs["weights"])
    inflated = page == "flexmix" and bool(theirs["sigma"])  # see the next test
    assert 0 <= likely - theirs["loglik"] + 1e-6 < (0.02 if inflated else 1e-3)
    if "bic" in theirs:
        assert model.bic(X, y) == pytest.approx(theirs["bic"], abs=0.04 if inflated else 2e-3)
    found = np.column_stack([model.intercept_, model.coef_])
    order = tables.order_as(found, lines)
    if "se" in theirs:  # to 2% of a standard error
        assert (np.abs(found[order] - lines) / tables.errors_of(theirs)).max() < 0.02
    else:
        np.testing.assert_allclose(found[order], lines, rtol=1e-4)
    np.testing.assert_allclose(model.weights_[order], weights, atol=2e-3)
    if theirs["sigma"]:
        np.testing.assert_allclose(
            model.sigma_[order], theirs["sigma"], rtol=0.01 if inflated else 1e-4
        )


def test_sigmas_of_flexmix_are_those_of_a_regression_with_all_rows(tables):
    """Its likelihood is that at its parameters, with variances n / (n - p) times EM's."""
    theirs = RECORDS["flexmix"]["theirs"]["npreg"]
    X, y, *_ = npreg()
    lines, sigma = tables.lines_of(theirs), np.array(theirs["sigma"])
    residuals = y.to_numpy()[:, None] - lines[:, 0] - X.to_numpy() @ lines[:, 1:].T
    joint = np.log(theirs["weights"]) + norm.logpdf(residuals, scale=sigma)
    assert logsumexp(joint, axis=1).sum() == pytest.approx(theirs["loglik"], abs=1e-3)
    memberships = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    variances = (memberships * residuals**2).sum(axis=0) / memberships.sum(axis=0)
    n, p = len(y), lines.shape[1]
    np.testing.assert_allclose(sigma**2 / variances, n / (n - p), rtol=1e-3)


def log_prior(model: BayesianMixtureRegressor, at: BayesianMixtureRegressor, X, y) -> float:
    """Log density of the prior of ``model`` at the mode of ``at``, in PyMC's coordinates."""
    pymc_model = model.to_pymc(X, y)
    draws = at.to_datatree(X, y).posterior
    point = {}
    for variable in pymc_model.free_RVs:
        value = np.asarray(draws[variable.name])[0, 0]
        transform = pymc_model.rvs_to_transforms[variable]
        if transform is not None:
            value = transform.forward(value, *variable.owner.inputs).eval()
        point[pymc_model.rvs_to_values[variable].name] = value
    return float(pymc_model.compile_logp(vars=pymc_model.free_RVs)(point))


@pytest.mark.slow
@pytest.mark.parametrize("case", [npreg, co2, betablocker, patents], ids=lambda f: f.__name__)
def test_the_prior_costs_the_likelihood_no_more_than_it_gains(case):
    """0 <= l(maximum) - l(mode) <= log p(mode) - log p(maximum): the mode maximises the sum."""
    X, y, *_ = given = case()
    likely, probable = mode_of(given, FLAT), mode_of(given, Priors())
    loss = likely.modes_["log_likelihood"].max() - probable.modes_["log_likelihood"].iloc[0]
    gain = log_prior(probable, probable, X, y) - log_prior(probable, likely, X, y)
    assert -1e-6 < loss < gain


def test_chains_of_pymc_have_the_means_of_a_solution_here(tables):
    """To 0.3 sd: Monte Carlo error of 500 draws, and another prior of sigma."""
    record = RECORDS["pymc"]
    means, sds = zip(*(tables.of_ours(record["ours"]["tone"], mode) for mode in "01"), strict=True)
    for tree in record["theirs"].values():
        for slopes in np.sort(tree["slope"], axis=-1):
            off = [
                np.abs((slopes - mean["coef"][:, 0]) / sd["coef"][:, 0]).max()
                for mean, sd in zip(means, sds, strict=True)
            ]
            assert min(off) < 0.3
            assert max(off) > 3  # so that it says which


def test_brms_lost_a_component_as_its_page_says():
    theirs = RECORDS["brms"]["theirs"]["lines"]
    share = np.array(theirs["chain_means"])[:, theirs["names"].index("theta1")]
    assert (share < 0.01).all()
    assert theirs["rhat"]["b_mu1_x"] > 2
