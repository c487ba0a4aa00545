"""The tables of docs/comparison.md, from the records of comparison.py."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from solver_table import with_table

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
SEED_PROBLEM = "seed problem, 1000"
EM = {
    "flexmix": "`flexmix`",
    "initFlexmix": "`initFlexmix`",
    "stepFlexmix, nrep = 20, minprior = 0": "`stepFlexmix`, 20 starts, `minprior = 0`",
    "regmixEM": "`regmixEM`",
    "skmixreg": "skmixreg",
}
OPTIMA = (
    "data", "best log-likelihood", "program", "at the best", "others", "CPU time of a fit",
)  # fmt: skip
ROLES = {
    "patent_conc": "patents: Poisson, gate, K = 3",
    "betablocker": "beta blockers: binomial, centres as groups, K = 3",
    "betablocker_fix": "the same with one effect for all, K = 3",
    "npreg_yn_id2": "NPreg: four rows per person, K = 2",
    "nregfix_fixed_conc": "NregFix: shared slope and sigma, gate, K = 3",
    "seizure": "seizures: Poisson, offset, K = 2",
}
# What the calls of comparison.R show, and whether this package has it.
HERE = {
    "flexmix: Poisson": '`family="poisson"`',
    "flexmix: binomial, repeated measurements": '`family="binomial"`, `group_feature=`',
    "flexmix: gating by covariates": "`gating_features=`",
    "flexmix: coefficients shared by components": "`shared_features=`, `shared_intercept=`",
    "flexmix: frequencies of rows": "`sample_weight`, also fractional",
    "mixtools: Poisson": '`family="poisson"`',
    "mixtools: gating by covariates": "`gating_features=`",
    "mixtools: bootstrap of standard errors": "posterior sds, no bootstrap",
    "mixtools: Metropolis-Hastings": "`solver=`",
}


def markdown(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [list(header)]
    lines += [["---"] * len(lines[0]), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(runs: list[dict[str, Any]]) -> str:
    return f"{median(run['cpu'] for run in runs):.2g} s"


def best_optimum(case: str, K: int, runs: list[dict[str, Any]]) -> float:
    """Log-likelihood of the reference data; of simulated data the best of all runs."""
    path = REFERENCE / f"{case}.json"
    if path.exists():
        return float(json.loads(path.read_text())["fits"][str(K)]["loglik"])
    return max(run["fit"]["loglik"] for run in runs if run["fit"])


def outcome(
    runs: list[dict[str, Any]], best: float, K: int, below: float = 1.0
) -> tuple[str, str, str]:
    """How many found the best optimum, what became of the others, and the time.

    ``below`` is what a fit may be below the best log-likelihood, in nats.
    """
    fits = [run["fit"] for run in runs]
    found = [fit for fit in fits if fit and fit["components"] == K]
    counts = {
        "at worse ones": sum(fit["loglik"] <= best - below for fit in found),
        "degenerate": sum(fit["loglik"] >= best + 1 for fit in found),
        "dropped a component": sum(bool(fit) and fit["components"] < K for fit in fits),
        "failed": sum(not fit for fit in fits),
    }
    right = len(fits) - sum(counts.values())
    others = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{right} of {len(runs)}", others, seconds(runs)


def optima_of_case(
    title: str, runs: list[dict[str, Any]], best: float, K: int, below: float = 1.0
) -> list[tuple[str, ...]]:
    """A row for every program that fitted a case."""
    rows = []
    for system, name in EM.items():
        mine = [run for run in runs if run["system"] == system]
        if mine:
            what = ("", "") if rows else (title, f"{best:.1f}")
            rows.append((*what, name, *outcome(mine, best, K, below)))
    return rows


def optima_table(results: dict[str, Any]) -> str:
    runs = [run for part in ("em", "ours") for run in results[part]["runs"] if "seed" in run]
    rows = []
    for case, K in dict.fromkeys((run["case"], run["K"]) for run in results["ours"]["runs"]):
        mine = [run for run in runs if (run["case"], run["K"]) == (case, K)]
        rows += optima_of_case(f"{case}, K = {K}", mine, best_optimum(case, K, mine), K)
    return markdown(OPTIMA, rows)


def roles_table(results: dict[str, Any]) -> str:
    """How often the optimum of data with other families and roles was found."""
    known = {run["case"]: run for run in results["our roles"]["runs"]}
    runs = [run for part in ("roles", "our roles") for run in results[part]["runs"]]
    rows = []
    for case, ours in known.items():
        mine = [run for run in runs if run["case"] == case]
        rows += optima_of_case(ROLES[case], mine, ours["best"], ours["K"], below=ours["size"] / 2)
    return markdown(OPTIMA, rows)


def chains_table(results: dict[str, Any]) -> str:
    runs = [
        run
        for part in ("brms", "pymc")
        for run in results.get(part, {"runs": []})["runs"]
        if run.get("case") == SEED_PROBLEM
    ]
    rows = []
    for system in dict.fromkeys(run["system"] for run in runs):
        mine = [run for run in runs if run["system"] == system]
        slopes = [np.array(run["chain_slopes"]) for run in mine]
        lost = [np.abs(np.sort(s, axis=1) - [-1, 3]).max(axis=1) > 0.1 for s in slopes]
        labels = [
            len(set(np.argmin(s[~gone], axis=1))) > 1 for s, gone in zip(slopes, lost, strict=True)
        ]
        rows.append(
            (
                system,
                len(mine),
                sum(not gone.any() for gone in lost),
                sum(gone.any() for gone in lost),
                sum(labels),
                sum(max(run["rhat"]) < 1.01 for run in mine),
                seconds(mine),
            )
        )
    ours = [run for run in results["ours"]["runs"] if run["case"] == SEED_PROBLEM]
    right = sum(np.abs(np.array(run["fit"]["slopes"]) - [-1, 3]).max() < 0.1 for run in ours)
    converged = sum(run["fit"]["converged"] for run in ours)
    rows.append(("skmixreg", len(ours), right, len(ours) - right, 0, converged, seconds(ours)))
    return markdown(
        (
            "system",
            "runs",
            "all chains at both lines",
            "a chain elsewhere",
            "chains in different labels",
            "its own diagnostics pass as drawn",
            "CPU time of a run",
        ),
        rows,
    )


def narrow_table(results: dict[str, Any]) -> str:
    runs = [run for run in results["pymc"]["runs"] if run["case"] == "tonedata"]
    expected = next(run["narrow"] for run in runs if run["system"] == "expected")
    rows = []
    for system in dict.fromkeys(run["system"] for run in runs if run["system"] != "expected"):
        mine = [run for run in runs if run["system"] == system]
        share = [float(np.mean(run["narrow"])) for run in mine]
        rows.append(
            (
                system,
                len(mine),
                f"{expected:.0%}",
                f"{min(share):.0%} to {max(share):.0%}",
                sum(max(run["rhat_sorted"]) < 1.01 for run in mine),
                seconds(mine),
            )
        )
    mine = [run for run in results["ours"]["runs"] if (run["case"], run["K"]) == ("tonedata", 2)]
    share = [run["fit"]["narrow"] for run in mine]
    long_run = json.loads((REFERENCE / "long_runs" / "long_nuts.json").read_text())
    rows.append(
        (
            "skmixreg",
            len(mine),
            f"{long_run['tonedata-2']['smc']['masses']['narrow']:.0%}",
            f"{min(share):.0%} to {max(share):.0%}",
            sum(run["fit"]["converged"] for run in mine),
            seconds(mine),
        )
    )
    return markdown(
        (
            "system",
            "runs",
            "narrow solution, right share",
            "share of its draws, by run",
            "diagnostics pass, draws sorted",
            "CPU time of a run",
        ),
        rows,
    )


def errors_table(results: dict[str, Any]) -> str:
    """Standard errors of the slopes of tone perception, K = 3, beside posterior sds."""
    refit = next(run for run in results["em"]["runs"] if run["system"] == "flexmix refit")
    order = np.argsort(refit["fit"]["slopes"])
    ours = [run for run in results["ours"]["runs"] if (run["case"], run["K"]) == ("tonedata", 3)]
    slopes = np.array([run["fit"]["slopes"] for run in ours])
    sds = np.array([run["fit"]["sd"] for run in ours])
    mine = np.argsort(slopes[0])
    rows = [
        (
            f"{refit['fit']['slopes'][o]:.3f}",
            f"{refit['se'][o]:.4f}",
            f"{slopes[:, m].mean():.3f}",
            f"{sds[:, m].min():.4f} to {sds[:, m].max():.4f}",
        )
        for o, m in zip(order, mine, strict=True)
    ]
    header = (
        "slope, flexmix",
        "standard error, `refit`",
        "slope, skmixreg",
        "posterior sd, 20 runs",
    )
    return markdown(header, rows)


def features_table(results: dict[str, Any]) -> str:
    rows = [
        (*run["what"].split(": ", 1), "ran" if run["works"] else "failed", HERE[run["what"]])
        for run in results["features"]["runs"]
    ]
    return markdown(("system", "what", "the call", "here"), rows)


def versions(results: dict[str, Any]) -> str:
    found: dict[str, str] = {}
    for part in results.values():
        found |= part["versions"]
    dates = sorted({part["date"] for part in results.values()})
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    return f"Runs of {' and '.join(dates)} on 2 cores: {listed}."


TABLES = {
    "versions": versions,
    "optima table": optima_table,
    "roles table": roles_table,
    "chains table": chains_table,
    "narrow table": narrow_table,
    "errors table": errors_table,
    "features table": features_table,
}


def page_with_tables(page: str, results: dict[str, Any]) -> str:
    """The page with every table as the records have it."""
    for name, table in TABLES.items():
        page = with_table(page, name, table(results))
    return page


def write(results: Path, page: Path) -> None:
    page.write_text(page_with_tables(page.read_text(), json.loads(results.read_text())))
