"""What a posterior keeps of the rows of a fit whose columns have roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._model.problem import Problem
from ..._support.arrays import Array
from ..._support.sampling import evenly_spaced

GATE_ROWS = 500  # that average weights are over
MOST_COPIES = 20


def gate_rows(problem: Problem) -> Array | None:
    """Standardised gating columns of some units, evenly spaced, each as often as it weighs."""
    if not problem.layout.n_gating:
        return None
    rows = problem.rows.observations
    assert rows.gating is not None
    first = rows.first_rows
    chosen = first[evenly_spaced(len(first), min(len(first), GATE_ROWS))]
    weights = rows.weights[chosen]
    copies = np.rint(weights / weights.min()).clip(max=MOST_COPIES).astype(int)
    return np.ascontiguousarray(np.repeat(rows.gating[:, chosen], copies, axis=1))


def report_of(problem: Problem, report: Mapping[str, Any]) -> dict[str, Any]:
    """What a solver reports, and the number of memberships where modes do not tell it."""
    if problem.plain:
        return dict(report)
    return {"n_observations": problem.unit_weight, **report}
