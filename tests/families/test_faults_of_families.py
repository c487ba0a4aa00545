"""Faults that a reader of the documentation found."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from scipy import special

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV, Gaussian, Priors
from skmixreg.families import Binomial
from skmixreg.inspection import ComponentLinesDisplay, PredictiveDensityDisplay


def line(n=60):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, n)
    return x, 1 + 2 * x + 0.3 * rng.normal(size=n)


@pytest.mark.parametrize(
    "options",
    [
        {"family": Gaussian(shared_sigma=True), "background": "uniform"},
        {"family": Gaussian(shared_sigma=True, known_error=1)},
        {"family": Gaussian(shared_sigma=True), "censoring_feature": 1},
    ],
)
def test_a_shared_sigma_that_no_step_moves_is_refused(options):
    x, y = line()
    X = np.column_stack([x, np.zeros(len(x))])
    with pytest.raises(ValueError, match="shares sigma over components"):
        BayesianMixtureRegressor(2, **options).fit(X, y)


def test_a_choice_of_k_with_a_column_of_trials():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=80), "n": rng.integers(5, 20, 80)})
    y = rng.binomial(frame["n"], special.expit(frame["x"]))
    choice = BayesianMixtureRegressorCV(
        (1, 2), family=Binomial(trials="n"), criterion="bic", solver="map", n_init=4, random_state=0
    ).fit(frame, y)
    assert choice.n_components_ == 1 and choice.coef_.shape == (1, 1)
    lines = ComponentLinesDisplay.from_estimator(choice, frame, y)
    assert lines.lines_[0].get_ydata().max() <= frame["n"].max()
    PredictiveDensityDisplay.from_estimator(choice, frame)


def test_every_row_censored_is_refused():
    x, y = line()
    X = np.column_stack([x, np.ones(len(x))])
    with pytest.raises(ValueError, match="Every row is censored"):
        BayesianMixtureRegressor(1, censoring_feature=1).fit(X, y)


def test_what_is_conjugate_no_more_is_said():
    x, y = line()
    with pytest.raises(ValueError, match="with a background, known errors or censored rows"):
        BayesianMixtureRegressor(1, background="uniform", solver="cavi").fit(x[:, None], y)


@pytest.mark.slow
def test_regions_and_quantiles_of_densities_without_a_bound():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1))
    y = np.clip(rng.beta(0.02 * 5, 0.98 * 5, 300), 1e-12, None)
    model = BayesianMixtureRegressor(1, family="beta", random_state=0).fit(X, y)
    regions = model.predict_hdr(X[:40], 0.9)
    draws = model.sample_y(X[:40], 4000, random_state=0)
    for region, row in zip(regions, draws, strict=True):
        inside = ((row[:, None] >= region[:, 0]) & (row[:, None] <= region[:, 1])).any(axis=1)
        assert inside.mean() == pytest.approx(0.9, abs=0.03)
    quantiles = model.predict_quantiles(X[:40], [0.001, 0.01, 0.05, 0.5])
    assert (quantiles > 0.0).all() and (np.diff(quantiles, axis=1) > 0.0).all()
    reached = (draws[:, :, None] <= quantiles[:, None, :]).mean(axis=1)
    np.testing.assert_allclose(reached, np.tile([0.001, 0.01, 0.05, 0.5], (40, 1)), atol=0.035)


HELD = r"The prior holds 1 / sqrt\(precision\) \(0.000\d+, 0.000\d+\) at its floor of 0.003, where"


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-2, 1e-6])
def test_proportions_that_are_all_small_are_told_apart(scale):
    """A floor of the scatter that did not follow the mean would hide one line in the other."""
    rng = np.random.default_rng(0)
    x, first = rng.normal(size=400), rng.random(400) < 0.5
    mean = scale * np.exp(np.where(first, 0.5 * x, 1.5 - 0.3 * x))
    y = rng.beta(mean * 40.0 / scale, (1.0 - mean) * 40.0 / scale)
    model = BayesianMixtureRegressor(2, family="beta", random_state=0).fit(x[:, None], y)
    assert model.converged_
    np.testing.assert_allclose(model.coef_.ravel(), [-0.3, 0.5], atol=0.1)
    given = Priors(sigma_floor=0.003)
    model.set_params(priors=given, solver="map")
    with nullcontext() if scale == 1e-2 else pytest.warns(UserWarning, match=HELD):
        model.fit(x[:, None], y)
    assert model.posterior_.priors.sigma_floor == 0.003
