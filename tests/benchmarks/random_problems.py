"""Random problems of every family: fits that say they converged, and where the truth is better.

    python -m tests.benchmarks.random_problems --family gamma beta --number 200 --out problems.jsonl

Clear to half-clear mixtures of 2 to 4 components, 1 to 4 columns and 300 to 1500 rows.  A fit is
false where it says `converged_` and its most probable mode has a log-likelihood more than 3 nats
below that of the parameters that the rows were drawn from, by SciPy's densities.  Problems that
are in the file already are not run again.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import special, stats

from skmixreg import BayesianMixtureRegressor
from skmixreg.families import Binomial, StudentT

NATS = 3.0


def _location(rng, K, p):
    return rng.normal(0.0, 2.0, K), rng.normal(0.0, 1.5, (K, p))


def _log_mean(rng, K, p):
    return rng.uniform(0.0, 3.0, K), rng.normal(0.0, 0.7, (K, p))


def _logit(rng, K, p):
    return rng.normal(0.0, 1.5, K), rng.normal(0.0, 1.0, (K, p))


def _uniform(low, high):
    return lambda rng, K: np.exp(rng.uniform(np.log(low), np.log(high), K))


def _none(rng, K):
    return np.ones(K)


# Lines, the extra parameter, and the frozen distribution of a row given both.
FAMILIES = {
    "gaussian": (_location, _uniform(0.2, 1.0), lambda e, s, n: stats.norm(e, s)),
    "poisson": (_log_mean, _none, lambda e, s, n: stats.poisson(np.exp(e))),
    "binomial": (_logit, _none, lambda e, s, n: stats.binom(n, special.expit(e))),
    "negative_binomial": (
        _log_mean,
        _uniform(2.0, 20.0),
        lambda e, s, n: stats.nbinom(s, s / (s + np.exp(e))),
    ),
    "gamma": (_log_mean, _uniform(2.0, 30.0), lambda e, s, n: stats.gamma(s, scale=np.exp(e) / s)),
    "exponential": (_log_mean, _none, lambda e, s, n: stats.expon(scale=np.exp(2.0 * e))),
    "student_t": (_location, _uniform(0.2, 1.0), lambda e, s, n: stats.t(4.0, e, s)),
    "lognormal": (
        _log_mean,
        _uniform(0.1, 0.6),
        lambda e, s, n: stats.lognorm(s, scale=np.exp(e)),
    ),
    "beta": (
        _logit,
        _uniform(5.0, 60.0),
        lambda e, s, n: stats.beta(special.expit(e) * s, special.expit(-e) * s),
    ),
    "weibull": (
        _log_mean,
        _uniform(1.5, 6.0),
        lambda e, s, n: stats.weibull_min(s, scale=np.exp(e)),
    ),
}


def problem(family, number):
    """X, y, how the family is named, and the log-likelihood of the truth."""
    rng = np.random.default_rng([number, sorted(FAMILIES).index(family)])
    lines, extra, distribution = FAMILIES[family]
    K, p = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    n = int(np.exp(rng.uniform(np.log(300), np.log(1500))))
    weights = rng.dirichlet(np.full(K, 5.0))
    intercept, coef = lines(rng, K, p)
    spread = extra(rng, K)
    X = rng.normal(size=(n, p))
    trials = rng.integers(5, 40, n)
    eta = intercept + X @ coef.T
    z = rng.choice(K, n, p=weights)
    at = np.arange(n)
    y = distribution(eta[at, z], spread[z], trials).rvs(random_state=rng).astype(float)
    if family == "beta":
        y = np.clip(y, 1e-12, 1.0 - 1e-12)
    frozen = distribution(eta, spread, trials[:, None])
    discrete = isinstance(frozen.dist, stats.rv_discrete)
    terms = (frozen.logpmf if discrete else frozen.logpdf)(y[:, None])
    truth = float(special.logsumexp(terms + np.log(weights), axis=1).sum())
    if family == "binomial":
        return np.column_stack([X, trials]), y, Binomial(trials=p), K, truth
    return X, y, StudentT(df=4.0) if family == "student_t" else family, K, truth


def run(family, number):
    """What one fit says, and how far the truth is above it."""
    X, y, own, K, truth = problem(family, number)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BayesianMixtureRegressor(n_components=K, family=own, random_state=number).fit(X, y)
    modes = model.modes_
    best = modes.loc[modes["probability"].idxmax(), "log_likelihood"]
    return {
        "family": family,
        "number": number,
        "K": K,
        "n": len(y),
        "p": model.coef_.shape[1],
        "converged": bool(model.converged_),
        "above": truth - float(best),
        "solver": model.posterior_.solver,
        "seconds": time.process_time() - began,
        "failures": list(model.posterior_.failures),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", nargs="+", default=sorted(FAMILIES), choices=sorted(FAMILIES))
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {(row["family"], row["number"]) for row in rows}
    for number in range(options.number):
        for family in options.family:
            if (family, number) in done:
                continue
            rows.append(run(family, number))
            with options.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    for family in options.family:
        own = [row for row in rows if row["family"] == family]
        converged = sum(row["converged"] for row in own)
        false = [row["number"] for row in own if row["converged"] and row["above"] > NATS]
        seconds = np.quantile([row["seconds"] for row in own], [0.5, 0.9, 1.0])
        print(
            f"{family}: {len(own)} problems, {converged} converged, false: {false}; CPU s "
            + ", ".join(f"{s:.1f}" for s in seconds)
        )


if __name__ == "__main__":
    main()
