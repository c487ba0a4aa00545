"""Code in the documentation runs: blocks of pages and examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
import linecache
import pkgutil
import re
from pathlib import Path

import pytest

import skmixreg

ROOT = Path(__file__).parents[1]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
# A whole solver, which tests/solvers/test_toy_solver.py runs.
ELSEWHERE = {"add-a-solver.md"}
SLOW = {"pymc.md"}
PAGES = [
    pytest.param(page, marks=[pytest.mark.slow] if page.name in SLOW else [], id=page.name)
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if page.name not in ELSEWHERE and BLOCK.search(page.read_text())
]
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(skmixreg.__path__, "skmixreg.")
    if ">>> " in Path(importlib.util.find_spec(name).origin).read_text()
]


def run(test: doctest.DocTest) -> None:
    """Run a doctest; fail with what doctest says."""
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=said.append, clear_globs=False)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("page", PAGES)
def test_code_of_pages_runs(page, monkeypatch, tmp_path):
    """Blocks of a page share one namespace, in the order of the page."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    namespace: dict[str, object] = {}
    for match in BLOCK.finditer(text):
        kind, code = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if kind == "pycon":
            run(doctest.DocTestParser().get_doctest(code, namespace, page.name, str(page), line))
        else:
            # Line numbers of the page, also in tracebacks and warnings.
            exec(compile("\n" * line + code, str(page), "exec"), namespace)
    linecache.checkcache()


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_docstrings_run(module, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    tests = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    tests = [test for test in tests if test.examples]
    assert tests
    for test in tests:
        run(test)
