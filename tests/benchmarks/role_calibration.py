"""Simulation-based calibration of `auto` over random combinations of column roles.

    python -m tests.benchmarks.role_calibration run --replicates 300 --lines FILE
    python -m tests.benchmarks.role_calibration report FILE ...

As `calibration`, of whose quantities these are; the slopes of a gate are one more.  Every
replicate draws which roles there are: a gate of one or two columns, groups of four rows, a shared
slope, an offset, labels of a fifth of the rows.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from skmixreg._model._roles.column_roles import ColumnRoles
from skmixreg._model.design import Design
from skmixreg._model.layout import Layout
from skmixreg._model.observations import Observations
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._model.rows import HeldRows

from . import calibration
from .calibration import QUANTITIES, excess

FAMILIES = ("gaussian", "poisson", "gamma")
GROUP = 4
GATING = "greatest gating slope"


def simulate(replicate: int) -> tuple[Problem, np.ndarray, dict[str, Any]]:
    """A problem, the true theta, and what roles there are."""
    rng = np.random.default_rng([13, replicate])
    name = FAMILIES[replicate % len(FAMILIES)]
    gate, group, shared, offset, labels = (rng.random(5) < (0.6, 0.4, 0.4, 0.3, 0.25)).tolist()
    n, K, p = int(rng.choice([48, 120])), int(rng.integers(2, 4)), 1 + int(shared)
    q = int(rng.integers(1, 3)) if gate else 0
    family = calibration.family_of(name, p, None)
    given, location = calibration.setting(family)
    priors = given.resolve()
    layout = Layout(
        K, p, extras=family.extra_names, n_gating=q, shared_columns=(p - 1,) if shared else (),
        fixed_labels=tuple(range(K)) if labels else (),
    )  # fmt: skip
    size = GROUP if group else 1
    units = n // size
    unit = np.repeat(np.arange(units), size)
    extra = [prior.sample(rng, (K, 1)) for prior in family.extra_priors(priors)]
    slopes = layout.gating_basis @ rng.normal(0.0, priors.coef_scale, (K - 1, q))
    odds = np.log(rng.dirichlet(np.full(K, priors.weight_concentration)))
    coef = rng.normal(0.0, priors.coef_scale, (K, p))
    if shared:
        coef[:, -1] = coef[0, -1]
    intercept = rng.normal(0.0, priors.intercept_scale, K)
    raw = Raw(
        np.column_stack([odds, slopes]),
        np.column_stack([intercept, coef]),
        np.concatenate([np.empty((K, 0)), *extra], axis=1),
    )
    X, Z = rng.normal(size=(n, p)), rng.normal(size=(units, q))
    added = rng.normal(0.0, 0.5, n) if offset else None
    log_weights = log_softmax(odds + Z @ slopes.T, axis=1)
    membership = (log_weights + rng.gumbel(size=(units, K))).argmax(axis=1)
    z = membership[unit]
    eta = intercept[z] + (X * coef[z]).sum(axis=1) + location
    eta += 0.0 if added is None else added
    y = family.sample(rng, eta, *(value[z] for value in family.natural(raw.extra)))
    allowed = None
    if labels:
        known = rng.random(units) < 0.2
        allowed = np.zeros((units, K))
        allowed[known] = -np.inf
        allowed[known, membership[known]] = 0.0
    observations = Observations(
        np.ascontiguousarray(X.T), y, np.ones(n),
        gating=np.ascontiguousarray(Z[unit].T) if gate else None, offset=added,
        auxiliary=family.of_rows(y, np.empty((0, n))),
        units=np.arange(0, n + 1, size) if group else None, allowed=allowed,
    )  # fmt: skip
    design = Design(
        np.zeros(p), np.ones(p), location, 1.0, True, family.response_scale,
        tuple(each.in_units_of_y for each in family.extras),
        roles=ColumnRoles.of_family(p, ()),
    )  # fmt: skip
    problem = Problem(HeldRows(observations), family, layout, priors, design)
    roles = {
        "family": name, "n": n, "K": K, "q": q, "group": group, "shared": shared,
        "offset": offset, "labels": labels,
    }  # fmt: skip
    return problem, layout.collapse(raw), roles


def quantities(problem: Problem, thetas: np.ndarray) -> np.ndarray:
    """Those of `calibration`, and where there is a gate its greatest first slope."""
    out = calibration.quantities(problem, thetas)
    if problem.layout.n_gating:
        slopes = problem.layout.expand(thetas).logits[..., 1]
        out = np.column_stack([out, slopes.max(axis=1)])
    return out


def run(replicate: int) -> dict[str, Any]:
    """One replicate, again and longer if its diagnostics fail."""
    problem, truth, roles = simulate(replicate)
    start = time.process_time()
    failed: list[str] = []
    for attempt in calibration.ATTEMPTS["auto"]:
        rng = np.random.default_rng([replicate, 1 + len(failed)])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            draws = attempt.solve(problem, rng, n_init=20)[1]
        # A posterior of several modes is no failure of its draws.
        if not draws.failures:
            break
        failed.append(str(draws.failures[0]))
    thetas = np.swapaxes(draws.theta, 0, 1).reshape(-1, problem.layout.size)
    return {
        "replicate": replicate,
        **roles,
        "solver": draws.solver,
        "ranks": calibration.ranks(problem, truth, thetas, rng, quantities),
        "failures": failed,
        "seconds": round(time.process_time() - start, 1),
    }


def report(rows: list[dict[str, Any]]) -> str:
    """Every quantity against its band."""
    still = sum(len(row["failures"]) > 1 for row in rows)
    again = sum(len(row["failures"]) == 1 for row in rows)
    out = [f"{len(rows)} replicates, {again} run again, longer, {still} still failing"]
    for i, name in enumerate([*QUANTITIES, GATING]):
        ranks = np.array([row["ranks"][i] for row in rows if len(row["ranks"]) > i])
        over = excess(ranks)
        verdict = "inside" if over <= 0 else f"outside by {over:.3f}"
        out.append(f"{name} ({len(ranks)}): {verdict}")
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("--replicates", type=int, default=300)
    one.add_argument("--first", type=int, default=0)
    one.add_argument("--lines", type=Path, required=True)
    all_ = commands.add_parser("report")
    all_.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    if options.command == "report":
        lines = [line for path in options.files for line in path.read_text().splitlines()]
        print(report([json.loads(line) for line in lines]))
        return
    with threadpool_limits(1), options.lines.open("a") as file:
        for replicate in range(options.first, options.first + options.replicates):
            file.write(json.dumps(run(replicate)) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
