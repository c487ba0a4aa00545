"""`laplace` and `gibbs` against long Hamiltonian chains, two simulated data sets of every family.

    python tests/benchmarks/family_agreement.py run FILE [FAMILY ...]
    python tests/benchmarks/family_agreement.py report [FILE]

300 rows of two components with two slopes each.  For every parameter of every component, the log of
extras, in one labelling: how far means are apart in posterior sds, and sds in percent.  `run`
appends a line per fit to a file; `report` prints the table, of the committed lines by default.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skmixreg import BayesianMixtureRegressor
from skmixreg.families import FAMILIES, Binomial, Family

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from solver_moments import SOLVERS, moments

RESULTS = Path(__file__).resolve().parents[1] / "reference" / "measured" / "family_agreement.jsonl"
N, DATA_SETS = 300, (20261129, 20261130)
# Of both components: extras in their own units, and intercept and slopes.
EXTRAS: dict[str, tuple[float, ...]] = {
    "student_t": (0.6, 0.25),
    "negative_binomial": (3.0, 15.0),
    "gamma": (3.0, 20.0),
    "binomial": (),
    "lognormal": (0.5, 0.2),
    "beta": (10.0, 50.0),
    "weibull": (1.5, 5.0),
    "exponential": (),
}
ODDS = ((-1.2, 1.0, -0.5), (0.9, -0.6, 0.4))
LINES = {
    "binomial": ODDS,
    "beta": ODDS,
    "exponential": ((-0.5, 0.8, -0.4), (3.0, -0.5, 0.6)),
    "negative_binomial": ((0.8, 0.6, -0.3), (3.0, -0.4, 0.5)),
}
OTHERS = ((-0.5, 0.8, -0.4), (1.2, -0.5, 0.6))
SHARE_OF_FIRST = 0.4


def simulate(name: str, seed: int) -> tuple[Family, np.ndarray, np.ndarray]:
    """The family and its rows."""
    rng = np.random.default_rng([seed, list(EXTRAS).index(name)])
    X = rng.normal(size=(N, 2))
    first = rng.random(N) < SHARE_OF_FIRST
    lines = np.array(LINES.get(name, OTHERS))
    one, other = (line[0] + X @ line[1:] for line in lines)
    eta = np.where(first, one, other)
    if name == "binomial":
        family: Family = Binomial(trials=2)
        trials = rng.integers(2, 25, N).astype(float)
        return family, np.column_stack([X, trials]), family.sample(rng, eta, trials)
    family = FAMILIES[name]()
    extra = [np.where(first, *EXTRAS[name])] if EXTRAS[name] else []
    return family, X, family.sample(rng, eta, *extra)


def agreement(name: str, seed: int) -> list[dict[str, Any]]:
    """One line per solver."""
    family, X, y = simulate(name, seed)
    out: list[dict[str, Any]] = []
    of_chains = None
    for solver, options in SOLVERS.items():
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = BayesianMixtureRegressor(2, family=family, solver=options, random_state=1)
            model.fit(X, y)
        mean, sd = moments(model)
        line = {
            "family": name,
            "data_set": seed,
            "solver": solver,
            "converged": bool(model.converged_),
            "log_evidence": float(model.log_evidence_),
            "seconds": round(time.perf_counter() - start, 1),
        }
        if of_chains is None:
            of_chains = mean, sd
        else:
            line["means_apart"] = float(np.abs((mean - of_chains[0]) / of_chains[1]).max())
            line["sds_apart"] = float(np.abs(sd / of_chains[1] - 1.0).max())
        out.append(line)
    return out


def report(path: Path) -> str:
    """The largest over both data sets."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows = ["| family | means, `laplace` | sds | means, `gibbs` | sds |", "|---|---|---|---|---|"]
    for name in EXTRAS:
        mine = [line for line in lines if line["family"] == name]
        if not mine:
            continue
        cells = []
        for solver in ("laplace", "gibbs"):
            of = [line for line in mine if line["solver"] == solver]
            cells.append(f"{max(line['means_apart'] for line in of):.3f}")
            cells.append(f"{100 * max(line['sds_apart'] for line in of):.1f}%")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    failed = [line for line in lines if not line["converged"]]
    rows.append(f"\n{len(lines)} fits, {len(failed)} of which did not converge.")
    return "\n".join(rows)


def main() -> None:
    command, *rest = sys.argv[1:]
    if command == "report":
        print(report(Path(rest[0]) if rest else RESULTS))
        return
    path, names = Path(rest[0]), rest[1:] or list(EXTRAS)
    with path.open("a") as file:
        for name in names:
            for seed in DATA_SETS:
                for line in agreement(name, seed):
                    file.write(json.dumps(line) + "\n")
                    file.flush()


if __name__ == "__main__":
    main()
