"""Random problems with gates, groups, shared slopes and offsets: what fits say of themselves.

    python -m tests.benchmarks.random_roles --number 200 --out roles.jsonl

A fit is false where it says `converged_` and its most probable mode has a log-likelihood more than
3 nats below that of the parameters that the rows were drawn from, by SciPy's densities.  Problems
that are in the file already are not run again.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

from skmixreg import BayesianMixtureRegressor

NATS = 3.0
# Intercepts, slopes, the sd of shared slopes, and the distribution of a row given its predictor.
FAMILIES = {
    "gaussian": (2.0, 1.5, lambda e: stats.norm(e, 0.5)),
    "poisson": (1.0, 0.7, lambda e: stats.poisson(np.exp(np.minimum(1.5 + e, 8.0)))),
    "gamma": (1.0, 0.7, lambda e: stats.gamma(8.0, scale=np.exp(e) / 8.0)),
    "student_t": (2.0, 1.5, lambda e: stats.t(4.0, e, 0.4)),
}


def problem(number):
    """X, y, options, and the log-likelihood of the truth."""
    rng = np.random.default_rng([7, number])
    family = list(FAMILIES)[number % len(FAMILIES)]
    gate, group, shared, offset = rng.random(4) < (0.6, 0.5, 0.5, 0.3)
    if not (gate or group or shared or offset):
        gate = True
    K, size = int(rng.integers(2, 4)), 4 if group else 1
    U = int(rng.integers(60, 200)) if group else int(rng.integers(200, 800))
    unit = np.repeat(np.arange(U), size)
    n = len(unit)
    spread, slope, density = FAMILIES[family]
    q = int(rng.integers(1, 3))
    Z = rng.normal(size=(U, q))
    gating = rng.normal(0.0, 1.0, (q, K)) if gate else np.zeros((q, K))
    log_weights = special.log_softmax(Z @ gating + rng.normal(0.0, 0.3, K), axis=1)
    label = (log_weights + rng.gumbel(size=(U, K))).argmax(axis=1)[unit]
    p = int(rng.integers(1, 4))
    x = rng.normal(size=(n, p))
    line = np.column_stack([rng.normal(0.0, spread, K), rng.normal(0.0, slope, (K, p))])
    s, t = rng.normal(size=n), rng.normal(0.0, 0.5, n)
    common = (0.5 * s if shared else 0.0) + (t if offset else 0.0)
    eta = line[:, 0] + x @ line[:, 1:].T + np.reshape(common * np.ones(n), (n, 1))
    law = density(eta[np.arange(n), label])
    y = law.rvs(random_state=rng)
    law = density(eta)
    log_f = law.logpmf(y[:, None]) if family == "poisson" else law.logpdf(y[:, None])
    joint = np.add.reduceat(log_f, np.arange(0, n, size)) + log_weights
    truth = float(special.logsumexp(joint, axis=1).sum())
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(p)])
    options = {"family": family, "n_components": K}
    if gate:
        names = [f"z{j}" for j in range(q)]
        frame[names] = Z[unit]
        options["gating_features"] = names
    if group:
        frame["unit"] = unit
        options["group_feature"] = "unit"
    if shared:
        frame["s"] = s
        options["shared_features"] = ["s"]
    if offset:
        frame["t"] = t
        options["offset_feature"] = "t"
    return frame, y, options, truth


def run(number):
    """What a fit of one problem says, and whether that is true."""
    X, y, options, truth = problem(number)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BayesianMixtureRegressor(**options, random_state=number).fit(X, y)
    best = model.modes_["log_likelihood"].iloc[int(model.modes_["probability"].argmax())]
    return {
        "number": number,
        **{name: str(value) for name, value in options.items()},
        "n": len(y),
        "converged": bool(model.converged_),
        "below_truth": truth - float(best),
        "false": bool(model.converged_ and truth - best > NATS),
        "solver": model.solver_.chosen_,
        "failures": model.posterior_.failures,
        "seconds": time.process_time() - start,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    known = set()
    if options.out.exists():
        known = {json.loads(line)["number"] for line in options.out.read_text().splitlines()}
    for number in range(options.first, options.first + options.number):
        if number not in known:
            line = json.dumps(run(number))
            with options.out.open("a") as file:
                file.write(line + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
