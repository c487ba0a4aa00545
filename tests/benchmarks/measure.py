"""What skmixreg must reach, measured: every row of the table that needs no peer.

    python tests/benchmarks/measure.py all
    python tests/benchmarks/measure.py seed-problem predict
    python tests/benchmarks/measure.py random-problems --limit 30

Every row is merged into ``results.json`` beside this file, and ``docs/measurements.md`` is written
from that file, so that rows can be run one by one; a run with ``--limit`` (fewer data sets or
states per row) is printed only.  A row says what is required, what was measured, whether it was
reached (computed from the numbers), the load of the machine before and after, and a hash of the
sources that ran.  Times are wall times of a process that has fitted once before, unless a row says
otherwise.  The rows that need PyMC's and nutpie's samplers are in ``peers.py``.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

import skmixreg
from skmixreg import BayesianMixtureRegressor
from skmixreg.model_selection import one_standard_error

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = HERE / "results.json"
REPORT = ROOT / "docs" / "measurements.md"
LAZY = ("pymc", "pytensor", "arviz", "matplotlib", "dask", "jax", "nutpie")
PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "numba", "pymc", "arviz", "arviz-stats")


class Check(NamedTuple):
    """One line of the table; ``reached`` is None where nothing is required."""

    what: str
    required: str
    measured: str
    reached: bool | None


Row = Callable[[int | None], tuple[list[Check], dict[str, Any]]]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Enter a function into the table of rows.

    It takes the limit and returns checks and details for the JSON file.
    """

    def enter(function: Row) -> Row:
        ROWS[name] = function
        return function

    return enter


# ------------------------------------------------------------------------------------ data


def seed_problem(n: int, state: int) -> tuple[np.ndarray, np.ndarray]:
    """y = 3x or y = -x, with noise of sd 0.1."""
    rng = np.random.default_rng([1, state])
    x = rng.uniform(-1, 1, n)
    slope = np.where(rng.random(n) < 0.5, 3.0, -1.0)
    return x[:, None], slope * x + rng.normal(0, 0.1, n)


class Mixture(NamedTuple):
    """Data drawn from a mixture, with the parameters they were drawn from."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray
    coef: np.ndarray
    sigma: np.ndarray

    @property
    def truth(self) -> float:
        """Log-likelihood at the true parameters, in units of y."""
        mean = self.intercept + self.X @ self.coef.T
        terms = -0.5 * ((self.y[:, None] - mean) / self.sigma) ** 2
        terms += np.log(self.weights) - np.log(self.sigma) - 0.5 * np.log(2.0 * np.pi)
        return float(np.logaddexp.reduce(terms, axis=1).sum())


def draw_mixture(
    rng: np.random.Generator, n: int, K: int, p: int, sigma: np.ndarray | None = None
) -> Mixture:
    """Weights Dirichlet(5), lines N(0, 2^2), noise sds log-uniform in 0.03..1, X normal."""
    weights = rng.dirichlet(np.full(K, 5.0))
    intercept, coef = rng.normal(0, 2, K), rng.normal(0, 2, (K, p))
    if sigma is None:
        sigma = np.exp(rng.uniform(np.log(0.03), 0.0, K))
    X, z = rng.normal(size=(n, p)), rng.choice(K, size=n, p=weights)
    y = intercept[z] + (X * coef[z]).sum(axis=1) + sigma[z] * rng.normal(size=n)
    return Mixture(X, y, weights, intercept, coef, sigma)


def random_problem(index: int) -> Mixture:
    """One of the 300: K 2..5, p 1..8, n log-uniform in 300..10,000."""
    rng = np.random.default_rng([2, index])
    K, p = int(rng.integers(2, 6)), int(rng.integers(1, 9))
    n = round(float(np.exp(rng.uniform(np.log(300), np.log(10_000)))))
    return draw_mixture(rng, n, K, p)


# ----------------------------------------------------------------------------------- tools


class Timed(NamedTuple):
    """A fit, and how long it took."""

    est: Any
    seconds: float
    cpu: float


def fit(X: Any, y: Any, K: int, state: int, **options: Any) -> Timed:
    """A timed fit with its warnings left out: ``converged_`` says the same."""
    est = BayesianMixtureRegressor(K, random_state=state, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start, cpu = time.perf_counter(), time.process_time()
        est.fit(X, y)
        return Timed(est, time.perf_counter() - start, time.process_time() - cpu)


def warm_up() -> None:
    """Load every kernel that later fits use."""
    for solver in ("laplace", "gibbs"):
        fit(*seed_problem(300, 99), 2, 0, solver=solver)
        fit(*draw_mixture(np.random.default_rng(0), 300, 3, 5)[:2], 3, 0, solver=solver)


def spread(seconds: list[float] | np.ndarray) -> str:
    """Median and largest."""
    return f"{np.median(seconds):.3g} s median, {np.max(seconds):.3g} s largest"


def counted(names: list[str]) -> str:
    """``laplace 18, gibbs 2``."""
    return ", ".join(f"{name} {n}" for name, n in collections.Counter(names).most_common())


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def child(code: str, *, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run code in a new process; it prints one JSON object last."""
    script = f"import sys; sys.path.insert(0, {str(HERE)!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


# ------------------------------------------------------------------------------------ rows


@row("seed-problem")
def measure_seed_problem(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    checks, detail = [], {}
    truth = {"coef": [[-1.0], [3.0]], "weights": [0.5, 0.5], "sigma": [0.1, 0.1]}
    truth["intercept"] = [0.0, 0.0]
    for n, states, needed in (
        (100, 20, 18),
        (1000, 20, 20),
        (10_000, 20, 20),
        (100_000, 20, 20),
        (1_000_000, 3, 3),
    ):
        rows = []
        for state in range(min(limit or states, states)):
            est, seconds, cpu = fit(*seed_problem(n, state), 2, state)
            gaps = {}
            for name, values in truth.items():
                draws = est.posterior_[name].reshape(-1, *np.shape(values))
                gap = np.abs(draws.mean(axis=0) - values) / draws.std(axis=0)
                gaps[name] = float(gap.max())
            rows.append(
                {"state": state, "gap_in_sds": gaps, "right": max(gaps.values()) < 5.0}
                | {"solver": est.posterior_.solver, "converged": bool(est.converged_)}
                | {"seconds": seconds, "cpu": cpu}
            )
        progress(f"seed-problem {n}: done")
        right = sum(r["right"] for r in rows)
        share = f"{needed} of {states}" if needed < states else f"all of {states}"
        worst = max(max(r["gap_in_sds"].values()) for r in rows)
        checks.append(
            Check(
                f"seed problem, N = {n:,}",
                f"within 5 posterior sds of the truth: {share}",
                f"{right} of {len(rows)} (largest distance {worst:.1f} sds); "
                f"converged {sum(r['converged'] for r in rows)}; "
                f"{counted([r['solver'] for r in rows])}; {spread([r['seconds'] for r in rows])}",
                right >= needed * len(rows) / states,
            )
        )
        detail[str(n)] = rows
    return checks, detail


@row("gibbs-speed")
def measure_gibbs_speed(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    from skmixreg._model.priors import Priors
    from skmixreg._model.problem import Problem
    from skmixreg._search.search import find_modes
    from skmixreg.families import Gaussian
    from skmixreg.solvers import Gibbs

    n, sweeps, checks, detail = 100_000, 100, [], {}
    for K, p in ((2, 1), (3, 5)):
        rng = np.random.default_rng([3, K, p])
        data = draw_mixture(rng, n, K, p, sigma=np.full(K, 0.3))
        X, y = seed_problem(n, 0) if (K, p) == (2, 1) else (data.X, data.y)
        problem = Problem.from_arrays(
            X, y, family=Gaussian(), n_components=K, priors=Priors().resolve()
        )
        modes = find_modes(problem, np.random.default_rng(0), n_init=20)

        def run(tune: int, problem: Any = problem, modes: Any = modes) -> float:
            solver = Gibbs(draws=4, tune=tune, chains=1, max_thin=1, jumps=False)
            start = time.perf_counter()
            with threadpool_limits(1, user_api="blas"):
                solver.draw(problem, modes, np.random.default_rng(1), n_threads=1)
            return time.perf_counter() - start

        run(4)
        # All but the sweeps is the same with few and with many of them.
        times = [run(10 + sweeps) - run(10) for _ in range(min(limit or 7, 7))]
        ns = [t / (sweeps * n * K) * 1e9 for t in times]
        checks.append(
            Check(
                f"gibbs, N = {n:,}, K = {K}, p = {p}, per row x component per sweep, one thread",
                "15 ns",
                f"{np.median(ns):.1f} ns ({min(ns):.1f} to {max(ns):.1f} in {len(ns)} runs of "
                f"{sweeps} sweeps)",
                bool(np.median(ns) <= 15.0),
            )
        )
        detail[f"K={K}, p={p}"] = ns
    return checks, detail


@row("small-fit")
def measure_small_fit(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    count, rows = min(limit or 20, 20), []
    for true_K in (3, 2):
        for state in range(count):
            rng = np.random.default_rng([4, true_K, state])
            data = draw_mixture(rng, 1000, true_K, 5)
            est, seconds, cpu = fit(data.X, data.y, 3, state)
            rows.append(
                {"true_K": true_K, "state": state, "solver": est.posterior_.solver}
                | {"seconds": seconds, "cpu": cpu, "converged": bool(est.converged_)}
                | {"sweeps": est.solver_report_.get("sweeps")}
            )
    checks = []
    for solver, most in (("laplace", 0.1), ("gibbs", 1.0)):
        for true_K in (3, 2):
            some = [r for r in rows if r["solver"] == solver and r["true_K"] == true_K]
            if some:
                seconds = [r["seconds"] for r in some]
                cpu = np.median([r["cpu"] for r in some])
                checks.append(
                    Check(
                        f"fit, N = 1000, K = 3, p = 5, {true_K} true components, "
                        f"where {solver} ran",
                        f"{most} s",
                        f"{spread(seconds)} over {len(some)} of {count} data sets (cpu "
                        f"{cpu:.3g} s median); "
                        f"converged {sum(r['converged'] for r in some)}",
                        bool(np.median(seconds) <= most),
                    )
                )
    others = [r["solver"] for r in rows if r["solver"] not in ("laplace", "gibbs")]
    if others:
        checks.append(Check("the same, where another solver ran", "none", counted(others), False))
    return checks, {"fits": rows}


FIRST_FIT = """
import time, json
start = time.perf_counter()
import skmixreg
from skmixreg import BayesianMixtureRegressor
imported = time.perf_counter() - start
import numpy as np
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, {n})
y = np.where(rng.random({n}) < 0.5, 3 * x, -x) + rng.normal(0, 0.1, {n})
start, cpu = time.perf_counter(), time.process_time()
est = BayesianMixtureRegressor(2, random_state=0).fit(x[:, None], y)
first = time.perf_counter() - start
cpu = time.process_time() - cpu
start = time.perf_counter()
est.fit(x[:, None], y)
print(json.dumps(dict(imported=imported, first=first, cpu=cpu, second=time.perf_counter() - start,
                      solver=est.posterior_.solver)))
"""


@row("first-fit")
def measure_first_fit(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    checks, detail = [], {}
    for n in (1000, 100_000):
        code = FIRST_FIT.format(n=n)
        child(code)  # fills the cache
        runs = [child(code) for _ in range(min(limit or 7, 7))]
        first = [r["first"] for r in runs]
        checks.append(
            Check(
                f"first fit in a new process, cache warm, seed problem, N = {n:,}",
                "1 s beyond import",
                f"{spread(first)} of {len(runs)} (cpu {np.median([r['cpu'] for r in runs]):.3g} s);"
                f" import {np.median([r['imported'] for r in runs]):.2f} s; a second fit "
                f"{np.median([r['second'] for r in runs]):.3f} s",
                bool(np.median(first) <= 1.0),
            )
        )
        detail[str(n)] = runs
    return checks, detail


@row("two-lines")
def measure_two_lines(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        names = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "MPLCONFIGDIR")
        environment = os.environ | {name: str(Path(folder) / name) for name in names}
        before, start = os.times(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "two_lines.py"), f"{folder}/picture.png"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    fits = next(line for line in done.stdout.splitlines() if line.startswith("first fit"))
    check = Check(
        "examples/two_lines.py, no compile cache",
        "30 s",
        f"{seconds:.1f} s (cpu {cpu:.1f} s): {fits}",
        seconds <= 30.0,
    )
    return [check], {"seconds": seconds, "cpu": cpu, "output": done.stdout.splitlines()}


def measure_random_problems(limit: int | None, solver: str) -> tuple[list[Check], dict[str, Any]]:
    rows = []
    count = min(limit or 300, 300)
    for index in range(count):
        data = random_problem(index)
        (n, p), K = data.X.shape, len(data.weights)
        est, seconds, cpu = fit(data.X, data.y, K, index, solver=solver)
        modes = est.modes_
        top = modes["log_likelihood"][modes["probability"].idxmax()]
        rows.append(
            {"index": index, "n": n, "K": K, "p": p, "seconds": seconds, "cpu": cpu}
            | {"solver": est.posterior_.solver, "converged": bool(est.converged_)}
            | {"below_truth": float(data.truth - top), "modes": len(modes)}
            | {"below_truth_best": float(data.truth - modes["log_likelihood"].max())}
            | {"failures": est.posterior_.failures}
        )
        if index % 25 == 24:
            progress(f"random-problems, {solver}: {index + 1}")
    table = pd.DataFrame(rows)
    wrong = table[table.converged & (table.below_truth > 3.0)]
    converged = float(table.converged.mean())
    seconds = table.seconds.quantile([0.5, 0.95, 1.0]).to_numpy()
    slow = table.loc[table.seconds.idxmax()]
    named = f": {', '.join(map(str, wrong['index']))}" if len(wrong) else ""
    default = solver == "auto"
    checks = [
        Check(
            f"{count} random problems, solver={solver!r}: converged_, and yet the most probable "
            "mode over 3 nats below the truth",
            f"0 of {count}",
            f"{len(wrong)} of {count}{named}; unconverged and over 3 nats below: "
            f"{int((~table.converged & (table.below_truth > 3.0)).sum())}",
            len(wrong) == 0,
        ),
        Check(
            f"the same, solver={solver!r}: share of converged_",
            "95%" if default else "-",
            f"{converged:.1%}; {counted(list(table.solver))}; {seconds[0]:.3g} s median, "
            f"{seconds[1]:.3g} s at 95%, {seconds[2]:.3g} s largest (problem {slow['index']}: "
            f"n = {slow.n}, K = {slow.K}, p = {slow.p}, {slow.solver})",
            converged >= 0.95 if default else None,
        ),
    ]
    return checks, {"fits": rows}


@row("random-problems")
def measure_random_problems_auto(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    return measure_random_problems(limit, "auto")


@row("random-problems-laplace")
def measure_random_problems_laplace(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    return measure_random_problems(limit, "laplace")


@row("import")
def measure_import(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    code = (
        "import time, json, sys as s; t = time.perf_counter(); import skmixreg; "
        "t = time.perf_counter() - t; "
        "print(json.dumps(dict(seconds=t, modules=sorted({m.partition('.')[0] for m in "
        "s.modules}))))"
    )
    runs = [child(code) for _ in range(min(limit or 5, 5))]
    lazy = [name for name in LAZY if name in runs[0]["modules"]]
    seconds = [r["seconds"] for r in runs]
    measured = f"imports {', '.join(lazy) or 'none of them'}; {spread(seconds)}"
    check = Check("import skmixreg", f"none of {', '.join(LAZY)}", measured, not lazy)
    return [check], {"seconds": seconds, "modules": runs[0]["modules"]}


@row("grid-search")
def measure_grid_search(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    rows = []
    for state in range(min(limit or 20, 20)):
        X, y = seed_problem(2000, state)
        search = GridSearchCV(
            BayesianMixtureRegressor(random_state=state),
            {"n_components": [1, 2, 3, 4, 5]},
            cv=5,
            refit=one_standard_error,
        )
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search.fit(X, y)
        seconds = time.perf_counter() - start
        # The same scores, as refit=True reads them.
        best = int(np.argmin(search.cv_results_["rank_test_score"]))
        rows.append(
            {"state": state, "seconds": seconds, "best": best + 1}
            | {"one_standard_error": search.best_params_["n_components"]}
            | {"scores": search.cv_results_["mean_test_score"].tolist()}
            | {"fit_seconds": search.cv_results_["mean_fit_time"].tolist()}
        )
        progress(f"grid-search {state}: {seconds:.1f} s, {rows[-1]['fit_seconds']}")
    n = len(rows)
    best = [r["best"] for r in rows]
    chosen = [r["one_standard_error"] for r in rows]
    seconds = [r["seconds"] for r in rows]
    text = "GridSearchCV over K = 1..5, 5 folds, N = 2000, seed problem"
    checks = [
        Check(
            f"{text}: best K",
            "never 1",
            counted([f"K={K}:" for K in sorted(best)]),
            1 not in best,
        ),
        Check(
            "the same with one_standard_error",
            f"K = 2 on all {n}",
            f"K = 2 on {chosen.count(2)} of {n}",
            chosen.count(2) == n,
        ),
        Check("the same, time", "60 s each", spread(seconds), max(seconds) < 60.0),
    ]
    return checks, {"searches": rows}


@row("predict")
def measure_predict(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    data = draw_mixture(np.random.default_rng([5, 0]), 2000, 3, 5)
    est = fit(data.X, data.y, 3, 0).est
    X = np.random.default_rng([5, 1]).normal(size=(1_000_000, 5))
    checks, detail = [], {}
    for text, options, most in (
        ("predict", {}, 0.1),
        ("predict(return_std=True)", {"return_std": True}, None),
    ):
        seconds = []
        for _ in range(min(limit or 9, 9)):
            start = time.perf_counter()
            est.predict(X, **options)
            seconds.append(time.perf_counter() - start)
        checks.append(
            Check(
                f"{text}, N = 1,000,000, p = 5",
                "-" if most is None else f"{most} s",
                f"{np.median(seconds):.3f} s median, {min(seconds):.3f} to {max(seconds):.3f} s",
                None if most is None else bool(np.median(seconds) <= most),
            )
        )
        detail[text] = seconds
    return checks, detail


def peak_of_fit(n: int, p: int, K: int) -> dict[str, Any]:
    """Memory of a fit beyond what the process held before, data included; run in a new process."""
    page = os.sysconf("SC_PAGE_SIZE")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    def high_water() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(s.split()[1]) for s in lines if s.startswith("VmHWM"))

    small = draw_mixture(np.random.default_rng(0), 2000, K, p)
    for solver in ("laplace", "gibbs"):
        fit(small.X, small.y, K, 0, solver=solver)
    data = draw_mixture(np.random.default_rng([6, 0]), n, K, p, sigma=np.full(K, 0.3))
    X, y = data.X, data.y
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    sampled, done, before = [resident()], threading.Event(), resident()

    def sample() -> None:
        while not done.wait(0.005):
            sampled.append(resident())

    watcher = threading.Thread(target=sample)
    watcher.start()
    est, seconds, _ = fit(X, y, K, 0)
    done.set()
    watcher.join()
    return {
        "data": X.nbytes + y.nbytes,
        "before": before,
        "peak_sampled": max(sampled) - before,
        "peak": high_water() - before,
        "seconds": seconds,
        "solver": est.posterior_.solver,
    }


@row("memory")
def measure_memory(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    found = child("import json, measure; print(json.dumps(measure.peak_of_fit(1_000_000, 5, 3)))")
    allowed = 3 * found["data"] + 200e6
    peak = max(found["peak"], found["peak_sampled"])
    check = Check(
        "peak memory of a fit above the data, N = 1,000,000, p = 5, K = 3",
        f"3 x {found['data'] / 1e6:.0f} MB + 200 MB = {allowed / 1e6:.0f} MB",
        f"{peak / 1e6:.0f} MB ({found['solver']}, {found['seconds']:.1f} s)",
        peak <= allowed,
    )
    return [check], found


@row("modes-reference")
def measure_modes_reference(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    checks, detail = [], {}
    folder = HERE.parent / "reference"
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        frame = pd.read_csv(path.with_suffix(".csv"))
        X, y = frame[record["design"][1:]], frame[record["response"]]
        for K in (1, 2, 3):
            peers = record["fits"][str(K)]
            states = min(limit or 20, 20)
            rows, found = [], []
            for state in range(states):
                est, seconds, _ = fit(X, y, K, state)
                modes = est.modes_[["log_likelihood", "probability"]].round(4)
                found.append(modes)
                rows.append(
                    {"state": state, "seconds": seconds, "converged": bool(est.converged_)}
                    | {"solver": est.posterior_.solver, "modes": modes.to_numpy().tolist()}
                )
            short = [peers["loglik"] - m["log_likelihood"].max() for m in found]
            heavy = [m[m["probability"] > 0.01]["log_likelihood"].round(1) for m in found]
            sets = {tuple(sorted(values)) for values in heavy}
            every = set().union(*sets)
            # A mode of over 1% in one state that another state did not list at all.
            lacking = sum(
                any((m["log_likelihood"] - value).abs().min() > 0.11 for value in every)
                for m in found
            )
            seconds = [r["seconds"] for r in rows]
            checks.append(
                Check(
                    f"modes of {path.stem}, K = {K}, {states} states: best log-likelihood below "
                    f"the peers' {peers['loglik']:.2f}",
                    f"at most d/2 = {peers['df'] / 2}",
                    f"at worst {max(short):.2f}, at best {min(short):.2f}; {len(sets)} distinct "
                    f"sets of modes over 1%, {lacking} states lack one of these modes; "
                    f"converged {sum(r['converged'] for r in rows)}; "
                    f"{counted([r['solver'] for r in rows])}; {spread(seconds)}",
                    max(short) <= peers["df"] / 2,
                )
            )
            detail[f"{path.stem}, K={K}"] = rows
            progress(f"modes-reference {path.stem}, K={K}: done")
    return checks, detail


@row("threads")
def measure_threads(limit: int | None) -> tuple[list[Check], dict[str, Any]]:
    X, y = seed_problem(50_000, 0)
    checks, detail = [], {}
    for solver, K in (("auto", 2), ("laplace", 3), ("gibbs", 2)):
        one, two = (fit(X, y, K, 0, solver=solver, n_jobs=n_jobs) for n_jobs in (1, 2))
        same = [
            name
            for name in one.est.posterior_
            if name in two.est.posterior_
            and np.array_equal(one.est.posterior_[name], two.est.posterior_[name])
        ]
        equal = len(same) == len(one.est.posterior_) and one.est.modes_.equals(two.est.modes_)
        checks.append(
            Check(
                f"same seed on 1 and 2 threads, N = 50,000, K = {K}, solver={solver!r}",
                "same draws and modes, bit for bit",
                f"{'equal' if equal else 'differ'} ({one.est.posterior_.solver}; "
                f"{one.seconds:.2f} s and {two.seconds:.2f} s)",
                equal,
            )
        )
        detail[f"{solver}, K={K}"] = {"one": one.seconds, "two": two.seconds, "same": same}
    return checks, detail


# ---------------------------------------------------------------------------------- report


def machine() -> dict[str, Any]:
    """What ran."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(s.partition(":")[2].strip() for s in lines if s.startswith("model name"))
    return {
        "processor": locals().get("model", platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def source_hash() -> str:
    """Of all Python files of the package that is imported."""
    key = hashlib.sha256()
    folder = Path(skmixreg.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        key.update(path.relative_to(folder).as_posix().encode() + b"\n" + path.read_bytes())
    return key.hexdigest()[:10]


@contextlib.contextmanager
def loads() -> Iterator[dict[str, Any]]:
    """Load averages over one minute around a row."""
    around: dict[str, Any] = {"load": [round(os.getloadavg()[0], 2)]}
    start = time.perf_counter()
    yield around
    around["load"].append(round(os.getloadavg()[0], 2))
    around["row_seconds"] = round(time.perf_counter() - start, 1)


def rounded(value: Any) -> Any:
    """Floats with six digits, for a readable JSON file."""
    if isinstance(value, dict):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}")
    return value.item() if isinstance(value, np.generic) else value


def merge(name: str, entry: dict[str, Any]) -> None:
    """Put one row into the results; other rows stay as they are."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    results["machine"] = machine()
    results["rows"][name] = rounded(entry)
    order = [n for n in ROWS if n in results["rows"]]
    results["rows"] = {n: results["rows"][n] for n in order}
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(pretty(results) + "\n")
    os.replace(temporary, RESULTS)
    REPORT.write_text(report(results))


def pretty(value: Any, depth: int = 0) -> str:
    """JSON with one line per record of a list."""
    lead, end = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict):
        fields = [f"{json.dumps(k)}: {pretty(v, depth + 1)}" for k, v in value.items()]
        return "{" + lead + f",{lead}".join(fields) + end + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[" + lead + f",{lead}".join(json.dumps(v) for v in value) + end + "]"
    return json.dumps(value)


def report(results: dict[str, Any]) -> str:
    """The Markdown page."""
    about, packages = results["machine"], results["machine"]["packages"]
    lines = [
        "# Measurements",
        "",
        "Written by `python tests/benchmarks/measure.py all` from `tests/benchmarks/results.json`;",
        "`measure.py ROW` measures one row again. Rows that need PyMC's or nutpie's samplers as",
        "peers are printed by `tests/benchmarks/peers.py`.",
        "",
        f"Machine: {about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, "
        f"{about['system']}.",
        f"Python {about['python']}, "
        + ", ".join(f"{name} {version}" for name, version in packages.items())
        + ".",
        "Load averages (one minute, before and after) show what else ran; times are wall times.",
        *results.get("note", []),
        "",
        "| what | required | measured | reached |",
        "| --- | --- | --- | --- |",
    ]
    words = {True: "yes", False: "**no**", None: "-"}
    for entry in results["rows"].values():
        for check in entry["checks"]:
            cells = [check["what"], check["required"], check["measured"]]
            lines.append(f"| {' | '.join(cells)} | {words[check['reached']]} |")
    lines += [f"| `{name}` | | not measured | |" for name in ROWS if name not in results["rows"]]
    lines += ["", "| row | date | load | row took | sources |", "| --- | --- | --- | --- | --- |"]
    for name, entry in results["rows"].items():
        before, after = entry["load"]
        lines.append(
            f"| `{name}` | {entry['date']} | {before} to {after} | {entry['row_seconds']:.0f} s | "
            f"{entry['source']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="+", choices=[*ROWS, "all"], metavar="ROW", help=f"{[*ROWS]}")
    parser.add_argument("--limit", type=int, help="data sets or states per row; nothing is written")
    arguments = parser.parse_args()
    names = list(ROWS) if "all" in arguments.rows else arguments.rows
    missed = 0
    warm_up()
    for name in names:
        source = source_hash()
        with loads() as around:
            checks, detail = ROWS[name](arguments.limit)
        for check in checks:
            missed += check.reached is False
            print(f"{name} | {check.what}\n  required: {check.required}")
            print(f"  measured: {check.measured}\n  reached:  {check.reached}", flush=True)
        if arguments.limit is None:
            entry = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), **around}
            entry |= {"source": source, "checks": [c._asdict() for c in checks]}
            merge(name, entry | {"detail": detail})
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
