"""Limits and their words: one home for what solvers fail by and the table of checks shows."""

from __future__ import annotations

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor
from skmixreg._draws import limits
from skmixreg._draws.limits import LIMITS


def test_khat_threshold_grows_with_the_draws():
    sizes = [5, 100, 1000, 10_000, 10**6]
    found = [limits.khat_threshold(n) for n in sizes]
    assert found == sorted(found) and found[-1] == 0.7
    assert limits.khat_threshold(1000) == pytest.approx(1 - 1 / 3)


def test_failures_quote_the_words_of_the_table():
    rhat = limits.disagreement("nuts", 1.2)
    assert LIMITS["rhat"].bad in rhat and LIMITS["rhat"].advice in rhat and "1.01" in rhat
    for key in ("ess_bulk", "ess_tail"):
        sentence = limits.too_few_draws("gibbs", key, 120.0)
        assert LIMITS[key].advice in sentence and "under 400" in sentence
    assert "k-hat is 0.90, over 0.70" in limits.far_off("cavi", 0.9, 0.7)
    assert limits.narrowness(0.8, "advi") == []
    assert "under 0.7" in limits.narrowness(0.5, "advi")[0]


def test_every_number_with_a_limit_is_a_row_of_the_table():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, 1))
    y = np.where(rng.random(60) < 0.5, 3 * x[:, 0], -x[:, 0]) + rng.normal(0, 0.1, 60)
    model = BayesianMixtureRegressor(2, solver="laplace", random_state=0).fit(x, y)
    table = model.diagnostics()
    for key in LIMITS.keys() & model.solver_report_.keys():
        row = table.loc[LIMITS[key].check]
        assert row["value"] == model.solver_report_[key]
        assert np.isnan(LIMITS[key].value) or row["threshold"] == LIMITS[key].value
