"""Ten million rows in chunks: memory and time of `partial_fit`.

    python tests/benchmarks/streaming.py --rows 10000000 --chunk 100000

Rows of the seed problem are made on the fly, and the time to make them is left out.  Memory is the
resident set of the process; it must not grow with the rows, and seconds per chunk must not either.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from skmixreg import BayesianMixtureRegressor


def seed_problem(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The two lines: y = 3x or y = -x, with noise of sd 0.1."""
    x = rng.uniform(-1, 1, n)
    slope = np.where(rng.random(n) < 0.5, 3.0, -1.0)
    return x[:, None], slope * x + rng.normal(0, 0.1, n)


def resident_mib() -> float:
    """Resident set of this process, in MiB; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--chunk", type=int, default=100_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    model = BayesianMixtureRegressor(solver="cavi", random_state=0)
    model.partial_fit(*seed_problem(1000, rng)).partial_fit(*seed_problem(1000, rng))  # compiles
    model.fit(*seed_problem(arguments.chunk, rng))

    print(f"{'rows':>10} {'MiB':>7} {'s/chunk':>8} {'cpu':>6} {'khat':>6}  slopes, off in sds")
    chunks = arguments.rows // arguments.chunk
    wall = cpu = 0.0
    for i in range(1, chunks):
        X, y = seed_problem(arguments.chunk, rng)
        start, before = time.perf_counter(), time.process_time()
        model.partial_fit(X, y)
        wall += time.perf_counter() - start
        cpu += time.process_time() - before
        if i % 10 == 0 or i == chunks - 1:
            sd = model.posterior_["coef"].std(axis=(0, 1)).ravel()
            off = (model.coef_.ravel() - [-1.0, 3.0]) / sd
            done = 10 if i % 10 == 0 else i % 10
            print(
                f"{(i + 1) * arguments.chunk:10d} {resident_mib():7.0f} {wall / done:8.3f} "
                f"{cpu / done:6.3f} {model.solver_report_['khat']:6.2f}  {model.coef_.ravel()} "
                f"{off.round(1)}",
                flush=True,
            )
            wall = cpu = 0.0
    print(f"converged: {model.converged_}, {model.solver_report_['n_observations']:g} observations")


if __name__ == "__main__":
    main()
