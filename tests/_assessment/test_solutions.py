"""Modes that differ in what is reported are solutions; twins are one."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import load_reference

from skmixreg import BayesianMixtureRegressor, MultimodalPosteriorWarning
from skmixreg._assessment.complaints import complaints
from skmixreg._assessment.solutions import solution_shares


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    y = np.where(rng.random(200) < 0.5, 3 * x, -x) + 0.2 * rng.normal(size=200)
    return BayesianMixtureRegressor(2, random_state=0).fit(x[:, None], y).posterior_


def with_modes_apart(posterior, sds, share=0.4):
    """The posterior with a second mode, so many sds of the first slope from the first."""
    raw = posterior.mode_components
    second = type(raw)(*(np.repeat(a[:1], 2, axis=0) for a in raw))
    second.line[1, 0, 1] += sds * posterior.components.line[..., 0, 1].std()
    table = pd.concat([posterior.modes.iloc[:1]] * 2, ignore_index=True)
    table["probability"] = [1.0 - share, share]
    mode = np.zeros_like(posterior.draw_mode)
    mode[:, : round(share * mode.shape[1])] = 1
    return dataclasses.replace(posterior, modes=table, mode_components=second, draw_mode=mode)


@pytest.mark.parametrize(("sds", "solutions"), [(0.1, 1), (1.5, 1), (5.0, 2)])
def test_modes_and_solutions(fitted, sds, solutions):
    posterior = with_modes_apart(fitted, sds)
    shares = solution_shares(posterior)
    assert len(shares) == solutions
    assert shares == pytest.approx([1.0] if solutions == 1 else [0.6, 0.4])
    categories = [category for _, category in complaints(posterior, posterior.priors)]
    assert (MultimodalPosteriorWarning in categories) == (solutions > 1)


def test_tone_perception_has_two():
    tone = load_reference("tonedata")
    with pytest.warns(MultimodalPosteriorWarning, match="2 distinct solutions"):
        model = BayesianMixtureRegressor(random_state=0).fit(tone.X, tone.y)
    assert solution_shares(model.posterior_) == pytest.approx([0.6, 0.4], abs=0.05)
    assert "2 distinct solutions among the modes" in model.diagnostics().loc["modes", "verdict"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 5])
def test_rows_assigned_otherwise_are_no_second_solution(seed):
    rng = np.random.default_rng(seed)
    X, slopes = rng.normal(size=(300, 45)), rng.normal(size=(2, 45))
    y = (X * slopes[rng.integers(0, 2, 300)]).sum(axis=1) + rng.normal(size=300)
    with warnings.catch_warnings():
        warnings.simplefilter("error", MultimodalPosteriorWarning)
        model = BayesianMixtureRegressor(2, random_state=0).fit(X, y)
    assert (model.modes_["probability"] > 0.05).sum() > 1
