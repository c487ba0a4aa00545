"""Calibration with one component by a posterior of its own: is what `calibration.py` finds chance?

    python tests/benchmarks/one_component.py {student_t,weibull} FIRST NUMBER

Simulated data sets FIRST, FIRST + 1, ... of `calibration.py` with n = 50 and 200 rows and K = 1.
Neither densities nor draws of the package take part: importance sampling from a t distribution
around the mode, whose share of draws below the truth is uniform over data sets.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parent))
from calibration import POINT, simulate

DF, PROPOSAL_DF, DRAWS = 4.0, 8.0, 4000


def errors(family: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density of errors, up to a constant, and its derivative."""
    if family == "student_t":
        return -0.5 * (DF + 1) * np.log1p(z * z / DF), -(DF + 1) * z / (DF + z * z)
    e = np.exp(np.minimum(z, 300.0))
    return z - e, 1.0 - e


def shares(family: str, n: int, number: int) -> tuple[float, float]:
    """Posterior mass below the true slope of the first column, and below the mean at a point."""
    problem, theta = simulate(n, 1, number, family)
    raw, priors = problem.layout.expand(theta), problem.priors
    y = np.log(problem.target) if family == "weibull" else problem.target
    rows = np.vstack([np.ones(n), problem.mean_design])
    truth = np.concatenate([raw.line[0], raw.extra[0]])
    precision = np.full(len(rows), priors.coef_scale**-2.0)
    precision[0] = priors.intercept_scale**-2.0

    def log_density(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """At points (S, d), with the gradient: lines, then log sigma."""
        line, sigma = t[:, :-1], np.exp(t[:, -1])
        z = (y - line @ rows) / sigma[:, None]
        value, slope = errors(family, z)
        low, high = (priors.sigma_floor / sigma) ** 2, (sigma / priors.sigma_ceiling) ** 2
        total = value.sum(axis=1) - n * t[:, -1] - 0.5 * (line**2 @ precision + low + high)
        of_line = -(slope @ rows.T) / sigma[:, None] - precision * line
        of_sigma = -(slope * z).sum(axis=1) - n + low - high
        return total, np.column_stack([of_line, of_sigma])

    def downhill(t: np.ndarray) -> Any:
        value, gradient = log_density(t[None])
        return -value[0], -gradient[0]

    mode = minimize(downhill, truth, jac=True, method="BFGS").x
    steps = np.diag(1e-5 * np.append(np.full(len(rows), np.exp(mode[-1])), 1.0))
    ahead, behind = (log_density(mode + sign * steps)[1] for sign in (1.0, -1.0))
    hessian = (ahead - behind) / (2.0 * np.diagonal(steps)[:, None])
    root = np.linalg.cholesky(np.linalg.inv(-0.5 * (hessian + hessian.T)))
    rng = np.random.default_rng([7, n, number])
    wide = np.sqrt(rng.chisquare(PROPOSAL_DF, (DRAWS, 1)) / PROPOSAL_DF)
    unit = rng.normal(size=(DRAWS, len(mode))) / wide
    draws = mode + unit @ root.T
    power = -0.5 * (PROPOSAL_DF + len(mode))
    with np.errstate(over="ignore"):
        log_weight = log_density(draws)[0] - power * np.log1p((unit**2).sum(axis=1) / PROPOSAL_DF)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()

    def at_point(t: np.ndarray) -> np.ndarray:
        return t[..., 0] + POINT * t[..., 1:-1].sum(axis=-1)

    return float(weight[draws[:, 1] < truth[1]].sum()), float(
        weight[at_point(draws) < at_point(truth)].sum()
    )


def main() -> None:
    family, first, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    found = np.array(
        [shares(family, n, r) for n in (50, 200) for r in range(first, first + number)]
    )
    for name, share in zip(("slope", "mean at a point"), found.T, strict=True):
        tenths = np.histogram(share, bins=10, range=(0.0, 1.0))[0]
        z = (share.mean() - 0.5) * np.sqrt(12 * len(share))
        ends = (share < 0.01).sum(), (share > 0.99).sum()
        print(f"{name}: mean {share.mean():.3f} ({z:+.1f} se), tenths {tenths}, ends {ends}")


if __name__ == "__main__":
    main()
