"""Part: the default fit, a full posterior, against flexmix's point estimate."""

from __future__ import annotations

import sys
from statistics import median
from typing import Any, NamedTuple

from .judgement import is_right
from .peers import has_r, run
from .tables import seconds_text, table, times

PAIR = {"default fit": "auto", "flexmix": "initFlexmix + refit"}


class Settings(NamedTuple):
    """Numbers of rows, runs of each contender, and seconds after which a run is ended."""

    sizes: tuple[int, ...] = (100_000, 1_000_000)
    repeats: int = 3
    cap: float = 300.0


TINY = Settings(sizes=(200,), repeats=1)


def measure(settings: Settings) -> dict[str, Any]:
    """Runs in turn, each in a process of its own that has fitted other data of the size before."""
    runs: list[dict[str, Any]] = []
    for n in settings.sizes:
        for repeat in range(settings.repeats):
            for who, name in PAIR.items():
                if who == "flexmix" and not has_r():
                    continue
                heard = run(name, n, 0, 0.0, settings.cap)
                if heard.failure:
                    print(heard.failure, file=sys.stderr)
                runs.append({"who": who, "n": n, "repeat": repeat, "fits": heard.records})
                print(who, n, [r["seconds"] for r in heard.records], file=sys.stderr, flush=True)
    return {"cap": settings.cap, "runs": runs}


def summaries(found: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    """Medians over the runs by contender and rows; second fits count, as both are warm then."""
    answers = {}
    for who, n in dict.fromkeys((r["who"], r["n"]) for r in found["runs"]):
        some = [r["fits"] for r in found["runs"] if (r["who"], r["n"]) == (who, n)]
        second = [fits[1] for fits in some if len(fits) > 1]
        every = [fit for fits in some for fit in fits]
        answers[who, n] = {
            "runs": len(some),
            "seconds": [f["seconds"] for f in second],
            "cpu": median(f["cpu"] for f in second) if second else None,
            "peak": max((f["peak"] for f in every if "peak" in f), default=None),
            "right": sum(is_right(f["slopes"]) for f in every),
            "fits": len(every),
        }
    return answers


def ratios(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Seconds of flexmix over seconds of the default fit, by rows."""
    by, lines = summaries(found), []
    for n in dict.fromkeys(n for _, n in by):
        ours, theirs = by.get(("default fit", n)), by.get(("flexmix", n))
        if ours and theirs and ours["seconds"] and theirs["seconds"]:
            wall = median(theirs["seconds"]) / median(ours["seconds"])
            cpu = theirs["cpu"] / ours["cpu"]
            what = f"seconds, `initFlexmix(nrep = 3)` + `refit` / default fit, N = {n:,}"
            lines.append((what, f"{times(wall)} ({times(cpu)})"))
    return lines


def details(found: dict[str, Any]) -> list[str]:
    """Table in Markdown."""
    rows = []
    for (who, n), s in summaries(found).items():
        seconds = s["seconds"]
        rows.append(
            [
                "`initFlexmix(nrep = 3)` + `refit`" if who == "flexmix" else who,
                f"{n:,}",
                f"{seconds_text(median(seconds))} ({', '.join(map(seconds_text, seconds))})"
                if seconds
                else f"not within {found['cap']:.0f} s",
                seconds_text(s["cpu"]) if seconds else "-",
                f"{s['peak'] / 1e6:.0f} MB" if s["peak"] is not None else "-",
                f"{s['right']} of {s['fits']}",
            ]
        )
    if not any(r["who"] == "flexmix" for r in found["runs"]):
        rows.append(["flexmix", "-", "no R with flexmix here, skipped", "-", "-", "-"])
    return [
        "Runs in turn, each in its own process that first fits other data of the same size; the",
        "second fit is timed. The default fit draws from the posterior; flexmix gives a point with",
        "standard errors. Right: both slopes within 0.02 of the truth, counted over first and",
        "second fits.",
        "",
        *table(
            ["what", "N", "seconds: median (all)", "CPU seconds", "largest peak memory", "right"],
            rows,
        ),
        "",
    ]
