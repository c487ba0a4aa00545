"""How cost grows with rows on a Dask cluster of two worker processes, beside the same in memory.

    python -m tests.benchmarks.dask_table 1e6 1e7
    python -m tests.benchmarks.dask_table --passes --fits=map --cluster 1e8

K = 2, p = 2, chunks of half a million rows.  Per number of rows it prints, for the cluster (two
workers of one thread) and for the same rows in memory (two threads), seconds of one Newton
iteration, of the likelihood of 256 draws, of one Gibbs sweep of four chains and of whole fits:
medians of several, cluster and memory in turn.  ``persisted`` fits find their rows in the memory
of the workers; ``made`` fits include making them there, which the fit in memory never does.

``--fits=map,laplace`` chooses fits, ``--passes`` leaves out other fits, ``--cluster`` what is in
memory, where rows are too many for both.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import dask.array as da
import numpy as np
import psutil
from distributed import Client, LocalCluster, wait

from skmixreg import BayesianMixtureRegressor
from skmixreg._dask.dask_input import training_data
from skmixreg._model.density import LogPosterior
from skmixreg._model.held_data import HeldData
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg.families import Gaussian
from skmixreg.solvers import Gibbs, Laplace
from skmixreg.solvers.gibbs import Chains

CHUNK = 500_000


def block(seed: int, n: int) -> np.ndarray:
    """Columns x1, x2 and y of two lines."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    slope = np.where(rng.random(n) < 0.4, 3.0, -1.0)
    return np.column_stack([X, slope * X[:, 0] + 0.5 * X[:, 1] + rng.normal(0.0, 0.5, n)])


def made(n: int, name: str = "made") -> tuple[Any, Any]:
    """X and y of n rows as Dask arrays."""
    rows = min(CHUNK, n // 8)
    table = da.map_blocks(
        lambda block_id=None: block(block_id[0], rows), chunks=((rows,) * (n // rows), (3,)),
        dtype=float, meta=np.empty((0, 0)), name=f"{name}-{n}",
    )  # fmt: skip
    return table[:, :2], table[:, 2]


def sent() -> int:
    """Bytes sent over the loopback interface."""
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


def timed(function: Any, repeats: int) -> tuple[float, float]:
    """Median seconds, and mean bytes, of a call."""
    if repeats > 1:
        function()
    seconds, before = [], sent()
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), (sent() - before) / repeats


def passes(problem: Problem, stack: ExitStack) -> dict[str, Any]:
    """The three kinds of passes."""
    density = LogPosterior(problem)
    rng = np.random.default_rng(0)
    thetas = 0.3 * rng.normal(size=(256, density.size))
    chains = Chains(problem, thetas[:4], rng, stack.enter_context(ThreadPoolExecutor(2)))
    return {
        "a Newton iteration": lambda: density.value_gradient_hessian(thetas[0]),
        "the likelihood of 256 draws": lambda: density.values(thetas),
        "a Gibbs sweep of 4 chains": lambda: chains.run(1, 1, None, 1),
    }


def problem_of(data: Any) -> Problem:
    """The problem of rows in memory or in chunks."""
    return Problem.from_data(data, family=Gaussian(), n_components=2, priors=Priors().resolve())


SOLVERS: dict[str, Any] = {
    "map": "map",
    "laplace": Laplace(draws=1000),
    "gibbs": Gibbs(draws=50, tune=20, chains=2, max_thin=1),
    "cavi": "cavi",
    "auto": "auto",
}


class Watch:
    """Wall and CPU seconds of fits, on the cluster and here."""

    def __init__(self, client: Client):
        self.client = client
        self.found: dict[str, list[tuple[float, float]]] = {}

    def cpu(self) -> float:
        """CPU seconds of this process, where the scheduler is, and of the workers."""
        return time.process_time() + sum(self.client.run(time.process_time).values())

    def fit(self, name: str, model: Any, X: Any, y: Any) -> np.ndarray:
        """Coefficients."""
        cpu, start = self.cpu(), time.perf_counter()
        coef = model.fit(X, y).coef_
        seconds = time.perf_counter() - start
        self.found.setdefault(name, []).append((seconds, self.cpu() - cpu))
        return np.asarray(coef)

    def median(self, name: str) -> str:
        """Wall and CPU seconds."""
        if name not in self.found:
            return "-"
        return "{:.2f} (cpu {:.2f})".format(*np.median(self.found[name], axis=0))


def measure(n: int, client: Client, solvers: Sequence[str], here: bool) -> None:
    """All that is printed of n rows."""
    X, y = made(n)
    model = BayesianMixtureRegressor(random_state=0, n_jobs=2)
    there = client.persist(made(n, "persisted"))
    wait(there)
    before, start = sent(), time.perf_counter()
    time.sleep(3.0)
    idle = (sent() - before) / (time.perf_counter() - start)
    rows = [a.compute(scheduler="threads") for a in (X, y)] if here else []
    repeats = int(np.clip(2e7 / n, 3, 40))
    with ExitStack() as stack:
        remote = problem_of(training_data(model, *there, None, 2, 2, Gaussian())[0])
        stack.enter_context(remote.rows)
        cluster = passes(remote, stack)
        memory = passes(problem_of(HeldData(*rows, None, 2)), stack) if here else {}
        print(f"n = {n:.0e}: cluster, in memory, ratio, bytes per call")
        for name, function in cluster.items():
            few = repeats if "256" not in name else int(np.clip(1e7 / n, 1, 5))
            seconds, moved = timed(function, few)
            own = timed(memory[name], few)[0] if here else np.nan
            moved = max(moved - idle * seconds, 0.0)
            print(
                f"  {name}: {seconds:.3f} | {own:.3f} | {seconds / own:.2f} | {moved:.0f}",
                flush=True,
            )
    for name in solvers:
        watch = Watch(client)
        model = model.set_params(solver=SOLVERS[name])
        for _ in range(int(np.clip(5e7 / n, 2, 5)) if name == "map" else 1):
            coef = watch.fit("persisted", model, *there)
            if here:
                gap = np.abs(watch.fit("memory", model, *rows) - coef).max()
            if name == "map":
                watch.fit("made", model, X, y)
        kinds = {kind: watch.median(kind) for kind in ("persisted", "made", "memory")}
        print(f"  fit {name}: {kinds}", f"coef_ differs by {gap:.1e}" if here else "", flush=True)


def main() -> None:
    warnings.simplefilter("ignore")
    numbers = [int(float(a)) for a in sys.argv[1:] if not a.startswith("--")]
    fits = next((a[7:] for a in sys.argv if a.startswith("--fits=")), None)
    solvers = fits.split(",") if fits else [] if "--passes" in sys.argv else ["map", "laplace"]
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        BayesianMixtureRegressor(random_state=0, solver="map").fit(*made(100_000))
        for n in numbers:
            print(f"load {os.getloadavg()}")
            measure(n, client, solvers, "--cluster" not in sys.argv)


if __name__ == "__main__":
    main()
