"""What fits warn of, where the data or the prior decide more than a user may think."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV, Priors

N = 300
FLOOR = r"The prior holds sigma \(0\.\d+\) at its floor of 0.003 standard deviations of y, where"


def line(seed, sigma=0.2):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, N)
    return rng, x[:, None], 5.0 + 2.0 * x + sigma * rng.normal(size=N)


def messages(model, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return " ".join(str(each.message) for each in caught)


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_units_that_were_mixed_up(seed):
    """Half of the rows in grams: the floor, in sds of all y, is above the noise of the others."""
    rng, X, y = line(seed)
    y[rng.random(N) < 0.5] *= 1000.0
    model = BayesianMixtureRegressor(2, random_state=0)
    with pytest.warns(UserWarning, match=FLOOR):
        model.fit(X, y)
    assert model.sigma_[0] > 0.3
    lower = BayesianMixtureRegressor(2, priors=Priors(sigma_floor=3e-6), random_state=0)
    assert "The prior holds" not in messages(lower, X, y)
    assert 0.15 < lower.sigma_[0] < 0.25


def test_a_choice_says_it_too():
    rng, X, y = line(3)
    y[rng.random(N) < 0.5] *= 1000.0
    choice = BayesianMixtureRegressorCV((1, 2), random_state=0)
    assert "The prior holds sigma" in messages(choice, X, y)
    assert choice.n_components_ == 2


def test_outliers_a_thousand_sigmas_away():
    rng, X, y = line(3, sigma=0.1)
    far = rng.random(N) < 0.2
    y[far] = 1000.0 * rng.normal(size=far.sum())
    with pytest.warns(UserWarning, match=FLOOR):
        BayesianMixtureRegressor(1, background="normal", random_state=0).fit(X, y)


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.03, 0.2, 5.0])
def test_nothing_is_said_of_scales_that_the_rows_tell(K, sigma):
    """Nor of components without rows, which lie where the prior has them."""
    _, X, y = line(0, sigma)
    assert "The prior holds" not in messages(BayesianMixtureRegressor(K, random_state=0), X, y)


def test_rounded_responses_are_meant_to_be_held():
    _, X, y = line(0)
    assert "The prior holds" not in messages(
        BayesianMixtureRegressor(1, random_state=0), X, np.rint(y)
    )


def test_nothing_is_said_of_lines_without_noise():
    """To which every floor is too high."""
    _, X, y = line(0, sigma=0.0)
    y[::2] = 1.0 - X[::2, 0]
    assert "The prior holds" not in messages(BayesianMixtureRegressor(2, random_state=0), X, y)
