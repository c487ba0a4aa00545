"""The seed problem with every solver, from many random states; writes the table in the docs.

    python tests/benchmarks/seed_table.py [solver ...] [--states N]

Results are merged into tests/reference/measured/seed_table.json: solvers can be run one at a time.
Right means: slopes within 0.02 of 3 and -1, sigmas within 5% of 0.1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skmixreg import BayesianMixtureRegressor
from skmixreg.solvers import SOLVERS

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests" / "reference" / "measured" / "seed_table.json"
PAGE = ROOT / "docs" / "choosing-a-solver.md"
BEGIN, END = "<!-- seed table -->", "<!-- end of seed table -->"

# Rows by how they are named in the table: solver, options, rows, states.
ROWS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "auto": ("auto", {}, 100_000, 20),
    "laplace": ("laplace", {}, 100_000, 20),
    "gibbs": ("gibbs", {}, 100_000, 20),
    "nuts": ("nuts", {}, 100_000, 3),
    "nuts, one chain": ("nuts", {"chains": 1}, 100_000, 3),
    "nuts, ordered slopes": ("nuts", {"identify": "order"}, 100_000, 3),
    "nuts, nutpie": ("nuts", {"sampler": "nutpie"}, 100_000, 3),
    "nuts, numpyro": ("nuts", {"sampler": "numpyro"}, 100_000, 3),
    "nuts, blackjax": ("nuts", {"sampler": "blackjax"}, 100_000, 3),
    "smc": ("smc", {}, 10_000, 2),
    "map": ("map", {}, 100_000, 20),
    "cavi": ("cavi", {}, 100_000, 20),
    "cavi, batches of 128": ("cavi", {"batch_size": 128}, 100_000, 20),
    "advi": ("advi", {}, 100_000, 20),
    "advi, batches of 128": ("advi", {"batch_size": 128}, 100_000, 20),
    "fullrank_advi": ("fullrank_advi", {}, 100_000, 20),
    "fullrank_advi, batches of 128": ("fullrank_advi", {"batch_size": 128}, 100_000, 20),
}


def seed_problem(n: int, state: int) -> tuple[np.ndarray, np.ndarray]:
    """Data of one state: y = 3x or y = -x, noise 0.1."""
    rng = np.random.default_rng([2018, state])
    x = rng.uniform(-1, 1, n)
    slope = np.where(rng.random(n) < 0.5, 3.0, -1.0)
    return x[:, None], slope * x + rng.normal(0, 0.1, n)


def run(name: str, state: int) -> dict[str, Any]:
    """One fit."""
    solver, options, n, _ = ROWS[name]
    X, y = seed_problem(n, state)
    model = BayesianMixtureRegressor(solver=SOLVERS[solver](**options), random_state=state)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    seconds = time.perf_counter() - start
    slopes, sigmas = model.coef_.ravel(), model.sigma_
    right = np.abs(slopes - [-1, 3]).max() <= 0.02 and np.abs(sigmas / 0.1 - 1).max() <= 0.05
    report = model.solver_report_
    return {
        "state": state,
        "seconds": seconds,
        "right": bool(right),
        "converged": bool(model.converged_),
        "slope_error": float(np.abs(slopes - [-1, 3]).max()),
        "sigma_error": float(np.abs(sigmas / 0.1 - 1).max()),
        "khat": report.get("khat"),
        "rhat": report.get("rhat"),
    }


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The table in Markdown."""
    lines = [
        "| solver | rows | right | says converged | largest error of a slope | of sigma "
        "| seconds (median) | k-hat or R-hat (largest) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (_, _, n, _) in ROWS.items():
        runs = results.get(name, [])
        if not runs:
            continue
        rhat = [r["rhat"] for r in runs if r["rhat"] is not None]
        khat = [r["khat"] for r in runs if r["khat"] is not None]
        worst = f"R-hat {max(rhat):.3f}" if rhat else f"k-hat {max(khat):.2f}" if khat else ""
        lines.append(
            f"| {name} | {n:,} | {sum(r['right'] for r in runs)} of {len(runs)} "
            f"| {sum(r['converged'] for r in runs)} of {len(runs)} "
            f"| {max(r['slope_error'] for r in runs):.4f} "
            f"| {100 * max(r['sigma_error'] for r in runs):.1f}% "
            f"| {statistics.median(r['seconds'] for r in runs):.2f} | {worst} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", help="rows of the table; all by default")
    parser.add_argument("--states", type=int, default=None)
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in arguments.rows or ROWS:
        run(name, 10_000)  # compiles
        states = ROWS[name][3] if arguments.states is None else arguments.states
        results[name] = [run(name, state) for state in range(states)]
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(table({name: results[name]}).splitlines()[-1], file=sys.stderr, flush=True)
    text = PAGE.read_text()
    head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{head}\n\n{table(results)}\n\n{tail}")


if __name__ == "__main__":
    main()
