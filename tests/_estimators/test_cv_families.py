"""Choosing a family with the number of components."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg._assessment.candidates import in_words, index_of
from skmixreg._assessment.criteria import CRITERIA
from skmixreg._estimators.choice import families_of
from skmixreg._support.stored_table import StoredTable
from skmixreg.families import Gaussian, NegativeBinomial, StudentT

COUNTS = ["poisson", "negative_binomial"]


def scattered(n=200):
    """Counts of one kind that scatter."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, n)
    return x[:, None], rng.negative_binomial(2, 2 / (2 + np.exp(1.5 + 0.7 * x)))


def cheap(**options):
    options = {"criterion": "bic", "solver": "map", "n_init": 4, "random_state": 0, **options}
    return BayesianMixtureRegressorCV(options.pop("n_components", (1, 2)), **options)


@pytest.fixture(scope="module")
def counts():
    return scattered()


@pytest.fixture(scope="module")
def fitted(counts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cheap(family=COUNTS, n_components=(2, 1)).fit(*counts)


def test_one_row_per_family_and_number(fitted, counts):
    table = fitted.criterion_table_
    assert table.index.names == ["family", "n_components"]
    assert table.index.tolist() == [(family, K) for family in COUNTS for K in (1, 2)]
    assert table["n_parameters"].tolist() == [2, 5, 3, 7]
    assert table["probability"].sum() == pytest.approx(1.0)
    chosen = fitted.best_candidate_
    assert chosen == ("negative_binomial", 1) == table["bic"].idxmin()
    assert fitted.n_components_ == 1 and isinstance(fitted.family_, NegativeBinomial)
    assert list(fitted.estimators_) == [chosen]
    assert fitted.estimators_[chosen] is fitted.best_estimator_
    assert fitted.shape_.shape == (1,) and fitted.resolved_
    np.testing.assert_array_equal(
        fitted.predict(counts[0]), fitted.best_estimator_.predict(counts[0])
    )


def test_a_row_is_that_of_a_single_fit_with_its_family(fitted, counts):
    for family, K in fitted.criterion_table_.index:
        single = cheap(family=family, n_components=K).fit(*counts).criterion_table_
        for name in ("log_likelihood", "bic", "icl"):
            assert fitted.criterion_table_.loc[(family, K), name] == pytest.approx(
                single.loc[K, name], rel=1e-4
            )


def test_a_list_of_one_has_the_table_of_a_list(counts):
    listed = cheap(family=("poisson",)).fit(*counts)
    single = cheap(family="poisson").fit(*counts)
    assert single.criterion_table_.index.name == "n_components"
    assert single.best_candidate_ == single.n_components_ == listed.best_candidate_[1]
    pd.testing.assert_frame_equal(listed.criterion_table_.loc["poisson"], single.criterion_table_)
    np.testing.assert_array_equal(listed.coef_, single.coef_)


LABELS = ["StudentT(df=3.0)", "gaussian", "StudentT(df=10.0)"]


def test_options_tell_families_of_one_name_apart():
    family = [StudentT(df=3.0), "gaussian", StudentT(df=10.0)]
    assert list(families_of(family)) == LABELS
    assert list(families_of(family[:2])) == ["student_t", "gaussian"]
    key = (LABELS[0], 2)
    assert in_words(key) == "family=StudentT(df=3.0), n_components=2"
    table = StoredTable.of(pd.DataFrame({"bic": 1.0}, index=index_of([key]))).frame()
    assert table.index.tolist() == [key]


@pytest.mark.parametrize(
    ("family", "error", "message"),
    [
        ([], ValueError, "family is empty"),
        (["poisson", "poisson"], ValueError, "has poisson twice|has Poisson"),
        ([StudentT(df=3), StudentT(df=3.0)], ValueError, r"has StudentT\(df=3.0\) twice"),
        ([StudentT(), "student_t"], ValueError, r"has StudentT\(\) twice"),
        (
            ["poisson", "gaussian", StudentT()],
            ValueError,
            "cannot be compared: poisson gives probabilities of counts, and gaussian, student_t",
        ),
        (["gaussian", "normal"], ValueError, "Unknown family 'normal'"),
        (["gaussian", None], TypeError, "family must be one of"),
        ([Gaussian, "gamma"], TypeError, "pass an instance"),
        (["gamma", StudentT(df=0.5)], ValueError, "must be a number above 1"),
        (["gaussian", "gamma"], ValueError, r"family='gamma' needs .* but y\[\d+\] is 0"),
    ],
)
def test_errors_name_the_family(counts, family, error, message):
    with pytest.raises(error, match=message):
        cheap(family=family).fit(*counts)


def test_a_solver_that_does_not_serve_every_family_is_rejected_before_any_work(counts):
    X, y = counts
    with pytest.raises(ValueError, match="got family='gamma'"):
        cheap(family=["gaussian", "gamma"], solver="cavi").fit(X, y + 1.0)


def test_parameters_of_scikit_learn(counts):
    family = ["gaussian", StudentT(df=3.0)]
    model = cheap(family=family)
    assert model.family is family and model.get_params()["family"] is family
    copy = clone(model)
    assert copy.family[1] is not family[1] and copy.family[1].df == 3.0
    with pytest.raises(ValueError, match="set options of the objects in it, or a new family"):
        model.set_params(family__df=5.0)
    assert model.set_params(family="gaussian").family == "gaussian"
    model = cheap(family=["gaussian", StudentT(df=3.0)], n_components=1)
    search = GridSearchCV(model, {"family": [COUNTS, ["poisson"]]}, cv=2).fit(*counts)
    assert search.best_params_ == {"family": COUNTS}


def test_pickled(fitted, counts):
    again = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(again.criterion_table_, fitted.criterion_table_)
    assert again.best_candidate_ == fitted.best_candidate_
    np.testing.assert_array_equal(again.predict(counts[0]), fitted.predict(counts[0]))


INDEX = pd.MultiIndex.from_product([COUNTS, [1, 2]], names=["family", "n_components"])


def test_ties_and_what_is_not_known():
    table = pd.DataFrame(
        {
            "log_evidence": [-5.0, -4.0, -4.0, np.nan],
            "log_evidence_error": [0.01, 0.1, 0.1, np.nan],
            "drawn": True,
        },
        index=INDEX,
    )
    criterion = CRITERIA["evidence"]
    chosen = criterion.choose(table, {})
    assert chosen == ("poisson", 2)  # the first of the table
    assert np.isnan(criterion.weights(table, {})).all()
    unknown, near = criterion.doubts(table, chosen)
    assert "family='negative_binomial', n_components=2 has no log_evidence" in unknown
    assert (
        "family='negative_binomial', n_components=1 lies 0.00 below that of family='poisson', "
        "n_components=2" in near
    )
    table["log_evidence"] = np.nan
    with pytest.raises(ValueError, match="No number of components of any family"):
        criterion.choose(table, {})


@pytest.mark.parametrize(
    ("difference", "chosen"),
    [
        ([-30.0, -0.1, -30.0, 0.0], ("poisson", 2)),  # fewer parameters
        ([-0.2, -0.1, -0.3, 0.0], ("poisson", 1)),
        ([-30.0, -0.1, -0.3, 0.0], ("negative_binomial", 1)),
    ],
)
def test_loo_takes_the_smallest_number_and_then_the_fewest_parameters(
    difference, chosen, monkeypatch
):
    compared = pd.DataFrame(
        {"elpd_diff": difference, "dse": 1.0}, index=[str(key) for key in INDEX]
    ).sort_values("elpd_diff", ascending=False)
    criterion = CRITERIA["loo"]
    monkeypatch.setattr(type(criterion), "_compare", staticmethod(lambda fits: compared))
    table = pd.DataFrame({"n_parameters": [2, 5, 3, 7]}, index=INDEX)
    assert criterion.choose(table, dict.fromkeys(INDEX.tolist())) == chosen


def test_an_unresolved_choice_names_the_family(counts, monkeypatch):
    monkeypatch.setattr("skmixreg._assessment.criteria.ERRORS_APART", 1e6)
    monkeypatch.setattr("skmixreg._assessment.candidates.LEAST_PROBABILITY", 1e-300)
    words = "choice of family='negative_binomial', n_components=1 is not resolved: the log"
    model = BayesianMixtureRegressorCV(1, family=COUNTS, solver="laplace", random_state=0)
    with pytest.warns(ConvergenceWarning, match=words):
        model.fit(*counts)
    assert not model.resolved_


def close_call():
    """Few counts of little scatter: both families hold a share."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 60)
    return x[:, None], rng.negative_binomial(30, 30 / (30 + np.exp(1.5 + 0.7 * x)))


def test_average_over_families():
    """By total probability, and without the extra parameters that one family lacks."""
    X, y = close_call()
    model = BayesianMixtureRegressorCV(
        1, family=COUNTS, average=True, solver="laplace", random_state=0
    ).fit(X, y)
    probability = model.criterion_table_["probability"]
    assert probability.min() > 0.05 and len(model.estimators_) == 2
    fits = [(probability[key], single) for key, single in model.estimators_.items()]
    np.testing.assert_allclose(model.predict(X), sum(p * fit.predict(X) for p, fit in fits))
    density = sum(p * np.exp(fit.log_predictive_density(X, y)) for p, fit in fits)
    np.testing.assert_allclose(model.log_predictive_density(X, y), np.log(density))
    assert -1.0 < model.score(X, y) < 1.0
    lower, upper = model.predict_interval(X[:5]).T
    samples = model.sample_y(X[:5], 2000, random_state=0)
    assert ((samples >= lower[:, None]) & (samples <= upper[:, None])).mean() > 0.89
    assert len(model.predict_hdr(X[:5])) == 5
    # What speaks of components is that of the best.
    assert hasattr(model, "shape_") == hasattr(model.best_estimator_, "shape_")
    np.testing.assert_array_equal(
        model.predict_proba(X, y), model.best_estimator_.predict_proba(X, y)
    )
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.slow
def test_average_over_families_in_other_units():
    """Gaussian and Gamma fits standardise y differently."""
    rng = np.random.default_rng(1)
    X = rng.uniform(0.0, 1.0, (80, 1))
    y = rng.gamma(40.0, np.exp(3.0 + 0.4 * X[:, 0]) / 40.0)
    model = BayesianMixtureRegressorCV(
        1, family=["gaussian", "gamma"], average=True, random_state=0
    ).fit(X, y)
    probability = model.criterion_table_["probability"]
    assert probability.min() > 0.02
    parts = [probability[key] * fit.predict(X) for key, fit in model.estimators_.items()]
    np.testing.assert_allclose(model.predict(X), sum(parts))
    quantile = model.predict_quantiles(X, (0.1, 0.9))
    assert (y < quantile[:, 0]).mean() == pytest.approx(0.1, abs=0.09)
    assert (y > quantile[:, 1]).mean() == pytest.approx(0.1, abs=0.09)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
def test_evidence_tells_scatter_from_two_kinds():
    X, y = scattered(500)
    model = BayesianMixtureRegressorCV(range(1, 4), family=COUNTS, random_state=0).fit(X, y)
    assert model.resolved_ and model.best_candidate_ == ("negative_binomial", 1)
    families = model.criterion_table_["probability"].groupby("family").sum()
    assert families["negative_binomial"] > 0.99


@pytest.mark.slow
def test_evidence_tells_two_kinds_from_scatter():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 400)
    y = rng.poisson(np.exp(np.where(rng.random(400) < 0.4, 3.0 + 0.5 * x, 0.5 - 0.5 * x)))
    model = BayesianMixtureRegressorCV(range(1, 4), family=COUNTS, random_state=0)
    model.fit(x[:, None], y)
    assert model.resolved_ and model.best_candidate_ == ("poisson", 2)
    assert model.criterion_table_["probability"].groupby("family").sum()["poisson"] > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_leave_one_out_and_chunks(counts):
    loo = BayesianMixtureRegressorCV((1, 2), family=COUNTS, criterion="loo", random_state=0)
    loo.fit(*counts)
    table = loo.criterion_table_
    assert loo.best_candidate_ == ("negative_binomial", 1) and table["drawn"].all()
    for key, fit in loo.estimators_.items():
        assert table.loc[key, "elpd_loo"] == pytest.approx(fit.loo(*counts).elpd)
    da = pytest.importorskip("dask.array")
    chunks = [da.from_array(np.asarray(values), chunks=100) for values in counts]
    held = cheap(family=COUNTS, solver="auto").fit(*counts)
    there = cheap(family=COUNTS, solver="auto").fit(*chunks)
    pd.testing.assert_frame_equal(there.criterion_table_, held.criterion_table_)
    with pytest.raises(ValueError, match="family='gamma' needs"):
        cheap(family=["gaussian", "gamma"], solver="auto").fit(*chunks)
    single = BayesianMixtureRegressor(1, family="negative_binomial", random_state=7).fit(*counts)
    assert table.loc[("negative_binomial", 1), "log_evidence"] == pytest.approx(
        single.log_evidence_, abs=0.05
    )
