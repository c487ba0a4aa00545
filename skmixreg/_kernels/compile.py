"""Compilation of kernels, and the cache of compiled kernels on disk.

numba's own cache knows of changes in the file of a function only, so that a kernel would keep
running old versions of the functions it calls.  Here all kernels live in one folder whose name is
a hash of the sources of all of them, and of the versions of numba and Python.  Sources
are the files of the package that match ``*_kernels.py`` or that import from this module, and
this file.  Kernels that are given a NamedTuple from elsewhere, the settings of a family of a user's
own, are kept under a hash of its file too.  Old folders are left alone; deleting any of them is
safe.

The folder is in ``NUMBA_CACHE_DIR`` if that is set, else in the user's cache directory
(``XDG_CACHE_HOME``).  A file holds one kernel for one signature and processor, and appears in one
atomic step, so that processes may fill the cache at the same time.  Whatever goes wrong with the
cache (folder not writable, file damaged, private parts of numba changed) only costs a compilation.
"""

from __future__ import annotations

import gc
import hashlib
import inspect
import os
import pickle
import platform
import sys
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path
from typing import Any

import numba
from numba import config, njit, types

try:
    from numba.core.caching import NullCache
    from numba.core.compiler import CompileResult
    from numba.core.serialize import dumps
except ImportError:  # private names
    NullCache = None

PACKAGE = Path(__file__).parents[1]


def kernel_sources() -> list[Path]:
    """Files that decide what compiled kernels do, in a fixed order."""
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name.endswith("_kernels.py")
        or path == Path(__file__)
        or b"compile import compiled" in path.read_bytes()
    ]


def user_cache_directory() -> Path:
    """Where programs of this user keep what they can compute again."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"])
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"


@cache
def cache_folder() -> Path:
    """Folder of the kernels compiled from the present sources."""
    key = hashlib.sha256()
    versions = (numba.__version__, platform.python_implementation(), sys.version_info[:3])
    key.update(repr((versions, config.OPT)).encode())
    for path in kernel_sources():
        source = path.read_bytes()
        key.update(f"{path.relative_to(PACKAGE).as_posix()} {len(source)}\n".encode())
        key.update(source)
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR) / f"skmixreg-{key.hexdigest()[:20]}"
    return user_cache_directory() / "skmixreg" / key.hexdigest()[:20]


@cache
def source_of(settings: type) -> str:
    """Hash of the file that defines a class outside the package, else nothing.

    Raises
    ------
    TypeError, OSError
        If there is no such file, as in a notebook.
    """
    path = Path(inspect.getfile(settings)).resolve()
    if path.is_relative_to(PACKAGE.resolve()):
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def described(argument: Any) -> Any:
    """What the type of a NamedTuple does not print: its fields, at all depths, and its source."""
    if not isinstance(argument, types.BaseNamedTuple):
        return None
    settings = argument.instance_class
    return (
        f"{settings.__module__}.{settings.__qualname__}",
        argument.fields,
        source_of(settings),
        [described(inner) for inner in argument.types],
    )


if NullCache is not None:

    class KernelCache(NullCache):
        """Cache of one function; the interface is numba's."""

        def __init__(self, name: str, folder: Path):
            self._name = name
            self._folder = folder

        @property
        def cache_path(self) -> str:
            return str(self._folder)

        def _entry(self, signature: Any, codegen: Any) -> tuple[Path, str]:
            tuples = [described(argument) for argument in getattr(signature, "args", signature)]
            key = repr((self._name, str(signature), tuples, codegen.magic_tuple()))
            digest = hashlib.sha256(key.encode()).hexdigest()[:20]
            return self._folder / f"{self._name.rpartition('.')[2]}-{digest}.pickle", key

        def load_overload(self, signature: Any, target_context: Any) -> Any:
            with suppress(Exception):
                target_context.refresh()
                path, key = self._entry(signature, target_context.codegen())
                stored_key, stored_signature, payload = pickle.loads(path.read_bytes())
                if stored_key == key and stored_signature == signature:
                    return CompileResult._rebuild(target_context, *payload)
            return None

        def save_overload(self, signature: Any, result: Any) -> None:
            with suppress(Exception):
                if result.library.has_dynamic_globals or result.lifted:
                    return
                path, key = self._entry(signature, result.codegen)
                content = dumps((key, signature, result._reduce()))
                self._folder.mkdir(parents=True, exist_ok=True)
                descriptor, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
                try:
                    with os.fdopen(descriptor, "wb") as file:
                        file.write(content)
                    os.replace(temporary, path)
                except BaseException:
                    os.unlink(temporary)
                    raise


KERNEL: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
# What is called by a part that does not allocate may do so.
ALLOCATING_PART: dict[str, Any] = KERNEL | {"no_cpython_wrapper": True, "_nrt": True}
with suppress(ImportError):  # private names
    from .linked import PartCompiler

    ALLOCATING_PART["pipeline_class"] = PartCompiler
# Counting references takes, at each call of a part, as long as a few rows.
PART: dict[str, Any] = ALLOCATING_PART | {"_nrt": False}


def compiled(function: Callable[..., Any] | None = None, *, fastmath: Collection[str] = ()) -> Any:
    """Compile a function that Python calls, on its first call, with numba; it releases the GIL.

    Functions whose names begin with an underscore are not stored on disk.

    Parameters
    ----------
    function : callable
    fastmath : collection of str
        Flags of LLVM, as in `numba.njit`.
    """
    if function is None:
        return lambda function: compiled(function, fastmath=fastmath)
    kernel = _compiled(function, KERNEL, fastmath)
    with suppress(AttributeError):  # private names
        kernel._compiler.compile = without_collections(kernel._compiler.compile)
    if NullCache is not None and not function.__name__.startswith("_"):
        with suppress(Exception):
            kernel._cache = KernelCache(
                f"{function.__module__}.{function.__qualname__}", cache_folder()
            )
    return kernel


def without_collections(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """Have the garbage collector wait while a function runs.

    A compilation makes millions of objects that live until it ends; looking through them again
    and again takes a tenth of its time.  Only the outermost of nested calls ends the wait.
    """

    @wraps(compile_)
    def run(*args: Any, **kwargs: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()
        try:
            return compile_(*args, **kwargs)
        finally:
            if collects:
                gc.enable()

    return run


def part(
    function: Callable[..., Any] | None = None,
    *,
    fastmath: Collection[str] = (),
    allocates: bool = False,
) -> Any:
    """Compile a part of kernels, which call it; Python cannot.

    Parameters
    ----------
    function : callable
    fastmath : collection of str
        Flags of LLVM, as in `numba.njit`.
    allocates : bool, default=False
        Whether it makes or returns arrays.  Then references to arrays are counted, which takes,
        at each call, as long as a few rows.  An overload that is a part and does not has
        ``jit_options=PART``.
    """
    if function is None:
        return lambda function: part(function, fastmath=fastmath, allocates=allocates)
    return _compiled(function, ALLOCATING_PART if allocates else PART, fastmath)


def inlined(function: Callable[..., Any]) -> Any:
    """Have a function copied into the kernels that call it, which saves a level of compilation.

    Flags of LLVM are those of the caller.
    """
    return njit(inline="always")(function)


def _compiled(
    function: Callable[..., Any], options: dict[str, Any], fastmath: Collection[str]
) -> Any:
    return njit(fastmath=set(fastmath) or False, **options)(function)
