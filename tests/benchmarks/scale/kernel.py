"""Part: the log-likelihood kernel against C and against memory.

Nanoseconds per row and component of one log-likelihood with its gradient: ours on one and on two
threads, and ``kernel.c`` (gcc -O3 -march=native -ffast-math, exponentials from libmvec) on one;
beside them, the time to read X, y and weights once (the sum of each, by NumPy), which no kernel
can beat, ours with X stored in single precision, and a likelihood alone, per draw, as importance
sampling evaluates it.  All in turn, several times over; medians.
"""

from __future__ import annotations

import ctypes
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skmixreg._model._sums import row_kernels
from skmixreg._model.observations import Observations
from skmixreg._model.raw import Model, Raw
from skmixreg._model.rows import HeldRows
from skmixreg.families import Gaussian

from .tables import table

SOURCE = Path(__file__).with_name("kernel.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")
DRAWS = 16
MODEL = Model(Gaussian().kernel_settings())
Pointer = ctypes.POINTER(ctypes.c_double)


class Settings(NamedTuple):
    """Rows, components and features; how often, and how long at a time, each is timed."""

    shapes: tuple[tuple[int, int, int], ...] = (
        (100_000, 2, 1),
        (100_000, 3, 5),
        (100_000, 3, 16),
        (100_000, 3, 50),
        (1_000_000, 2, 1),
        (1_000_000, 3, 5),
        (1_000_000, 3, 16),
        (10_000_000, 2, 1),
    )
    rounds: int = 5
    seconds: float = 0.2


TINY = Settings(((200, 2, 1), (20_000, 3, 5)), 1, 0.0)


def c_gradient(folder: str) -> Callable[..., np.ndarray]:
    """The compiled function of kernel.c, with arguments like those of ours."""
    library = str(Path(folder) / "kernel.so")
    subprocess.run(["gcc", *FLAGS, str(SOURCE), "-o", library, "-lm"], check=True)
    function = ctypes.CDLL(library).gradient
    function.argtypes = [ctypes.c_long] * 5 + [Pointer] * 8
    function.restype = None

    def gradient(X: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        (p, n), K = X.shape, len(arrays[2])
        out = np.empty(1 + 3 * K + K * p)
        pointers = [array.ctypes.data_as(Pointer) for array in (X, *arrays, out)]
        function(0, n, n, p, K, *pointers)
        return out

    return gradient


def in_logits(flat: np.ndarray, raw: Raw) -> np.ndarray:
    """The result of kernel.c in the order of ours, in logits rather than log weights."""
    K, p = raw.coef.shape
    value, weights, intercept, coef, log_sigma = np.split(flat, np.cumsum([1, K, K, K * p]))
    logits = weights - weights.sum() * np.exp(raw.log_weights)
    line = np.column_stack([intercept, coef.reshape(K, p)])
    return np.concatenate([value, logits, line.ravel(), log_sigma])


def problem(n: int, K: int, p: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Rows (X, y, weights) and the parameters they were drawn from."""
    rng = np.random.default_rng(0)
    X, z = rng.normal(size=(p, n)), rng.integers(0, K, n)
    intercept, coef = rng.normal(size=K), rng.normal(size=(K, p))
    y = intercept[z] + 0.3 * rng.normal(size=n)
    for j in range(p):
        y += coef[z, j] * X[j]
    return (X, y, np.ones(n)), (np.log(np.full(K, 1 / K)), intercept, coef, np.log(np.full(K, 0.3)))


def median_seconds(function: Callable[[], Any], at_least: float) -> float:
    """Median over as many calls as fill the time, after one that does not count."""
    function()
    times: list[float] = []
    while sum(times) < at_least or len(times) < 3:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def timed(
    shape: tuple[int, int, int], gradient: Callable[..., np.ndarray] | None, settings: Settings
) -> dict[str, float]:
    """Nanoseconds per row and component, by what was timed."""
    n, K, p = shape
    data, parameters = problem(n, K, p)
    one, two = HeldRows(Observations(*data), 1), HeldRows(Observations(*data), 2)
    single = HeldRows(Observations(data[0].astype(np.float32), *data[1:]))
    raw = Raw.of(*parameters[:3], parameters[3][:, None])
    raws = Raw(*(np.repeat(array[None], DRAWS, axis=0) for array in raw))

    def ours(rows: HeldRows) -> np.ndarray:
        return rows.sum(row_kernels.log_likelihood_gradient, raw, MODEL)

    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(one),
        "two threads": lambda: ours(two),
        "reading": lambda: [array.sum() for array in data],
        "single precision": lambda: ours(single),
        "a draw": lambda: one.sum(row_kernels.log_likelihood_draws, raws, MODEL),
    }
    if gradient is not None:
        expected = in_logits(gradient(*data, *parameters), raw)
        np.testing.assert_allclose(ours(one), expected, rtol=1e-8, atol=1e-6)
        calls["C"] = lambda: gradient(*data, *parameters)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(settings.rounds):
        for name, call in calls.items():
            seconds = median_seconds(call, settings.seconds)
            times[name].append(seconds / (DRAWS if name == "a draw" else 1))
    two.close()
    return {name: 1e9 * statistics.median(values) / (n * K) for name, values in times.items()}


def measure(settings: Settings) -> dict[str, Any]:
    """One record per shape; without a C compiler, without C."""
    with tempfile.TemporaryDirectory() as folder:
        gradient = c_gradient(folder) if shutil.which("gcc") else None
        return {
            "runs": [
                {"shape": list(shape), "ns": timed(shape, gradient, settings)}
                for shape in settings.shapes
            ]
        }


def over_limit(ns: dict[str, float]) -> float:
    """Ours over the larger of C and reading."""
    return ns["ours"] / max(ns.get("C", 0.0), ns["reading"])


def ratios(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Worst of all shapes, and threads where rows are many."""
    times = [record["ns"] for record in found["runs"]]
    many = [
        record["ns"]["ours"] / record["ns"]["two threads"]
        for record in found["runs"]
        if record["shape"][0] >= 1_000_000
    ]
    lines = []
    if all("C" in ns for ns in times):
        what = "kernel, ns / the larger of C and reading memory, one thread, largest of all shapes"
        lines.append((what, f"{max(map(over_limit, times)):.2f}"))
    if many:
        what = "kernel, one thread / two threads, from 1,000,000 rows on"
        lines.append((what, f"{min(many):.2f} to {max(many):.2f}"))
    return lines


def details(found: dict[str, Any]) -> list[str]:
    """Table in Markdown."""
    rows = []
    for record in found["runs"]:
        (n, K, p), ns = record["shape"], record["ns"]
        cells = [f"{ns[name]:.2f}" if name in ns else "-" for name in ("C", "reading", "ours")]
        cells += [f"{over_limit(ns):.2f}", f"{ns['two threads']:.2f}"]
        cells += [f"{ns['ours'] / ns['two threads']:.2f}"]
        cells += [f"{ns[name]:.2f}" for name in ("single precision", "a draw")]
        rows.append([f"{n:,}", str(K), str(p), *cells])
    head = ["N", "K", "p", "C", "reading", "ours", "over the larger of the two", "two threads"]
    return [
        "Nanoseconds per row and component of one log-likelihood with its gradient: the same in C",
        "(`gcc -O3 -march=native -ffast-math`, vectorised exponentials of the C library), X, y and",
        "weights read once, and ours. Then ours on two threads, which take 50 to 100",
        "microseconds to start; ours with X stored in single precision, no choice of the package,",
        "since it never halves the time; and the likelihood alone, per draw, as importance",
        "sampling evaluates it. There is no BLAS in it: its matrix products took three to four",
        "times as long as these loops at K = 3 and p = 50, and 1.5 times at K = 8.",
        "",
        *table([*head, "times faster", "X in single precision", "a draw"], rows),
        "",
    ]
