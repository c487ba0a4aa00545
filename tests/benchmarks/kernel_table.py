"""The log-likelihood kernel against C and against memory.

    python -m tests.benchmarks.kernel_table

Nanoseconds per row and component of one log-likelihood with its gradient: ours on one and on two
threads, and ``kernel.c`` (gcc -O3 -march=native -ffast-math, exponentials from libmvec) on one;
beside them, the time to read X, y and weights once (the sum of each, by NumPy), which no kernel
can beat, ours with X stored in single precision, and a likelihood alone, per draw, as importance
sampling evaluates it.  All in turn, five times over; medians.
"""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from skmixreg import _kernels
from skmixreg._rows import HeldRows
from skmixreg.families import Gaussian

SOURCE = Path(__file__).with_name("kernel.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")
SHAPES = (  # rows, components, features
    (100_000, 2, 1), (100_000, 3, 5), (100_000, 3, 16), (100_000, 3, 50),
    (1_000_000, 2, 1), (1_000_000, 3, 5), (1_000_000, 3, 16),
    (10_000_000, 2, 1),
)  # fmt: skip
ROUNDS, SECONDS_PER_ROUND, DRAWS = 5, 0.2, 16
SETTINGS = Gaussian().kernel_settings()
Pointer = ctypes.POINTER(ctypes.c_double)


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


def problem(n: int, K: int, p: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Rows (X, y, weights) and the parameters they were drawn from."""
    rng = np.random.default_rng(0)
    X, z = rng.normal(size=(p, n)), rng.integers(0, K, n)
    intercept, coef = rng.normal(size=K), rng.normal(size=(K, p))
    y = intercept[z] + 0.3 * rng.normal(size=n)
    for j in range(p):
        y += coef[z, j] * X[j]
    return (X, y, np.ones(n)), (np.log(np.full(K, 1 / K)), intercept, coef, np.log(np.full(K, 0.3)))


def seconds(function: Callable[[], Any]) -> float:
    """Median over as many calls as fill a round, after one that does not count."""
    function()
    times: list[float] = []
    while sum(times) < SECONDS_PER_ROUND or len(times) < 3:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(n: int, K: int, p: int, gradient: Callable[..., np.ndarray]) -> dict[str, float]:
    """Nanoseconds per row and component, by what was timed."""
    data, parameters = problem(n, K, p)
    draws = [np.repeat(array[None], DRAWS, axis=0) for array in parameters]
    one, two = HeldRows(*data, 1), HeldRows(*data, 2)
    single = HeldRows(data[0].astype(np.float32), *data[1:])

    def ours(rows: HeldRows) -> np.ndarray:
        return rows.sum(_kernels.log_likelihood_gradient, *parameters, SETTINGS)

    np.testing.assert_allclose(ours(one), gradient(*data, *parameters), rtol=1e-9)
    calls = {
        "C": lambda: gradient(*data, *parameters),
        "ours": lambda: ours(one),
        "ours, two threads": lambda: ours(two),
        "reading": lambda: [array.sum() for array in data],
        "single precision": lambda: ours(single),
        "a draw": lambda: one.sum(_kernels.log_likelihood_draws, *draws, SETTINGS),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            times[name].append(seconds(call) / (DRAWS if name == "a draw" else 1))
    two.close()
    return {name: 1e9 * statistics.median(values) / (n * K) for name, values in times.items()}


def rows() -> list[dict[str, float]]:
    """One record per shape."""
    with tempfile.TemporaryDirectory() as folder:
        gradient = c_gradient(folder)
        return [{"n": n, "K": K, "p": p, **measure(n, K, p, gradient)} for n, K, p in SHAPES]


def markdown(records: list[dict[str, float]]) -> str:
    """The table of a page."""
    lines = [
        "| rows | K | p | C | reading | ours | over the larger of the two | two threads | times"
        " faster | X in single precision | a draw |",
        "| --- " * 11 + "|",
    ]
    for r in records:
        limit = max(r["C"], r["reading"])
        lines.append(
            f"| {r['n']:,} | {r['K']} | {r['p']} | {r['C']:.2f} | {r['reading']:.2f} "
            f"| {r['ours']:.2f} | {r['ours'] / limit:.2f} | {r['ours, two threads']:.2f} "
            f"| {r['ours'] / r['ours, two threads']:.2f} | {r['single precision']:.2f} "
            f"| {r['a draw']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(rows()))
