"""Simulation-based calibration: the machinery, the committed results, and a cut of a run."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from skmixreg.solvers import SOLVERS

SCRIPT = Path(__file__).parent / "benchmarks" / "calibration.py"


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    return module


def test_band_holds_uniform_ranks_and_no_others(calibration):
    """About 99 of 100 uniform samples lie inside; ranks of sds that are too small do not."""
    rng = np.random.default_rng(0)
    uniform = rng.integers(calibration.RANKED + 1, size=(100, 300))
    assert sum(calibration.excess(sample) > 0 for sample in uniform) <= 5
    truth, draws = rng.normal(size=300), 0.7 * rng.normal(size=(calibration.RANKED, 300))
    assert calibration.excess((draws < truth).sum(axis=0)) > 0
    shifted = rng.normal(0.4, 1.0, size=(calibration.RANKED, 300))
    assert calibration.excess((shifted < truth).sum(axis=0)) > 0


def test_committed_results_are_of_every_exact_solver_and_inside(calibration):
    results = json.loads(calibration.RESULTS.read_text())
    exact = {name for name, solver in SOLVERS.items() if solver.exact}
    assert exact <= set(results)
    assert {f"{name}, poisson" for name in ("auto", "laplace", "gibbs")} <= set(results)
    for row in results.values():
        for sample in row["ranks"].values():
            assert len(sample) == row["replicates"]
            assert calibration.excess(np.array(sample)) <= 0
    assert calibration.report(results) in calibration.PAGE.read_text()


@pytest.mark.parametrize(
    ("family", "background"),
    [("binomial", None), ("beta", None), ("poisson", "zero"), ("gaussian", "uniform")],
)
def test_rows_and_parameters_are_those_of_the_problem(calibration, family, background):
    """The log-likelihood that is ranked is, at the truth, that of the family and its columns."""
    problem, truth = calibration.simulate(50, 3, 0, family, background)
    raw = problem.layout.expand(truth)
    eta = raw.intercept[:, None] + raw.coef @ problem.mean_design + problem.design.location
    extra = [value[:, None] for value in problem.family.natural(raw.extra)]
    terms = problem.family.log_density(problem.target, eta, *extra, *problem.family_columns)
    expected = logsumexp(terms + raw.log_weights[:, None], axis=0).sum()
    ranked = calibration.quantities(problem, truth[None])[0]
    assert ranked[0] == pytest.approx(expected)
    if background is not None:
        assert np.ptp(raw.extra[:, -1]) == 0.0
        assert ranked[-1] == raw.extra[0, -1]


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "family"), [("gibbs", "poisson"), ("laplace", "gaussian")])
def test_fifty_replicates(calibration, solver, family):
    rows = [
        calibration.replicate(solver, n, K, 1000 + number, family)
        for number in range(9)
        for n, K in calibration.CELLS
    ][:50]
    for i, name in enumerate(calibration.QUANTITIES):
        assert calibration.excess(np.array([row["ranks"][i] for row in rows])) <= 0, name
