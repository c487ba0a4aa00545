"""Models by formula: the same fits as by hand, from frames as they are."""

from __future__ import annotations

import inspect
import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from conftest import REFERENCE
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline

from skmixreg import (
    BayesianMixtureRegressor,
    BayesianMixtureRegressorCV,
    MissingPackageError,
)
from skmixreg.families import FAMILIES, Binomial, Gaussian
from skmixreg.formula import FormulaTransformer, _transformer, from_formula
from skmixreg.formula._fit import _mixture
from skmixreg.formula._parts import parts_of
from skmixreg.formula._roles import ROLES

pytest.importorskip("formulaic")

# Points, not posteriors: these tests are about the columns.
POINT = {"solver": "map", "random_state": 0}
pytestmark = [
    pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def load(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "roles" / f"{name}.csv")


def made_trial(n: int = 120) -> pd.DataFrame:
    """Two lines, of which the weights depend on age, with columns for every role."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "dose": rng.uniform(-1, 1, n),
            "sex": rng.choice(["f", "m"], n),
            "site": rng.choice(["Bonn", "Lyon", "Turin"], n),
            "age": rng.normal(50, 10, n),
            "baseline": rng.normal(0, 1, n),
            "patient": np.repeat([f"p{i}" for i in range(n // 2)], 2),
            "days": rng.integers(1, 9, n),
            "bar": rng.uniform(0.1, 0.2, n),
            "over": rng.random(n) < 0.2,
        }
    )
    up = rng.random(n) < 1 / (1 + np.exp(-(frame["age"] - 50) / 5))
    frame["y"] = np.where(up, 3.0, -1.0) * frame["dose"] + 0.5 * (frame["sex"] == "m")
    frame["y"] += frame["baseline"] + 0.2 * rng.normal(size=n)
    frame["count"] = rng.poisson(frame["days"] * np.exp(np.where(up, 1.0, 0.2 * frame["dose"])))
    frame["cured"] = rng.binomial(frame["days"], np.where(up, 0.8, 0.2))
    return frame


@pytest.fixture(scope="module")
def trial():
    return made_trial()


@pytest.fixture(scope="module")
def pipe(trial):
    return from_formula("y ~ dose + C(sex) | gate(age)", trial, **POINT)


def mixture(**parameters):
    return BayesianMixtureRegressor(**POINT, **parameters)


def by_hand(*columns: np.ndarray) -> np.ndarray:
    return np.column_stack(columns).astype(float)


def test_the_fit_is_that_of_the_matrix_made_by_hand(trial, pipe):
    X = by_hand(trial["dose"], trial["sex"] == "m", trial["age"])
    model = mixture(gating_features=[2]).fit(X, trial["y"])
    np.testing.assert_array_equal(pipe["mixture"].coef_, model.coef_)
    np.testing.assert_array_equal(pipe["mixture"].gating_coef_, model.gating_coef_)
    np.testing.assert_array_equal(pipe.predict(trial), model.predict(X))
    assert list(pipe.named_steps) == ["formula", "mixture"]


def test_draws_are_those_of_the_matrix_made_by_hand(npreg):
    """An exact posterior, on a line and a parabola."""
    frame = npreg.X[["x"]].assign(y=npreg.y)
    pipe = from_formula("y ~ x + I(x**2)", frame, random_state=1)
    X = by_hand(frame["x"], frame["x"] ** 2)
    model = BayesianMixtureRegressor(random_state=1).fit(X, frame["y"])
    for name in ("coef", "intercept", "weights", "sigma"):
        drawn, expected = pipe["mixture"].posterior_[name], model.posterior_[name]
        np.testing.assert_array_equal(drawn, expected)


def test_columns_are_named_by_terms(pipe):
    names = ["dose", "C(sex)[T.m]", "gate(age)"]
    assert list(pipe["formula"].get_feature_names_out()) == names
    assert list(pipe["mixture"].feature_names_in_) == names
    rows = set(pipe["mixture"].summary().index)
    assert {"coef[0, dose]", "coef[1, C(sex)[T.m]]", "gating_coef[0, gate(age)]"} <= rows


def test_new_rows_are_coded_as_the_rows_of_the_fit(trial):
    pipe = from_formula("y ~ center(dose) + site + bs(age, df=4)", trial, **POINT)
    everything = pipe["formula"].transform(trial)
    mean = trial["dose"].mean()
    np.testing.assert_allclose(everything["center(dose)"], trial["dose"] - mean, atol=1e-15)
    few = trial[trial["site"] == "Lyon"][5:8]
    pd.testing.assert_frame_equal(pipe["formula"].transform(few), everything.loc[few.index])
    np.testing.assert_array_equal(pipe.predict(few), pipe.predict(trial)[few.index])
    # Neither the response nor what the formula does not name is needed.
    bare = few[["age", "site", "dose"]]
    np.testing.assert_array_equal(pipe.predict(bare), pipe.predict(few))


def test_transforming_leaves_what_was_learnt(trial):
    step = FormulaTransformer("y ~ scale(dose) + C(site)").fit(trial)
    before = step.transform(trial)
    step.transform(trial[:3])
    pd.testing.assert_frame_equal(step.transform(trial), before)


@pytest.mark.parametrize("word", [None, "gate", "shared"])
def test_unknown_levels_are_named(trial, word):
    term = "C(site)" if word is None else f"{word}(site)"
    step = FormulaTransformer(f"y ~ dose + {term}").fit(trial)
    with pytest.raises(ValueError, match=r"levels that the fit did not see: \['Rome'\].*'Bonn'"):
        step.transform(trial.assign(site="Rome"))


def test_levels_of_a_category_are_known_before_they_are_seen(trial):
    site = pd.Categorical(trial["site"], categories=["Bonn", "Lyon", "Rome", "Turin"])
    step = FormulaTransformer("y ~ site").fit(trial.assign(site=site))
    new = pd.DataFrame({"site": ["Rome"]})
    assert step.transform(new).iloc[0].to_dict() == {
        "site[T.Lyon]": 0, "site[T.Rome]": 1, "site[T.Turin]": 0
    }  # fmt: skip


def test_levels_that_a_term_leaves_out_are_refused_at_the_fit(trial):
    with pytest.raises(ValueError, match=r"\['Turin'\]"):
        FormulaTransformer("y ~ C(site, levels=['Bonn', 'Lyon'])").fit(trial)


def test_numbers_for_a_category_are_refused(trial):
    """formulaic would fill all columns of the category with them."""
    step = FormulaTransformer("y ~ dose + site").fit(trial)
    with pytest.raises(ValueError, match=r"'site'.*was categorical.*is numerical now"):
        step.transform(trial.assign(site=1.0))


def test_the_formula_says_whether_there_is_an_intercept(trial, pipe):
    assert pipe["mixture"].fit_intercept is True
    for formula in ("y ~ 0 + dose + sex", "y ~ dose + sex - 1"):
        without = from_formula(formula, trial, **POINT)
        assert without["mixture"].fit_intercept is False
        assert list(without["mixture"].feature_names_in_) == ["dose", "sex[f]", "sex[m]"]
        assert not without["mixture"].intercept_.any()
    with pytest.raises(ValueError, match="fit_intercept is what the formula says"):
        from_formula("y ~ dose", trial, fit_intercept=False)


def test_a_formula_without_terms_is_a_mixture_of_distributions(trial):
    pipe = from_formula("y ~ 1", trial, **POINT)
    model = mixture().fit(np.empty((len(trial), 0)), trial["y"])
    np.testing.assert_array_equal(pipe["mixture"].intercept_, model.intercept_)
    assert pipe.predict(trial[:3]).shape == (3,)


def test_a_dot_stands_for_columns_that_are_not_named(trial):
    some = trial[["y", "dose", "sex", "age", "patient"]]
    step = FormulaTransformer("y ~ . | gate(age) + group(patient)").fit(some)
    names = list(step.get_feature_names_out())
    assert names == ["dose", "sex[T.m]", "gate(age)", "group(patient)"]


# -- roles ----------------------------------------------------------------------------------------


def test_every_parameter_that_names_columns_has_a_word():
    named = {role.parameter for role in ROLES.values()}
    parameters = {
        name
        for name in inspect.signature(BayesianMixtureRegressor).parameters
        if name.endswith(("_feature", "_features"))
    }
    options = {option for family in FAMILIES.values() for option in family.column_options}
    # Terms without a word have a slope per component.
    assert named == (parameters - {"component_features"}) | options


DAYS = {"exposure": "days", "trials": "days"}
# Words, with the response, parameters, and the column and parameters of the fit by hand.
OF_ONE_COLUMN = {
    "offset": ("y", {}, "baseline", {"offset_feature": 1}),
    "exposure": ("count", {"family": "poisson"}, "days", {"exposure_feature": 1}),
    "group": ("y", {}, "patient", {"group_feature": 1}),
    "censoring": ("y", {}, "over", {"censoring_feature": 1}),
    "trials": ("cured", {"family": "binomial"}, "days", {"family": Binomial(trials=1)}),
    "known_error": ("y", {}, "bar", {"family": Gaussian(known_error=1)}),
}


@pytest.mark.parametrize("bar", ["+", "|"])
@pytest.mark.parametrize("word", OF_ONE_COLUMN)
def test_a_column_with_a_role(trial, word, bar):
    response, parameters, column, role = OF_ONE_COLUMN[word]
    formula = f"{response} ~ dose {bar} {word}({column})"
    pipe = from_formula(formula, trial, **POINT, **parameters)
    values = pd.factorize(trial[column])[0] if word == "group" else trial[column]
    X = by_hand(trial["dose"], values)
    model = mixture(**{**parameters, **role}).fit(X, trial[response])
    np.testing.assert_array_equal(pipe["mixture"].coef_, model.coef_)
    np.testing.assert_array_equal(pipe.predict(trial), model.predict(X))


def test_words_of_one_column_are_all_tested():
    assert set(OF_ONE_COLUMN) | {"gate", "shared"} == set(ROLES)


def test_terms_with_one_slope_and_terms_of_the_weights(trial):
    pipe = from_formula(
        "y ~ dose + shared(sex + baseline) | gate(age) + gate(site)", trial, **POINT
    )
    X = by_hand(
        trial["dose"], trial["sex"] == "m", trial["baseline"], trial["age"],
        trial["site"] == "Lyon", trial["site"] == "Turin",
    )  # fmt: skip
    model = mixture(shared_features=[1, 2], gating_features=[3, 4, 5]).fit(X, trial["y"])
    np.testing.assert_array_equal(pipe["mixture"].coef_, model.coef_)
    np.testing.assert_array_equal(pipe["mixture"].gating_coef_, model.gating_coef_)
    assert np.ptp(pipe["mixture"].coef_[:, 1:]) > 0 == np.ptp(pipe["mixture"].coef_[:, 1:], 0).max()


def test_a_column_may_have_slopes_and_move_the_weights(trial):
    pipe = from_formula("y ~ dose + age | gate(age)", trial, **POINT)
    model = mixture(component_features="all", gating_features=["age"])
    model.fit(trial[["dose", "age"]], trial["y"])
    np.testing.assert_allclose(pipe["mixture"].coef_, model.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(pipe.predict(trial), model.predict(trial[["dose", "age"]]))


def test_an_expression_in_a_role(trial):
    pipe = from_formula("y ~ dose + offset(2 * baseline - age / 10)", trial, **POINT)
    X = by_hand(trial["dose"], 2 * trial["baseline"] - trial["age"] / 10)
    model = mixture(offset_feature=1).fit(X, trial["y"])
    np.testing.assert_array_equal(pipe["mixture"].coef_, model.coef_)


def test_columns_that_are_no_names_in_python(trial):
    frame = trial.rename(
        columns={"dose": "dose (mg)", "age": "age at entry", "y": "blood pressure"}
    )
    frame = frame.rename(columns={"patient": "the patient"})
    formula = "`blood pressure` ~ `dose (mg)` | gate(`age at entry`) + group(`the patient`)"
    step = FormulaTransformer(formula).fit(frame)
    names = ["dose (mg)", "gate(age at entry)", "group(the patient)"]
    assert list(step.get_feature_names_out()) == names


def test_an_effect_of_treatment_in_centres():
    """Deaths of 22 centres, a membership per centre: flexmix's betablocker."""
    centres = load("betablocker").assign(Center=lambda frame: "c" + frame["Center"].astype(str))
    pipe = from_formula(
        "Deaths ~ Treated | group(Center) + trials(Total)",
        centres, n_components=3, family="binomial", **POINT,
    )  # fmt: skip
    X = load("betablocker")[["Treated", "Total", "Center"]]
    model = mixture(n_components=3, family=Binomial(trials="Total"), group_feature="Center")
    model.fit(X, centres["Deaths"])
    np.testing.assert_allclose(pipe["mixture"].coef_, model.coef_, rtol=1e-6)


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("log(y) ~ dose", r"must be a column.*'log\(y\)'.*log-normal"),
        ("y + age ~ dose", r"must be a column"),
        ("y | age ~ dose", r"must be a column"),
        ("~ dose", r"no response"),
        ("dose", r"no response"),
        ("z ~ dose", r"'z' is no column of data"),
        ("y ~ dsoe", r"`dsoe` is not present"),
        ("y ~ dose +", r"In the formula 'y ~ dose \+'"),
        ("y ~ dose | patient", r"'patient' stands after '\|'.*group\(\.\.\.\)"),
        ("y ~ dose:gate(age)", r"multiplies a column that has a role"),
        ("y ~ dose | offset(baseline) + offset(age)", r"takes one column, but stands there twice"),
        ("y ~ dose | group(patient) + group(site)", r"takes one column, but stands there twice"),
        ("y ~ dose | group(patient + site)", r"as it is"),
        ("y ~ dose | group(centre)", r"group\(centre\): the frame has columns"),
        ("y ~ dose | offset(site)", r"must be one column of numbers"),
        ("y ~ dose + age + shared(age)", r"'age' has a slope per component and"),
        ("y ~ dose + trials(days)", r"needs family='binomial', got 'gaussian'"),
        ("y ~ dose + gate(age, sex)", r"In the formula"),
        ("y ~ dose + gate(age | sex)", r"has parts"),
        ("y ~ `gate(age)`", r"reads like a role"),
    ],
)
def test_what_a_formula_cannot_say(trial, formula, words):
    with pytest.raises(ValueError, match=words):
        from_formula(formula, trial.assign(**{"gate(age)": 1.0}), **POINT)


def test_a_role_is_given_once(trial):
    with pytest.raises(ValueError, match="gating_features is what the formula says"):
        from_formula("y ~ dose | gate(age)", trial, gating_features=["age"])
    with pytest.raises(ValueError, match="names a column for it, too"):
        from_formula("cured ~ dose + trials(days)", trial, family=Binomial(trials="days"))
    # What it does not say may still be named.
    pipe = from_formula("y ~ dose + age", trial, gating_features=["age"], **POINT)
    assert pipe["mixture"].coef_.shape == (2, 1)


def test_what_is_no_frame_or_formula(trial):
    with pytest.raises(TypeError, match="needs a pandas or polars frame"):
        from_formula("y ~ dose", trial.to_numpy())
    with pytest.raises(TypeError, match="formula must be a string"):
        from_formula(["dose"], trial)
    with pytest.raises(TypeError, match="needs a pandas or polars frame"):
        FormulaTransformer("dose").fit(trial).transform(np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"needs columns \['dose'\]"):
        FormulaTransformer("dose").fit(trial).transform(trial[["age"]])


def test_dates_are_refused_as_in_any_other_frame(trial):
    frame = trial.assign(when=pd.Timestamp("2020-01-01"))
    with pytest.raises(ValueError, match=r"'when'.*dates"):
        from_formula("y ~ dose + when", frame, **POINT)


def test_missing_package(trial, monkeypatch):
    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(MissingPackageError, match=r"pip install \"skmixreg\[formula\]\""):
        from_formula("y ~ dose", trial)


# -- rows -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_gaps(trial):
    frame = trial.copy()
    frame.loc[3, "dose"] = np.nan
    frame.loc[7, "site"] = None
    frame.loc[11, "y"] = np.nan
    frame.loc[13, "patient"] = None
    frame.loc[17, "baseline"] = np.nan  # not in the formula
    return frame


FORMULA_OF_GAPS = "y ~ center(dose) + site | group(patient)"


@pytest.mark.parametrize("kind", ["pandas", "shuffled index", "polars"])
def test_rows_with_missing_values_are_left_out_with_their_weights(trial, with_gaps, kind):
    n = len(trial)
    weights = np.repeat(np.random.default_rng(0).integers(1, 4, n // 2), 2)
    labels = np.full(n, -1)
    labels[:8] = [0, 0, 1, 1, 0, 0, 1, 1]
    frame = with_gaps
    if kind == "shuffled index":
        frame = frame.set_index(np.random.default_rng(1).permutation(n))
    elif kind == "polars":
        frame = pl.from_pandas(frame)
    with pytest.warns(UserWarning, match=r"4 of 120 rows have missing values in \['") as said:
        pipe = from_formula(FORMULA_OF_GAPS, frame, sample_weight=weights, labels=labels, **POINT)
    assert said[0].filename == __file__
    kept = ~np.isin(np.arange(n), [3, 7, 11, 13])
    rest = trial[kept].reset_index(drop=True)
    same = from_formula(
        FORMULA_OF_GAPS, rest, sample_weight=weights[kept], labels=labels[kept], **POINT
    )
    np.testing.assert_array_equal(pipe["mixture"].coef_, same["mixture"].coef_)
    without = from_formula(FORMULA_OF_GAPS, rest, **POINT)
    assert (pipe["mixture"].coef_ != without["mixture"].coef_).all()


def test_missing_values_elsewhere_are_errors(trial, with_gaps, pipe):
    with pytest.raises(ValueError, match=r"4 of 120 rows have missing values.*na_action='drop'"):
        from_formula(FORMULA_OF_GAPS, with_gaps, na_action="raise")
    with pytest.raises(ValueError, match=r"1 of 120 rows have missing values in \['dose'\]"):
        pipe.predict(with_gaps)
    with pytest.raises(ValueError, match=r"missing values in \['dose'\]"):
        clone(pipe).fit(with_gaps, trial["y"])
    with pytest.raises(ValueError, match="none is left"):
        from_formula("y ~ dose", trial.assign(dose=np.nan))
    with pytest.raises(ValueError, match="na_action must be"):
        from_formula("y ~ dose", trial, na_action="ignore")
    with pytest.raises(ValueError, match=r"null values after evaluation"):
        from_formula("y ~ lag(dose)", trial, **POINT)


def test_weights_count_rows(trial):
    weights = np.random.default_rng(0).integers(1, 4, len(trial))
    weighted = from_formula("y ~ dose + sex", trial, sample_weight=weights, **POINT)
    repeated = from_formula("y ~ dose + sex", trial.loc[trial.index.repeat(weights)], **POINT)
    np.testing.assert_allclose(
        weighted["mixture"].coef_, repeated["mixture"].coef_, rtol=1e-6, atol=1e-9
    )


def test_weights_in_another_order_are_refused(trial):
    weights = pd.Series(np.arange(1.0, len(trial) + 1), index=trial.index)
    with pytest.raises(ValueError, match="sample_weight has another index than data"):
        from_formula("y ~ dose", trial, sample_weight=weights[::-1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        from_formula("y ~ dose", trial, sample_weight=weights[:5])
    from_formula("y ~ dose", trial, sample_weight=weights, **POINT)


# -- among other tools ----------------------------------------------------------------------------


@pytest.mark.parametrize("site", [pl.String, pl.Categorical, pl.Enum(["Bonn", "Lyon", "Turin"])])
def test_polars(trial, site):
    formula = "y ~ dose + site | gate(age)"
    frame = pl.from_pandas(trial).with_columns(pl.col("site").cast(site))
    ours = from_formula(formula, frame, **POINT)
    theirs = from_formula(formula, trial, **POINT)
    names = [set(pipe["mixture"].feature_names_in_) for pipe in (ours, theirs)]
    if site != pl.Categorical:  # whose levels are in the order of their appearance
        assert names[0] == names[1]
        np.testing.assert_array_equal(ours["mixture"].coef_, theirs["mixture"].coef_)
    step = FormulaTransformer("dose * site | group(patient)")
    assert list(step.fit_transform(frame)["group(patient)"]) == list(trial["patient"])
    # Fitted to one kind of frame, asked with another.
    np.testing.assert_allclose(ours.predict(trial), theirs.predict(frame), rtol=1e-6)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_other_types_of_pandas(trial, backend):
    formula = "y ~ dose + site + days | group(patient)"
    ours = from_formula(formula, trial.convert_dtypes(dtype_backend=backend), **POINT)
    theirs = from_formula(formula, trial, **POINT)
    np.testing.assert_array_equal(ours["mixture"].coef_, theirs["mixture"].coef_)


def test_clone_and_pickle(trial, pipe):
    for again in (clone(pipe).fit(trial, trial["y"]), pickle.loads(pickle.dumps(pipe))):
        np.testing.assert_array_equal(again["mixture"].coef_, pipe["mixture"].coef_)
        np.testing.assert_array_equal(again.predict(trial[:9]), pipe.predict(trial[:9]))
    assert clone(pipe)["mixture"].get_params()["gating_features"] is not None


def test_a_formula_is_read_once(trial, pipe, monkeypatch):
    read = []

    def counted(formula, columns):
        read.append(formula)
        return parts_of(formula, columns)

    monkeypatch.setattr(_transformer, "parts_of", counted)
    formula = "y ~ dose + C(sex) | gate(age)"
    again = from_formula(formula, trial, **POINT)
    assert read == [formula]
    step = clone(again["formula"])
    assert step.get_params() == {"formula": formula, "context": None}
    pd.testing.assert_frame_equal(step.fit_transform(trial), again[:-1].transform(trial))
    assert read == [formula] * 2


def test_cross_validation_on_the_frame(trial, pipe):
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(pipe, trial, trial["y"], cv=folds)
    expected = []
    for train, test in folds.split(trial):
        fit = from_formula("y ~ dose + C(sex) | gate(age)", trial.iloc[train], **POINT)
        expected.append(fit.score(trial.iloc[test], trial["y"].iloc[test]))
    np.testing.assert_array_equal(scores, expected)
    search = GridSearchCV(pipe, {"mixture__n_components": [1, 2]}, cv=folds)
    assert search.fit(trial, trial["y"]).best_params_ == {"mixture__n_components": 2}


def test_configurations_of_scikit_learn(trial, pipe):
    with sklearn.config_context(enable_metadata_routing=True, transform_output="polars"):
        weighted = from_formula(
            "y ~ dose + C(sex) | gate(age)", trial, sample_weight=np.ones(len(trial)), **POINT
        )
        predicted = weighted.predict(trial)
    np.testing.assert_allclose(predicted, pipe.predict(trial), rtol=1e-6)


def double(x):
    return 2 * x


def test_functions_of_ones_own(trial):
    pipe = from_formula("y ~ double(dose)", trial, context={"double": double}, **POINT)
    again = pickle.loads(pickle.dumps(clone(pipe).fit(trial, trial["y"])))
    X = by_hand(2 * trial["dose"])
    np.testing.assert_array_equal(again.predict(trial), mixture().fit(X, trial["y"]).predict(X))
    with pytest.raises(ValueError, match="double"):  # names of the caller are not looked at
        from_formula("y ~ double(dose)", trial, **POINT)


def test_a_choice_of_components_or_families(trial):
    choice = from_formula(
        "y ~ dose + sex + offset(baseline)", trial, n_components=range(1, 3), criterion="bic",
        random_state=0,
    )  # fmt: skip
    assert isinstance(choice, Pipeline)
    model = choice["mixture"]
    assert isinstance(model, BayesianMixtureRegressorCV)
    assert model.offset_feature == "offset(baseline)"
    assert model.n_components_ == 2
    assert list(choice["mixture"].criterion_table_.index) == [1, 2]


def test_families_that_take_the_column_of_a_formula(trial):
    parts = parts_of("y ~ dose + known_error(bar)", list(trial.columns))
    families = _mixture(parts, {"family": ["gaussian", "student_t"]}).family
    assert [family.known_error for family in families] == ["known_error(bar)"] * 2
    with pytest.raises(ValueError, match="needs family='gaussian' or 'student_t', got 'gamma'"):
        _mixture(parts, {"family": ["gaussian", "gamma"]})
