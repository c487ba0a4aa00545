"""Private names of other packages: every use has its reason, and its package an upper bound."""

import ast
import importlib
import re
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import skmixreg

PACKAGE = Path(skmixreg.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
PRIVATE = re.compile(r"_(?!_)\w+")
# No underscore, but its authors promise nothing for it.
PRIVATE_MODULES = ("numba.core",)
# What `typing.NamedTuple` documents.
NAMED_TUPLE = {"_replace", "_asdict", "_fields", "_field_defaults", "_make"}
# Names that begin with an underscore and are this package's own, but set from outside of a class,
# or ends of column names.
OWN = {"_chosen_features", "_difference_error", "_error"}


class Use(NamedTuple):
    """A private name, the file that may use it, and why."""

    distribution: str
    file: str
    name: str
    reason: str


CACHE = "kernels on disk, keyed by all sources; without the name there is no cache"
LINKED = "parts of kernels are linked, not compiled; without the name they are compiled"
EXTENSION = "the method that scikit-learn has its extensions call or define"
ALLOWED = (
    Use("numba", "_kernels/compile.py", "numba.core.caching.NullCache", CACHE),
    Use("numba", "_kernels/compile.py", "numba.core.compiler.CompileResult", CACHE),
    Use("numba", "_kernels/compile.py", "numba.core.serialize.dumps", CACHE),
    Use("numba", "_kernels/compile.py", "_rebuild", CACHE),
    Use("numba", "_kernels/compile.py", "_reduce", CACHE),
    Use("numba", "_kernels/compile.py", "_cache", CACHE),
    Use("numba", "_kernels/compile.py", "_compiler", "no garbage is collected meanwhile"),
    Use("numba", "_kernels/compile.py", "_nrt", "parts that count no references are faster"),
    Use("numba", "_kernels/linked.py", "numba.core.codegen.JITCodeLibrary", LINKED),
    Use("numba", "_kernels/linked.py", "numba.core.compiler.Compiler", LINKED),
    Use("numba", "_kernels/linked.py", "_codegen", LINKED),
    Use("numba", "_kernels/linked.py", "_data_layout", LINKED),
    Use("numba", "_kernels/linked.py", "_finalize_dynamic_globals", LINKED),
    Use("numba", "_kernels/linked.py", "_verify_declare_only_symbols", LINKED),
    Use("numba", "_support/progress_display.py", "numba.core.event", "tells of compilations"),
    Use(
        "scikit-learn",
        "_estimators/validation.py",
        "sklearn.utils._param_validation.Interval",
        "parameters are checked, and refused, in scikit-learn's words",
    ),
    Use(
        "scikit-learn",
        "_estimators/validation.py",
        "sklearn.utils._param_validation.validate_parameter_constraints",
        "parameters are checked, and refused, in scikit-learn's words",
    ),
    Use(
        "scikit-learn",
        "_estimators/validation.py",
        "sklearn.utils.validation._check_sample_weight",
        "weights are checked as scikit-learn's own estimators check them",
    ),
    Use(
        "scikit-learn",
        "_estimators/validation.py",
        "sklearn.utils.validation._num_samples",
        "rows are counted, and what has none refused, in scikit-learn's words",
    ),
    Use("scikit-learn", "_support/progress.py", "_init_callback_context", EXTENSION),
    Use("scikit-learn", "_support/progress.py", "_skl_callbacks", EXTENSION),
)


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def defined(trees):
    """Names that functions, classes, variables and attributes of self are given here."""
    names = set(OWN)
    for path, tree in trees.items():
        names |= {path.stem, path.parent.name}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id in ("self", "cls")
            ):
                names.add(node.attr)
    return names


def is_private(name):
    inside = any(name == module or name.startswith(f"{module}.") for module in PRIVATE_MODULES)
    return inside or any(PRIVATE.fullmatch(part) for part in name.split("."))


def foreign(name):
    return name.split(".")[0] != "skmixreg"


def used_by(tree, own):
    """Private names that are not this package's own: imported, as attributes, in strings."""
    imported = {}  # names in this file that are something of another package
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if foreign(alias.name):
                    imported[alias.asname or alias.name.split(".")[0]] = alias.name
                    found |= {alias.name} if is_private(alias.name) else set()
        elif isinstance(node, ast.ImportFrom) and not node.level and foreign(node.module):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                imported[alias.asname or alias.name] = full
                found |= {full} if is_private(full) else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            theirs = isinstance(root, ast.Name) and root.id in imported
            if node.attr not in NAMED_TUPLE and (theirs or node.attr not in own):
                found.add(node.attr)
        elif isinstance(node, ast.Attribute):  # numba.core.x of `import numba`
            head, _, rest = ast.unparse(node).partition(".")
            full = f"{imported.get(head)}.{rest}"
            if head in imported and re.fullmatch(r"[\w.]+", rest) and is_private(full):
                found.add(full)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            name = PRIVATE.fullmatch(text) and text not in own | NAMED_TUPLE
            name = name and len(text) > 2  # such as _k are indices in formulas
            module = re.fullmatch(r"[A-Za-z]\w*(\.\w+)+", text) and foreign(text)
            if name or (module and is_private(text)):
                found.add(text)
    return found


TREES = {path: ast.parse(path.read_text()) for path in FILES}
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]


def test_every_private_name_of_another_package_is_allowed_and_every_allowed_one_is_used():
    own = defined(TREES)
    used = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path, tree in TREES.items()
        for name in used_by(tree, own)
    }
    assert used == {(use.file, use.name) for use in ALLOWED}
    assert all(use.reason for use in ALLOWED)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from sklearn._config import get_config", {"sklearn._config.get_config"}),
        ("import sklearn._config", {"sklearn._config"}),
        ("from pymc.logprob.basic import _logprob as f", {"pymc.logprob.basic._logprob"}),
        ("def f():\n    from numba.core import types", {"numba.core.types"}),
        ("import numba\nnumba.core.types", {"numba.core", "numba.core.types"}),
        ("import pytensor as p\np.config._hidden", {"_hidden"}),
        ("import arviz\narviz._own", {"_own"}),
        ("getattr(frame, '_meta', None)", {"_meta"}),
        ("import_module('jax._src.core')", {"jax._src.core"}),
        ("self._own = self._theirs", {"_theirs"}),
        ("from skmixreg._x import _y\nrow._replace(a=1)._own", set()),
        ("from ._x import _y\n'a._b c'", set()),
        ("symbol + '_k'", set()),
    ],
)
def test_the_scan_sees(code, found):
    assert used_by(ast.parse(code), {"_own"}) == found


@pytest.mark.parametrize("distribution", sorted({use.distribution for use in ALLOWED}))
def test_packages_whose_private_names_are_used_have_an_upper_bound(distribution):
    extras = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    pattern = re.compile(rf"{distribution}(\[[\w,]*\])?(?=[<>=])")
    requirements = [line for extra in extras for line in extra if pattern.match(line)]
    assert requirements
    for requirement in requirements:
        assert re.search(r"<\d", requirement), requirement


# What a class here sets or overrides of the private names of a class of another package.
SKPRO = "what skpro has its extensions define"
OVERRIDDEN = {
    ("_kernels/linked.py", "_optimize_functions"): LINKED,
    ("_kernels/linked.py", "_optimize_final_module"): LINKED,
    ("_kernels/linked.py", "_finalize_final_module"): LINKED,
    ("_kernels/linked.py", "_finalized"): LINKED,
    ("_estimators/_reporting/reported.py", "_html_repr"): EXTENSION,
    ("adapters/_skpro_view.py", "_fit"): SKPRO,
    ("adapters/_skpro_view.py", "_predict_proba"): SKPRO,
    ("adapters/_skpro_view.py", "_tags"): SKPRO,
    **{
        ("adapters/_skpro_distribution.py", name): SKPRO
        for name in (
            "_cdf",
            "_energy_self",
            "_energy_x",
            "_iat",
            "_iloc",
            "_log_pdf",
            "_log_pmf",
            "_mean",
            "_pdf",
            "_pmf",
            "_ppf",
            "_sample",
            "_tags",
            "_var",
        )
    },
}


def test_overridden_private_names_of_other_packages_are_allowed():
    found = set()
    for path, tree in TREES.items():
        for node in tree.body:
            if not isinstance(node, ast.ClassDef) or not node.bases:
                continue
            written = {name for name in defined({path: node}) if PRIVATE.fullmatch(name)}
            if not written - OWN:
                continue
            file = path.relative_to(PACKAGE).as_posix()
            if "_skpro" in file and find_spec("skpro") is None:
                found |= {use for use in OVERRIDDEN if use[0] == file}
                continue
            kind = getattr(importlib.import_module(module_of(path)), node.name)
            roots = {base: base.__module__.split(".")[0] for base in kind.__mro__}
            theirs = [
                base
                for base, root in roots.items()
                if root != "skmixreg" and root not in sys.stdlib_module_names
            ]
            found |= {
                (file, name) for name in written if any(name in vars(base) for base in theirs)
            }
    assert found == OVERRIDDEN.keys()
