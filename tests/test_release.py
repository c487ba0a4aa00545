"""What is released: its metadata, the files in it, and that it works where nothing else is."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import skmixreg

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
RELATIVE_LINK = re.compile(r"\]\((?!https?://)")
# Those that ship without being asked: the project's own metadata.
DOTFILES = {".gitignore"}
FIT = """
import importlib.util
import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

warnings.simplefilter("error")
import skmixreg

assert skmixreg.__file__.startswith(sys.prefix), skmixreg.__file__
for extra in ("pytest", "hypothesis", "mypy", "sphinx", "polars", "dask", "jax", "nutpie"):
    assert importlib.util.find_spec(extra) is None, extra
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, 200)
y = np.where(rng.random(200) < 0.5, 3 * x, -x) + rng.normal(0, 0.1, 200)
for solver in ("map", "laplace"):
    model = skmixreg.BayesianMixtureRegressor(solver=solver, random_state=0).fit(x[:, None], y)
    np.testing.assert_allclose(model.coef_.ravel(), [-1, 3], atol=0.1)
    assert len(model.summary())
"""


def read_me():
    """The README as it is where the repository is not."""
    hook = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = "".join((ROOT / fragment["path"]).read_text() for fragment in hook["fragments"])
    for change in hook["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    return text


def test_links_of_the_readme_hold_outside_of_the_repository():
    written = (ROOT / "README.md").read_text()
    assert RELATIVE_LINK.search(written)  # there is something to change
    text = read_me()
    assert not RELATIVE_LINK.search(text)
    assert text.count("```") == written.count("```")
    for kept in re.findall(r"```.*?```", written, flags=re.DOTALL):
        assert kept in text


def test_the_address_is_the_same_wherever_it_stands():
    """No address, no links; one address, links that begin with it."""
    hook = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    replacement = hook["substitutions"][0]["replacement"]
    if "urls" in PROJECT:
        assert replacement.startswith(rf"[\1]({PROJECT['urls']['Source']}/")
    else:
        assert replacement == r"\1"
        assert "http" not in (ROOT / "docs" / "citation.md").read_text()


def test_the_page_on_versions_has_the_bounds_and_the_pythons():
    page = (ROOT / "docs" / "versions.md").read_text()
    rows = re.findall(r"^\| ([a-z-]+) \| ([<>=\d.,]+) \|$", page, flags=re.MULTILINE)
    assert [name + versions for name, versions in rows] == PROJECT["dependencies"]
    pythons = [
        line.rpartition(" ")[2]
        for line in PROJECT["classifiers"]
        if re.search(r"Python :: 3\.\d+$", line)
    ]
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    assert " and ".join(pythons) in page
    assert " or ".join(pythons) in (ROOT / "README.md").read_text()


def test_pages_name_the_present_version():
    for page in ("changelog", "citation"):
        assert skmixreg.__version__ in (ROOT / "docs" / f"{page}.md").read_text()


def test_extras_bound_a_package_as_the_dependencies_do():
    """A package that stands in several lists has one bound."""
    seen = {}
    for lines in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]:
        for line in lines:
            name = re.split(r"[<>=]", line)[0]
            assert seen.setdefault(name, line) == line


def test_the_hosted_run_calls_the_script_and_nothing_else():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"run: (.*)", text) == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def pip(python, *arguments):
    """Run pip; skip where it finds no index of packages."""
    done = subprocess.run(
        [python, "-m", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=600
    )
    if re.search("No matching distribution found|NewConnectionError|ConnectTimeout", done.stderr):
        pytest.skip(f"pip cannot resolve packages here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr


def environment(folder):
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution, and the wheel that is built out of it."""
    folder = tmp_path_factory.mktemp("release")
    python = environment(folder / "build")
    pip(python, "pip", "install", "--quiet", "build")
    pip(python, "build", "--outdir", folder / "dist", ROOT)
    [sdist], [wheel] = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return sdist, wheel


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        message = message_from_bytes(wheel.read(metadata))
    info = metadata.rpartition("/")[0]
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "skmixreg").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert {name for name in names if not name.startswith(f"{info}/")} == sources
    assert "skmixreg/py.typed" in names
    assert f"{info}/licenses/LICENSE" in names
    assert message["Version"] == skmixreg.__version__
    assert message["License-Expression"] == "BSD-3-Clause"
    assert message["Description-Content-Type"] == "text/markdown"
    assert message.get_payload(decode=True).decode().strip() == read_me().strip()


@pytest.mark.slow
def test_the_source_distribution_holds_what_tests_and_documentation_need(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tops = {name.split("/")[0] for name in names}
    wanted = {"skmixreg", "tests", "examples", "docs", "README.md", "LICENSE", "pyproject.toml"}
    assert tops - DOTFILES == wanted | {"PKG-INFO"}
    assert {"tests/conftest.py", "docs/conf.py", "skmixreg/py.typed"} <= names
    made = ("__pycache__", ".pyc", ".nbi", "docs/_build", "docs/api/", "docs/auto_examples")
    assert not [name for name in names if any(part in name for part in made)]


@pytest.mark.slow
def test_the_wheel_fits_where_only_its_dependencies_are(built, tmp_path):
    python = environment(tmp_path / "empty")
    pip(python, "pip", "install", "--quiet", built[1])
    pip(python, "pip", "check")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, "-c", FIT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean,  # kernels of the same sources may be on disk from other tests
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
