"""Log evidence of the exact solvers against each other and against quadrature.

    python tests/benchmarks/evidence_table.py [case ...] [--solvers laplace,gibbs,nuts,smc]
                                              [--seed N] [--output FILE]

Every reference data set with one component up to one more than it needs.  For one component the
line is integrated in closed form and log sigma by quadrature, which is exact.  Prints a line per
fit, then a table in Markdown with differences in nats and whether what must hold does: ``laplace``
within 0.3 of ``smc`` and every converged solver within 0.3 of every other.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy import integrate

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from conftest import load_reference  # noqa: E402

from skmixreg import BayesianMixtureRegressor, Gaussian, Priors  # noqa: E402
from skmixreg._model.problem import Problem  # noqa: E402

# Components that the data need.
CASES = {"tonedata": 3, "npreg_yn": 2, "nodata_no_on_eq": 2, "s2_heterosced": 2}
SOLVERS = ("laplace", "gibbs", "nuts", "smc")
WITHIN = 0.3


def exact_log_evidence(name: str) -> float:
    """With one component, in units of the data."""
    case = load_reference(name)
    problem = Problem.from_arrays(
        case.X.to_numpy(float), case.y.to_numpy(float), family=Gaussian(), n_components=1,
        priors=Priors().resolve(),
    )  # fmt: skip
    priors = problem.priors
    Z = np.column_stack([np.ones(problem.n_rows), problem.mean_design.T])
    y, weights = problem.target, problem.weights
    prior_precision = np.r_[
        priors.intercept_scale**-2.0, np.full(Z.shape[1] - 1, priors.coef_scale**-2.0)
    ]
    gram, moment = Z.T @ (weights[:, None] * Z), Z.T @ (weights * y)

    def log_marginal(t: float) -> float:
        """Of y given log sigma, lines integrated."""
        precision = np.diag(prior_precision) + gram * np.exp(-2 * t)
        mean = np.linalg.solve(precision, moment * np.exp(-2 * t))
        value = -0.5 * weights.sum() * (np.log(2 * np.pi) + 2 * t)
        value += 0.5 * (np.log(prior_precision).sum() - np.linalg.slogdet(precision)[1])
        residual = y - Z @ mean
        value -= 0.5 * np.exp(-2 * t) * (weights * residual**2).sum()
        return float(value - 0.5 * (prior_precision * mean**2).sum())

    t = np.linspace(-8.0, 4.0, 24_001)
    values = np.array([log_marginal(v) for v in t])
    values += problem.family.extra_priors(priors)[0].terms(t)[0]
    top = values.max()
    return float(np.log(integrate.simpson(np.exp(values - top), x=t)) + top - problem.log_scale)


def run(name: str, n_components: int, solver: str, seed: int) -> dict[str, Any]:
    """One fit with the defaults."""
    case = load_reference(name)
    model = BayesianMixtureRegressor(n_components, solver=solver, random_state=seed)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(case.X, case.y)
    report = model.solver_report_
    return {
        "case": name,
        "n_components": n_components,
        "solver": solver,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "log_evidence": _rounded(model.log_evidence_, 4),
        "error": _rounded(model.log_evidence_error_, 4),
        "converged": bool(model.converged_),
        "khat": _rounded(report.get("khat", np.nan), 2),
        "rhat": _rounded(report.get("rhat", np.nan), 3),
        "path": _rounded(report.get("path_log_evidence", np.nan), 3),
        "path_error": _rounded(report.get("path_log_evidence_error", np.nan), 3),
    }


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def table(runs: list[dict[str, Any]]) -> str:
    """Markdown: estimates with errors, and the largest difference of two that converged."""
    lines = [
        "| data | K | exact | " + " | ".join(SOLVERS) + " | largest difference | in errors |",
        "|---|---|---|" + "---|" * (len(SOLVERS) + 2),
    ]
    for name, K in sorted({(r["case"], r["n_components"]) for r in runs}):
        mine = [r for r in runs if (r["case"], r["n_components"]) == (name, K)]
        exact = exact_log_evidence(name) if K == 1 else None
        cells = []
        for solver in SOLVERS:
            estimates = [
                f"{r['log_evidence']:.3f} ± {r['error']:.3f}" if r["error"] is not None else "no"
                for r in mine
                if r["solver"] == solver
            ]
            cells.append("<br>".join(estimates))
        known = [(r["log_evidence"], r["error"]) for r in mine if r["error"] is not None]
        if exact is not None:
            known.append((exact, 0.0))
        pairs = [
            (abs(a - b), abs(a - b) / np.hypot(s, t)) for (a, s), (b, t) in combinations(known, 2)
        ]
        gap, apart = np.max(pairs, axis=0) if pairs else (np.nan, np.nan)
        stated = "" if exact is None else f"{exact:.3f}"
        over = "" if not gap > WITHIN else " **over**"
        lines.append(
            f"| {name} | {K} | {stated} | {' | '.join(cells)} | {gap:.3f}{over} | {apart:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--solvers", default=",".join(SOLVERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--components", default=None, help="as 1,2,3")
    parser.add_argument("--output", type=Path, default=None, help="runs are added to it")
    arguments = parser.parse_args()
    output: Path | None = arguments.output
    runs = json.loads(output.read_text()) if output is not None and output.exists() else []
    for solver in arguments.solvers.split(","):
        for name in arguments.cases or CASES:
            numbers = range(1, CASES[name] + 2)
            if arguments.components is not None:
                numbers = [int(K) for K in arguments.components.split(",")]
            for K in numbers:
                runs.append(run(name, K, solver, arguments.seed))
                print(json.dumps(runs[-1]), flush=True)
                if output is not None:
                    output.write_text(json.dumps(runs, indent=1) + "\n")
    print(table(runs))


if __name__ == "__main__":
    main()
