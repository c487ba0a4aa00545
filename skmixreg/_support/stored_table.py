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
    index : ndarray, or tuple of ndarrays
        Of an index with levels, the values of each.
    index_name : str or None, or tuple of them
    """

    columns: dict[str, Any]
    types: dict[str, str]
    index: Any
    index_name: Any

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
        if frame.index.nlevels > 1:
            # Not of objects, which are not safe to load.
            levels = tuple(
                np.array(frame.index.get_level_values(i).tolist())
                for i in range(frame.index.nlevels)
            )
            return cls(columns, types, levels, tuple(str(name) for name in frame.index.names))
        name = frame.index.name
        return cls(
            columns, types, frame.index.to_numpy(copy=True), None if name is None else str(name)
        )

    def frame(self) -> pd.DataFrame:
        """A new frame."""
        index = (
            pd.MultiIndex.from_arrays(self.index, names=self.index_name)
            if isinstance(self.index, tuple)
            else pd.Index(self.index, name=self.index_name)
        )
        columns = {
            name: pd.Series(values, index=index, dtype=self.types[name], copy=True)
            for name, values in self.columns.items()
        }
        return pd.DataFrame(columns, index=index)
