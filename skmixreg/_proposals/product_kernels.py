"""Density of parts with independent roles, and of all parts together."""

from __future__ import annotations

import math

import numpy as np

from .._kernels.compile import part
from .part_kernels import add_joint_part, log_add, shrinkage


@part
def add_product_part(parts, m, components, members, offset, total, scratch):
    """Add a part with independent roles, times exp(offset), to the log of a sum.

    The sum over assignments of roles is a permanent, by subsets of the components that are taken.
    """
    size = members.shape[0]
    R = parts.roles[m]
    q = parts.locations.shape[2]
    half = 0.5 * (parts.df[m] + q)
    relative, ways = scratch.relative, scratch.ways
    top = parts.constants[m] + offset
    for i in range(size):
        top += components.empty[members[i]]
    bound, all_counts = top, 0.0
    for role in range(R):
        highest = -np.inf
        for i in range(size):
            k = members[i]
            value = parts.counts[m, role] * components.log_weights[k] - components.empty[k]
            value -= half * math.log1p(components.distance[m, role, k] / parts.df[m])
            value += shrinkage(parts, m, components, k)
            relative[role, i] = value
            highest = max(highest, value)
        room = 0.0
        for i in range(size):
            relative[role, i] = math.exp(relative[role, i] - highest)
            room += relative[role, i]
        top += highest
        bound += highest + math.log(room)
        all_counts += parts.counts[m, role]
    if not bound > total - parts.negligible:
        return total
    for e in range(parts.own_extras, components.extra.shape[1]):
        centre, scale = parts.shared_extra[m, e - parts.own_extras]
        z = (components.extra[members[0], e] - centre) / scale
        top -= 0.5 * (parts.df[m] + 1.0) * math.log1p(z * z / parts.df[m])
    power = parts.n + R * parts.concentration - all_counts
    for mask in range(1, 1 << size):
        ways[mask] = 0.0
    ways[0] = 1.0
    result = 0.0
    for mask in range(1 << size):
        if ways[mask] == 0.0:
            continue
        role = 0
        for i in range(size):
            role += (mask >> i) & 1
        if role < R:
            for i in range(size):
                if not (mask >> i) & 1:
                    ways[mask | (1 << i)] += ways[mask] * relative[role, i]
        elif role == R:
            playing = 0.0
            for i in range(size):
                if (mask >> i) & 1:
                    playing += components.weights[members[i]]
            if size == R:
                result += ways[mask]
            elif playing > 0.0:
                result += ways[mask] * math.exp(power * math.log(min(playing, 1.0)))
    return log_add(total, top + math.log(result)) if result > 0.0 else total


@part
def add_parts(parts, components, members, offset, total, scratch):
    """Add all parts, times exp(offset), to the log of a sum."""
    for m in range(parts.roles.shape[0]):
        if parts.product[m]:
            total = add_product_part(parts, m, components, members, offset, total, scratch)
        else:
            total = add_joint_part(parts, m, components, members, offset, total, scratch)
    return total
