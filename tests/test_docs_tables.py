"""Tables in the documentation that are made from the code."""

import importlib
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from skmixreg.solvers import SOLVERS

BENCHMARKS = Path(__file__).parent / "benchmarks"
SCRIPT = BENCHMARKS / "solver_table.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("solver_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_of_solvers_is_up_to_date(script):
    assert script.main(["--check"]) == 0
    page = script.PAGE.read_text()
    for name, solver in SOLVERS.items():
        assert f"| `{name}` | {solver.summary} |" in page


def test_a_changed_row_is_seen_and_mended_and_the_prose_stays(script, tmp_path, capsys):
    page = tmp_path / "page.md"
    shutil.copy(script.PAGE, page)
    committed = page.read_text()
    stale = committed.replace(SOLVERS["laplace"].cost, "nothing at all")
    page.write_text(stale)
    assert script.main(["--check", "--page", str(page)]) == 1
    assert "out of date" in capsys.readouterr().out
    assert page.read_text() == stale
    assert script.main(["--page", str(page)]) == 0
    assert page.read_text() == committed


def test_a_page_without_room_for_the_table_is_rejected(script):
    with pytest.raises(ValueError, match="once"):
        script.with_table("<!-- end of solver table --> <!-- solver table -->", "solver table", "")


def test_tables_of_the_comparison_are_those_of_its_records(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    tables = importlib.import_module("comparison_tables")
    page = (BENCHMARKS.parents[1] / "docs" / "comparison.md").read_text()
    records = json.loads((BENCHMARKS.parent / "reference/measured/comparison.json").read_text())
    assert tables.page_with_tables(page, records) == page
