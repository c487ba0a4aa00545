"""The one loop over rows that all sums share.

``work`` is a NamedTuple with the buffers and sums of one reduction; its ``eta`` is the linear
predictor (components with a line, BLOCK), and its ``gate``, if any, sums derivatives in the
logits (K, 1 + q), see `finish_gate_scores`.  Its type selects the stages below, which a reduction
registers with `stage`; those that it leaves out do nothing.

Where every row is a unit, a block is copied into the first-level cache and goes through all
stages.  Where units are groups of rows, a block of units goes through ``add_units`` after a first
pass over its rows has summed their log densities, and its rows go through ``differentiate`` and
``add_rows`` in a second pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ..._kernels.compile import PART, inlined
from ..._kernels.product_kernels import predict_lines
from ..._kernels.stage_kernels import all_ones, log_sum_exp
from ..._kernels.vector_kernels import BLOCK
from ...families._kernels.base_kernels import background_block, density_block
from ..raw import Raw
from .block_kernels import (
    UnitBlock,
    absent,
    absent_fields,
    add_block,
    add_to_each,
    clear,
    find_units,
    load_allowed,
    load_array,
    load_columns,
    load_first_columns,
    load_first_weights,
    load_weights,
    row_buffers,
    spread_to_rows,
    sum_to_units,
    unit_buffers,
)
from .gate_kernels import (
    add_counts,
    add_gate_scores,
    add_logits,
    constant_weights,
    divide_by_prior,
    membership_buffers,
)

_STAGES: dict[tuple[str, type], Any] = {}


class Buffers(NamedTuple):
    """What every loop works with; ``r`` (K, BLOCK) is for rows where units are groups."""

    rows: Any
    units: Any
    membership: Any
    r: Any


def open_block(work):
    """Before the first draw at a block of units."""


def differentiate(work, rows, point, model, r):
    """Log densities ``r`` (K, BLOCK) at a block of rows, from ``work.eta``, and derivatives."""
    n = work.eta.shape[0]
    density_block(rows.y, rows.aux, work.eta, point.extra[:n], model.family, r[:n])


def add_units(work, units, ones, membership, s):
    """Add sums over a block of units at draw ``s``; ``ones`` tells that all weights are 1.

    Where ``add_rows`` is wanted, it normalises ``membership.r``.
    """


def add_rows(work, rows, r):
    """Add sums over a block of rows at their responsibilities ``r``."""


def add_group_rows(work, rows, r):
    """As ``add_rows``, where units are groups of rows; the same unless registered."""


def close_block(work, units, membership, at, n):
    """After the last draw at the block of the ``n`` units from number ``at`` on."""


def stage(name: Callable[..., Any], work: type) -> Callable[..., Any]:
    """Register what a stage does for a reduction."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _STAGES[name.__name__, work] = inlined(function)
        return function

    return register


@inlined
def buffers(observations, raw, S):
    """Buffers for ``S`` draws, and constant weights in them."""
    K = raw.line.shape[raw.line.ndim - 2]
    membership = membership_buffers(observations, K, S)
    constant_weights(observations.gating, raw.logits, membership.log_weights)
    return Buffers(
        row_buffers(observations), unit_buffers(observations), membership, np.empty((K, BLOCK))
    )


# What optional stages are replaced by, by the number of their arguments.
_NOTHING: dict[int, Any] = {
    1: inlined(lambda a: None),
    2: inlined(lambda a, b: None),
    3: inlined(lambda a, b, c: None),
    4: inlined(lambda a, b, c, d: None),
    5: inlined(lambda a, b, c, d, e: None),
}


@inlined
def _only_point(raw, s):
    return raw


@inlined
def _draw(raw, s):
    return Raw(raw.logits[s], raw.line[s], raw.extra[s])


@inlined
def _background(rows, settings, r):
    background_block(rows.y, rows.aux, settings, r[r.shape[0] - 1])


@inlined
def _weigh(gating, logits, zero, membership):
    if gating.shape[0] > 0:
        add_logits(gating, logits, zero, membership)


@inlined
def _divide(gating, membership):
    if gating.shape[0] > 0:
        divide_by_prior(membership)


@inlined
def _load_offset(lo, n, offset, block):
    if block.shape[0] > 0:
        load_array(lo, n, offset, block[0])


@inlined
def _allow(allowed, r):
    if allowed.shape[0] > 0:
        add_block(allowed, r)


@inlined
def _counts_of_groups(units, membership, work):
    add_counts(units, membership, work.gate)


@inlined
def _gates_of_rows(units, membership, work):
    if units.gating.shape[0] > 0:
        add_gate_scores(units, membership, work.gate)


@inlined
def _gates_of_groups(units, membership, work):
    if units.gating.shape[0] > 0:
        add_gate_scores(units, membership, work.gate)
    else:
        add_counts(units, membership, work.gate)


def run(start, stop, observations, raw, model, work, buffers):
    """Let a reduction see all units from ``start`` to ``stop``."""
    raise NotImplementedError


@overload(run, jit_options=PART)
def _run(start, stop, observations, raw, model, work, buffers):
    none = absent_fields(observations)
    kind = work.instance_class

    def chosen(name: Callable[..., Any], n_arguments: int) -> Any:
        return _STAGES.get((name.__name__, kind), _NOTHING.get(n_arguments))

    def optional(field: str, function: Any, n_arguments: int) -> Any:
        return _NOTHING[n_arguments] if field in none else function

    at_draw = _only_point if raw.types[0].ndim == 2 else _draw
    opens, closes = chosen(open_block, 1), chosen(close_block, 5)
    density = inlined(differentiate)
    derivatives = _STAGES.get((differentiate.__name__, kind), density)
    sum_units, sum_rows = chosen(add_units, 5), chosen(add_rows, 3)
    sum_groups = _STAGES.get((add_group_rows.__name__, kind), sum_rows)
    load_auxiliary = optional("auxiliary", load_columns, 4)
    load_offset = optional("offset", _load_offset, 4)
    load_labels = optional("allowed", load_allowed, 4)
    load_gating = optional("gating", load_columns, 4)
    load_group_gating = optional("gating", load_first_columns, 5)
    add_background = _NOTHING[3] if absent(model.types[1]) else _background
    needs_rows = sum_groups is not _NOTHING[3]
    grouped = "units" not in none
    weigh, divide = optional("gating", _weigh, 4), optional("gating", _divide, 2)
    allow = optional("allowed", _allow, 2)
    gates = _NOTHING[3]
    if "gate" in work.fields:
        if "gating" not in none:
            gates = _gates_of_groups if grouped else _gates_of_rows
        elif grouped:
            gates = _counts_of_groups

    @inlined
    def load_rows(lo, n, observations, rows):
        load_columns(lo, n, observations.columns, rows.x)
        load_array(lo, n, observations.target, rows.y)
        load_weights(lo, n, observations.weights, rows.w)
        load_auxiliary(lo, n, observations.auxiliary, rows.aux)
        load_offset(lo, n, observations.offset, rows.offset)

    @inlined
    def predict(rows, point, work):
        predict_lines(rows.x, point.line, work.eta)
        if rows.offset.shape[0] > 0:
            add_to_each(rows.offset[0], work.eta)

    @inlined
    def find_members(units, point, s, membership):
        log_weights = membership.log_weights[s]
        weigh(units.gating, point.logits, log_weights, membership)
        allow(units.allowed, membership.r)
        log_sum_exp(log_weights, membership.r, membership.top, membership.norm)
        divide(units.gating, membership)

    def over_rows(start, stop, observations, raw, model, work, buffers):
        rows, membership = buffers.rows, buffers.membership
        units = UnitBlock(rows.w, buffers.units.gating, buffers.units.allowed)
        for lo in range(start, stop, BLOCK):
            n = min(BLOCK, stop - lo)
            load_rows(lo, n, observations, rows)
            load_gating(lo, n, observations.gating, units.gating)
            load_labels(lo, n, observations.allowed, units.allowed)
            ones = all_ones(rows.w)
            opens(work)
            for s in range(membership.log_weights.shape[0]):
                point = at_draw(raw, s)
                predict(rows, point, work)
                derivatives(work, rows, point, model, membership.r)
                add_background(rows, model.background, membership.r)
                find_members(units, point, s, membership)
                sum_units(work, units, ones, membership, s)
                gates(units, membership, work)
                sum_rows(work, rows, membership.r)
            closes(work, units, membership, lo - start, n)

    def over_groups(start, stop, observations, raw, model, work, buffers):
        rows, units, membership, r = buffers
        starts = observations.units
        for lo in range(start, stop, BLOCK):
            n = min(BLOCK, stop - lo)
            first, last = starts[lo], starts[lo + n]
            load_first_weights(lo, n, starts, observations.weights, units.w)
            load_group_gating(lo, n, starts, observations.gating, units.gating)
            load_labels(lo, n, observations.allowed, units.allowed)
            ones = all_ones(units.w)
            opens(work)
            for s in range(membership.log_weights.shape[0]):
                point = at_draw(raw, s)
                clear(membership.r)
                u = lo
                for at in range(first, last, BLOCK):
                    m = min(BLOCK, last - at)
                    load_rows(at, m, observations, rows)
                    u = find_units(at, m, lo, u, starts, rows.place)
                    predict(rows, point, work)
                    density(work, rows, point, model, r)
                    add_background(rows, model.background, r)
                    sum_to_units(m, rows.place, r, membership.r)
                find_members(units, point, s, membership)
                sum_units(work, units, ones, membership, s)
                gates(units, membership, work)
                if needs_rows:
                    u = lo
                    for at in range(first, last, BLOCK):
                        m = min(BLOCK, last - at)
                        load_rows(at, m, observations, rows)
                        u = find_units(at, m, lo, u, starts, rows.place)
                        predict(rows, point, work)
                        derivatives(work, rows, point, model, r)
                        spread_to_rows(rows.place, membership.r, r)
                        sum_groups(work, rows, r)
            closes(work, units, membership, lo - start, n)

    return over_groups if grouped else over_rows
