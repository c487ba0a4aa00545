"""The cache of compiled kernels on disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

import skmixreg
from skmixreg._kernels import compile

PACKAGE = Path(skmixreg.__file__).parent

SCRIPT = """
import json
import numpy as np
from skmixreg._model.observations import Observations
from skmixreg._model._sums.pointwise_kernels import log_likelihood_rows
from skmixreg._model.raw import Model, Raw
from skmixreg.families import Gaussian

row = Observations(np.zeros((0, 1)), np.full(1, 2.0), np.zeros(1))
raw = Raw(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
value = log_likelihood_rows(0, 1, row, raw, Model(Gaussian().kernel_settings()))
stats = log_likelihood_rows.stats
print(json.dumps({
    "value": value[0],
    "hits": sum(stats.cache_hits.values()),
    "misses": sum(stats.cache_misses.values()),
    "path": stats.cache_path,
}))
"""


def start(cache: Path, package_parent: Path = PACKAGE.parent) -> subprocess.Popen[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(package_parent)}
    return subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning", "-c", SCRIPT],
        env=environment,
        cwd=package_parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, float]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert err == ""
    return json.loads(out)


@pytest.mark.slow
def test_processes(tmp_path: Path) -> None:
    """Two at once fill an empty cache, a third finds it warm, a fourth sees an edited source."""
    cache = tmp_path / "cache"
    both = [start(cache), start(cache)]
    first, second = (finish(process) for process in both)
    third = finish(start(cache))
    assert first["value"] == second["value"] == third["value"] == pytest.approx(-2.9189385332)
    assert (third["hits"], third["misses"]) == (1, 0)

    shutil.copytree(PACKAGE, tmp_path / "copy" / PACKAGE.name)
    same = finish(start(cache, tmp_path / "copy"))
    assert (same["hits"], same["value"]) == (1, third["value"])

    source = tmp_path / "copy" / PACKAGE.name / "families" / "_kernels" / "gaussian_kernels.py"
    text = source.read_text()
    assert text.count("0.5 * (z * z)") == 1
    source.write_text(text.replace("0.5 * (z * z)", "0.25 * (z * z)"))
    edited = finish(start(cache, tmp_path / "copy"))
    assert edited["value"] == pytest.approx(-1.9189385332)
    assert edited["path"] != third["path"]


def test_sources() -> None:
    names = {path.relative_to(PACKAGE).as_posix() for path in compile.kernel_sources()}
    assert {
        "_kernels/compile.py",
        "_model/_sums/row_kernels.py",
        "families/_kernels/gaussian_kernels.py",
    } <= names
    for path in PACKAGE.rglob("*.py"):
        if "@compiled" in path.read_text() or "@overload" in path.read_text():
            assert path.relative_to(PACKAGE).as_posix() in names


def plus_one(x):
    return x + 1.0


def compile_into(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compile, "cache_folder", lambda: folder)
    return compile.compiled(plus_one)


def test_unusable_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        function = compile_into(folder, monkeypatch)
        assert function(1.0) == 2.0
        assert not function.stats.cache_hits


def test_damaged_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    assert compile_into(folder, monkeypatch)(1.0) == 2.0
    (entry,) = folder.iterdir()
    content = entry.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"text"):
        entry.write_bytes(damaged)
        function = compile_into(folder, monkeypatch)
        assert function(1.0) == 2.0
        assert not function.stats.cache_hits
    function = compile_into(folder, monkeypatch)
    assert function(1.0) == 2.0
    assert sum(function.stats.cache_hits.values()) == 1
    assert list(folder.iterdir()) == [entry]


def test_signatures_have_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = compile_into(tmp_path, monkeypatch)
    assert function(1.0) == 2.0
    assert function(1) == 2.0
    assert len(list(tmp_path.iterdir())) == 2


def test_no_private_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A numba without the names that the cache needs still compiles."""
    monkeypatch.setattr(compile, "NullCache", None)
    assert compile_into(tmp_path, monkeypatch)(1.0) == 2.0
    assert list(tmp_path.iterdir()) == []


def test_folder_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = compile.cache_folder.__wrapped__
    monkeypatch.setattr(compile.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert fresh().parent == tmp_path / "xdg" / "skmixreg"
    monkeypatch.setattr(compile.config, "CACHE_DIR", str(tmp_path))
    assert fresh().parent == tmp_path
    monkeypatch.setattr(compile.numba, "__version__", "0.0")
    assert fresh() != compile.cache_folder()


FAMILY = """
from typing import NamedTuple
from numba.extending import overload
from skmixreg._kernels.compile import PART, part
from skmixreg.families._kernels.base_kernels import density_block

class {name}(NamedTuple):
    unused: float = 0.0

@part
def _density(out):
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[k, i] = {value}

@overload(density_block, jit_options=PART)
def _overload(y, aux, eta, extra, settings, out):
    if getattr(settings, "instance_class", None) is {name}:
        return lambda y, aux, eta, extra, settings, out: _density(out)
"""

FAMILY_SCRIPT = """
import sys
import numpy as np
from skmixreg._model.observations import Observations
from skmixreg._model._sums.pointwise_kernels import log_likelihood_rows
from skmixreg._model.raw import Model, Raw
from own_family import Own

one = np.ones(1)
rows = Observations(np.zeros((0, 1)), one, one)
raw = Raw(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 0)))
value = log_likelihood_rows(0, 1, rows, raw, Model(Own()))
print(value[0], sum(log_likelihood_rows.stats.cache_hits.values()))
"""


@pytest.mark.slow
def test_the_file_of_a_family_of_a_users_own_counts(tmp_path: Path) -> None:
    """An edit of the family is seen, the same file finds the kernel."""
    path = os.pathsep.join([str(tmp_path), str(PACKAGE.parent)])
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    results = []
    for value in ("-1.0", "-1.0", "-2.5"):
        (tmp_path / "own_family.py").write_text(FAMILY.format(name="Own", value=value))
        out = subprocess.run(
            [sys.executable, "-c", FAMILY_SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        results.append(tuple(float(word) for word in out.split()))
    assert results == [(-1.0, 0.0), (-1.0, 1.0), (-2.5, 0.0)]


class Inner(NamedTuple):
    a: Any
    b: Any


def test_nested_fields_are_told_apart() -> None:
    """By name and by whether they are None, and by the class, at any depth."""
    other = namedtuple("Inner", ["a", "c"])
    outer = namedtuple("Outer", ["one", "two"])
    array = np.zeros(1)
    values = [
        outer(Inner(array, None), 1.0),
        outer(Inner(None, array), 1.0),
        outer(Inner(array, array), 1.0),
        outer(other(array, None), 1.0),
        outer((array, None), 1.0),
    ]

    def key(value: object) -> str:
        # What an entry of the cache is kept under, beside the name of its kernel.
        kind = numba.typeof(value)
        return repr((str(kind), compile.described(kind)))

    keys = [key(value) for value in values]
    assert len(set(keys)) == len(keys)
    assert key(values[0]) == keys[0]
