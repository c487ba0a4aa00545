"""Results on disk."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import measure
from .page import render
from .parts import PARTS

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks.json"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"
PEERS = ("pytensor", "nutpie", "numpyro", "jax")
R_VERSIONS = (
    "cat('R', paste(R.version$major, R.version$minor, sep = '.'), '\\n'); "
    "for (p in c('flexmix', 'mixtools')) cat(p, as.character(packageVersion(p)), '\\n')"
)


def machine() -> dict[str, Any]:
    """The machine, and versions of all that runs."""
    about = measure.machine()
    for name in PEERS:
        with suppress(PackageNotFoundError):
            about["packages"][name] = version(name)
    with suppress(OSError):
        told = subprocess.run(["Rscript", "-e", R_VERSIONS], capture_output=True, text=True)
        about["packages"] |= dict(line.split() for line in told.stdout.splitlines())
    return about


def merged(results: dict[str, Any], name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Results with one part replaced, parts in their order."""
    parts = results["parts"] | {name: measure.rounded(entry)}
    return results | {"parts": {key: parts[key] for key in PARTS if key in parts}}


def load() -> dict[str, Any]:
    """Results so far."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {"machine": {}, "parts": {}}


def keep(name: str, entry: dict[str, Any]) -> None:
    """Put one part into the results, and write the page."""
    results = merged(load(), name, entry) | {"machine": machine()}
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(measure.pretty(results) + "\n")
    os.replace(temporary, RESULTS)
    write()


def write() -> None:
    """Write the page from the results."""
    PAGE.write_text(render(load()))
