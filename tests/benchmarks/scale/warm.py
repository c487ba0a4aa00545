"""Part: import, first and later fits of each solver, and what they compile."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from .process import listen, python
from .tables import seconds_text, table

SOLVERS: dict[str, tuple[str, dict[str, str]]] = {
    "auto": ("auto", {}),
    "laplace": ("laplace", {}),
    "gibbs": ("gibbs", {}),
    "map": ("map", {}),
    "cavi": ("cavi", {}),
    "nuts": ("nuts", {}),
    "nuts, nutpie": ("nuts", {"sampler": "nutpie"}),
    "nuts, numpyro": ("nuts", {"sampler": "numpyro"}),
    "smc": ("smc", {}),
    "advi": ("advi", {}),
    "fullrank_advi": ("fullrank_advi", {}),
}


class Settings(NamedTuple):
    """Numbers of rows of the fits and of the search, solvers, and seconds for a process."""

    n: int = 2_000
    search_n: int = 2_000
    solvers: tuple[str, ...] = tuple(SOLVERS)
    cap: float = 300.0


TINY = Settings(n=200, search_n=200, solvers=("map",))


def cold(folder: str) -> dict[str, str]:
    """Environment in which every compile cache is an empty folder."""
    return {
        "NUMBA_CACHE_DIR": str(Path(folder) / "numba"),
        "XDG_CACHE_HOME": str(Path(folder) / "xdg"),
        "PYTENSOR_FLAGS": f"base_compiledir={Path(folder) / 'pytensor'}",
    }


def measure(settings: Settings) -> dict[str, Any]:
    """Per solver three processes: caches empty, caches warm, and warm with a count."""
    n = settings.n
    fits = [
        ("first", n, 2, 1),
        ("other N", n + n // 2, 2, 1),
        ("other K, p", n, 3, 2),
        ("other N again", n + n // 2, 3, 2),
    ]
    runs = []
    for name in settings.solvers:
        solver, options = SOLVERS[name]
        plan = {"solver": solver, "options": options, "fits": fits, "count": False}
        first = python("warm_one", plan | {"fits": fits[:1]})
        with tempfile.TemporaryDirectory() as folder:
            empty = listen(first, settings.cap, cold(folder))
        filled = listen(python("warm_one", plan), settings.cap)  # whatever the cache still lacks
        warm = listen(python("warm_one", plan), settings.cap)
        counted = listen(python("warm_one", plan | {"count": True}), settings.cap)
        for heard in (empty, filled, warm, counted):
            if heard.failure:
                print(heard.failure, file=sys.stderr)
        runs.append(
            {"name": name, "cold": {r["what"]: r["seconds"] for r in empty.records}}
            | {"warm": {r["what"]: r["seconds"] for r in warm.records}}
            | {"compiled": {r["what"]: r["compiled"] for r in counted.records if "compiled" in r}}
        )
        print(name, runs[-1]["cold"], runs[-1]["warm"], file=sys.stderr, flush=True)
    search = listen(python("search_one", {"n": settings.search_n}), settings.cap)
    return {"n": n, "search_n": settings.search_n, "runs": runs, "searches": search.records}


def ratios(found: dict[str, Any]) -> list[tuple[str, str]]:
    """First fit over second fit of the default, with warm and with empty caches."""
    lines = []
    for run in found["runs"]:
        if run["name"] == "auto" and "first" in run["cold"] and "other N" in run["warm"]:
            cold, warm = run["cold"]["first"], run["warm"]
            what = "default fit, first in a process, compile caches empty / warm"
            lines.append((what, f"{cold / warm['first']:.0f}"))
            what = "default fit, caches warm, first in a process / second, with another N"
            lines.append((what, f"{warm['first'] / warm['other N']:.0f}"))
    kernels = sum(c["kernels"] for run in found["runs"] for c in run["compiled"].values())
    lines.append(("kernels of this package compiled with warm caches, all solvers", str(kernels)))
    again = {
        run["name"]: compiled_text(run["compiled"].get("other N again")) for run in found["runs"]
    }
    some = "; ".join(f"`{name}` {text}" for name, text in again.items() if text not in ("0", "-"))
    lines.append(("anything else compiled for another N", some or "0"))
    return lines


def compiled_text(counts: dict[str, int] | None) -> str:
    """``2 pytensor, 30 jax``; ``0`` where nothing was compiled."""
    if counts is None:
        return "-"
    return ", ".join(f"{n} {who}" for who, n in counts.items() if n) or "0"


def details(found: dict[str, Any]) -> list[str]:
    """Tables in Markdown."""
    order = ("first", "other N", "other K, p", "other N again")
    times, counts = [], []
    for run in found["runs"]:
        warm = [run["warm"].get(what) for what in ("import", *order)]
        cold = run["cold"].get("first")
        cells = [seconds_text(s) if s is not None else "-" for s in (cold, *warm)]
        times.append([f"`{run['name']}`", cells[1], cells[0], *cells[2:]])
        compiled = [compiled_text(run["compiled"].get(what)) for what in order]
        counts.append([f"`{run['name']}`", *compiled])
    searches = [
        [r["what"], seconds_text(r["seconds"]), str(r["new_kernels"])] for r in found["searches"]
    ]
    return [
        f"Seconds, N = {found['n']:,} and half as many again, first K = 2 and p = 1, then K = 3",
        "and p = 2; the last four columns follow each other in one process with warm caches.",
        "Imports of PyMC, PyTensor and JAX happen within the first fit that needs them.",
        "",
        *table(
            ["solver", "import", "first fit, caches empty", "first fit", *order[1:]],
            times,
        ),
        "",
        "Compilations in these fits with warm caches, counted in another process: kernels of this",
        "package (`kernels`), other functions by numba, functions by PyTensor, programs by JAX",
        "(each small array operation is one).",
        "",
        *table(["solver", "first fit", *order[1:]], counts),
        "",
        f"`GridSearchCV(n_jobs=2)` over K = 1 to 3, 5 folds, N = {found['search_n']:,}, caches",
        "warm; the first search starts the worker processes.",
        "",
        *table(["what", "seconds", "kernels added to the cache"], searches),
        "",
    ]
