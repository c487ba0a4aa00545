"""Part: NUTS by NumPyro on a GPU, where JAX has one."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from .judgement import is_right
from .process import listen, python
from .tables import seconds_text, table, times


class Settings(NamedTuple):
    """Numbers of rows, and seconds after which a process is ended."""

    sizes: tuple[int, ...] = (100_000, 1_000_000)
    cap: float = 600.0


TINY = Settings(sizes=(200,))
LOOK = (
    "import json, jax; d = jax.devices()[0]; "
    "print('@@' + json.dumps({'platform': d.platform, 'kind': d.device_kind}))"
)


def measure(settings: Settings) -> dict[str, Any]:
    """The same fits on the GPU and on the processor; nothing where there is no GPU."""
    seen = listen([sys.executable, "-c", LOOK], 120.0).records
    device = seen[0] if seen else {"platform": "none", "kind": "no JAX"}
    runs = []
    if device["platform"] not in ("cpu", "none"):
        for n in settings.sizes:
            for where, platforms in (("gpu", "cuda,cpu"), ("cpu", "cpu")):
                plan = {"name": "nuts, numpyro", "n": n, "starts": 0, "starts_seconds": 0.0}
                environment = {"JAX_PLATFORMS": platforms}
                heard = listen(python("one_contender", plan), settings.cap, environment)
                runs.append({"where": where, "n": n, "fits": heard.records, "capped": heard.capped})
                print(where, n, [r["seconds"] for r in heard.records], file=sys.stderr, flush=True)
    return {"device": device, "cap": settings.cap, "runs": runs}


def second_fits(found: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    """Second fits by device and rows."""
    return {(r["where"], r["n"]): r["fits"][1] for r in found["runs"] if len(r["fits"]) > 1}


def ratios(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Seconds on the processor over seconds on the GPU."""
    second = second_fits(found)
    return [
        (
            f'`NUTS(sampler="numpyro")`, seconds, processor / GPU, N = {n:,}',
            times(second["cpu", n]["seconds"] / second["gpu", n]["seconds"]),
        )
        for where, n in second
        if where == "gpu" and ("cpu", n) in second
    ]


def details(found: dict[str, Any]) -> list[str]:
    """Table in Markdown."""
    if not found["runs"]:
        rows = [["-", "-", "no GPU here, skipped", "-", "-"]]
    else:
        rows = []
        for run in found["runs"]:
            seconds = [seconds_text(r["seconds"]) for r in run["fits"]]
            seconds += [f"not within {found['cap']:.0f} s"] * (2 - len(seconds))
            right = sum(is_right(r["slopes"]) for r in run["fits"])
            rows.append([run["where"], f"{run['n']:,}", *seconds, f"{right} of {len(run['fits'])}"])
    return [
        '`NUTS(sampler="numpyro")` on the seed problem, on the device that JAX takes by itself',
        f"and on the processor. Device here: {found['device']['kind']}.",
        "",
        *table(["device", "N", "first fit, seconds", "second fit, seconds", "right"], rows),
        "",
    ]
