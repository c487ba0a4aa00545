"""How families, backgrounds and priors are written: every row of the tables, in mathtext."""

from __future__ import annotations

import numpy as np
import pytest
from log_densities import family_of

from skmixreg import Gaussian, Priors
from skmixreg.backgrounds import BACKGROUNDS
from skmixreg.backgrounds._prior import LogOddsPrior
from skmixreg.families import FAMILIES, Binomial, Family, Poisson, StudentT
from skmixreg.families._base import Extra
from skmixreg.families._distributions.notation import scale_of, upright


@pytest.fixture(scope="module")
def parse():
    """Parses a formula, or fails."""
    pytest.importorskip("matplotlib")
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    return lambda formula: parser.parse(f"${formula}$")


def test_every_family_states_itself(family_name, parse):
    row = FAMILIES[family_name]
    assert "notation" in vars(row), f"{row.__name__} needs a method notation of its own"
    family = family_of(family_name)
    columns = [rf"\mathrm{{c}}_{{{j}}}" for j in range(len(family.columns))]
    notation = family.notation(*family.symbols, *columns)
    for formula in (notation.density, notation.link):
        parse(formula)
    for symbol in (*family.symbols, *columns):
        assert symbol in notation.density
    assert "y_i" in notation.density
    # What the link is of stands in the density.
    assert any(of in notation.density and of in notation.link for of in ("mu", "lambda", "p_{ik}"))
    assert (r"\log" in notation.link) == (family.link != "identity" and family_name != "lognormal")
    assert notation.words != Family.notation(family, *family.symbols).words


def test_a_family_of_ones_own_has_a_formula(parse):
    notation = Family.notation(Poisson(), r"\phi_k")
    parse(notation.density)
    assert notation.density == r"\mathrm{poisson}(y_i \mid \eta_{ik}, \phi_k)"


def test_options_are_seen():
    shared, known = Gaussian(shared_sigma=True), Gaussian(known_error="err")
    assert shared.notation(*shared.symbols).density.endswith(r"\sigma^2)")
    density = known.notation(*known.symbols, r"\mathrm{err}_i").density
    assert density.endswith(r"\sigma_k^2 + \mathrm{err}_i^2)")
    assert "_{3}(" in StudentT(df=3).notation(r"\sigma_k").density
    estimated = StudentT(df=None, known_error="err")
    symbols = *estimated.symbols, "s_i"
    assert r"_{\nu_k}(" in estimated.notation(*symbols).density
    assert r"\sigma_k^2 + s_i^2" in estimated.notation(*symbols).density
    assert r"\mid 1, p_{ik}" in Binomial().notation().density


@pytest.mark.parametrize("name", sorted(BACKGROUNDS))
def test_every_background_states_itself(name, parse):
    row = BACKGROUNDS[name]
    assert "notation" in vars(row)
    y = np.array([-1.0, 3.0])
    standardised = row().standardised(y, np.ones(2), 1.0, 2.0)
    notation = standardised.notation(1.0, 2.0)
    parse(notation.density)
    same = row().standardised(y, np.ones(2), 0.0, 1.0).notation(0.0, 1.0)
    assert notation == same  # in units of y, whatever it was standardised by


def test_priors_are_written(family_name, parse):
    family = family_of(family_name)
    for extra, prior in zip(
        family.extras, family.extra_priors(Priors(sigma_ceiling=1.25).resolve()), strict=True
    ):
        parse(prior.latex(scale_of("s", extra.power, extra.least, extra.unit)))
        assert prior.words
    parse(LogOddsPrior(1.0, 2.0).latex("v"))


EXTRAS = [extra for row in FAMILIES.values() for extra in row().extras]
EXTRAS += [*StudentT(df=None).extras, Extra("x", False, power=-2.0, least=1.0, unit=3.0)]


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.name)
def test_what_has_the_prior_is_the_exponential_of_the_coordinate(extra):
    written = scale_of("s", extra.power, extra.least, extra.unit)
    code = written.replace("^{", "**(").replace("}", ")")
    at = 0.37
    assert eval(code, {"s": float(extra.natural(at))}) == pytest.approx(np.exp(at))


@pytest.mark.parametrize(
    "name", ["age", "body mass", "a_b", "50%", "$", "a{b}", "a\\b", "x^2", "x~y", "it's", "é", "#&"]
)
def test_names_are_escaped(name, parse):
    # Mathtext does not know these two of LaTeX.
    parse(rf"b_k \, {upright(name)}_i".replace(r"\&", "n").replace(r"\#", "n"))
    inside = upright(name).removeprefix(r"\mathrm{").removesuffix("}")
    bare = inside.replace("\\\\", "")
    for letter in "_%$#&{}":
        for at in range(len(bare)):
            assert bare[at] != letter or bare[at - 1] == "\\"
