"""This package held against flexmix, mixtools, brms and hand-written PyMC, from runs.

    python tests/benchmarks/comparison.py run [PART ...]
    python tests/benchmarks/comparison.py write            # the tables of docs/comparison.md

The R side is comparison.R and needs Rscript with flexmix and mixtools; brms is run where it is
installed.  A part that is run again replaces its records; all are kept in
tests/reference/measured/comparison.json.  Seconds are CPU seconds, children included, since other
work on the machine changes wall time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skmixreg import BayesianMixtureRegressor, MultimodalPosteriorWarning, Priors
from skmixreg.solvers import Laplace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from records import cpu_seconds, keep
from role_reference import NAMES, load

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REFERENCE = ROOT / "tests" / "reference"
RESULTS = REFERENCE / "measured" / "comparison.json"
PAGE = ROOT / "docs" / "comparison.md"
PARTS = ("em", "roles", "features", "brms", "ours", "our roles", "pymc")
SEEDS = 20
# Data set, columns and number of components of the fits with known optima.
CASES = (
    ("tonedata", ["stretchratio"], "tuned", 2),
    ("tonedata", ["stretchratio"], "tuned", 3),
    ("npreg_yn", ["x", "x2"], "yn", 2),
    ("nodata_no_on_eq", ["Equivalence"], "NO", 2),
)
SIZES = (1000, 100_000)
NARROW = 0.1  # sd of the narrow line of tone perception, in sds of y, is a fifth of this


def seed_problem(n: int) -> pd.DataFrame:
    """y = 3x or y = -x, with noise of sd 0.1."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, n)
    slope = np.where(rng.random(n) < 0.5, 3.0, -1.0)
    return pd.DataFrame({"x": x, "y": slope * x + rng.normal(0, 0.1, n)})


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """What it returns; its warnings and seconds."""
    start, cpu = time.perf_counter(), cpu_seconds()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message=".*fork")  # of multiprocessing, not of the fit
        value = call()
    return value, {
        "said": [str(warning.message) for warning in caught],
        "seconds": time.perf_counter() - start,
        "cpu": cpu_seconds() - cpu,
    }


def fitted(
    case: str, seed: int, X: Any, y: Any, **parameters: Any
) -> tuple[BayesianMixtureRegressor, dict[str, Any]]:
    """A default fit, and its record."""
    model = BayesianMixtureRegressor(**parameters, random_state=seed)
    fit, said = timed(lambda: model.fit(X, y))
    print(case, fit.n_components, seed, flush=True)
    found = {
        "loglik": float(fit.modes_["log_likelihood"].max()),
        "components": fit.n_components,
        "converged": fit.converged_,
        "solver": fit.posterior_.solver,
    }
    record = {"system": "skmixreg", "case": case, "K": fit.n_components, "seed": seed}
    return fit, record | {"fit": found, **said}


def run_ours() -> list[dict[str, Any]]:
    """Default fits."""
    data = [
        (name, K, pd.read_csv(REFERENCE / f"{name}.csv"), columns, response, SEEDS)
        for name, columns, response, K in CASES
    ]
    data += [
        (f"seed problem, {n}", 2, seed_problem(n), ["x"], "y", SEEDS if n < 10_000 else 3)
        for n in SIZES
    ]
    BayesianMixtureRegressor(2, random_state=0).fit(data[0][2][data[0][3]], data[0][2][data[0][4]])
    records = []
    for case, K, frame, columns, response, seeds in data:
        for seed in range(seeds):
            fit, record = fitted(case, seed, frame[columns], frame[response], n_components=K)
            record["fit"] |= {
                "slopes": fit.coef_[:, 0].tolist(),
                "sd": fit.posterior_["coef"][..., 0].std(axis=(0, 1)).tolist(),
                "probability": fit.modes_["probability"].tolist(),
                "narrow": share_of_narrow(fit.posterior_["sigma"], frame[response].std()),
            }
            records.append(record)
    return records


def run_our_roles() -> list[dict[str, Any]]:
    """Default fits of the data with other families, gates, groups, shared effects and offsets."""
    records = []
    for name in NAMES:
        case = load(name)
        BayesianMixtureRegressor(**case.parameters, random_state=99).fit(case.X, case.y)  # compiles
        for seed in range(SEEDS):
            _, record = fitted(name, seed, case.X, case.y, **case.parameters)
            records.append(record | {"best": case.log_likelihood, "size": case.size})
    return records


def share_of_narrow(sigma: np.ndarray, unit: float) -> float:
    """Share of draws with a narrow component; ``sigma`` is (..., K)."""
    return float(np.mean(sigma.min(axis=-1) < NARROW * unit))


def hand_written(x: np.ndarray, y: np.ndarray, ordered: bool) -> Any:
    """Two lines as a user of PyMC writes them."""
    import pymc as pm

    order: dict[str, Any] = {}
    if ordered:
        # The transform is undefined at equal slopes, where PyMC would start.
        order = {
            "transform": pm.distributions.transforms.ordered,
            "initval": np.array([-0.5, 0.5]),
        }
    with pm.Model() as model:
        data = pm.Data("x", x)
        weights = pm.Dirichlet("weights", np.ones(2))
        intercept = pm.Normal("intercept", 0.0, 2.5, shape=2)
        slope = pm.Normal("slope", 0.0, 2.5, shape=2, **order)
        sigma = pm.HalfNormal("sigma", 1.0, shape=2)
        mu = intercept + data[:, None] * slope
        pm.NormalMixture("y", w=weights, mu=mu, sigma=sigma, observed=y)
    return model


def narrow_under_hand_written_prior(x: np.ndarray, y: np.ndarray) -> float:
    """Posterior share of the narrow solution where sigma is half-normal, as in `hand_written`.

    On standardised data the other priors are the package's own, so that the draws of a fit have
    to be reweighted by the ratio of the two priors of log(sigma) only.
    """
    model = BayesianMixtureRegressor(2, random_state=0, solver=Laplace(draws=20_000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MultimodalPosteriorWarning)
        sigma = model.fit(x[:, None], y).posterior_["sigma"].reshape(-1, 2)
    priors = Priors().resolve()
    log_flat = -0.5 * ((priors.sigma_floor / sigma) ** 2 + (sigma / priors.sigma_ceiling) ** 2)
    log_ratio = (np.log(sigma) - 0.5 * sigma**2 - log_flat).sum(axis=1)
    ratio = np.exp(log_ratio - log_ratio.max())
    return float(np.average(sigma.min(axis=1) < NARROW, weights=ratio))


def run_pymc() -> list[dict[str, Any]]:
    """PyMC's NUTS and nutpie on the hand-written model, 4 chains with their defaults."""
    import arviz as az
    import pymc as pm

    seed_frame = seed_problem(SIZES[0])
    tone = pd.read_csv(REFERENCE / "tonedata.csv")
    tone = (tone - tone.mean()) / tone.std(ddof=0)  # or the priors would be another statement
    data = {
        f"seed problem, {SIZES[0]}": (seed_frame["x"].to_numpy(), seed_frame["y"].to_numpy()),
        "tonedata": (tone["stretchratio"].to_numpy(), tone["tuned"].to_numpy()),
    }
    jobs = [
        (f"seed problem, {SIZES[0]}", "PyMC, pm.sample", "pymc", False, 10),
        (f"seed problem, {SIZES[0]}", "PyMC, slopes ordered", "pymc", True, 10),
        (f"seed problem, {SIZES[0]}", "PyMC, nutpie", "nutpie", False, 10),
        ("tonedata", "PyMC, pm.sample", "pymc", False, 10),
        ("tonedata", "PyMC, slopes ordered", "pymc", True, 10),
    ]
    records = [
        {
            "system": "expected",
            "case": "tonedata",
            "narrow": narrow_under_hand_written_prior(*data["tonedata"]),
        }
    ]
    for case, system, sampler, ordered, seeds in jobs:
        for seed in range(seeds):

            def sample(case: str = case, ordered: bool = ordered, **options: Any) -> Any:
                with hand_written(*data[case], ordered):
                    return pm.sample(
                        draws=1000, tune=1000, chains=4, cores=2, progressbar=False, **options
                    )  # fmt: skip

            if seed == 0:  # compile once, outside the clock
                sample(nuts_sampler=sampler, random_seed=99)
            tree, said = timed(lambda s=sample, n=sampler, r=seed: s(nuts_sampler=n, random_seed=r))
            slope = tree.posterior["slope"].to_numpy()
            unit = 1.0 if case.startswith("seed") else data[case][1].std()
            records.append(
                {
                    "system": system,
                    "case": case,
                    "K": 2,
                    "seed": seed,
                    "chain_slopes": slope.mean(axis=1).tolist(),
                    "rhat": [float(az.rhat(slope[..., k])) for k in range(2)],
                    "rhat_sorted": [
                        float(az.rhat(np.sort(slope, axis=-1)[..., k])) for k in range(2)
                    ],
                    "divergences": int(tree.sample_stats["diverging"].sum()),
                    "narrow": [
                        share_of_narrow(chain, unit) for chain in tree.posterior["sigma"].to_numpy()
                    ],
                    **said,
                }
            )
            print(system, case, seed, round(records[-1]["seconds"], 1), flush=True)
    return records


def run_r(part: str) -> dict[str, Any]:
    """What comparison.R says of a part."""
    with tempfile.TemporaryDirectory() as folder:
        problems = Path(folder) / "seed_problem"
        problems.mkdir()
        for n in SIZES:
            seed_problem(n).to_csv(problems / f"{n}.csv", index=False)
        out = Path(folder) / "out.json"
        subprocess.run(
            ["Rscript", HERE / "comparison.R", REFERENCE, problems, str(SEEDS), out, part],
            check=True,
        )
        return json.loads(out.read_text())


OF_PYTHON: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "ours": run_ours,
    "our roles": run_our_roles,
    "pymc": run_pymc,
}


def run(parts: list[str]) -> None:
    """Run parts and keep their records."""
    for part in parts or PARTS:
        if part in OF_PYTHON:
            records = OF_PYTHON[part]()
            versions = {name: version(name) for name in ("skmixreg", "pymc", "nutpie")}
        else:
            answer = run_r(part)
            versions, records = answer["versions"], answer["runs"]
        known = {name: value for name, value in versions.items() if value}
        keep(RESULTS, part, known, runs=records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    commands.add_parser("write")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.parts)
    else:
        from comparison_tables import write

        write(RESULTS, PAGE)


if __name__ == "__main__":
    main()
