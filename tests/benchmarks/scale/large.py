"""Part: memory and seconds of default fits to many rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from .process import listen, python
from .tables import seconds_text, table


class Settings(NamedTuple):
    """Rows, components and features; seconds after which a process is ended."""

    shapes: tuple[tuple[int, int, int], ...] = (
        (1_000_000, 2, 1),
        (10_000_000, 2, 1),
        (1_000_000, 3, 5),
        (1_000_000, 2, 20),
    )
    cap: float = 300.0


TINY = Settings(shapes=((3_000, 2, 1),))


def measure(settings: Settings) -> dict[str, Any]:
    """One process per shape."""
    runs = []
    for shape in settings.shapes:
        heard = listen(python("large_one", {"shape": shape}), settings.cap)
        runs.append({"shape": list(shape), "fits": heard.records, "failure": heard.failure})
    return {"runs": runs, "cap": settings.cap}


def over_data(fit: dict[str, Any]) -> float:
    """Peak memory, the data included, over the data."""
    return (fit["data"] + fit["peak"]) / fit["data"]


def ratios(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The largest peak."""
    most = [over_data(fit) for run in found["runs"] for fit in run["fits"]]
    what = "default fit, peak memory with the data / data, largest of those below"
    return [(what, f"{max(most):.2f}")] if most else []


def details(found: dict[str, Any]) -> list[str]:
    """Table in Markdown."""
    rows = []
    for run in found["runs"]:
        shape = [f"{number:,}" for number in run["shape"]]
        for fit in run["fits"]:
            rows.append(
                [
                    *shape,
                    f"`{fit['solver']}`" + ("" if fit["converged"] else ", not converged"),
                    seconds_text(fit["seconds"]),
                    f"{fit['data'] / 1e6:,.0f} MB",
                    f"{fit['peak'] / 1e6:,.0f} MB",
                    f"{over_data(fit):.2f}",
                ]
            )
        if not run["fits"]:
            rows.append([*shape, "-", f"not within {found['cap']:.0f} s", "-", "-", "-"])
    return [
        "Default fits in a process that has fitted once before. The data are X and y in double",
        "precision; the fit holds a standardised copy of both and the weights, 8 (p + 2) bytes per",
        "row. Its peak is what it takes beyond them at any time.",
        "",
        *table(
            ["N", "K", "p", "solver", "seconds", "data", "peak above", "with the data / data"],
            rows,
        ),
        "",
    ]
