"""The report of a fit: its numbers are those of the tables, and it says what went wrong."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import two_lines, with_checks
from sklearn.exceptions import NotFittedError

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg._assessment.criteria import CRITERIA
from skmixreg._estimators._reporting import results_text
from skmixreg._estimators._reporting.component_rows import component_rows
from skmixreg._estimators._reporting.fit import Choice
from skmixreg._estimators._reporting.methods_text import estimation_sentences
from skmixreg._estimators._reporting.report_text import report_text
from skmixreg._estimators._reporting.rounding import (
    decimals_of,
    listed,
    probability_in_words,
    rounded,
    total,
    with_interval,
)

NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?"


@pytest.fixture(scope="module")
def lines():
    X, y = two_lines(200)
    return pd.DataFrame({"dose, x[0]": X[:, 0], "age": np.arange(200.0) % 7}), y


@pytest.fixture(scope="module")
def fitted(lines):
    return BayesianMixtureRegressor(solver="laplace", random_state=0).fit(*lines)


@pytest.fixture(scope="module")
def chosen(lines):
    X, y = lines
    return BayesianMixtureRegressorCV((1, 2), solver="laplace", random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def with_roles():
    """A gate, groups, a shared slope and an offset."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(60), 3)
    z = rng.normal(size=60)[group]
    second = (rng.random(60) < 1.0 / (1.0 + np.exp(-z[::3])))[group]
    X = pd.DataFrame(
        {"x": rng.normal(size=180), "v": rng.normal(size=180), "z": z, "t": 0.5, "who": group}
    )
    y = np.where(second, 3.0, -1.0) * X["x"] + X["v"] + X["t"] + 0.2 * rng.normal(size=180)
    return BayesianMixtureRegressor(
        gating_features="z", shared_features="v", offset_feature="t", group_feature="who",
        solver="map", random_state=0,
    ).fit(X, y)  # fmt: skip


def section(report: str, title: str) -> str:
    (found,) = re.findall(rf"^{title}\n(.*?)(?=\n\n[A-Z]\w[^\n]*\n|\Z)", report, re.S | re.M)
    return found


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# ------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("value", "sd", "printed"),
    [
        (2.96512, 0.0361, "2.965"), (0.0279, 0.0202, "0.028"), (-0.00001, 0.01, "0.000"),
        (51234.0, 1234.0, "51200"), (512.4, 12.0, "512"), (1.234, 0.0996, "1.23"),
        (1.0, np.nan, "1.00"), (0.000339, np.nan, "0.000339"), (123456.0, np.nan, "1.23e+05"),
        (1.0, 0.0, "1.00"), (3.21e-8, 2e-9, "3.21e-08"), (4.56789e12, 3.2e9, "4.5679e+12"),
        (np.inf, 1.0, "inf"), (np.nan, 1.0, "nan"),
    ],
)  # fmt: skip
def test_two_digits_of_the_sd_are_printed(value, sd, printed):
    assert rounded(value, sd) == printed


def test_rounding_is_within_half_of_the_last_place():
    rng = np.random.default_rng(0)
    for value, sd in zip(rng.normal(size=500) * 10.0 ** rng.uniform(-6, 6, 500),
                         10.0 ** rng.uniform(-9, 6, 500), strict=True):  # fmt: skip
        place = 10.0 ** -decimals_of(sd)
        assert sd / 100 < place <= sd / 9.4
        assert abs(float(rounded(value, sd)) - value) <= 0.5 * place * (1 + 1e-9)


def test_intervals_shares_and_lists():
    assert with_interval(1.234, 0.1, 1.05, 1.41) == "1.23 (1.05, 1.41)"
    assert with_interval(1.234, np.nan, 1.234, 1.234) == "1.23"
    assert probability_in_words(1.0, 4000) == "> 0.999"
    assert probability_in_words(0.0, 200) == "< 0.01"
    assert probability_in_words(0.31, 4000) == "0.310"
    assert [total(n) for n in (500.0000003, 1e6 + 0.2, 12.34)] == ["500", "1,000,000", "12.3"]
    assert [listed(list("abc"[:n])) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_components_have_the_numbers_of_the_summary(fitted):
    rows = {row.label: row.cells for row in component_rows(fitted._written_up())}
    summary = fitted.summary()
    names = {
        "share": "weights[{}]", "intercept": "intercept[{}]", "sigma": "sigma[{}]",
        "effect of dose, x[0]": "coef[{}, dose, x[0]]", "effect of age": "coef[{}, age]",
    }  # fmt: skip
    assert rows.keys() == names.keys()
    report = section(fitted.report(), "Components")
    for label, name in names.items():
        for k in (0, 1):
            mean, sd, lower, upper = summary.loc[name.format(k)].iloc[:4]
            half = 0.5 * 10.0 ** -decimals_of(sd) * (1 + 1e-9)
            printed = [float(text) for text in re.findall(NUMBER, rows[label][k])]
            np.testing.assert_allclose(printed, [mean, lower, upper], atol=half, rtol=0)
            assert rows[label][k] in report


def test_differences_are_those_of_contrast(fitted):
    text = section(fitted.report(), "Differences between components")
    for parameter, row in fitted.contrast().droplevel([1, 2]).iterrows():
        assert with_interval(*row.iloc[:4]) in text, parameter
    assert "effect of dose, x[0]  1 - 0" in text


def test_shared_parameters_are_told_once(with_roles):
    rows = {row.label: row for row in component_rows(with_roles._written_up())}
    assert rows["effect of v"].shared
    assert len(rows["effect of v"].cells) == 1
    summary = with_roles.summary()["mean"]
    for label, name in [
        ("effect of v", "coef[1, v]"), ("effect of x", "coef[0, x]"), ("sigma", "sigma[0]"),
        ("log odds, intercept", "gating_intercept[0]"), ("share", "weights[0]"),
        ("log odds, effect of z", "gating_coef[0, z]"),
    ]:  # fmt: skip
        assert float(rows[label].cells[0]) == pytest.approx(summary[name], rel=6e-3), label
    text = section(with_roles.report(), "Components")
    assert "all components" in text
    assert text.count("effect of v") == 1


# ------------------------------------------------------------------------------- sentences


def test_model_and_solver_are_named(fitted):
    report = fitted.report()
    model, estimation = (flat(section(report, title)) for title in ("Model", "Estimation"))
    assert "mixture of 2 linear regressions to 200 rows" in model
    assert "dose, x[0] and age" in model
    assert "4000 draws from the posterior by solver 'laplace'" in estimation
    size = fitted.solver_report_["importance_ess"]
    assert f"worth {size:.0f} independent draws" in estimation
    assert "concentration 1." in flat(section(report, "Priors"))
    text = flat(section(report, "Diagnostics"))
    assert "The fit converged" in text
    assert f"k-hat is {fitted.solver_report_['khat']:.2f}" in text
    assert f"marginal likelihood is {fitted.log_evidence_:.2f}" in text
    assert max(map(len, section(report, "Model").splitlines())) <= 88


def test_rows_are_counted_by_their_weights(lines):
    X, y = lines
    model = BayesianMixtureRegressor(solver="map", random_state=0)
    model.fit(X, y, sample_weight=np.full(200, 3.0))
    assert "to 600 rows" in flat(model.report())


def test_rows_of_a_stream_are_all_counted(lines):
    X, y = lines
    model = BayesianMixtureRegressor(solver="cavi", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(X[:120], y[:120]).partial_fit(X[120:], y[120:])
    report = flat(model.report())
    assert "to 200 rows" in report
    assert "an approximation to the posterior" in report


def test_roles_are_named(with_roles):
    text = flat(section(with_roles.report(), "Model"))
    for words in (
        "180 rows in 60 groups (who), whose rows share one membership",
        "Columns with a slope in every component: x.",
        "Columns with one slope for all components: v.",
        "The mixing weights depend on z",
        "The column t is an offset",
    ):
        assert words in text


def test_labels_are_named(lines):
    X, y = lines
    labels = np.where(np.arange(200) < 5, (y * X["dose, x[0]"] > 0).astype(int), -1)
    model = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y, labels=labels)
    assert "Memberships of some rows were known" in flat(model.report())


def test_a_point_has_no_intervals(lines):
    report = BayesianMixtureRegressor(solver="map", random_state=0).fit(*lines).report()
    assert "A point has neither standard errors nor intervals" in flat(report)
    assert "Differences between" not in report
    table = section(report, "Components").partition("\n\n")[2]
    assert not re.search(r"\d \(", table)
    assert "intervals" not in table


def test_chains_are_counted(lines):
    model = BayesianMixtureRegressor(solver="gibbs", random_state=0).fit(*lines)
    text = flat(section(model.report(), "Estimation"))
    chains, draws = model.posterior_.log_prior.shape
    assert f"{chains * draws} draws from the posterior in {chains} chains" in text
    assert f"at least {model.solver_report_['ess_bulk']:.0f} of them effective" in text
    diagnostics = flat(section(model.report(), "Diagnostics"))
    assert f"R-hat is {model.solver_report_['rhat']:.3f} (limit 1.01)" in diagnostics


def test_one_component(lines):
    model = BayesianMixtureRegressor(1, solver="map", random_state=0).fit(*lines)
    assert "one linear regression to 200 rows. In the component responses are" in flat(
        model.report()
    )


def test_a_fit_that_failed_says_so_first(fitted):
    fit = fitted._written_up()
    failures = ["laplace: k-hat is 1.20, over 0.70", "raise n_init"]
    checks = fit.checks.copy()
    checks.loc["khat", "passed"] = False
    posterior = replace(fit.posterior, failures=failures)
    report = report_text(replace(with_checks(fit, checks), posterior=posterior))
    first = flat(report.partition("\n\n")[0])
    assert first.startswith("THIS FIT DID NOT CONVERGE, and the numbers below cannot be trusted")
    for failure in failures:
        assert failure in first
    assert "The fit did not converge: khat did not pass." in flat(report)


def test_a_fit_that_really_failed_says_so_first(lines):
    X, _ = lines
    rng = np.random.default_rng(0)
    model = BayesianMixtureRegressor(4, n_init=1, solver="cavi", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:40], rng.normal(size=40))
    assert not model.converged_
    assert model.report().startswith("THIS FIT DID NOT CONVERGE")


def test_notes_are_told(fitted):
    fit = fitted._written_up()
    checks = fit.checks.copy()
    checks.loc["second_mode_probability"] = [0.3, 0.05, pd.NA, "note: averages mean little"]
    report = flat(report_text(with_checks(fit, checks)))
    assert report.startswith("THE POSTERIOR HAS SEVERAL DISTINCT SOLUTIONS")
    assert "Note on second_mode_probability: averages mean little." in report


def test_a_formula_asks_for_no_table(fitted, monkeypatch):
    formula = fitted.to_latex()
    for table in ("summary", "contrast", "diagnostics"):
        monkeypatch.setattr(type(fitted), table, None)  # a call would fail
    assert fitted.to_latex() == formula


def test_the_verdict_on_modes_is_there(fitted):
    text = flat(section(fitted.report(), "Diagnostics"))
    n = len(fitted.modes_)
    assert f"The search found {n} mode" in text
    assert fitted.diagnostics().loc["modes", "verdict"] in text


# ------------------------------------------------------------------------------- the choice


def test_the_choice_is_that_of_the_table(chosen):
    text = section(chosen.report(), "Choice")
    table = chosen.criterion_table_
    assert "chosen among 2 candidates by the largest marginal likelihood" in flat(text)
    assert "K = 2. Its posterior probability is > 0.999." in flat(text)
    for K, row in table.iterrows():
        (line,) = re.findall(rf"^{K} .*$", text, re.M)
        cells = line.split()
        assert float(cells[1]) == pytest.approx(row["log_evidence"], abs=0.01)
        assert float(cells[2]) == pytest.approx(row["log_evidence_error"], rel=0.06)
    assert "Choice\n" not in chosen.best_estimator_.report()
    assert chosen.to_latex() == chosen.best_estimator_.to_latex()


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_every_criterion_says_what_it_takes(name):
    criterion = CRITERIA[name]
    index = pd.MultiIndex.from_tuples(
        [("gaussian", 1), ("gaussian", 2), ("student_t", 2)], names=["family", "n_components"]
    )
    share = [0.1, 0.2, 0.7] if criterion.weighs else np.nan
    table = pd.DataFrame({criterion.column: [-3.0, -2.5, -1.0], "probability": share}, index=index)
    choice = Choice(criterion, table, ("student_t", 2), True, averaged=criterion.weighs)
    words = " ".join(results_text.choice_sentences(choice))
    assert f"candidates by {criterion.words}: the family student_t with K = 2." in words
    assert ("0.700" in words) == criterion.weighs == ("average" in words)
    head, *lines = results_text.choice_table(choice)
    assert head.split()[:3] == ["family", "n_components", criterion.column]
    assert lines[2].split()[:3] == ["student_t", "2", "-1.00"]


def test_a_choice_that_is_not_resolved_says_so_first(chosen):
    fit = chosen._written_up()
    doubtful = replace(fit, choice=replace(fit.choice, resolved=False))
    assert report_text(doubtful).startswith("THE CHOICE BELOW IS NOT RESOLVED")


@pytest.mark.parametrize("row", [BayesianMixtureRegressor, BayesianMixtureRegressorCV])
@pytest.mark.parametrize("method", ["report", "to_latex"])
def test_without_a_fit_there_is_nothing(row, method):
    with pytest.raises(NotFittedError):
        getattr(row(), method)()


def test_a_solver_of_ones_own_is_named(fitted):
    fit = fitted._written_up()
    posterior = replace(fit.posterior, solver="own")
    assert (
        "solver 'own', chosen by 'laplace'"
        in estimation_sentences(replace(fit, posterior=posterior))[0]
    )
