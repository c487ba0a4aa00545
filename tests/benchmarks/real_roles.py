"""The real data with roles at many random states: the best mode against flexmix's optimum.

    python -m tests.benchmarks.real_roles --states 20 --out real.jsonl [NAME ...]

A fit reaches it where the best log-likelihood in `modes_` is at most half the number of free
parameters below: what the prior may cost.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

from skmixreg import BayesianMixtureRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from role_reference import NAMES, load


def run(name: str, state: int) -> dict[str, object]:
    """One default fit."""
    case = load(name)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BayesianMixtureRegressor(**case.parameters, random_state=state).fit(case.X, case.y)
    best = float(model.modes_["log_likelihood"].max())
    return {
        "name": name,
        "state": state,
        "best": best,
        "below": case.log_likelihood - best,
        "reached": case.log_likelihood - best <= case.size / 2,
        "converged": bool(model.converged_),
        "solver": model.solver_.chosen_,
        "log_evidence": float(model.log_evidence_),
        "seconds": time.process_time() - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for name in options.names:
        lines = []
        for state in range(options.states):
            lines.append(run(name, state))
            with options.out.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
        best = [line["best"] for line in lines]
        print(
            f"{name}: reached {sum(bool(line['reached']) for line in lines)} of {len(lines)}, "
            f"best from {min(best):.3f} to {max(best):.3f}, converged "
            f"{sum(bool(line['converged']) for line in lines)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
