"""Simulation-based calibration of every exact solver; results, table and picture for the docs.

    python tests/benchmarks/calibration.py run SOLVER [--family F] [--background B]
        [--fractional] [--replicates 300] [--first 0] --lines FILE
    python tests/benchmarks/calibration.py report

Parameters are drawn from the prior, rows from the model, and the truth is ranked among draws of
the posterior: ranks are uniform if, and for these quantities nearly only if, the draws are right
(Talts, Betancourt, Simpson, Vehtari and Gelman 2018; Modrak, Moon, Kim, Buerkner, Huurre,
Faltejskova, Gelman and Vehtari 2023, for the log-likelihood as quantity).

The design is frozen and the priors are numbers, the package's defaults: standardising every
replicate would change its prior.  Quantities do not depend on labels.  A replicate whose
diagnostics fail is run again, longer, with the same solver; it is never dropped.  Rows that
floating point numbers cannot hold are drawn again, with the parameters: this looks at the rows
only, and leaves the posterior of those that are kept what it is.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom
from threadpoolctl import threadpool_limits

from skmixreg import Priors
from skmixreg._model._roles.column_roles import ColumnRoles
from skmixreg._model.density import LogPosterior
from skmixreg._model.design import Design
from skmixreg._model.layout import Layout
from skmixreg._model.observations import Observations
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._model.rows import HeldRows
from skmixreg._posterior.posterior import Posterior
from skmixreg.backgrounds import Background, Normal, Uniform, Zero
from skmixreg.backgrounds._contaminated import Contaminated
from skmixreg.families import FAMILIES, Binomial, Family
from skmixreg.solvers import NUTS, SOLVERS, Auto, Gibbs, Laplace
from skmixreg.solvers.smc import SMC

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests" / "reference" / "measured" / "calibration.json"
PAGE = ROOT / "docs" / "calibration.md"
PICTURE = ROOT / "docs" / "images" / "calibration.png"
BEGIN, END = "<!-- calibration -->", "<!-- end of calibration -->"

CELLS = [(n, K) for n in (50, 200) for K in (1, 2, 3)]
RANKED = 99  # draws among which the truth is ranked
# Copies of every row with these weights have its posterior, by the chains that powers need.
FRACTIONS = (0.35, 0.65)
QUANTITIES = [
    "log-likelihood",
    "least slope",
    "greatest slope",
    "mean at a point",
    "largest sigma or weight",
]
COVERAGE = 0.99
POINT = 0.7
# Of counts, priors under which these are not astronomical, and the log of their usual size; of
# log odds, ones under which not nearly all are 0 or 1.
COUNTS = Priors(coef_scale=0.8, intercept_scale=1.2)
ODDS = Priors(coef_scale=1.0, intercept_scale=1.5)
LOCATION = float(np.log(5.0))
MOST_TRIALS = 20
# Proportions closer to 1 are rounded too much for their density.
LARGEST_PROPORTION = 1.0 - 1e-12
# Ends and widths of about the spread of rows under the default priors.
BACKGROUNDS: dict[str, Background] = {
    "uniform": Uniform(-10.0, 10.0),
    "normal": Normal(0.0, 5.0),
    "zero": Zero(),
}

# The first attempt, and the longer one.  NUTS runs on JAX, whose compiled trees are what makes
# hundreds of posteriors affordable; the samplers are held against each other elsewhere.
ATTEMPTS: dict[str, tuple[Any, Any]] = {
    "laplace": (Laplace(), Laplace(draws=20_000)),
    "gibbs": (Gibbs(), Gibbs(draws=4000)),
    "nuts": (NUTS(sampler="numpyro"), NUTS(sampler="numpyro", draws=3000, tune=1600)),
    "smc": (SMC(chains=2), SMC(draws=3000)),
    "auto": (Auto(), Auto(laplace=Laplace(draws=20_000), gibbs=Gibbs(draws=4000))),
}


def family_of(name: str, p: int, background: str | None) -> Family:
    """The family, with trials in the column after the p regressors, and with a background."""
    family = Binomial(trials=p) if name == "binomial" else FAMILIES[name]()
    return family if background is None else Contaminated(family, BACKGROUNDS[background])


def setting(family: Family) -> tuple[Priors, float]:
    """Priors, and where the intercept is centred."""
    if family.link == "logit":
        return ODDS, 0.0
    return (COUNTS, LOCATION) if family.discrete else (Priors(), 0.0)


def simulate(
    n: int,
    K: int,
    replicate: int,
    name: str,
    background: str | None = None,
    fractional: bool = False,
) -> tuple[Problem, np.ndarray]:
    """Parameters from the prior, rows from the model: a problem and the true theta.

    With ``fractional`` weights every row comes as `FRACTIONS` of itself.
    """
    rng = np.random.default_rng([n, K, replicate])
    p = 1 + replicate % 2
    family = family_of(name, p, background)
    given, location = setting(family)
    priors = given.resolve()
    layout = Layout(K, p, extras=family.extra_names, shared_extras=family.shared_extras)
    while True:
        own = [
            prior.sample(rng, (1 if extra in family.shared_extras else K, 1))
            for extra, prior in zip(family.extra_names, family.extra_priors(priors), strict=True)
        ]
        extra = [np.broadcast_to(values, (K, 1)) for values in own]
        raw = Raw.of(
            np.log(rng.dirichlet(np.full(K, priors.weight_concentration))),
            rng.normal(0, priors.intercept_scale, K),
            rng.normal(0, priors.coef_scale, (K, p)),
            np.concatenate([np.empty((K, 0)), *extra], axis=1),
        )
        X = rng.normal(size=(n, p))
        z = rng.choice(K, size=n, p=np.exp(raw.log_weights))
        eta = raw.intercept[z] + (X * raw.coef[z]).sum(axis=1) + location
        columns = rng.integers(1, MOST_TRIALS + 1, (len(family.columns), n)).astype(float)
        y = family.sample(rng, eta, *(value[z] for value in family.natural(raw.extra)), *columns)
        if name != "beta" or y.max() <= LARGEST_PROPORTION:
            break
    weights = np.ones(n)
    if fractional:
        copies = len(FRACTIONS)
        X, y, columns = np.tile(X, (copies, 1)), np.tile(y, copies), np.tile(columns, copies)
        weights = np.repeat(FRACTIONS, n)
    rows = HeldRows(
        Observations(np.ascontiguousarray(X.T), y, weights, auxiliary=family.of_rows(y, columns))
    )
    units = tuple(extra.in_units_of_y for extra in family.extras)
    design = Design(
        np.zeros(p), np.ones(p), location, 1.0, True, family.response_scale, units,
        roles=ColumnRoles.of_family(
            p + len(family.columns), tuple(family.columns.values())
        ),
    )  # fmt: skip
    return Problem(rows, family, layout, priors, design), layout.collapse(raw)


def quantities(problem: Problem, thetas: np.ndarray) -> np.ndarray:
    """Label-invariant quantities of draws (S, d): (S, 5)."""
    raw = problem.layout.expand(thetas)
    _, log_likelihood = LogPosterior(problem).values(thetas)
    slopes = raw.coef[..., 0]
    at_point = raw.intercept + POINT * raw.coef.sum(axis=-1)
    # Where there are no extras, the largest weight in their place; the odds of a background, last.
    at = 0 if problem.family.background is None else -1
    last = raw.extra[..., at] if raw.extra.shape[-1] else raw.log_weights
    return np.column_stack(
        [
            log_likelihood,
            slopes.min(axis=1),
            slopes.max(axis=1),
            (np.exp(raw.log_weights) * at_point).sum(axis=1),
            last.max(axis=1),
        ]
    )


def draws_of(posterior: Posterior, problem: Problem) -> np.ndarray:
    """Draws of theta, chains in turn: (S, d)."""
    theta = problem.layout.collapse(posterior.components)
    return np.swapaxes(theta, 0, 1).reshape(-1, theta.shape[-1])


def ranks(
    problem: Problem, truth: np.ndarray, thetas: np.ndarray, rng: Any, of: Any = quantities
) -> list[int]:
    """Rank of the truth among `RANKED` draws far apart, ties at random."""
    index = np.linspace(0, len(thetas) - 1, RANKED).astype(int)
    values, true = of(problem, thetas[index]), of(problem, truth[None])[0]
    below, tied = (values < true).sum(axis=0), (values == true).sum(axis=0)
    return [int(b + rng.integers(t + 1)) for b, t in zip(below, tied, strict=True)]


def label(solver: str, family: str, background: str | None, fractional: bool = False) -> str:
    """The name of a row of the table."""
    parts = [family] if family != "gaussian" or background else []
    parts += [background] if background else []
    return ", ".join([solver, *parts, *(["fractional weights"] if fractional else [])])


def replicate(
    solver: str,
    n: int,
    K: int,
    number: int,
    family: str = "gaussian",
    background: str | None = None,
    fractional: bool = False,
) -> dict[str, Any]:
    """One replicate, again and longer if its diagnostics fail."""
    problem, truth = simulate(n, K, number, family, background, fractional)
    start = time.perf_counter()
    failed = []
    for attempt in ATTEMPTS[solver]:
        rng = np.random.default_rng([n, K, number, 1 + len(failed)])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            modes, draws = attempt.solve(problem, rng, n_init=20)
            posterior = Posterior.from_draws(problem, modes, draws)
        if not posterior.failures:
            break
        failed.append(posterior.failures[0])
    return {
        "solver": label(solver, family, background, fractional),
        "n": n,
        "K": K,
        "replicate": number,
        "ranks": ranks(problem, truth, draws_of(posterior, problem), rng),
        "attempts_failed": len(failed),
        "failures": failed,
        "seconds": round(time.perf_counter() - start, 3),
    }


def run(
    solver: str,
    family: str,
    background: str | None,
    fractional: bool,
    numbers: range,
    path: Path,
) -> None:
    """Replicates that are not in the file yet, cell after cell."""
    done = {
        (r["n"], r["K"], r["replicate"])
        for r in (map(json.loads, path.read_text().splitlines()) if path.exists() else [])
    }
    with threadpool_limits(1), path.open("a") as file:
        for number in numbers:
            for n, K in CELLS:
                if (n, K, number) not in done:
                    row = replicate(solver, n, K, number, family, background, fractional)
                    file.write(json.dumps(row) + "\n")
                    file.flush()


@cache
def band(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Simultaneous band of the ECDF of uniform ranks, by simulation (Sailynoja et al. 2022)."""
    rng = np.random.default_rng(0)
    share = (np.arange(RANKED + 1) + 1) / (RANKED + 1)

    def least_tail(sample: np.ndarray) -> float:
        counts = np.cumsum(np.bincount(sample, minlength=RANKED + 1))[:-1]
        low, high = binom.cdf(counts, size, share[:-1]), binom.sf(counts - 1, size, share[:-1])
        return float(np.minimum(low, high).min())

    tails = [least_tail(rng.integers(RANKED + 1, size=size)) for _ in range(4000)]
    gamma = np.quantile(tails, 1.0 - COVERAGE)
    return binom.ppf(gamma, size, share) / size, binom.isf(gamma, size, share) / size


def excess(sample: np.ndarray) -> float:
    """How far the ECDF leaves its band: at most 0 inside."""
    low, high = band(len(sample))
    ecdf = np.cumsum(np.bincount(sample, minlength=RANKED + 1)) / len(sample)
    return float(np.maximum(ecdf - high, low - ecdf)[:-1].max())


def collect(paths: list[Path]) -> dict[str, Any]:
    """Ranks and counts of every solver."""
    out: dict[str, Any] = {}
    for path in paths:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        if rows:
            out[rows[0]["solver"]] = {
                "ranks": {
                    name: [row["ranks"][i] for row in rows] for i, name in enumerate(QUANTITIES)
                },
                "replicates": len(rows),
                "run_again": sum(row["attempts_failed"] > 0 for row in rows),
                "still_failing": sum(row["attempts_failed"] > 1 for row in rows),
                "median_seconds": float(np.median([row["seconds"] for row in rows])),
            }
    return out


def ordered(results: dict[str, Any]) -> list[str]:
    """Rows family by family, solvers in the order of the table."""
    names = [
        label(s, f, b, fractional)
        for f in FAMILIES
        for b in (None, *BACKGROUNDS)
        for fractional in (False, True)
        for s in SOLVERS
    ]
    return [name for name in names if name in results]


def report(results: dict[str, Any]) -> str:
    """The table in Markdown."""
    lines = [
        f"| solver | replicates | run again, longer | still failing | {' | '.join(QUANTITIES)} |",
        "|---|---|---|---|" + "---|" * len(QUANTITIES),
    ]
    for solver in ordered(results):
        row = results[solver]
        verdicts = []
        for name in QUANTITIES:
            over = excess(np.array(row["ranks"][name]))
            verdicts.append("inside" if over <= 0 else f"outside by {over:.3f}")
        lines.append(
            f"| {solver} | {row['replicates']} | {row['run_again']} | {row['still_failing']} "
            f"| {' | '.join(verdicts)} |"
        )
    return "\n".join(lines)


def draw_picture(results: dict[str, Any]) -> None:
    """ECDF minus uniform, solvers by quantities, with the band."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    solvers = ordered(results)
    figure, axes = plt.subplots(
        len(solvers), len(QUANTITIES), figsize=(11, 1.9 * len(solvers)), sharex=True, sharey="row",
        squeeze=False, layout="constrained",
    )  # fmt: skip
    share = (np.arange(RANKED + 1) + 1) / (RANKED + 1)
    for row, solver in zip(axes, solvers, strict=True):
        for ax, name in zip(row, QUANTITIES, strict=True):
            sample = np.array(results[solver]["ranks"][name])
            low, high = band(len(sample))
            ecdf = np.cumsum(np.bincount(sample, minlength=RANKED + 1)) / len(sample)
            ax.fill_between(share, low - share, high - share, color="0.85", lw=0)
            ax.plot(share, ecdf - share, color="0.1", lw=1.2)
            ax.axhline(0, color="0.5", lw=0.6)
            ax.set_xticks([0, 0.5, 1])
        row[0].set_ylabel(solver)
    for ax, name in zip(axes[0], QUANTITIES, strict=True):
        ax.set_title(name, fontsize=10)
    figure.supxlabel("rank of the truth among draws, as a share", fontsize=10)
    figure.supylabel("ECDF minus uniform", fontsize=10)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("solver", choices=sorted(ATTEMPTS))
    one.add_argument("--family", choices=sorted(FAMILIES), default="gaussian")
    one.add_argument("--background", choices=sorted(BACKGROUNDS))
    one.add_argument(
        "--fractional", action="store_true", help="every row as two of fractional weights"
    )
    one.add_argument("--replicates", type=int, default=300)
    one.add_argument("--first", type=int, default=0, help="number of the first data set of a cell")
    one.add_argument("--lines", type=Path, required=True, help="file of one result per line")
    all_ = commands.add_parser("report")
    all_.add_argument("files", nargs="*", type=Path, help="such files; else the committed results")
    arguments = parser.parse_args()
    if arguments.command == "run":
        first, size = arguments.first, arguments.replicates // len(CELLS)
        numbers = range(first, first + size)
        run(
            arguments.solver, arguments.family, arguments.background, arguments.fractional,
            numbers, arguments.lines,
        )  # fmt: skip
        return
    if arguments.files:
        results = json.loads(RESULTS.read_text()) | collect(arguments.files)
        RESULTS.write_text(json.dumps(results) + "\n")
    results = json.loads(RESULTS.read_text())
    draw_picture(results)
    text = PAGE.read_text()
    head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{head}\n\n{report(results)}\n\n{tail}")
    print(report(results))


if __name__ == "__main__":
    main()
