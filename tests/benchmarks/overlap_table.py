"""How narrow approximations are where components overlap; for docs/label-switching.md.

    python tests/benchmarks/overlap_table.py

Two lines y = c x and y = -c x in 200 rows with noise 0.4, from far apart to almost the same.  The
sds of the sorted slopes, which do not depend on labels, over those of `gibbs`, and how many fits
raised no warning; data on which `gibbs` does not pass its own diagnostics are left out.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from solver_table import with_table

from skmixreg import BayesianMixtureRegressor

PAGE = Path(__file__).resolve().parents[2] / "docs" / "label-switching.md"
SLOPES, STATES = (1.5, 0.75, 0.5, 0.25), range(6)
SOLVERS = ("cavi", "advi", "fullrank_advi")


def make_data(c: float, state: int) -> tuple[np.ndarray, np.ndarray]:
    """200 rows on two lines of slopes c and -c."""
    rng = np.random.default_rng(state)
    x = rng.uniform(-1, 1, 200)
    return x[:, None], np.where(rng.random(200) < 0.5, c, -c) * x + 0.4 * rng.normal(size=200)


def fitted(solver: str, X: np.ndarray, y: np.ndarray) -> BayesianMixtureRegressor:
    """A fit without intercepts, its warnings left to `converged_`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BayesianMixtureRegressor(solver=solver, fit_intercept=False, random_state=0)
        return model.fit(X, y)


def sds(model: BayesianMixtureRegressor) -> np.ndarray:
    """Posterior sds of the sorted slopes: (2,)."""
    return np.sort(model.posterior_["coef"].reshape(-1, 2), axis=1).std(axis=0)


def line(c: float) -> str:
    """One row of the table."""
    ambiguous: list[float] = []
    ratios: dict[str, list[float]] = {solver: [] for solver in SOLVERS}
    passed = dict.fromkeys(SOLVERS, 0)
    for state in STATES:
        X, y = make_data(c, state)
        exact = fitted("gibbs", X, y)
        if not exact.converged_:
            continue
        ambiguous.append(exact.posterior_.ambiguous_share)
        for solver in SOLVERS:
            model = fitted(solver, X, y)
            ratios[solver].append(float(np.exp(np.log(sds(model) / sds(exact)).mean())))
            passed[solver] += model.converged_
    cells = [f"{c:g}", str(len(ambiguous)), f"{np.mean(ambiguous):.0%}"]
    cells += [
        f"{min(values):.2f} to {max(values):.2f} ({passed[solver]})"
        for solver, values in ratios.items()
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run and write."""
    header = ["c", "data sets", "ambiguous draws", *(f"`{solver}`" for solver in SOLVERS)]
    table = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    for c in SLOPES:
        table.append(line(c))
        print(table[-1], flush=True)
    PAGE.write_text(with_table(PAGE.read_text(), "overlap table", "\n".join(table)))


if __name__ == "__main__":
    main()
