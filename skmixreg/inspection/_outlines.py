"""Curves around sets of intervals that change from one x to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .._support.arrays import Array


def outlines(x: Array, regions: Sequence[Array]) -> list[Array]:
    """Curves along the ends of intervals.

    Ends of intervals at neighbouring x that belong together are joined.  Where an interval or a
    gap between intervals begins or ceases, its two ends meet halfway.

    Parameters
    ----------
    x : ndarray of shape (g,)
        Ascending.
    regions : g ndarrays of shape (m, 2)
        Disjoint intervals, ascending.

    Returns
    -------
    list of ndarrays of shape (length, 2)
        Points (x, y) of each curve, x ascending.
    """
    curves: list[list[tuple[float, float]]] = []

    def begin(*points: tuple[float, float]) -> int:
        curves.append(list(points))
        return len(curves) - 1

    # Curves that end at each interval's ends: (m, 2).
    tips = [[begin((x[0], low)), begin((x[0], high))] for low, high in regions[0]]
    for i in range(1, len(x)):
        left, right, middle = regions[i - 1], regions[i], 0.5 * (x[i - 1] + x[i])
        new = [[-1, -1] for _ in right]

        for of_left, of_right in _groups(left, right):
            same = len(of_left) == len(of_right)
            if same:
                pairs = zip(of_left, of_right, strict=True)
                kept = [(a, b, side) for a, b in pairs for side in (0, 1)]
            elif of_left and of_right:
                kept = [(of_left[0], of_right[0], 0), (of_left[-1], of_right[-1], 1)]
            else:
                kept = []
            for a, b, side in kept:
                new[b][side] = tips[a][side]
                curves[tips[a][side]].append((x[i], right[b, side]))
            if same:
                continue
            for first, second, ends in _inner(left, of_left, bool(of_right)):
                for j, side in (first, second):
                    curves[tips[j][side]].append((middle, ends))
            for first, second, ends in _inner(right, of_right, bool(of_left)):
                for j, side in (first, second):
                    new[j][side] = begin((middle, ends), (x[i], right[j, side]))
        tips = new
    return [np.array(curve) for curve in curves]


def _inner(
    intervals: Array, members: list[int], gaps: bool
) -> list[tuple[tuple[int, int], tuple[int, int], float]]:
    """Pairs of ends that meet, and where: those of gaps between members, or of the members."""
    if gaps:
        pairs = [((a, 1), (b, 0)) for a, b in pairwise(members)]
    else:
        pairs = [((a, 0), (a, 1)) for a in members]
    return [
        (first, second, 0.5 * (intervals[first] + intervals[second])) for first, second in pairs
    ]


def _groups(left: Array, right: Array) -> list[tuple[list[int], list[int]]]:
    """Which intervals on the left belong to which on the right.

    Those that overlap; and of those that do not, as narrow ones around a steep line, as many as
    follow each other on either side, in turn.
    """
    everything = sorted(
        [(low, high, 0, j) for j, (low, high) in enumerate(left)]
        + [(low, high, 1, j) for j, (low, high) in enumerate(right)]
    )
    groups: list[tuple[list[int], list[int]]] = []
    reach = -np.inf
    for low, high, side, j in everything:
        if low > reach:
            groups.append(([], []))
        groups[-1][side].append(j)
        reach = max(reach, high)
    joined: list[tuple[list[int], list[int]]] = []
    run: tuple[list[int], list[int]] = ([], [])
    for group in [*groups, None]:
        if group is not None and not (group[0] and group[1]):
            run[0].extend(group[0])
            run[1].extend(group[1])
            continue
        if len(run[0]) == len(run[1]):
            joined += [([a], [b]) for a, b in zip(*run, strict=True)]
        else:
            joined += [([a], []) for a in run[0]] + [([], [b]) for b in run[1]]
        run = ([], [])
        joined += [] if group is None else [group]
    return joined
