"""Formulas of fits: every line parses, and says what the fit is."""

from __future__ import annotations

import re
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import responses_of, two_lines
from role_cases import CASES
from role_cases import problem_of as role_problem

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._estimators._reporting.fit import Fit
from skmixreg._estimators._reporting.latex import latex
from skmixreg._estimators._reporting.model_formula import model_lines
from skmixreg._model._roles.column_roles import ColumnRoles
from skmixreg._model.problem import Problem
from skmixreg._model.standardisation import Standardisation
from skmixreg.backgrounds import BACKGROUNDS
from skmixreg.families import FAMILIES, Gaussian, StudentT
from skmixreg.families._distributions.censored import Censored

NAMES = ["x_0", "x 1", "z0%", "z1", "t", "g"]


@pytest.fixture(scope="module")
def parse():
    """Parses every formula of a LaTeX text, or fails; returned are the two blocks."""
    pytest.importorskip("matplotlib")
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")

    def parsed(text: str) -> list[list[str]]:
        blocks = re.findall(r"\\begin\{gather\*\}\n(.*?)\n\\end\{gather\*\}", text, flags=re.DOTALL)
        lines = [[line.removesuffix(r" \\").strip() for line in b.splitlines()] for b in blocks]
        for line in chain(*lines):
            parser.parse(f"${line}$")
        assert len(lines) == 2
        return lines

    return parsed


def written_up(problem: Problem, names=NAMES) -> Fit:
    """What formulas ask, without a fit."""
    priors = {
        name: prior
        for where, prior in problem.prior_table
        for name, row in problem.layout.table.items()
        if row.where == where
    }
    posterior = SimpleNamespace(
        layout=problem.layout, design=problem.design, family=problem.family,
        priors=problem.priors, block_priors=priors, response=problem.design.response,
    )  # fmt: skip
    family = problem.family.of_regressions.without_censoring
    return Fit(posterior, family, None, names, estimator=None)


def plain_problem(family, **options) -> Problem:
    rng = np.random.default_rng(0)
    X = rng.uniform(0.5, 2.0, size=(30, 2))
    y = responses_of(family, rng.normal(size=30))
    if "trials" in family.columns:
        X[:, 1], y = 9.0, np.minimum(y, 9.0)
    if "censoring" in family.columns:
        X[:, 1] = np.arange(30) % 2
    if family.name == "binomial" and not family.columns:
        y = np.minimum(y, 1.0)
    settings = {"n_components": 2, "priors": Priors().resolve(), "fit_intercept": True, **options}
    return Problem.from_arrays(X, y, family=family, **settings)


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"n_components": 1}], ids=str)
def test_formulas_of_every_family_parse(family_name, options, parse):
    family = FAMILIES[family_name]()
    fit = written_up(plain_problem(family, **options))
    model, priors = parse(latex(fit))
    assert fit.notation.density in model[1]
    assert any(r"\mathrm{x\_0}_i" in line for line in model)
    assert sum(line.startswith(r"p(\log") for line in priors) == len(family.extras)
    assert any("b_{0" in line for line in model) == options.get("fit_intercept", True)
    assert (r"\sum" in model[0]) == (options.get("n_components", 2) > 1)


@pytest.mark.parametrize("name", sorted(CASES))
def test_formulas_of_every_role_parse(name, parse):
    case = CASES[name]
    fit = written_up(role_problem(case))
    model, priors = parse(latex(fit))
    text = "\n".join(model)
    several = case.n_components > 1
    assert (r"\exp h_" in text) == (case.gating and several)
    assert (r"\prod_j" in model[0]) == case.group
    assert (r"d_{2} \, \mathrm{x\ 1}_i" in text) == case.shared
    assert (r"\mathrm{t}_i" in text) == case.offset
    assert (r"\pi_{" in model[0]) == case.labels
    assert ("b_{0} " in text) == case.shared_intercept
    assert any("Dirichlet" in line for line in priors) == several


@pytest.mark.parametrize("name", sorted(BACKGROUNDS))
def test_formulas_with_a_background_parse(name, parse):
    family = FAMILIES["poisson" if BACKGROUNDS[name].discrete else "gaussian"]()
    model, priors = parse(latex(written_up(plain_problem(family, background=BACKGROUNDS[name]()))))
    assert r"(1 - v)" in model[0]
    assert any(line.startswith("b(y_i)") for line in model)
    assert any("Beta" in line for line in priors)


ONE_SLOPE = Standardisation(roles=ColumnRoles(slopes=(0,), family=(1,)))


@pytest.mark.parametrize("base", ["gaussian", "weibull", "exponential"])
def test_formulas_of_censored_rows_parse(base, parse):
    problem = plain_problem(Censored(FAMILIES[base](), 1), standardisation=ONE_SLOPE)
    model, _ = parse(latex(written_up(problem)))
    assert r"\Pr(Y_{ik} > y_i) \quad (\mathrm{x\ 1}_i = 1)" in "\n".join(model)


@pytest.mark.parametrize("row", [Gaussian, StudentT])
def test_columns_of_the_family_have_their_names(row, parse):
    problem = plain_problem(row(known_error=1), standardisation=ONE_SLOPE)
    model, _ = parse(latex(written_up(problem, ["a b", "err_"])))
    assert r"\sigma_k^2 + \mathrm{err\_}_i^2" in model[1]


def test_long_predictors_are_broken():
    rng = np.random.default_rng(0)
    problem = Problem.from_arrays(
        rng.normal(size=(60, 11)), rng.normal(size=60), family=Gaussian(), n_components=2,
        priors=Priors().resolve(), fit_intercept=True,
    )  # fmt: skip
    lines = model_lines(written_up(problem, [f"x{j}" for j in range(11)]))
    terms = re.findall(r"b_\{(\d+),?k\}", "\n".join(lines))
    assert terms == [str(j) for j in range(12)]
    assert max(map(len, lines)) < 130


def test_standardised_parameters_are_those_of_the_fit(parse):
    """The formulas of the tildes, with the numbers that are printed, at the draws."""
    X, y = two_lines(80)
    X = 5.0 * X + 2.0
    priors = Priors(coef_scale=1.5, intercept_scale=3.0)
    model = BayesianMixtureRegressor(solver="map", priors=priors, random_state=0).fit(X, y)
    _, lines = parse(model.to_latex())
    text = "\n".join(lines)

    def number(of: str) -> float:
        return float(re.search(rf"{re.escape(of)} = ([-\d.]+)", text).group(1))

    assert number(r"\bar{y}") == pytest.approx(y.mean(), rel=1e-3)
    assert number("s_{1}") == pytest.approx(X.std(), rel=1e-3)
    draws, standardised = model.posterior_, model.posterior_.components
    intercept = draws["intercept"] + number(r"\bar{x}_{1}") * draws["coef"][..., 0]
    intercept = (intercept - number(r"\bar{y}")) / number("s_y")
    np.testing.assert_allclose(intercept, standardised.intercept, atol=1e-3)
    slope = draws["coef"] * number("s_{1}") / number("s_y")
    np.testing.assert_allclose(slope, standardised.coef, rtol=1e-3)
    sigma = np.exp(standardised.extra[..., 0])
    np.testing.assert_allclose(draws["sigma"] / number("s_y"), sigma, rtol=1e-3)
    assert r"\tilde{b}_{0k} \sim \mathrm{N}(0, 3^2)" in lines
    assert r"\tilde{b}_k \sim \mathrm{N}(0, 1.5^2)" in lines
