"""Sequential Monte Carlo: what is special to it."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from conftest import load_reference, two_lines

from skmixreg import BayesianMixtureRegressor, Gaussian
from skmixreg.solvers import SMC


def fit(solver, X, y, K=2, **options):
    return BayesianMixtureRegressor(K, solver=solver, random_state=0, **options).fit(X, y)


@pytest.mark.parametrize("shared", [pytest.param(False, marks=pytest.mark.slow), True])
def test_evidence_is_that_of_importance_sampling(shared):
    """One component: importance sampling has it to a thousandth of a nat."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = X @ [1.0, -0.5] + rng.normal(size=60)
    family = Gaussian(shared_sigma=shared)
    smc = fit(SMC(draws=2000), X, y, K=1, family=family)
    exact = fit("laplace", X, y, K=1, family=family)
    assert smc.converged_
    assert smc.log_evidence_error_ < 0.01
    assert smc.log_evidence_ == pytest.approx(exact.log_evidence_, abs=0.02)
    report = smc.solver_report_
    assert report["path_log_evidence"] == pytest.approx(exact.log_evidence_, abs=0.3)
    assert report["path_log_evidence_error"] < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", ["npreg_yn", "s2_heterosced", "nodata_no_on_eq"])
def test_evidence_on_real_data(name):
    case = load_reference(name)
    smc, exact = (fit(solver, case.X, case.y) for solver in (SMC(), "auto"))
    assert smc.converged_ and exact.converged_
    assert smc.log_evidence_ == pytest.approx(exact.log_evidence_, abs=0.3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
def test_a_chain_that_lost_a_mode_shows(tone):
    """Few particles: chains disagree on the shares of the two modes, and the fit says so."""
    model = BayesianMixtureRegressor(solver=SMC(draws=100, chains=2), random_state=0)
    with pytest.warns(match="smc: chains disagree") as caught:
        model.fit(tone.X, tone.y)
    assert {warning.filename for warning in caught} == {__file__}  # not a line of the package
    assert not model.converged_


@pytest.mark.slow
def test_one_chain_has_no_error_of_its_path():
    model = BayesianMixtureRegressor(solver=SMC(draws=1000, chains=1), random_state=0)
    model.fit(*two_lines(200))
    assert np.isnan(model.solver_report_["path_log_evidence_error"])
    assert len(model.solver_report_["log_evidence_by_chain"]) == 1
    assert 0.0 < model.log_evidence_error_ < 0.02


@pytest.mark.slow
def test_messages_of_pymc_do_not_reach_the_user(caplog, capfd):
    with caplog.at_level(logging.INFO):
        fit(SMC(draws=500, chains=2), *two_lines(200))
    assert not caplog.records
    captured = capfd.readouterr()
    assert not captured.out and not captured.err


@pytest.mark.parametrize(
    "option",
    [
        {"draws": 50}, {"chains": 0}, {"threshold": 1.0}, {"correlation_threshold": 0},
        {"max_cycles": 0},
    ],
)  # fmt: skip
def test_options_are_checked(option):
    with pytest.raises(ValueError, match=f"SMC\\({next(iter(option))}="):
        fit(SMC(**option), *two_lines(50))
