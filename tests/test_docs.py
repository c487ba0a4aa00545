"""What the documentation must hold: every public name, and links that lead somewhere."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
ROOMS = (
    "",
    ".families",
    ".solvers",
    ".metrics",
    ".model_selection",
    ".inspection",
    ".formula",
    ".adapters",
)
# Modules, and tables of classes that stand on the page one by one.
NOT_LISTED = {
    "BACKGROUNDS",
    "metrics",
    "model_selection",
    "inspection",
    "formula",
    "adapters",
    "__version__",
    "SOLVERS",
    "FAMILIES",
}


def test_every_public_name_is_on_the_api_page():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(), flags=re.MULTILINE))
    names = {name.rpartition(".")[2] for name in listed}
    for room in ROOMS:
        public = set(importlib.import_module(f"skmixreg{room}").__all__) - NOT_LISTED
        assert public <= names, f"skmixreg{room}: {sorted(public - names)} not in docs/api.rst"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    """Sphinx checks those inside the documentation; these lead to other files, too."""
    text = page.read_text()
    # Pages that Sphinx makes out of the examples.
    made = {f"{path.stem}.rst" for path in (ROOT / "examples").glob("*.py")} | {"index.rst"}
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if target.startswith(("http://", "https://")):
            continue
        if target.startswith("auto_examples/"):
            assert Path(target).name in made, target
        else:
            assert (page.parent / target).exists(), target
    for target in re.findall(r"`((?:docs|examples|tests)/[\w/.-]+)`", text):
        assert (ROOT / target).exists(), target


def test_every_page_is_reached_from_the_first():
    todo, seen = ["index"], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        page = DOCS / f"{name}.md"
        if not page.exists():
            continue
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), flags=re.DOTALL):
            entries = [line for line in tree.splitlines() if line and not line.startswith(":")]
            todo += [entry for entry in entries if entry not in seen]
    assert {page.stem for page in DOCS.glob("*.md")} <= seen
