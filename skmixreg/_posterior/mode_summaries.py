"""The summary of every mode on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._support.arrays import Array


def summaries_by_mode(
    draws: Mapping[str, Array],
    labels: NDArray[np.intp],
    modes: Mapping[str, Array],
    datatree: Callable[[dict[str, Array]], Any],
    options: Mapping[str, Any],
) -> pd.DataFrame:
    """One block of rows per mode, as `arviz.summary` writes them.

    Parameters
    ----------
    draws : mapping of names to ndarrays of shape (chains, draws, ...)
    labels : ndarray of shape (chains, draws)
        The mode of every draw.
    modes : mapping of names to ndarrays of shape (modes, ...)
        Parameters at the modes: where no mode has two draws, they are the means.
    datatree : callable
        From arrays by name, of one chain, to what `arviz.summary` takes.
    options : mapping
        Of `arviz.summary`.
    """
    import arviz as az

    def summary(values: dict[str, Array]) -> pd.DataFrame:
        with np.errstate(invalid="ignore", divide="ignore"):
            return az.summary(datatree(values), kind="stats", **options)

    tables: dict[int, pd.DataFrame] = {}
    found, counts = np.unique(labels, return_counts=True)
    for label in found[counts >= 2]:
        near = {name: draws[name][labels == label][None] for name in draws}
        tables[int(label)] = summary(near)
    if not tables:
        for label in range(len(next(iter(modes.values())))):
            # Twice, since a single draw has no sd and an interval is no interval.
            point = {name: np.stack([modes[name][label]] * 2)[None] for name in draws}
            tables[label] = summary(point)
            tables[label].loc[:, tables[label].columns != "mean"] = np.nan
    return pd.concat(tables, names=["mode", None])
