"""Tables kept as arrays: formats that are safe to load know no data frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class StoredTable:
    """What a data frame of numbers and truth values is made of.

    Attributes
    ----------
    columns : dict of str to ndarray or list
        A list where values may be missing.
    types : dict of str to str
        Of the columns in the frame.
    index : ndarray
    index_name : str or None
    """

    columns: dict[str, Any]
    types: dict[str, str]
    index: np.ndarray[Any, Any]
    index_name: str | None

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Keep a frame whose columns and index have names."""
        columns: dict[str, Any] = {}
        for name, values in frame.items():
            plain = isinstance(values.dtype, np.dtype)
            columns[str(name)] = (
                values.to_numpy(copy=True)
                if plain
                else [None if pd.isna(value) else value for value in values.tolist()]
            )
        types = {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
        name = frame.index.name
        return cls(
            columns, types, frame.index.to_numpy(copy=True), None if name is None else str(name)
        )

    def frame(self) -> pd.DataFrame:
        """A new frame."""
        index = pd.Index(self.index, name=self.index_name)
        columns = {
            name: pd.Series(values, index=index, dtype=self.types[name], copy=True)
            for name, values in self.columns.items()
        }
        return pd.DataFrame(columns, index=index)
