"""The plan of the house, held by tests."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skmixreg
from skmixreg.families import FAMILIES, Family
from skmixreg.solvers import SOLVERS, Solver

PACKAGE = Path(skmixreg.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = (
    "pymc", "pytensor", "arviz", "matplotlib", "dask", "jax", "numpyro", "blackjax", "nutpie",
    "skpro",
)  # fmt: skip
MAX_LINES = 400
MAX_FILES = 12
# From top to bottom: rooms import from their own floor and from those below.
FLOORS = (
    ("formula", "adapters"),
    ("inspection", "metrics", "model_selection"),
    ("_estimators",),
    ("_assessment",),
    ("_posterior",),
    ("solvers",),
    ("_draws",),
    ("_proposals",),
    ("_search",),
    ("_pymc",),
    ("_dask",),
    ("_model",),
    ("backgrounds",),
    ("families",),
    ("_kernels",),
    ("_support",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imported_at_load(path):
    """Modules of the package that a file imports when it is loaded, not inside functions."""
    package = module_name(path)
    if path.name != "__init__.py":
        package = package.rpartition(".")[0]
    found = set()
    todo = list(ast.parse(path.read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
            continue
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            target = ".".join([*base, *([node.module] if node.module else [])])
            if not node.level:
                target = node.module
            for alias in node.names:
                inner = f"{target}.{alias.name}"
                found.add(inner if inner in MODULES else target)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            todo.extend(ast.iter_child_nodes(node))
    return {name for name in found if name in MODULES} - {module_name(path)}


def test_imports_run_one_way():
    arrows = {name: imported_at_load(path) for name, path in MODULES.items()}
    assert sum(map(len, arrows.values())) > len(MODULES)  # the scan sees imports
    while arrows:
        leaves = [name for name, needs in arrows.items() if not needs & arrows.keys()]
        assert leaves, f"a circle among {sorted(arrows)}"
        for name in leaves:
            del arrows[name]


def room(name):
    """The folder of a module, or the file that stands by itself."""
    return name.split(".")[1]


def test_every_room_has_a_floor():
    assert {room(name) for name in MODULES if name != "skmixreg"} == FLOOR.keys()


def test_imports_run_down_the_list_of_rooms():
    upward = [
        (name, needed)
        for name, path in MODULES.items()
        if name != "skmixreg"
        for needed in imported_at_load(path) - {"skmixreg"}
        if FLOOR[room(needed)] < FLOOR[room(name)]
    ]
    assert upward == []


def imports_of(path):
    """Modules that a file imports anywhere but under TYPE_CHECKING."""
    found = []
    todo = list(ast.parse(path.read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
        elif isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.extend([node.module] if not node.level else [])
        else:
            todo.extend(ast.iter_child_nodes(node))
    return found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_pymc_stays_in_its_rooms(path):
    """Elsewhere only the methods of families and priors that state them in PyMC import it."""
    imported = [name for name in imports_of(path) if name.split(".")[0] in ("pymc", "pytensor")]
    allowed = room(f"{module_name(path)}.") in ("_pymc", "solvers", "families", "backgrounds")
    assert allowed or not imported


def test_folders_are_taken_in_at_a_glance():
    for folder in {path.parent for path in FILES}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        if folder != PACKAGE / "solvers":
            assert len(files) <= MAX_FILES, folder


PAGE = PACKAGE.parent / "docs" / "architecture.md"


def test_the_page_on_architecture_has_the_rooms_and_names_files_that_are_there():
    page = PAGE.read_text()
    rooms = re.findall(r"^\| `(\w+)/`", page, flags=re.MULTILINE)
    assert set(rooms) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert [FLOOR[name] for name in rooms] == sorted(FLOOR[name] for name in rooms)
    names = {path.name for path in FILES}
    for target in re.findall(r"`([\w/]+\.py)`", page):
        assert (PACKAGE / target).exists() if "/" in target else target in names, target


def test_import_is_light():
    code = f"import sys, skmixreg; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_are_read_in_one_sitting(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_LINES
    assert path.name == "py.typed" or ast.get_docstring(ast.parse("\n".join(lines)))


@pytest.mark.parametrize(
    ("table", "base"), [(SOLVERS, Solver), (FAMILIES, Family)], ids=["solvers", "families"]
)
def test_a_row_is_a_documented_class(table, base):
    assert table
    for name, row in table.items():
        assert issubclass(row, base)
        assert row.name == name
        assert not inspect.isabstract(row)
        documentation = inspect.getdoc(row)
        assert documentation is not None
        assert documentation != inspect.getdoc(base)
        for parameter in row().get_params():
            assert re.search(
                rf"^(\w+, )*{parameter}(, \w+)* : ", documentation, flags=re.MULTILINE
            ), parameter
        # One file, one row: its class lives in a file of its own.
        module = importlib.import_module(row.__module__)
        assert [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, base)
            and value.__module__ == row.__module__
        ] == [row]


def test_public_names_are_documented():
    assert skmixreg.__all__
    for name in skmixreg.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(skmixreg, name)), name
    estimator = skmixreg.BayesianMixtureRegressor
    for name, method in inspect.getmembers(estimator, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith("skmixreg"):
            documentation = inspect.getdoc(method)
            assert documentation, name
            for parameter in list(inspect.signature(method).parameters)[1:]:
                assert re.search(rf"\b{parameter}\b.* : ", documentation), (name, parameter)


def test_every_import_is_declared():
    import tomllib

    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[<>=\[ ]", requirement)[0]
        for requirement in [
            *project["dependencies"],
            *project["optional-dependencies"]["dask"],
            *project["optional-dependencies"]["formula"],
            *project["optional-dependencies"]["jax"],
            *project["optional-dependencies"]["nutpie"],
            *project["optional-dependencies"]["plot"],
            *project["optional-dependencies"]["skpro"],
        ]
    }
    # Distributions that come with a declared one and are its documented face.
    comes_with = {"pytensor": "pymc", "arviz_stats": "arviz", "xarray": "arviz"}
    names = {"sklearn": "scikit-learn"}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for module in modules:
                root = module.split(".")[0]
                if root in sys.stdlib_module_names or root == "skmixreg":
                    continue
                assert comes_with.get(root, names.get(root, root)) in declared, (path, module)
