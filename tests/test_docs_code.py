"""Code in the documentation runs: blocks of pages and examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shutil
import warnings
from pathlib import Path

import pytest
from conftest import two_lines
from sklearn.base import clone

import skmixreg

ROOT = Path(__file__).parents[1]
FROM_R = ROOT / "tests" / "reference" / "from_r"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
# Pages and examples may show fits that fail, and candidates that have to warn.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning"),
]
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
# A whole solver and a whole family, which tests/solvers and tests/families run.
ELSEWHERE = {"add-a-solver.md", "add-a-family.md"}
# They sample in PyMC, search over many numbers of components, or compile every family.
SLOW = {
    "choosing-k.md",
    "backgrounds.md",
    "coming-from-flexmix.md",
    "coming-from-pymc.md",
    "coming-from-stata-fmm.md",
    "families.md",
    "pymc.md",
    "reading-the-diagnostics.md",
    "skmixreg._estimators.fitted",
    "skmixreg.inspection._gating",
    "skmixreg.model_selection",
}


def case(value: object, name: str):
    return pytest.param(value, marks=[pytest.mark.slow] if name in SLOW else [], id=name)


PAGES = [
    case(page, page.name)
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if page.name not in ELSEWHERE and BLOCK.search(page.read_text())
]
MODULES = [
    case(name, name)
    for _, name, _ in pkgutil.walk_packages(skmixreg.__path__, "skmixreg.")
    if ">>> " in Path(importlib.util.find_spec(name).origin).read_text()
]


class Checker(doctest.OutputChecker):
    """An example that shows no output may have one."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


def run(test: doctest.DocTest) -> None:
    """Run a doctest; fail with what doctest says."""
    said: list[str] = []
    runner = doctest.DocTestRunner(checker=Checker(), optionflags=FLAGS)
    runner.run(test, out=said.append, clear_globs=False)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("page", PAGES)
def test_code_of_pages_runs(page, monkeypatch, tmp_path):
    """Blocks of a page share one namespace, in the order of the page."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    # What the code in R of the page writes.
    for name in re.findall(r'^write\.csv\(\w+, "(\w+\.csv)"', text, flags=re.MULTILINE):
        shutil.copy(FROM_R / name, tmp_path)
    namespace: dict[str, object] = {}
    if page.name.startswith("coming-from-"):  # their data have several solutions, as they say
        warnings.simplefilter("ignore", skmixreg.MultimodalPosteriorWarning)
    for match in BLOCK.finditer(text):
        kind, code = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if kind == "pycon":
            test = doctest.DocTestParser().get_doctest(code, namespace, page.name, str(page), line)
            run(test)
            namespace |= test.globs  # it works on a copy
        else:
            # With the line numbers of the page.
            exec(compile("\n" * line + code, str(page), "exec"), namespace)


@pytest.fixture(scope="module")
def given():
    """What short examples take as given; marked +SKIP, they run nowhere else."""
    import arviz

    X, y = two_lines(300)
    X_new, y_new = two_lines(100, seed=1)
    model = skmixreg.BayesianMixtureRegressor(random_state=0).fit(X, y)
    streamed = skmixreg.BayesianMixtureRegressor(solver="cavi", random_state=0).partial_fit(X, y)
    table = skmixreg.BayesianMixtureRegressorCV(range(1, 3), random_state=0).fit(X, y)
    return {
        "BayesianMixtureRegressor": skmixreg.BayesianMixtureRegressor,
        "X": X,
        "X_new": X_new,
        "arviz": arviz,
        "clone": clone,
        "model": model,
        "streamed": streamed,
        "table": table.criterion_table_,
        "three": clone(model).set_params(n_components=3).fit(X, y),
        "two": model,
        "y": y,
        "y_new": y_new,
    }


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_docstrings_run(module, given, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    if "_skpro" in module:
        pytest.importorskip("skpro")
    tests = doctest.DocTestFinder(exclude_empty=True).find(
        importlib.import_module(module), extraglobs=given
    )
    tests = [test for test in tests if test.examples]
    assert tests
    for test in tests:
        for example in test.examples:
            example.options.pop(doctest.SKIP, None)
        run(test)
