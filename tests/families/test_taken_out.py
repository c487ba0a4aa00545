"""A family can be taken out: its file, its kernels' file and its row of the table are all of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skmixreg
from skmixreg.families import FAMILIES

PACKAGE = Path(skmixreg.__file__).parent
# The default of the estimators; words such as Gaussian also have other meanings.
OTHERS = sorted(set(FAMILIES) - {"gaussian"})


def own_files(name: str) -> set[str]:
    return {f"families/{name}.py", f"families/_kernels/{name}_kernels.py"}


@pytest.mark.parametrize("name", OTHERS)
def test_number_of_other_places_is_zero(name):
    word = re.compile(name.replace("_", "[ _-]?"), flags=re.IGNORECASE)
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if word.search(path.read_text())
    }
    places = found - own_files(name) - {"families/__init__.py"}
    assert not places


@pytest.mark.parametrize("name", OTHERS)
def test_the_package_works_without_it(name, tmp_path):
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in own_files(name):
        (copy / path).unlink()
    table = copy / "families" / "__init__.py"
    row = FAMILIES[name].__name__
    text = re.sub(rf"from \.{name} import .*\n", "", table.read_text())
    text = re.sub(rf'"{row}",?|\b{row}\b,?', "", text)
    assert row not in text
    table.write_text(text)
    code = f"""
import numpy as np
from skmixreg import BayesianMixtureRegressor
X = np.linspace(-1, 1, 20)[:, None]
try:
    BayesianMixtureRegressor(family={name!r}).fit(X, X[:, 0])
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert done.stdout.startswith(f"Unknown family {name!r}; known are 'gaussian'")
