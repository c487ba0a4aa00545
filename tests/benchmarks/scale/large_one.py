"""Run by the part "large", in a process of its own: one default fit, and the memory it takes."""

from __future__ import annotations

import json
import sys
import time

from skmixreg import BayesianMixtureRegressor

from .growth import problem
from .memory import PeakMemory
from .process import say


def main(argument: str) -> None:
    """The argument is JSON: rows, components and features."""
    n, K, p = json.loads(argument)["shape"]
    # Libraries and kernels that a fit loads are not the memory of its rows.
    X, y, _ = problem(2_000, K, p)
    BayesianMixtureRegressor(K, random_state=0).fit(X, y)
    X, y, _ = problem(n, K, p)
    start = time.perf_counter()
    with PeakMemory() as memory:
        model = BayesianMixtureRegressor(K, random_state=0).fit(X, y)
    say(
        {
            "seconds": time.perf_counter() - start,
            "data": X.nbytes + y.nbytes,
            "peak": memory.peak,
            "converged": bool(model.converged_),
            "solver": model.posterior_.solver,
        }
    )


if __name__ == "__main__":
    main(sys.argv[1])
