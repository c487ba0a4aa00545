"""Part: the seed problem, every solver of this package beside its peers."""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..measure import seed_problem
from .contenders import CONTENDERS, IN_R, OURS
from .process import HERE, Heard, listen, python


class Settings(NamedTuple):
    """How much is measured.

    Attributes
    ----------
    sizes : tuple of int
        Numbers of rows.
    starts_at : int
        Rows of the data that are fitted from many starts.
    starts : int
        At most so many, as many as there is time for.
    starts_seconds, cap : float
        Seconds after which no further start is begun, and after which a process is ended.
    most_rows : dict
        Contenders that are left out above a number of rows.
    names : tuple of str
        Contenders.
    """

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    starts_at: int = 10_000
    starts: int = 20
    starts_seconds: float = 60.0
    cap: float = 200.0
    most_rows: tuple[tuple[str, int], ...] = (("smc", 10_000),)
    names: tuple[str, ...] = (*CONTENDERS, *IN_R)


TINY = Settings(
    sizes=(200,),
    starts_at=200,
    starts=2,
    starts_seconds=5.0,
    names=("laplace", "map", "BayesianGaussianMixture", *IN_R),
)


@functools.cache
def has_r() -> bool:
    """Whether R and the two packages can be run."""
    if shutil.which("Rscript") is None:
        return False
    code = "for (p in c('flexmix', 'mixtools', 'jsonlite')) loadNamespace(p); cat('@@{}\\n')"
    return bool(listen(["Rscript", "-e", code], 60.0).records)


def run(name: str, n: int, starts: int, starts_seconds: float, cap: float) -> Heard:
    """All fits of a contender on n rows, in a process of its own."""
    if name not in IN_R:
        plan = {"name": name, "n": n, "starts": starts, "starts_seconds": starts_seconds}
        return listen(python("one_contender", plan), cap)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(state) for state in range(2)]
        for state, path in enumerate(paths):
            X, y = seed_problem(n, state)
            np.concatenate([X[:, 0], y]).tofile(path)
        counts = [str(n), str(starts), str(starts_seconds)]
        return listen(["Rscript", str(HERE / "peers.R"), name, *map(str, paths), *counts], cap)


def measure(settings: Settings) -> dict[str, Any]:
    """Records of every contender by rows."""
    records: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    most = dict(settings.most_rows)
    for n in settings.sizes:
        for name in settings.names:
            if name in IN_R and not has_r():
                continue
            if n > most.get(name, n):
                left_out.append({"name": name, "n": n})
                continue
            if name in OURS and n == settings.sizes[0]:
                run(name, 200, 0, 0.0, settings.cap)  # fills the compile cache
            starts = settings.starts if n == settings.starts_at else 0
            heard = run(name, n, starts, settings.starts_seconds, settings.cap)
            fits = {r["what"]: r for r in heard.records if r["what"] != "start"}
            tries = [r for r in heard.records if r["what"] in ("second", "start")]
            records.append(
                {"name": name, "n": n, "ours": name in OURS, "cap": settings.cap}
                | {"capped": heard.capped, "failure": heard.failure, "first": fits.get("first")}
                | {"second": fits.get("second"), "starts": tries if starts else []}
            )
            seconds = [round(r["seconds"], 2) for r in heard.records[:2]]
            print(name, n, seconds, "capped" if heard.capped else "", file=sys.stderr, flush=True)
            if heard.failure:
                print(heard.failure, file=sys.stderr, flush=True)
    return {"starts_at": settings.starts_at, "left_out": left_out, "runs": records}
