"""AIC, BIC and ICL on the reference data, beside those of flexmix and mixtools.

    python tests/benchmarks/criteria_table.py [solver]

One row per data set and number of components, for the most probable mode of a fit, with the
values of the peers' highest maximum of the likelihood and the difference in percent of these.
Where K is too large the two are different solutions; the last column is the nearest local maximum
that the peers list.  That the criteria agree at the same estimates is in tests/test_selection.py.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from conftest import REFERENCE_NAMES, ReferenceCase, load_reference

from skmixreg import BayesianMixtureRegressor

CRITERIA = ("AIC", "BIC", "ICL")


def percent(ours: float, theirs: float) -> float:
    """Difference in percent of the peers' value."""
    return 100.0 * (ours - theirs) / abs(theirs)


def line(case: ReferenceCase, K: int, solver: str) -> str:
    """One row of the table."""
    peer = case.fits[K]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BayesianMixtureRegressor(K, solver=solver, random_state=0).fit(case.X, case.y)
        criteria = [getattr(model, name.lower())(case.X, case.y) for name in CRITERIA]
    log_likelihood = model.posterior_.layout.size - 0.5 * criteria[0]
    best = float(model.modes_["probability"].max())
    cells = [case.name, str(K), f"{log_likelihood:.2f} ({peer['loglik']:.2f})", f"{best:.2f}"]
    for name, ours in zip(CRITERIA, criteria, strict=True):
        cells.append(f"{ours:.2f} ({peer[name]:.2f}) {percent(ours, peer[name]):+.2f}%")
    optima = np.atleast_1d(peer["local_optima_loglik"])
    nearest = optima[np.argmin(np.abs(optima - log_likelihood))] if optima.size else np.nan
    cells.append(f"{nearest:.2f}")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Fit and print."""
    solver = sys.argv[1] if len(sys.argv) > 1 else "laplace"
    header = ["data", "K", "log-likelihood (peers)", "probability of the mode"]
    header += [f"{name} (peers)" for name in CRITERIA] + ["nearest optimum of the peers"]
    print(f"| {' | '.join(header)} |")
    print(f"|{' --- |' * len(header)}")
    for name in REFERENCE_NAMES:
        case = load_reference(name)
        for K in sorted(case.fits):
            print(line(case, K, solver), flush=True)


if __name__ == "__main__":
    main()
