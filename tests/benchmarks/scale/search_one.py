"""Run by the part "warm": GridSearchCV on two processes, with the compile cache as it is."""

from __future__ import annotations

import json
import sys
import time
import warnings

from sklearn.model_selection import GridSearchCV

from skmixreg import BayesianMixtureRegressor
from skmixreg._kernels.compile import cache_folder

from ..measure import seed_problem
from .process import say


def main(argument: str) -> None:
    """Two searches; the argument is JSON with the number of rows, ``n``."""
    X, y = seed_problem(json.loads(argument)["n"], 0)
    before = set(cache_folder().glob("*"))
    for what in ("first search", "second search"):
        search = GridSearchCV(
            BayesianMixtureRegressor(random_state=0), {"n_components": [1, 2, 3]}, n_jobs=2
        )
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search.fit(X, y)
        record = {"what": what, "seconds": time.perf_counter() - start}
        say(record | {"new_kernels": len(set(cache_folder().glob("*")) - before)})


if __name__ == "__main__":
    main(sys.argv[1])
