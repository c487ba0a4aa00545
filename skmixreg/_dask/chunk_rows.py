"""Rows in chunks that stay where they are: on the workers of a cluster, or in this process.

Parameters go out, flat sums come back.  All that is brought here are samples of bounded size for
the search, and data so small that they are sorted and merged first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .._kernels.rows import spread_sample
from .._model._roles.column_roles import ColumnRoles
from .._model._roles.gate import Gate
from .._model._scaling import resolution
from .._model._scaling.column_moments import every
from .._model._scaling.whitening import Products
from .._model.design import Design, middle
from .._model.observations import Observations
from .._model.rows import HeldRows, Rows
from .._model.standardisation import Standardisation
from .._support.arrays import Array
from ..families._base import Family
from . import chunks
from .chunks import Summary

# Samples of so many rows are brought here, where searching them costs no messages.
GATHERED_ROWS = 100_000


class Store(Protocol):
    """Where chunks are kept.

    Functions are called as ``function(chunk, each, *common)``; ``each`` holds one argument per
    chunk, and None where there is none.
    """

    def transform(
        self, function: Callable[..., Any], *common: Any, each: Sequence[Any] | None = None
    ) -> Store:
        """Chunks made of these, one of each, kept where these are."""

    def select(self, index: Sequence[int]) -> Store:
        """Only some of the chunks."""

    def collect(
        self, function: Callable[..., Any], *common: Any, each: Sequence[Any] | None = None
    ) -> list[Any]:
        """Small results, one per chunk, in order."""

    def sum(
        self, function: Callable[..., Array], *common: Any, each: Sequence[Any] | None = None
    ) -> Array:
        """The sum of flat arrays, one per chunk."""

    def sum_of_blocks(self, kernel: tuple[str, str], *parameters: Any) -> Array:
        """The sum of a kernel over the blocks of all chunks."""

    def close(self) -> None:
        """Let go of the chunks."""


@dataclass
class ChunkedData:
    """Checked rows in the user's units, in chunks.

    Attributes
    ----------
    store : Store
    summaries : list of Summary
    moments : ndarray of shape (C, 4, p + 1)
        Of every chunk: `column_moments`.
    n_features : int
    """

    store: Store
    summaries: list[Summary]
    moments: Array
    n_features: int

    @classmethod
    def of(cls, store: Store, n_features: int) -> Self:
        """Chunks that hold rows."""
        known = store.collect(chunks.known)
        filled = [i for i, (chunk, _) in enumerate(known) if chunk.n_rows > 0]
        if len(filled) < len(known):
            store = store.select(filled)
        moments = np.array([known[i][1] for i in filled]).reshape(-1, 4, n_features + 1)
        return cls(store, [known[i][0] for i in filled], moments, n_features)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of positive weight, and columns."""
        return sum(chunk.n_rows for chunk in self.summaries), self.n_features

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return float(sum(chunk.total_weight for chunk in self.summaries))

    def gathered(self) -> tuple[Array, Array, Array]:
        """X, y and weights in memory."""
        parts = self.store.collect(_whole)
        self.store.close()
        weights = [np.ones(len(p.y)) if p.weights is None else p.weights for p in parts]
        return (
            np.concatenate([part.X for part in parts], dtype=np.float64),
            np.concatenate([part.y for part in parts]),
            np.concatenate(weights),
        )

    def standardised(
        self, family: Family, fit_intercept: bool, given: Standardisation | None = None
    ) -> tuple[Design, ChunkRows]:
        """The affine map of `Design.fit`, and the rows after it."""
        given = given or Standardisation()
        roles = given.roles or ColumnRoles.of_family(self.n_features)
        given = given._replace(roles=roles)
        totals = np.array([chunk.total_weight for chunk in self.summaries])
        moments = self.moments
        if family.response_scale == "log" or (roles.moves and family.response_scale != "none"):
            moments = np.array(self.store.collect(chunks.measured_moments, family, roles))
        design = Design.from_moments(moments, totals, family, fit_intercept, given)
        if design.wants_latent(family, given):
            sizes = np.array([chunk.n_rows for chunk in self.summaries])
            step = every(int(sizes.sum()))
            begins = (-(np.cumsum(sizes) - sizes) % step).tolist()
            some = [slice(begin, None, step) for begin in begins]
            parts = self.store.collect(chunks.some_rows, design, family, each=some)
            joint = (np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))
            design = design.with_latent(family, *joint)
        if design.wants_products(given):
            products = Products.total(self.store.collect(chunks.products, design, family))
            design = design.mapped(products, moments, totals, given)
        if roles.moves and family.response_scale == "none" and given.y_location is None:
            moved = np.array(self.store.collect(chunks.offsets, roles, family.link))
            design = replace(design, y_mean=design.y_mean - middle(moved, totals, family.link))
        if roles.gating and given.gate is None:
            design = replace(design, gate=self._gate(design, family))
        family = family.standardised(design.y_mean, design.y_scale)
        store, summaries = self.store.transform(chunks.standardise, design, family), self.summaries
        if roles.group is not None:
            summaries = store.collect(chunks.summary)
        self.store.close()
        plain = not (roles.gating or roles.moves or roles.group is not None)
        return design, ChunkRows(store, summaries, plain)

    def check_groups(self, group: int) -> None:
        """Reject groups whose rows are in several chunks.

        Raises
        ------
        ValueError
        """
        found = np.concatenate(self.store.collect(chunks.groups, group))
        groups, counts = np.unique(found, return_counts=True)
        if len(groups) < len(found):
            raise ValueError(
                f"{(counts > 1).sum()} groups have rows in several chunks, such as group "
                f"{groups[counts > 1][0]:g}; a group must lie within a chunk: sort rows by group, "
                "and split chunks between groups (set_index in a dataframe, rechunk in an array)."
            )

    def _gate(self, design: Design, family: Family) -> Gate:
        found = self.store.collect(chunks.gate_moments, design.roles)
        moments, totals = np.array([m for m, _ in found]), np.array([t for _, t in found])
        gate = Gate.from_moments(moments, totals)
        products = Products.total(self.store.collect(chunks.gate_products, gate, design, family))
        return gate.mapped(products, float(totals.sum()), moments[:, 0].max(axis=0))


def joined(parts: Sequence[Observations]) -> Observations:
    """Rows of several parts, one after the other."""
    fields: dict[str, Any] = {}
    for name in Observations._fields:
        arrays = [getattr(part, name) for part in parts]
        fields[name] = None if arrays[0] is None else np.concatenate(arrays, axis=-1)
    if parts[0].units is not None:
        sizes = np.concatenate([np.diff(part.units) for part in parts if part.units is not None])
        fields["units"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Observations(**fields)


def _whole(chunk: Any, each: None) -> Any:
    return chunk


class ChunkRows(Rows):
    """Standardised rows in chunks.

    Parameters
    ----------
    store : Store
    summaries : list of Summary
        Of the chunks, which all hold rows.
    """

    in_memory = False

    def __init__(self, store: Store, summaries: Sequence[Summary], plain: bool = True):
        self.store = store
        self._plain = plain
        self._n_rows = sum(chunk.n_rows for chunk in summaries)
        self._total_weight = float(sum(chunk.total_weight for chunk in summaries))
        self.sizes = np.array([chunk.n_units for chunk in summaries])
        self.totals = np.array([chunk.unit_weight for chunk in summaries])
        self.firsts = np.concatenate([[0], np.cumsum(self.sizes)])
        self._counts = all(chunk.counts for chunk in summaries)
        self._least = min(chunk.least_weight for chunk in summaries)
        self._largest = max(chunk.largest_weight for chunk in summaries)

    @property
    def n_rows(self) -> int:
        return self._n_rows

    @property
    def total_weight(self) -> float:
        return self._total_weight

    @property
    def n_units(self) -> int:
        return int(self.firsts[-1])

    @property
    def unit_weight(self) -> float:
        return float(self.totals.sum())

    @property
    def plain(self) -> bool:
        return self._plain

    @property
    def counts(self) -> bool:
        return self._counts

    @property
    def repeated(self) -> bool:
        return self._largest > 1.0

    def sum(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        return self.store.sum_of_blocks(chunks.name_of(kernel), *parameters)

    def sum_of_parts(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        firsts = [int(first) for first in self.firsts[:-1]]
        return self.store.sum(chunks.sum_of_chunk, chunks.name_of(kernel), *parameters, each=firsts)

    def sample(self, rng: np.random.Generator, size: int) -> NDArray[np.intp]:
        if self._least == self._largest:
            return spread_sample(rng, self.n_units, size)
        # As Generator.choice inverts the distribution function of the weights.
        return self._at(rng.random(size) * self.unit_weight)

    def spaced(self, size: int) -> tuple[Observations, Array]:
        if size >= self.n_units:
            units = joined(self.store.collect(_whole))
            return units, units.weights[units.first_rows]
        amounts = (np.arange(size) + 0.5) / size * self.unit_weight
        units = self.subset(self._at(amounts)).observations
        return units, np.ones(units.n_units)

    def _at(self, amounts: Array) -> NDArray[np.intp]:
        """Units in which these amounts of weight end."""
        size = len(amounts)
        ends = np.cumsum(self.totals)
        owner = np.minimum(ends.searchsorted(amounts, side="right"), len(ends) - 1)
        amounts = amounts - (ends - self.totals)[owner]
        where = [np.flatnonzero(owner == i) for i in range(len(ends))]
        found = self.store.collect(chunks.find_by_weight, each=[amounts[at] for at in where])
        out = np.empty(size, dtype=np.intp)
        for at, rows, first in zip(where, found, self.firsts[:-1], strict=True):
            out[at] = rows + first
        return out

    def subset(self, index: NDArray[np.intp], weights: Array | None = None) -> Rows:
        owner = np.searchsorted(self.firsts, index, side="right") - 1
        order = np.argsort(owner, kind="stable")
        ends = np.cumsum(np.bincount(owner, minlength=len(self.sizes)))
        where = np.split(order, ends[:-1])
        chosen = [i for i, at in enumerate(where) if len(at)]
        local = [index[where[i]] - self.firsts[i] for i in chosen]
        store = self.store.select(chosen)
        if len(index) > GATHERED_ROWS:
            if weights is not None:
                raise ValueError("A sample that stays in chunks has no weights of its own.")
            # In order: that is how memory is read fastest, and the order of rows is no matter.
            local = [np.sort(rows) for rows in local]
            parts = store.transform(chunks.take, each=local)
            return ChunkRows(parts, parts.collect(chunks.summary), self._plain)
        taken = store.collect(chunks.take, each=local)
        order = np.concatenate([where[i] for i in chosen])
        return HeldRows(joined(taken).take(np.argsort(order), weights))

    def resolution(self) -> resolution.Resolution | None:
        values = resolution.joined(self.store.collect(chunks.values))
        return resolution.resolution_of(values, self.n_rows)

    def close(self) -> None:
        self.store.close()
