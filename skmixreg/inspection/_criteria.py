"""How criteria for the number of components are read, and columns of tables of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd


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


class Column(NamedTuple):
    """A criterion out of a table, in the order of the number of components.

    Attributes
    ----------
    n_components, values : Index and Series of length m
    families : Index of length m or None
        Where the index of the table has them.
    errors : Series of length m or None
    reading : Reading
    """

    n_components: pd.Index
    values: pd.Series
    families: pd.Index | None
    errors: pd.Series | None
    reading: Reading

    @classmethod
    def of(cls, table: pd.DataFrame, criterion: str, greater_is_better: bool | None) -> Column:
        """Read it; ``greater_is_better`` as `CriterionDisplay.from_table` takes it.

        Raises
        ------
        ValueError
            If there is no such column, or it is not known which end is good.
        """
        column = COLUMNS.get(criterion, criterion)
        if column not in table.columns:
            raise ValueError(
                f"There is no criterion {criterion!r}; columns are {list(table.columns)}."
            )
        reading = CRITERIA.get(column)
        if reading is None and greater_is_better is None:
            raise ValueError(
                f"Whether a greater {criterion!r} is better is not known; pass greater_is_better."
            )
        if reading is None:
            reading = Reading(column.replace("_", " "), True, 0.0)
        if greater_is_better is not None:
            reading = reading._replace(greater_is_better=greater_is_better)
        numbers: Any = table.index
        families = None
        if table.index.nlevels > 1:
            families, numbers = (table.index.get_level_values(i) for i in (0, 1))
        # Families stay in their order.
        order = np.argsort(numbers.to_numpy(), kind="stable")
        table = table.iloc[order]
        errors = None
        for name in (f"{column}_difference_error", f"{column}_error"):
            if errors is None and name in table.columns:
                errors = table[name]
        families = None if families is None else families[order]
        return cls(numbers[order], table[column], families, errors, reading)
