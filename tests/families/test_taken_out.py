"""A family can be taken out: its files and its row of the table are all of it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skmixreg
from skmixreg.families import FAMILIES

PACKAGE = Path(skmixreg.__file__).parent
# The default of the estimators.
OTHERS = sorted(set(FAMILIES) - {"gaussian"})
# PyMC's word for an inverse temperature.
HOMONYMS = {"beta": "solvers/_smc/"}


def own_files(name: str) -> set[str]:
    """The class, what stands beside it under its name, and its kernels."""
    patterns = (f"{name}.py", f"_distributions/{name}_*.py", f"_kernels/{name}_kernels.py")
    found = [path for pattern in patterns for path in (PACKAGE / "families").glob(pattern)]
    return {path.relative_to(PACKAGE).as_posix() for path in found}


def words_of_code(path: Path) -> set[str]:
    """Names, parts of imported modules, and strings; the distribution may be called by its name."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            # Draws of a distribution, or PyMC's of that name, are no mention of its family.
            if not (isinstance(node.value, ast.Name) and node.value.id in ("rng", "pm")):
                words.add(node.attr)
        elif isinstance(node, ast.alias):
            words.update(node.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            words.update((node.module or "").split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
            # As a docstring or a message would tell users to write it.
            words.update(re.findall(r"family=[\"'](\w+)", node.value))
    return words


@pytest.mark.parametrize("name", OTHERS)
def test_number_of_other_places_is_zero(name):
    row = FAMILIES[name]
    telling = {
        name, f"{name}_kernels", row.__name__, type(row().kernel_settings()).__name__,
    }  # fmt: skip
    places = set()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        other = {name} if name in HOMONYMS and place.startswith(HOMONYMS[name]) else set()
        if (telling - other) & words_of_code(path):
            places.add(place)
    assert places - own_files(name) == {"families/__init__.py"}


IMPORT_ALL = """
import importlib, pkgutil
import skmixreg
for module in pkgutil.walk_packages(skmixreg.__path__, "skmixreg."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if error.name.startswith("skmixreg"):
            raise  # else a package that is an extra
try:
    skmixreg.BayesianMixtureRegressor(family={name!r}).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["poisson", "student_t"])
def test_the_package_works_without_it(name, tmp_path):
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in own_files(name):
        (copy / path).unlink()
    table = copy / "families" / "__init__.py"
    row = FAMILIES[name].__name__
    text = re.sub(rf"from \.{name} import .*\n", "", table.read_text())
    text = re.sub(rf'"{row}",?|\b{row}\b,?', "", text)
    assert not re.search(rf"\b{row}\b", text)
    table.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL.format(name=name)], cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Unknown family {name!r}; known are 'gaussian'")
