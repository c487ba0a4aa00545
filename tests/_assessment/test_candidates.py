"""Choosing the number of components."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg._assessment.averaging import averaged
from skmixreg._assessment.candidates import draw_contenders, shares
from skmixreg._assessment.criteria import CRITERIA
from skmixreg._posterior import posterior as posterior_module

N = 300


@pytest.fixture(scope="module")
def lines():
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, N)
    y = np.where(rng.random(N) < 0.5, 3 * x, -x) + rng.normal(0, 0.2, N)
    return pd.DataFrame({"dose": x}), y


@pytest.fixture(scope="module")
def fitted(lines):
    X, y = lines
    out = {}
    for name in CRITERIA:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            out[name] = BayesianMixtureRegressorCV(range(1, 4), criterion=name, random_state=0)
            out[name].fit(X, y)
    return out


@pytest.mark.parametrize("name", CRITERIA)
def test_two_lines_are_two(fitted, lines, name):
    model = fitted[name]
    assert model.n_components_ == 2
    assert model.resolved_
    assert sorted(model.coef_.ravel().round(0)) == [-1, 3]
    assert model.criterion_table_.index.tolist() == [1, 2, 3]
    assert model.feature_names_in_.tolist() == ["dose"]
    X, y = lines
    np.testing.assert_array_equal(model.predict(X), model.best_estimator_.predict(X))
    assert model.score(X, y) == model.best_estimator_.score(X, y)


def test_evidence_is_that_of_single_fits(fitted, lines):
    X, y = lines
    table = fitted["evidence"].criterion_table_
    for K in (1, 2):
        single = BayesianMixtureRegressor(K, random_state=7).fit(X, y)
        assert table["log_evidence"][K] == pytest.approx(single.log_evidence_, abs=0.05)
        for criterion in ("aic", "bic", "icl"):
            assert table[criterion][K] == pytest.approx(getattr(single, criterion)(X, y), abs=1e-3)
    log_evidence = table["log_evidence"].to_numpy()
    expected = np.exp(log_evidence - np.logaddexp.reduce(log_evidence))
    np.testing.assert_allclose(table["probability"], expected)


def test_what_is_drawn(fitted):
    """Evidence draws what may hold a share, BIC the chosen, LOO everything."""
    assert list(fitted["bic"].estimators_) == [2]
    assert list(fitted["loo"].estimators_) == [1, 2, 3]
    drawn = fitted["evidence"].criterion_table_["drawn"]
    assert drawn[2] and not drawn[1]
    assert fitted["loo"].criterion_table_["elpd_loo_error"].gt(0).all()


class _Candidate:
    """A candidate whose evidence is known."""

    def __init__(self, estimate, truth, allowance):
        self.posterior, self.truth, self.estimate = None, truth, estimate
        self.allowance = allowance

    @property
    def log_evidence(self):
        return self.estimate if self.posterior is None else self.truth

    @property
    def largest_log_evidence(self):
        return self.log_evidence + (self.allowance if self.posterior is None else 0.0)


def test_contenders_are_drawn_until_the_rest_is_ruled_out():
    """The first estimate of the third is 2 nats too low; drawn, it is the best."""
    candidates = [
        _Candidate(-30.0, -30.0, 0.1),
        _Candidate(-10.0, -10.0, 0.1),
        _Candidate(-11.0, -9.0, 3.0),
        _Candidate(-18.0, -18.0, 3.0),
        _Candidate(np.nan, -40.0, 3.0),
    ]
    order = []

    def solve(candidate):
        order.append(candidates.index(candidate))
        candidate.posterior = "drawn"

    draw_contenders(candidates, solve)
    # Nothing is known of the last, so that it cannot be ruled out.
    assert order[:2] == [1, 2] and set(order) == {1, 2, 4}


def test_a_nan_is_never_ranked():
    table = pd.DataFrame(
        {
            "log_evidence": [-5.0, np.nan, -4.0],
            "log_evidence_error": [0.01, np.nan, 0.01],
            "drawn": [True, True, True],
        },
        index=pd.Index([1, 2, 3], name="n_components"),
    )
    criterion = CRITERIA["evidence"]
    assert criterion.choose(table, {}) == 3
    # It may hold any share, and so may the others.
    assert np.isnan(criterion.weights(table, {})).all()
    for converged, words in ((True, "draws are sound"), (False, "did not converge")):
        (doubt,) = criterion.doubts(table.assign(converged=converged), 3)
        assert "n_components=2 has no log_evidence" in doubt and words in doubt
    (doubt,) = criterion.doubts(table.assign(drawn=False), 3)
    assert "found nothing" in doubt
    table.loc[1, ["log_evidence", "log_evidence_error"]] = [-4.1, 0.2]
    assert any("n_components=1" in doubt for doubt in criterion.doubts(table, 3))
    table["log_evidence"] = np.nan
    with pytest.raises(ValueError, match="No number of components has a finite log_evidence"):
        criterion.choose(table, {})


def test_an_unresolved_choice_is_said(lines, monkeypatch):
    X, y = lines
    monkeypatch.setattr("skmixreg._assessment.criteria.ERRORS_APART", 1e6)
    monkeypatch.setattr("skmixreg._assessment.candidates.LEAST_PROBABILITY", 1e-300)
    with pytest.warns(ConvergenceWarning, match="n_components=2 is not resolved"):
        model = BayesianMixtureRegressorCV((1, 2), random_state=0).fit(X, y)
    assert not model.resolved_


def test_average_is_the_mixture_of_the_fits():
    """Few rows of one line: K = 1 and 2 both hold a share; averages follow by total probability."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 1))
    y = X[:, 0] + rng.normal(size=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = BayesianMixtureRegressorCV((1, 2), average=True, random_state=0).fit(X, y)
    probability = model.criterion_table_["probability"]
    assert probability.min() > 0.01
    X = rng.normal(size=(12, 1))
    y = X[:, 0] + rng.uniform(-1.5, 1.5, 12)  # tails hang on few draws
    density, mean, square = 0.0, 0.0, 0.0
    for K, single in model.estimators_.items():
        m, s = single.predict(X, return_std=True)
        density = density + probability[K] * np.exp(single.log_predictive_density(X, y))
        mean = mean + probability[K] * m
        square = square + probability[K] * (s**2 + m**2)
    got_mean, got_std = model.predict(X, return_std=True)
    # Draws are taken in whole numbers, of a part of each fit.
    np.testing.assert_allclose(got_mean, mean, atol=0.02)
    np.testing.assert_allclose(got_std, np.sqrt(square - mean**2), rtol=0.02)
    np.testing.assert_allclose(model.log_predictive_density(X, y), np.log(density), atol=0.02)
    lower, upper = model.predict_interval(X, coverage=0.9).T
    samples = model.sample_y(X, 4000, random_state=0)
    inside = ((samples > lower[:, None]) & (samples < upper[:, None])).mean()
    assert inside == pytest.approx(0.9, abs=0.01)
    assert model.predict_proba(X, y).shape == (12, model.n_components_)
    assert len(model.predict_hdr(X)) == 12


def test_averaged_draws_come_in_proportion(fitted):
    estimators = fitted["loo"].estimators_
    posterior = averaged([estimators[K].posterior_ for K in (1, 2, 3)], np.array([0.25, 0.75, 0.0]))
    alone = np.exp(posterior.components.log_weights[0]).max(axis=1) == 1.0
    assert alone.mean() == pytest.approx(0.25, abs=1e-3)
    assert alone[:400].mean() == pytest.approx(0.25, abs=0.01)  # interleaved
    assert posterior.components.log_weights.shape[-1] == 3


def test_same_seed_same_choice_and_clone(lines):
    X, y = lines
    model = BayesianMixtureRegressorCV((1, 2), random_state=5)
    first = clone(model).fit(X, y)
    second = clone(model).fit(X, y)
    pd.testing.assert_frame_equal(first.criterion_table_, second.criterion_table_)
    np.testing.assert_array_equal(first.posterior_["coef"], second.posterior_["coef"])


def test_weights_are_repeated_rows(lines):
    X, y = lines
    X, y = X[:60], y[:60]
    w = np.random.default_rng(0).integers(0, 4, 60)
    weighted = BayesianMixtureRegressorCV((1, 2), random_state=0).fit(X, y, sample_weight=w)
    repeated = BayesianMixtureRegressorCV((1, 2), random_state=0).fit(
        X.loc[X.index.repeat(w)], np.repeat(y, w)
    )
    pd.testing.assert_frame_equal(weighted.criterion_table_, repeated.criterion_table_)


def test_in_a_pipeline(lines):
    X, y = lines
    model = make_pipeline(StandardScaler(), BayesianMixtureRegressorCV((1, 2), random_state=0))
    assert model.fit(X, y)[-1].n_components_ == 2
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 2.0}, "iterable of positive integers"),
        ({"n_components": ()}, "iterable of positive integers"),
        ({"n_components": (1, 2.5)}, "iterable of positive integers"),
        ({"n_components": (0, 1)}, "iterable of positive integers"),
        ({"criterion": "dic"}, "criterion must be one of 'evidence', 'loo', 'bic', 'icl'"),
        ({"criterion": "icl", "average": True}, "average=True needs a criterion"),
    ],
)
def test_errors_say_what_to_do(lines, params, message):
    with pytest.raises(ValueError, match=message):
        BayesianMixtureRegressorCV(**params).fit(*lines)


def test_shares_leave_nan_out():
    np.testing.assert_allclose(shares(np.array([0.0, np.nan, np.log(3.0)])), [0.25, 0.0, 0.75])
    np.testing.assert_array_equal(shares(np.array([np.nan, np.nan])), [0.0, 0.0])


def test_chunks_of_rows_are_chosen_for_but_not_left_out(lines):
    da = pytest.importorskip("dask.array")
    X, y = (da.from_array(np.asarray(a), chunks=100) for a in lines)
    with pytest.raises(TypeError, match="criterion='loo' needs rows in memory"):
        BayesianMixtureRegressorCV((1, 2), criterion="loo").fit(X, y)
    model = BayesianMixtureRegressorCV((1, 2), random_state=0).fit(X, y)
    held = BayesianMixtureRegressorCV((1, 2), random_state=0).fit(*(np.asarray(a) for a in lines))
    pd.testing.assert_frame_equal(model.criterion_table_, held.criterion_table_)


@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_without_a_number_there_is_nothing_to_average(lines, monkeypatch):
    """No K has a probability, and predictions are those of the best fit."""
    X, y = lines
    trusted = posterior_module._trusted_evidence

    def of_one(draws):
        return trusted(draws) if draws.theta.shape[-1] < 5 else (np.nan, np.nan)

    monkeypatch.setattr(posterior_module, "_trusted_evidence", of_one)
    model = BayesianMixtureRegressorCV((1, 2), average=True, random_state=0).fit(X, y)
    table = model.criterion_table_
    assert np.isnan(table["log_evidence"][2]) and table["converged"][2]
    assert table["probability"].isna().all()
    assert not model.resolved_ and model.n_components_ == 1
    np.testing.assert_array_equal(model.predict(X), model.best_estimator_.predict(X))


@pytest.mark.parametrize("seed", [6, pytest.param(27, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
def test_as_many_coefficients_as_rows_allow(seed):
    """More components hold at least what they hold with one of them empty.

    Chains that start at modes with all components never reached that part, passed, and were
    bridged to nothing.
    """
    rng = np.random.default_rng(seed)
    X, slopes = rng.normal(size=(150, 20)), rng.normal(size=(2, 20))
    side = rng.integers(0, 2, 150)
    y = (X * slopes[side]).sum(axis=1) + rng.normal(size=150)
    model = BayesianMixtureRegressorCV((1, 2, 3), random_state=0).fit(X, y)
    table = model.criterion_table_
    assert model.resolved_ and table["log_evidence"].notna().all()
    assert table["probability"].sum() == pytest.approx(1.0)
    value, error = table["log_evidence"], table["log_evidence_error"]
    for K in (2, 3):
        c, n = 1.0, 150.0
        share = betaln(c, n + (K - 1) * c) - betaln(c, (K - 1) * c)
        assert value[K] > value[K - 1] + share - 4 * error[K - 1] - max(4 * error[K], 0.1)
