"""The page, from the results."""

from __future__ import annotations

from typing import Any

from .parts import PARTS
from .tables import table


def render(results: dict[str, Any]) -> str:
    """Markdown of all parts that were measured, ratios first."""
    about, parts = results["machine"], results["parts"]
    measured = {name: part for name, part in PARTS.items() if name in parts}
    lines = [
        "# Benchmarks",
        "",
        "Written by `python -m tests.benchmarks.scale` from `tests/benchmarks/benchmarks.json`;",
        "`... PART` measures a part again. The seed problem is y = 3x or y = -x with equal",
        "chances, noise 0.1 and x uniform in -1 to 1. Ratios compare runs of one part, on one",
        "machine, one after the other; in brackets those of CPU seconds. Other programs may have",
        "used the machine as well: its load is given below for every part, and the more of it",
        "there was, the more the brackets say.",
        "",
        "## Ratios",
        "",
    ]
    for name, part in measured.items():
        if part.ratio_table is not None:
            lines += [*part.ratio_table(parts[name]["found"]), ""]
    pairs = [pair for name, part in measured.items() for pair in part.ratios(parts[name]["found"])]
    if pairs:
        lines += [*table(["what", "ratio"], pairs), ""]
    lines += [
        "## Machine",
        "",
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB,",
        f"{about['system']}, Python {about['python']}.",
        ", ".join(f"{name} {version}" for name, version in about["packages"].items()) + ".",
        "",
    ]
    rows = [
        [
            f"`{name}`",
            entry["date"],
            f"{entry['load'][0]}, {entry['load'][1]}",
            f"{entry['row_seconds']:.0f} s",
            entry["source"],
        ]
        for name, entry in ((name, parts[name]) for name in measured)
    ]
    head = ["part", "date", "load before, after", "it took", "hash of the sources"]
    lines += [*table(head, rows), ""]
    for name in measured:
        if "note" in parts[name]:
            lines += [f"`{name}`: {parts[name]['note']}", ""]
    missing = [f"`{name}`" for name in PARTS if name not in parts]
    if missing:
        lines += [f"Not measured: {', '.join(missing)}.", ""]
    for name, part in measured.items():
        lines += [f"## {part.title}", "", *part.details(parts[name]["found"])]
    return "\n".join(lines).rstrip() + "\n"
