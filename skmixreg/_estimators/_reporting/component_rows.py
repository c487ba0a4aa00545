"""The components, parameter by parameter, with the numbers of `summary`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from .fit import Fit
from .rounding import with_interval


class ComponentRow(NamedTuple):
    """One parameter of all components.

    Attributes
    ----------
    label : str
    cells : tuple of str
        One per component, or one for all of them where it is shared; that of a background, which
        has a share only, comes last.
    shared : bool
    """

    label: str
    cells: tuple[str, ...]
    shared: bool = False


def component_rows(fit: Fit) -> list[ComponentRow]:
    """Share, intercept, effects and dispersion, and what the gate has, as the summary has them."""
    blocks = _Blocks(fit.summary)
    layout, roles, K = fit.layout, fit.roles, fit.n_components
    shares = K + (fit.posterior.family.background is not None)
    out = [ComponentRow("share", blocks.take(shares))]
    gate: list[ComponentRow] = []
    if fit.design.gate is not None:
        odds = blocks.take(K)
        slopes = blocks.transposed(K, len(roles.gating))
        names = [f"log odds, effect of {name}" for name in roles.gating_names]
        gate = [
            ComponentRow("log odds, intercept", odds),
            *(ComponentRow(*each) for each in zip(names, slopes, strict=True)),
        ]
    if layout.fit_intercept:
        out.append(_row("intercept", blocks.take(K), layout.shared_intercept))
    names = fit.names(roles.slopes)
    for j, cells in enumerate(blocks.transposed(K, len(names))):
        out.append(_row(f"effect of {names[j]}", cells, j in roles.shared_slopes))
    for name in fit.family.extra_names:
        out.append(_row(name, blocks.take(K), name in layout.shared_extras))
    return [*out, *gate]


def column_titles(fit: Fit, rows: list[ComponentRow]) -> list[str]:
    """Above the cells of `component_rows`."""
    titles = [f"component {k}" for k in range(fit.n_components)]
    return titles + ["background"] * (len(rows[0].cells) - fit.n_components)


def _row(label: str, cells: tuple[str, ...], shared: bool) -> ComponentRow:
    return ComponentRow(label, cells[:1] if shared else cells, shared and len(cells) > 1)


class _Blocks:
    """Rows of a summary, taken block by block: names of columns may be anything."""

    def __init__(self, summary: pd.DataFrame):
        self._cells: Iterator[str] = (
            with_interval(*map(float, row)) for row in summary.iloc[:, :4].to_numpy()
        )

    def take(self, count: int) -> tuple[str, ...]:
        return tuple(next(self._cells) for _ in range(count))

    def transposed(self, n_components: int, n_columns: int) -> list[tuple[str, ...]]:
        """Of each column its cells of all components."""
        rows = [self.take(n_columns) for _ in range(n_components)]
        return list(zip(*rows, strict=True))
