"""Part: seconds of a fit as rows, components and columns grow, one at a time."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from ..measure import fit, seed_problem
from .judgement import growth_exponent, upper_half
from .tables import seconds_text, table

NOISE = 0.1
RIGHT = 0.05  # distance of every coefficient from the truth


class Settings(NamedTuple):
    """How much is measured.

    Attributes
    ----------
    rows, components, columns : tuple of int
        The three grids; elsewhere N = ``base``, K = 2 and p = 1, with p = 2 in the grid over K.
    base : int
    most_rows : dict
        Largest N per solver, where it has one.
    longest : float
        A size that would take longer, going by the one before it, is left out.
    solvers : tuple of str
    """

    rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    components: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    columns: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    base: int = 10_000
    most_rows: tuple[tuple[str, int], ...] = (("nuts", 100_000),)
    longest: float = 120.0
    solvers: tuple[str, ...] = ("auto", "map", "laplace", "gibbs", "cavi", "nuts")


TINY = Settings((200, 400), (2, 3), (1, 2), base=200, solvers=("map", "laplace"))


def clear_lines(n: int, K: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of K well-separated regressions, and their coefficients (K, p).

    The first two coefficients lie on a circle of radius 3.  With K = 2 there are the slopes 3 and
    -1, spread evenly over p columns.
    """
    rng = np.random.default_rng([7, n, K, p])
    if K == 2:
        coef = np.outer([3.0, -1.0], np.full(p, p**-0.5))
    else:
        angle = 2 * np.pi * np.arange(K) / K
        coef = np.zeros((K, p))
        coef[:, 0], coef[:, 1] = 3 * np.cos(angle), 3 * np.sin(angle)
    X, z = rng.normal(size=(n, p)), rng.integers(K, size=n)
    y = np.einsum("ij,ij->i", X, coef[z]) + rng.normal(0, NOISE, n)
    return X, y, coef


def problem(n: int, K: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The seed problem where it has the shape, else clear lines."""
    if (K, p) == (2, 1):
        return *seed_problem(n, 0), np.array([[3.0], [-1.0]])
    return clear_lines(n, K, p)


def furthest(coef: np.ndarray, truth: np.ndarray) -> float:
    """Largest coordinate distance from a true component to the nearest found one."""
    return float(np.abs(truth[:, None] - coef[None]).max(axis=-1).min(axis=1).max())


def grid_shapes(settings: Settings) -> dict[str, list[tuple[int, int, int]]]:
    """(N, K, p) by what grows."""
    return {
        "N": [(n, 2, 1) for n in settings.rows],
        "K": [(settings.base, K, 2) for K in settings.components],
        "p": [(settings.base, 2, p) for p in settings.columns],
    }


def measure(settings: Settings) -> dict[str, Any]:
    """One record per solver and shape; the median of three fits where one takes under 5 s."""
    runs: list[dict[str, Any]] = []
    most = dict(settings.most_rows)
    for axis, shapes in grid_shapes(settings).items():
        for solver in settings.solvers:
            last = None
            for n, K, p in shapes:
                size = {"N": n, "K": K, "p": p}[axis]
                if n > most.get(solver, n):
                    break
                where = {"axis": axis, "solver": solver, "n": n, "K": K, "p": p, "size": size}
                if last and last[1] * size / last[0] > settings.longest:
                    expected = last[1] * size / last[0]
                    runs.append(where | {"left_out": f"would take about {expected:.0f} s"})
                    break
                X, y, truth = problem(n, K, p)
                fit(*problem(500, K, p)[:2], K, 0, solver=solver)  # loads the kernels
                timed = [fit(X, y, K, 0, solver=solver)]
                if timed[0].seconds < 5.0:
                    timed += [fit(X, y, K, state, solver=solver) for state in (1, 2)]
                off = max(furthest(t.est.coef_, truth) for t in timed)
                record = {
                    "seconds": float(np.median([t.seconds for t in timed])),
                    "cpu": float(np.median([t.cpu for t in timed])),
                    "fits": len(timed),
                    "ran": timed[0].est.posterior_.solver,
                    "converged": sum(bool(t.est.converged_) for t in timed),
                    "right": sum(furthest(t.est.coef_, truth) < RIGHT for t in timed),
                    "error": off,
                }
                runs.append(where | record)
                last = (size, record["seconds"])
                print(axis, solver, size, f"{last[1]:.3g} s", file=sys.stderr, flush=True)
    return {"base": settings.base, "longest": settings.longest, "runs": runs}


def exponents(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Fitted growth by solver and axis, over the upper half of the sizes."""
    answers = []
    for axis in ("N", "K", "p"):
        for solver in dict.fromkeys(r["solver"] for r in found["runs"]):
            some = [
                r
                for r in found["runs"]
                if (r["axis"], r["solver"]) == (axis, solver) and "seconds" in r
            ]
            if len(some) < 2:
                continue
            top = some[-upper_half(len(some)) :]
            sizes, seconds, cpu = ([r[key] for r in top] for key in ("size", "seconds", "cpu"))
            answers.append(
                {"axis": axis, "solver": solver, "from": sizes[0], "to": sizes[-1]}
                | {"exponent": growth_exponent(sizes, seconds)}
                # The clock of CPU time ticks every 10 ms.
                | {"cpu_exponent": growth_exponent(sizes, np.maximum(cpu, 0.005).tolist())}
            )
    return answers


def ratios(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Growth of the default fit."""
    lines = []
    for e in exponents(found):
        if e["solver"] == "auto":
            what = f"default fit, growth with {e['axis']} from {e['from']:,} to {e['to']:,}"
            power = f"{e['axis']}^{e['exponent']:.2f}"
            lines.append((what, f"{power} ({e['axis']}^{e['cpu_exponent']:.2f})"))
    by_size = {
        r["size"]: r["seconds"]
        for r in found["runs"]
        if (r["axis"], r["solver"]) == ("N", "auto") and "seconds" in r
    }
    if {100_000, 10_000_000} <= by_size.keys():
        ratio = by_size[10_000_000] / by_size[100_000]
        lines.append(
            ("default fit, seconds, N = 1e7 / N = 1e5; linear growth is 100", f"{ratio:.0f}")
        )
    return lines


def details(found: dict[str, Any]) -> list[str]:
    """Tables in Markdown: seconds by size, and exponents."""
    lines = [
        "Seed problem for K = 2 and p = 1, else normal X and regressions that lie well apart,",
        f"noise 0.1; N = {found['base']:,} where N does not grow, p = 2 where K grows. Median of",
        "three fits, one where it takes over 5 s. What would take over",
        f"{found['longest']:.0f} s is left out. Kernels are loaded before. A mark says what went",
        f"wrong: `u` not converged in all fits, `w` a coefficient off by more than {RIGHT} in some",
        "fit. Exponents are of seconds, in brackets of CPU seconds: least squares on logarithms",
        "over the upper half of the sizes (at least three), as the range says; below it a constant",
        "part dominates.",
        "",
    ]
    fitted = {(e["axis"], e["solver"]): e for e in exponents(found)}
    for axis in ("N", "K", "p"):
        some = [r for r in found["runs"] if r["axis"] == axis]
        sizes = sorted({r["size"] for r in some})
        rows = []
        for solver in dict.fromkeys(r["solver"] for r in some):
            mine = {r["size"]: r for r in some if r["solver"] == solver}
            e = fitted.get((axis, solver))
            power = "-"
            if e:
                power = f"{axis}^{e['exponent']:.2f} ({axis}^{e['cpu_exponent']:.2f}), "
                power += f"{e['from']:,} to {e['to']:,}"
            rows.append([f"`{solver}`", *(cell(mine.get(s)) for s in sizes), power])
        lines += table(["seconds", *(f"{axis} = {s:,}" for s in sizes), "growth"], rows)
        lines.append("")
    return lines


def cell(run: dict[str, Any] | None) -> str:
    """Seconds with marks, or why there are none."""
    if run is None:
        return "-"
    if "left_out" in run:
        return run["left_out"]
    marks = "u" * (run["converged"] < run["fits"]) + "w" * (run["right"] < run["fits"])
    return f"{seconds_text(run['seconds'])} {marks}".strip()
