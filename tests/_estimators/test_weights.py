"""Weights of a population are not frequencies, and a fit says so."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from conftest import two_lines

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV

N = 295
WORDS = r"sample_weight holds fractions.*taken for frequencies.*sample_weight\.mean\(\)"


@pytest.fixture(scope="module")
def rows():
    return two_lines(N)


def survey(low=200.0, high=5000.0, n=N):
    return np.random.default_rng(0).uniform(low, high, n)


def said(model, *data, method="fit"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(model, method)(*data)
    return [w for w in caught if "sample_weight" in str(w.message)]


@pytest.mark.parametrize(
    "weights",
    [survey(), survey() / survey().sum(), survey(5.0, 9.0), survey(1e-6, 1e-4)],
    ids=["population", "sum of one", "inverse probabilities", "tiny"],
)
def test_a_fit_says_what_they_were_taken_for(rows, weights):
    (warning,) = said(BayesianMixtureRegressor(solver="map"), *rows, weights)
    assert warning.category is UserWarning and warning.filename == __file__
    message = str(warning.message)
    assert re.search(WORDS, message)
    assert f"{N} rows count as {weights.sum():,.6g} observations" in message
    assert not said(BayesianMixtureRegressor(solver="map"), *rows, weights / weights.mean())


@pytest.mark.parametrize(
    "weights",
    [
        np.full(N, 4000.0),
        np.rint(survey()),
        np.arange(N) % 2 * 50.0,
        survey(0.4, 2.9),
        np.where(np.arange(N) < 290, 0.0, 1.5),
        None,
    ],
    ids=["constant", "rounded", "counts and zeros", "powers", "mostly left out", "none"],
)
def test_frequencies_and_powers_pass(rows, weights):
    assert not said(BayesianMixtureRegressor(1, solver="map"), *rows, weights)


def test_streams_and_the_choice_of_k_say_it_as_well(rows):
    model = BayesianMixtureRegressor(solver="cavi", random_state=0)
    assert len(said(model, *rows, survey(), method="partial_fit")) == 1
    assert len(said(model, *rows, survey(), method="partial_fit")) == 1
    choice = BayesianMixtureRegressorCV((1, 2), criterion="bic", solver="map")
    (warning,) = said(choice, *rows, survey())
    assert warning.filename == __file__


@pytest.mark.parametrize("n", [600, 30_000])
def test_dask(n):
    da = pytest.importorskip("dask.array")
    X, y = two_lines(n)
    data = [da.from_array(values, n // 3) for values in (X, y, survey(n=n))]
    assert len(said(BayesianMixtureRegressor(solver="map"), *data)) == 1
    data[2] = data[2] / survey(n=n).mean()
    assert not said(BayesianMixtureRegressor(solver="map"), *data)


def test_divided_by_their_mean_rows_count_as_themselves(rows):
    weights = survey()
    model = BayesianMixtureRegressor(random_state=0).fit(*rows, weights / weights.mean())
    plain = BayesianMixtureRegressor(random_state=0).fit(*rows)
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=0.05)
    sd, expected = (m.posterior_["coef"].std(axis=(0, 1)) for m in (model, plain))
    np.testing.assert_allclose(sd, expected, rtol=0.4)  # not 50 times as small
