"""How criteria for the number of components are read."""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """How a criterion is read."""

    label: str
    greater_is_better: bool
    matters: float  # a difference that decides, in its units


CRITERIA = {
    "log_evidence": Reading("log evidence", True, 5.0),
    "elpd_loo": Reading("LOO elpd", True, 4.0),
    "aic": Reading("AIC", False, 10.0),
    "bic": Reading("BIC", False, 10.0),
    "icl": Reading("ICL", False, 10.0),
}
COLUMNS = {"evidence": "log_evidence", "loo": "elpd_loo"}
