"""How cost grows with rows on a Dask cluster of two worker processes, beside the same in memory.

    python -m tests.benchmarks.dask_table 1e6 1e7

Rows are made on the workers (K = 2, p = 2, chunks of half a million rows).  Per number of rows it
prints, for the cluster and for the same rows in memory on two threads, seconds of one Newton
iteration, of one Gibbs sweep of four chains, of the likelihood of 256 draws, and of whole fits;
and bytes over the loopback interface per Newton iteration and per sweep.
"""

from __future__ import annotations

import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dask.array as da
import numpy as np
import psutil
from distributed import Client, LocalCluster

from skmixreg import BayesianMixtureRegressor
from skmixreg._dask_input import training_data
from skmixreg._density import LogPosterior
from skmixreg._priors import Priors
from skmixreg._problem import Problem
from skmixreg.families import Gaussian
from skmixreg.solvers import Laplace
from skmixreg.solvers.gibbs import Chains

CHUNK = 500_000


def block(seed: int, n: int) -> np.ndarray:
    """Columns x1, x2 and y of two lines."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    slope = np.where(rng.random(n) < 0.4, 3.0, -1.0)
    return np.column_stack([X, slope * X[:, 0] + 0.5 * X[:, 1] + rng.normal(0.0, 0.5, n)])


def made(n: int) -> tuple[Any, Any]:
    """X and y of n rows as Dask arrays."""
    rows = min(CHUNK, n // 8)
    table = da.map_blocks(
        lambda block_id=None: block(block_id[0], rows), chunks=((rows,) * (n // rows), (3,)),
        dtype=float, meta=np.empty((0, 0)),
    )  # fmt: skip
    return table[:, :2], table[:, 2]


def sent() -> int:
    """Bytes sent over the loopback interface."""
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


def timed(function: Any, repeats: int) -> tuple[float, float]:
    """Median seconds, and mean bytes, of a call."""
    function()
    seconds, before = [], sent()
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), (sent() - before) / repeats


def measure(problem: Problem) -> dict[str, tuple[float, float]]:
    """Seconds and bytes of the three kinds of passes."""
    density = LogPosterior(problem)
    rng = np.random.default_rng(0)
    thetas = 0.3 * rng.normal(size=(256, density.size))
    repeats = int(np.clip(2e7 / problem.n_rows, 3, 40))
    out = {
        "Newton": timed(lambda: density.value_gradient_hessian(thetas[0]), repeats),
        "256 draws": timed(lambda: density.values(thetas), min(repeats, 5)),
    }
    with ThreadPoolExecutor(2) as pool:
        chains = Chains(problem, thetas[:4], rng, pool)
        out["sweep of 4 chains"] = timed(lambda: chains._sweep(1, 1), repeats)
    return out


def problem_of(X: Any, y: Any) -> Problem:
    """The problem of rows in memory or in chunks."""
    return Problem.from_data(
        X, y, family=Gaussian(), n_components=2, priors=Priors().resolve(), n_threads=2
    )


def main() -> None:
    warnings.simplefilter("ignore")
    for n in (int(float(a)) for a in sys.argv[1:]):
        X, y = made(n)
        model = BayesianMixtureRegressor(random_state=0, n_jobs=2)
        solvers = {"map": "map", "laplace": Laplace(draws=1000)}
        with (
            LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster),
        ):
            before, start = sent(), time.perf_counter()
            time.sleep(3.0)
            idle = (sent() - before) / (time.perf_counter() - start)
            problem = problem_of(training_data(model, X, y, None, 2, 2)[0], None)
            there = measure(problem)
            problem.rows.close()
            for name, solver in solvers.items():
                start = time.perf_counter()
                fit = model.set_params(solver=solver).fit(X, y)
                there[name] = time.perf_counter() - start, 0.0
                there[f"coef {name}"] = fit.coef_
        here_X, here_y = (a.compute(scheduler="threads") for a in (X, y))
        here = measure(problem_of(here_X, here_y))
        for name, solver in solvers.items():
            start = time.perf_counter()
            fit = model.set_params(solver=solver).fit(here_X, here_y)
            here[name] = time.perf_counter() - start, 0.0
            print(
                f"{name}: largest difference {np.abs(fit.coef_ - there[f'coef {name}']).max():.1e}"
            )
        print(f"| n = {n:.0e} | cluster, s | in memory, s | ratio | bytes |")
        for name, (seconds, _) in here.items():
            remote, moved = there[name]
            moved = max(moved - idle * remote, 0.0)
            print(
                f"| {name} | {remote:.3f} | {seconds:.3f} | {remote / seconds:.2f} | {moved:.0f} |"
            )
        print(flush=True)


if __name__ == "__main__":
    main()
