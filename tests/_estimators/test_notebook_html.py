"""What notebooks show of a fit."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from conftest import two_lines, with_checks
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg._estimators._reporting.notebook import MOST_COMPONENTS, MOST_ROWS, notebook_block

EVIL = "<script>alert('x')</script> & co"


@pytest.fixture(scope="module")
def fitted():
    X, y = two_lines(150)
    frame = pd.DataFrame({EVIL: X[:, 0]})
    return BayesianMixtureRegressor(solver="laplace", random_state=0).fit(frame, y)


class Cells(HTMLParser):
    """Text of every cell; fails where tags are not closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def block_of(model) -> str:
    html = model._repr_html_()
    return html[html.index('<div class="skmixreg-fit">') :]


def test_the_block_stands_below_the_diagram(fitted):
    html = fitted._repr_html_()
    counted = re.compile(r"sk-[a-z]+-id-\d+")
    diagram = counted.sub("", estimator_html_repr(fitted))
    assert counted.sub("", html).startswith(diagram)
    assert "skmixreg-fit" not in diagram
    assert fitted._repr_mimebundle_()["text/html"].count('class="skmixreg-fit"') == 1


def test_the_table_is_that_of_the_summary(fitted):
    cells = Cells(block_of(fitted))
    head, *rows = cells.rows
    assert head == ["", "component 0", "component 1"]
    assert [row[0] for row in rows] == ["share", "intercept", f"effect of {EVIL}", "sigma"]
    mean = fitted.summary()["mean"].to_numpy()
    printed = [float(cell.partition(" ")[0]) for row in rows for cell in row[1:]]
    np.testing.assert_allclose(printed, mean, atol=2e-3)
    assert "Converged" in block_of(fitted)


def test_names_are_escaped_and_nothing_comes_from_elsewhere(fitted):
    block = notebook_block(fitted._written_up())
    assert "<script" not in block
    assert not re.search(r"https?:|url\(|src=|href=|@import", block)
    plain = {"style", "div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert Cells(block).tags <= plain


def test_text_takes_the_colour_of_the_page(fitted):
    style = notebook_block(fitted._written_up()).partition("</style>")[0]
    colours = re.findall(r"(?<!-)\bcolor: ([^;]+);", style)
    assert set(colours) == {"inherit"}
    assert set(re.findall(r"background: ([^;]+);", style)) == {"transparent"}


@pytest.mark.parametrize("row", [BayesianMixtureRegressor, BayesianMixtureRegressorCV])
def test_unfitted_there_is_the_diagram_alone(row):
    html = row()._repr_html_()
    assert "sk-top-container" in html
    assert "skmixreg-fit" not in html


def test_display_as_text(fitted):
    with config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")
        assert fitted._repr_mimebundle_() == {"text/plain": repr(fitted)}


def test_pipelines_show_their_diagram(fitted):
    X, y = two_lines(100)
    model = BayesianMixtureRegressor(solver="map", random_state=0)
    pipeline = make_pipeline(StandardScaler(), model)
    for each in (pipeline, pipeline.fit(X, y)):
        html = each._repr_html_()
        assert "StandardScaler" in html
        assert "BayesianMixtureRegressor" in html
        assert "skmixreg-fit" not in html
    assert "Parameters at the mode; a point has no intervals." in block_of(pipeline[-1])


def test_a_fit_that_failed_says_why_first(fitted):
    fit = fitted._written_up()
    failed = replace(fit, posterior=replace(fit.posterior, failures=["k-hat <is> 1.2"]))
    block = notebook_block(failed)
    Cells(block)
    assert block.index("cannot be trusted") < block.index("<table>")
    assert "k-hat &lt;is&gt; 1.2" in block
    assert "<strong>Converged" not in block


def test_notes_are_shown(fitted):
    fit = fitted._written_up()
    checks = fit.checks.copy()
    checks.loc["ambiguous_share"] = [0.3, 0.1, pd.NA, "note: labels could be exchanged"]
    assert "Note: labels could be exchanged" in notebook_block(with_checks(fit, checks))


def test_every_table_is_asked_for_at_most_once(fitted, monkeypatch):
    asked = []
    for table in ("summary", "contrast", "diagnostics"):
        own = getattr(fitted, table)

        def counted(*args, own=own, table=table, **kwargs):
            asked.append(table)
            return own(*args, **kwargs)

        monkeypatch.setattr(fitted, table, counted)
    fitted._repr_html_()
    assert sorted(asked) == ["diagnostics", "summary"]
    fitted.report()
    assert sorted(asked[2:]) == ["contrast", "diagnostics", "summary"]


def test_a_choice_shows_its_best_fit():
    X, y = two_lines(150)
    model = BayesianMixtureRegressorCV((1, 2), solver="laplace", random_state=0).fit(X, y)
    assert Cells(block_of(model)).rows[0] == ["", "component 0", "component 1"]
    doubtful = model._written_up()
    doubtful = replace(doubtful, choice=replace(doubtful.choice, resolved=False))
    assert "not resolved" in notebook_block(doubtful)


def test_wide_fits_are_cut():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 20))
    y = X[:, 0] + rng.normal(size=300)
    model = BayesianMixtureRegressor(1, solver="map", random_state=0).fit(X, y)
    cells = Cells(block_of(model))
    assert len(cells.rows) == 1 + MOST_ROWS
    assert "8 parameters more are in summary()" in block_of(model)
    assert MOST_COMPONENTS < MOST_ROWS
