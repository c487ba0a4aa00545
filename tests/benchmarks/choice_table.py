"""How often the true number of components is chosen; for docs/choosing-k.md.

    python tests/benchmarks/choice_table.py          # run what is missing, write the table
    python tests/benchmarks/choice_table.py --write  # write the table only

20 data sets for each true K = 1, 2, 3, 4, of 500 rows with two columns, in two degrees of
separation; K is chosen from 1 to 6 by evidence, BIC and LOO here, and by BIC with flexmix
(initFlexmix with 3 starts) where Rscript is there.  Results are kept in
tests/reference/measured/choice_table.json, so that a run can be stopped and go on.

Separation of two components is the root mean square distance of their lines over the rows, in
units of sigma: at least 6 between any two where it is clear; where it is half clear, the nearest
two are 2 to 3 apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from solver_table import with_table

from skmixreg import BayesianMixtureRegressorCV

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "choosing-k.md"
RESULTS = ROOT / "tests" / "reference" / "measured" / "choice_table.json"
ROWS, SETS, TRUE, NUMBERS = 500, range(20), (1, 2, 3, 4), range(1, 7)
SEPARATION = {"clear": (6.0, np.inf), "half clear": (2.0, 3.0)}
RIGHT = ("evidence", "bic", "loo", "flexmix BIC")


def make_data(separation: str, K: int, state: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of K lines: X of shape (500, 2), y of shape (500,)."""
    rng = np.random.default_rng([list(SEPARATION).index(separation), K, state])
    low, high = SEPARATION[separation]
    X = rng.normal(size=(ROWS, 2))
    while True:
        lines = rng.normal(0, high if np.isfinite(high) else 2.0 * low, (K, 3))
        weights = rng.dirichlet(np.full(K, 5.0))
        # E[(b0 + x'b)^2] = b0^2 + |b|^2 for standard normal columns; sigma is 1.
        apart = np.linalg.norm(lines[:, None] - lines, axis=2)[np.triu_indices(K, 1)]
        if weights.min() > 0.1 and (K == 1 or low <= apart.min() <= high):
            break
    z = rng.choice(K, ROWS, p=weights)
    mean = lines[z, 0] + (X * lines[z, 1:]).sum(axis=1)
    return X, mean + rng.normal(size=ROWS)


def chosen_here(X: np.ndarray, y: np.ndarray) -> dict[str, object]:
    """The choices by evidence, BIC and LOO, and what they took."""
    out: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for criterion in ("evidence", "loo"):
            start = time.process_time()
            model = BayesianMixtureRegressorCV(NUMBERS, criterion=criterion, random_state=0)
            model.fit(X, y)
            out[criterion] = model.n_components_
            out[f"{criterion} seconds"] = round(time.process_time() - start, 2)
            out[f"{criterion} resolved"] = bool(model.resolved_)
            table = model.criterion_table_
            if criterion == "evidence":  # the table of BIC is the same
                out["bic"] = int(table["bic"].idxmin())
            out[f"{criterion} log evidence"] = table["log_evidence"].round(3).tolist()
            out[f"{criterion} drawn"] = table["drawn"].tolist()
            out[f"{criterion} converged"] = table["converged"].fillna(False).tolist()
    return out


def run() -> None:
    """Everything that is not in the results yet."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    jobs = [(s, K, state) for state in SETS for K in TRUE for s in SEPARATION]
    with tempfile.TemporaryDirectory() as folder:
        for separation, K, state in jobs:
            X, y = make_data(separation, K, state)
            name = f"set-{separation.replace(' ', '_')}-{K}-{state}"
            frame = pd.DataFrame({"y": y, "x1": X[:, 0], "x2": X[:, 1]})
            if "flexmix BIC" not in results.get(f"{separation}, {K}, {state}", {}):
                frame.to_csv(Path(folder, f"{name}.csv"), index=False)
        script = Path(__file__).with_suffix(".R")
        if list(Path(folder).glob("set*.csv")):
            subprocess.run(["Rscript", script, folder, str(NUMBERS[-1])], check=True)
            for name, chosen in pd.read_csv(Path(folder, "flexmix.csv")).to_numpy():
                _, separation, K, state = name.split("-")
                key = f"{separation.replace('_', ' ')}, {K}, {state}"
                results.setdefault(key, {})["flexmix BIC"] = int(chosen)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    for separation, K, state in jobs:
        record = results.setdefault(f"{separation}, {K}, {state}", {})
        if "loo" not in record:
            record |= chosen_here(*make_data(separation, K, state))
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            print(separation, K, state, record, flush=True)


def table() -> str:
    """How often each criterion was right, in markdown."""
    results = json.loads(RESULTS.read_text())
    lines = [
        "| separation | true K | data sets | " + " | ".join(RIGHT) + " |",
        "|---|---|---|" + "---|" * len(RIGHT),
    ]
    for separation in SEPARATION:
        for K in (*TRUE, None):
            records = [
                (int(key.split(", ")[1]), record)
                for key, record in results.items()
                if key.split(", ")[0] == separation
                and (K is None or int(key.split(", ")[1]) == K)
                and all(name in record for name in RIGHT)
            ]
            right = [sum(record[name] == true for true, record in records) for name in RIGHT]
            label = "all" if K is None else K
            lines.append(
                f"| {separation} | {label} | {len(records)} | " + " | ".join(map(str, right)) + " |"
            )
    return "\n".join(lines)


def first_round() -> str:
    """How far off one round of importance sampling was, against the full draws."""
    gaps = []
    for record in json.loads(RESULTS.read_text()).values():
        if "loo" in record:
            one, full = (np.array(record[f"{c} log evidence"]) for c in ("evidence", "loo"))
            compared = ~np.array(record["evidence drawn"]) & np.array(record["loo converged"])
            gaps += (one - full)[compared].tolist()
    return (
        f"{len(gaps)} evidences of one round against converged fits: "
        f"{min(gaps):+.2f} to {max(gaps):+.2f} nats"
    )


if __name__ == "__main__":
    if "--write" not in sys.argv:
        run()
    print(table())
    print(first_round())
    if PAGE.exists():
        PAGE.write_text(with_table(PAGE.read_text(), "choice table", table()))
