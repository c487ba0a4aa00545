"""The parts of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import flexmix, gpu, growth, kernel, large, peers, peers_page, warm

Found = dict[str, Any]


class Part(NamedTuple):
    """What is measured and how it is shown.

    Attributes
    ----------
    title : str
    measure : callable
        Takes settings and returns what is kept.
    full, tiny : NamedTuple
        Settings; tiny ones only show that the code runs.
    details : callable
        Lines of Markdown from what is kept.
    ratios : callable
        Pairs of what and ratio, for the top of the page.
    ratio_table : callable or None
        A table for the top of the page in place of pairs.
    """

    title: str
    measure: Callable[[Any], Found]
    full: Any
    tiny: Any
    details: Callable[[Found], list[str]]
    ratios: Callable[[Found], list[tuple[str, str]]] = lambda found: []
    ratio_table: Callable[[Found], list[str]] | None = None


PARTS: dict[str, Part] = {
    "peers": Part(
        "Beside other programs",
        peers.measure,
        peers.Settings(),
        peers.TINY,
        peers_page.details,
        ratio_table=peers_page.ratio_table,
    ),
    "flexmix": Part(
        "Beside flexmix on many rows",
        flexmix.measure,
        flexmix.Settings(),
        flexmix.TINY,
        flexmix.details,
        flexmix.ratios,
    ),
    "growth": Part(
        "How seconds grow",
        growth.measure,
        growth.Settings(),
        growth.TINY,
        growth.details,
        growth.ratios,
    ),
    "large": Part(
        "Memory of fits to many rows",
        large.measure,
        large.Settings(),
        large.TINY,
        large.details,
        large.ratios,
    ),
    "kernel": Part(
        "The kernel beside C and memory",
        kernel.measure,
        kernel.Settings(),
        kernel.TINY,
        kernel.details,
        kernel.ratios,
    ),
    "warm": Part(
        "First and later fits",
        warm.measure,
        warm.Settings(),
        warm.TINY,
        warm.details,
        warm.ratios,
    ),
    "gpu": Part("On a GPU", gpu.measure, gpu.Settings(), gpu.TINY, gpu.details, gpu.ratios),
}
