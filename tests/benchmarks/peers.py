"""The seed problem side by side: skmixreg, nutpie and PyMC's NUTS, in one run.

    python tests/benchmarks/peers.py --n 100000

The peers sample the model as a user of PyMC writes it, `pm.NormalMixture`, 2 chains x (500 tuning +
500 kept) draws, compilation included.  Ours run in a warm process: one small fit beforehand.
Effective sample sizes are ArviZ's bulk ESS of the slopes, the smaller one, after components are
put in the order of their slopes draw by draw (the slopes are 100 posterior sds apart).  The peers
start at the truth, PyMC's without jitter: from its default jitter a chain can stay at the pooled
fit, and then neither its ESS nor its time means anything.  A row whose R-hat exceeds 1.05 enters no
ratio.  ``cpu_s`` (children included) tells what other work on the machine did to ``seconds``.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
from records import cpu_seconds

from skmixreg import BayesianMixtureRegressor
from skmixreg.solvers import NUTS

CHAINS, TUNE, DRAWS = 2, 500, 500
RATIOS = (
    ("default / nutpie on the plain model, ESS/s", "default", "peer-nutpie", "ess_per", 30),
    ("default / pm.sample on the plain model, ESS/s", "default", "peer-pymc", "ess_per", 100),
    ("pm.sample on the plain model / nuts, seconds", "peer-pymc", "nuts", "", 15),
)


def seed_problem(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The two lines: y = 3x or y = -x, with noise of sd 0.1."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    slope = np.where(rng.random(n) < 0.5, 3.0, -1.0)
    return x[:, None], slope * x + rng.normal(0, 0.1, n)


def slopes_ess(slopes: np.ndarray) -> float:
    """Smaller bulk ESS of the two slopes; ``slopes`` is (chain, draw, 2)."""
    ordered = np.sort(slopes, axis=-1)
    return float(min(az.ess(ordered[..., k], method="bulk") for k in range(2)))


def slopes_rhat(slopes: np.ndarray) -> float:
    """Larger R-hat of the two slopes; of its halves where there is one chain."""
    ordered = np.sort(slopes, axis=-1)
    if len(ordered) == 1:
        ordered = np.stack(np.array_split(ordered[0, : ordered.shape[1] // 2 * 2], 2))
    return float(max(az.rhat(ordered[..., k]) for k in range(2)))


def ours(X: np.ndarray, y: np.ndarray, seed: int, solver: Any) -> np.ndarray:
    """Slopes drawn by skmixreg."""
    est = BayesianMixtureRegressor(2, solver=solver, random_state=seed).fit(X, y)
    return est.posterior_["coef"][..., 0]


def peer(X: np.ndarray, y: np.ndarray, seed: int, sampler: str) -> np.ndarray:
    """Slopes drawn from a hand-written PyMC model."""
    import pymc as pm

    with pm.Model():
        x = pm.Data("x", X[:, 0])
        weights = pm.Dirichlet("weights", np.ones(2))
        intercept = pm.Normal("intercept", 0.0, 2.5, shape=2)
        slope = pm.Normal("slope", 0.0, 2.5, shape=2)
        sigma = pm.HalfNormal("sigma", 1.0, shape=2)
        mu = intercept + x[:, None] * slope
        pm.NormalMixture("y", w=weights, mu=mu, sigma=sigma, observed=y)
        tree = pm.sample(
            draws=DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=2,
            nuts_sampler=sampler,
            random_seed=seed,
            initvals={"slope": np.array([3.0, -1.0]), "sigma": np.array([0.1, 0.1])},
            **({"init": "adapt_diag"} if sampler == "pymc" else {}),
            progressbar=False,
            compute_convergence_checks=False,
        )
    return tree.posterior["slope"].to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", nargs="*", default=[], help="names of rows to leave out")
    arguments = parser.parse_args()
    X, y = seed_problem(arguments.n, arguments.seed)

    equal = NUTS(draws=DRAWS, chains=CHAINS)
    contenders: dict[str, Callable[[], np.ndarray]] = {
        "default": lambda: ours(X, y, arguments.seed, "auto"),
        "nuts": lambda: ours(X, y, arguments.seed, equal),
        "nuts-nutpie": lambda: ours(
            X, y, arguments.seed, NUTS(draws=DRAWS, chains=CHAINS, sampler="nutpie")
        ),
        "peer-nutpie": lambda: peer(X, y, arguments.seed, "nutpie"),
        "peer-pymc": lambda: peer(X, y, arguments.seed, "pymc"),
    }
    contenders = {k: v for k, v in contenders.items() if k not in arguments.skip}

    warm_X, warm_y = seed_problem(1000, 1)
    for solver in ("auto", NUTS(draws=10, chains=1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours(warm_X, warm_y, 0, solver)

    rows = {}
    for name, run in contenders.items():
        start, cpu = time.perf_counter(), cpu_seconds()
        slopes = run()
        seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
        ess = slopes_ess(slopes)
        ordered = np.sort(slopes, axis=-1).reshape(-1, 2).mean(axis=0)
        rows[name] = {
            "seconds": seconds,
            "cpu_s": cpu,
            "rhat": slopes_rhat(slopes),
            "ess": ess,
            "ess_per_s": ess / seconds,
            "ess_per_cpu_s": ess / cpu,
            "draws": slopes[..., 0].size,
            "slope_0": ordered[0],
            "slope_1": ordered[1],
        }
        print(f"{name}: {seconds:.2f} s", flush=True)
    table = pd.DataFrame(rows).T
    print(f"\nN = {arguments.n}, {platform.machine()}, {platform.python_version()}\n")
    print(table.to_string(float_format=lambda v: f"{v:.4g}"))

    load = ", ".join(f"{v:.1f}" for v in os.getloadavg())
    print(f"\nload averages at the end: {load} on {os.cpu_count()} cores")
    print(f"\n{'ratios':45s} {'wall':>10s} {'cpu':>10s} {'at least':>10s}")
    for text, top, bottom, quantity, least in RATIOS:
        if {top, bottom} <= rows.keys():
            failed = [name for name in (top, bottom) if not rows[name]["rhat"] < 1.05]
            if failed:
                print(f"{text:45s} no ratio: {', '.join(failed)} did not converge")
                continue
            wall, cpu = (f"{quantity}_s", f"{quantity}_cpu_s") if quantity else ("seconds", "cpu_s")
            by_wall, by_cpu = (rows[top][name] / rows[bottom][name] for name in (wall, cpu))
            print(f"{text:45s} {by_wall:10.1f} {by_cpu:10.1f} {least:10d}")


if __name__ == "__main__":
    main()
