"""One chunk of rows of a large data set: what happens to it where it lies.

These functions run on the workers of a cluster, so that they take and return plain arrays, and
know nothing of Dask.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d

from .._kernels.rows import RowBlocks
from .._model._roles.checks import check_roles, check_rows
from .._model._roles.column_roles import ColumnRoles
from .._model._roles.gate import Gate
from .._model._roles.units import Units
from .._model._scaling.column_moments import column_moments
from .._model._scaling.resolution import Values, values_of
from .._model._scaling.whitening import Products
from .._model.design import Design, measured_apart, middle
from .._model.observations import Observations
from .._model.raw import Raw
from .._support.arrays import Array
from .._support.number_columns import check_columns_of_numbers, check_numbers
from ..families._base import Family

# Times its own size that a view may hold in memory.
LARGEST_SHARE = 4


class Summary(NamedTuple):
    """What is known of a chunk without looking at it.

    Attributes
    ----------
    n_rows : int
    total_weight, least_weight, largest_weight : float
    counts : bool
        Whether all weights are integers.
    n_units : int
    unit_weight : float
        Of groups, where rows are in groups.
    """

    n_rows: int
    total_weight: float
    least_weight: float
    largest_weight: float
    counts: bool
    n_units: int
    unit_weight: float


class Part(NamedTuple):
    """Checked rows of positive weight in the user's units, as they were given where possible.

    Nothing is copied that need not be: on a worker, memory touched for the first time costs more
    than what is computed in it.

    Attributes
    ----------
    X : ndarray of shape (n, p), float64 or float32
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,) or None
        None where all are 1.
    summary : Summary
    moments : ndarray of shape (4, p + 1)
        See `column_moments`.
    """

    X: Array
    y: Array
    weights: Array | None
    summary: Summary
    moments: Array


def plain_rows(X: Any, y: Any, weights: Any) -> tuple[Array, Array, Array | None]:
    """Checked arrays (n, p), (n,), (n,) of the parts of one chunk, zero weights dropped.

    Returns
    -------
    X, y : ndarray
        float64, or X float32; views of what was given where that is possible.
    weights : ndarray or None

    Raises
    ------
    ValueError
        If something is not finite, negative where it may not be, or of another length.
    """
    if len(X) == 0:
        return np.empty((0, X.shape[1])), np.empty(0), None
    check_columns_of_numbers(X)
    if X.shape[1] == 0:  # scikit-learn finds no type for a frame without columns
        X = np.empty(X.shape)
    X = check_array(X, dtype=[np.float64, np.float32], ensure_min_features=0, input_name="X")
    y = _vector(y, "y")
    lengths = [len(X), len(y)]
    if weights is not None:
        weights = _vector(weights, "sample_weight")
        lengths.append(len(weights))
    if len(set(lengths)) > 1:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples in one chunk: {lengths}; "
            "X, y and sample_weight must be split into chunks at the same rows."
        )
    if weights is None:
        return X, y, None
    if (weights < 0).any():
        raise ValueError(
            f"Negative sample_weight: {int((weights < 0).sum())} weights of a chunk are below "
            f"zero, the least is {weights.min():g}; weights are frequencies of rows. Remove these "
            "rows or give them weight 0."
        )
    if weights.all():
        return X, y, weights
    keep = weights > 0
    return X[keep], y[keep], weights[keep]


def _vector(values: Any, name: str) -> Array:
    check_numbers(values, name)
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    vector: Array = check_array(
        column_or_1d(values), dtype=np.float64, ensure_2d=False, ensure_min_samples=0,
        input_name=name,
    )  # fmt: skip
    return vector


def prepare(X: Any, y: Any, weights: Any, *families: tuple[Family, ColumnRoles]) -> Part:
    """A chunk in the user's units, and all that its standardisation needs to know of it.

    Raises
    ------
    ValueError
        If something is wrong with the rows, or a family cannot have their responses.
    """
    X, y, weights = plain_rows(X, y, weights)
    try:
        if len(y):
            # Families differ in columns of their own only.
            check_roles(X, weights, families[0][1], None)
            for family, roles in families:
                check_rows(family, X, y, roles.family)
    except ValueError as error:
        raise ValueError(f"In one chunk, whose rows are counted here: {error}") from None
    held = None if weights is None else _kept(weights)
    return Part(_kept(X), _kept(y), held, _summary(len(y), weights), column_moments(X, y, weights))


def _kept(values: Array) -> Array:
    """The array itself, unless it is a small part of memory that would be held for its sake."""
    base = values.base
    if isinstance(base, np.ndarray) and base.nbytes > LARGEST_SHARE * values.nbytes:
        return values.copy()
    return values


def _summary(n_rows: int, weights: Array | None) -> Summary:
    """What the owner of all chunks has to know of this one."""
    if weights is None:
        one = 1.0 if n_rows else np.inf
        last = 1.0 if n_rows else 0.0
        return Summary(n_rows, float(n_rows), one, last, True, n_rows, float(n_rows))
    total = float(weights.sum())
    return Summary(
        n_rows, total, float(weights.min(initial=np.inf)), float(weights.max(initial=0.0)),
        bool((weights == np.rint(weights)).all()), n_rows, total,
    )  # fmt: skip


def summary(chunk: Observations, each: None) -> Summary:
    """What is known of a standardised chunk."""
    rows = _summary(chunk.n_rows, chunk.weights)
    weights = chunk.weights[chunk.first_rows]
    return rows._replace(n_units=chunk.n_units, unit_weight=float(weights.sum()))


def known(part: Part, each: None) -> tuple[Summary, Array]:
    """The summary and the moments of a chunk."""
    return part.summary, part.moments


def measured_moments(part: Part, each: None, family: Family, roles: ColumnRoles) -> Array:
    """Moments of a chunk whose responses are not standardised as they are."""
    return column_moments(part.X, measured_apart(family, roles, part.X, part.y), part.weights)


def some_rows(
    part: Part, each: slice, design: Design, family: Family
) -> tuple[Array, Array, Array]:
    """Measured responses, weights and the family's columns of some rows."""
    X = part.X[each]
    measured = measured_apart(family, design.roles, X, part.y[each])
    return measured, _weights(part)[each], design.of_family(X, standardised=False)


def products(part: Part, each: None, design: Design, family: Family) -> Products:
    """What the prior of slopes needs to know of the chunk."""
    y = measured_apart(family, design.roles, part.X, part.y)
    return Products.of(design.columns(part.X), design.bounded(y), part.weights)


def groups(part: Part, each: None, group: int) -> Array:
    """Which groups the chunk holds."""
    return np.unique(part.X[:, group])


def offsets(part: Part, each: None, roles: ColumnRoles, link: str) -> float:
    """By how much offsets move the linear predictor of the chunk."""
    offset = roles.predictor_offset(part.X)
    assert offset is not None
    return middle(offset, _weights(part), link)


def gate_moments(part: Part, each: None, roles: ColumnRoles) -> tuple[Array, float]:
    """Moments of the gating columns of units, and the weight of these."""
    X, y, weights = _firsts(part, roles)
    return column_moments(X, y, weights)[:, :-1], float(weights.sum())


def gate_products(part: Part, each: None, gate: Gate, design: Design, family: Family) -> Products:
    """What the prior of gating slopes needs to know of the chunk."""
    X, y, weights = _firsts(part, design.roles)
    return Products.of(gate.columns(X), design.bounded(family.measured(y)), weights)


def _weights(part: Part) -> Array:
    return np.ones(len(part.y)) if part.weights is None else np.array(part.weights, order="C")


def _firsts(part: Part, roles: ColumnRoles) -> tuple[Array, Array, Array]:
    """Gating columns, response and weight of the first row of every unit."""
    first: Any = slice(None)
    if roles.group is not None:
        first = Units.of(part.X[:, roles.group]).first
    X = np.asarray(part.X[first][:, list(roles.gating)], dtype=np.float64)
    return X, part.y[first], _weights(part)[first]


def standardise(part: Part, each: None, design: Design, family: Family) -> Observations:
    """The chunk on the standardised scale, rows of a group one after the other."""
    X, y, weights, starts = part.X, part.y, _weights(part), None
    if design.roles.group is not None:
        order, starts = Units.of(X[:, design.roles.group])
        X, y, weights = X[order], y[order], weights[order]
    columns = design.of_family(X)
    family.check_response(y, *columns)
    return Observations(
        design.columns(X), design.target(y), weights,
        gating=design.gating(X), offset=design.offset(X),
        auxiliary=family.of_rows(np.asarray(y, dtype=np.float64), columns), units=starts,
    )  # fmt: skip


def take(chunk: Observations, each: NDArray[np.intp]) -> Observations:
    """Some units, with weights of 1."""
    return chunk.take(each)


def values(chunk: Observations, each: None) -> Values | None:
    """The distinct responses, if they are few."""
    return values_of(chunk.target, chunk.weights)


def find_by_weight(chunk: Observations, each: Array) -> NDArray[np.intp]:
    """Units in which given amounts of weight, counted from the first of the chunk, end."""
    found = np.cumsum(chunk.weights[chunk.first_rows]).searchsorted(each, side="right")
    return np.minimum(found, chunk.n_units - 1)


def own_parameters(parameters: Sequence[Any]) -> list[Any]:
    """Parameters of kernels, writeable: for arrays that are not, kernels would compile anew."""
    return [_own(a) for a in parameters]


def _own(value: Any) -> Any:
    if isinstance(value, Raw):
        return value.copied()
    return np.array(value, order="C") if isinstance(value, np.ndarray) else value


def name_of(kernel: Callable[..., Any]) -> tuple[str, str]:
    """A kernel as it travels: compiled code does not."""
    return kernel.__module__, kernel.__name__


def kernel_named(name: tuple[str, str]) -> Callable[..., Any]:
    """The kernel of this name, compiled or loaded where it is needed."""
    kernel: Callable[..., Any] = getattr(importlib.import_module(name[0]), name[1])
    return kernel


def sum_of_blocks(
    chunk: Observations, each: None, kernel: tuple[str, str], *parameters: Any
) -> Array:
    """Sums of a kernel over the rows of the chunk, block by block."""
    blocks = RowBlocks(chunk.n_units)
    rows = chunk.for_kernels().writeable()
    return blocks.sum(kernel_named(kernel), rows, *own_parameters(parameters))


def sum_of_chunk(
    chunk: Observations, each: int, kernel: tuple[str, str], *parameters: Any
) -> Array:
    """What a kernel returns that is called once per chunk, with the number of its first row."""
    columns, target, weights, *_ = chunk.writeable()
    total: Array = kernel_named(kernel)(columns, target, weights, each, *own_parameters(parameters))
    return total
