"""What the displays share in looks.

Components differ by marker and dashes as well as by colour, so that pictures can be read in
greyscale.  Colours are those of the property cycle in use, and nothing global is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._support.arrays import Array
from .._support.exceptions import import_optional

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = (
    "-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)), (0, (9, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)  # fmt: skip


def pyplot(needed_for: str) -> Any:
    """``matplotlib.pyplot``, or a `MissingPackageError` that says how to get it."""
    return import_optional("matplotlib.pyplot", extra="plot", needed_for=needed_for)


def axes_or_new(ax: Any, needed_for: str, wider: float = 1.0) -> Any:
    """The axes given, or those of a new figure that makes room for a legend outside of them.

    The figure is of the size in use, ``wider`` by a factor.
    """
    plt = pyplot(needed_for)
    if ax is not None:
        return ax
    width, height = plt.rcParams["figure.figsize"]
    return plt.subplots(figsize=(width * wider, height), layout="constrained")[1]


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any] | None, artist: Any) -> dict:
    """Keywords of an artist class: the defaults, and over them what the user gave, aliases too."""
    from matplotlib.cbook import normalize_kwargs

    return {
        **normalize_kwargs(dict(defaults), artist),
        **normalize_kwargs(dict(given or {}), artist),
    }


BACKGROUND = "0.55"  # rows of no line


def colour(k: int) -> str:
    """Colour of a component, from the property cycle in use."""
    return f"C{k}"


def marker(k: int) -> str:
    """Marker of a component."""
    return MARKERS[k % len(MARKERS)]


def dashes(k: int) -> Any:
    """Line style of a component."""
    return DASHES[k % len(DASHES)]


def component_label(k: int, weight: float) -> str:
    """A component with its mixing weight, numbered as in `summary`."""
    return f"component {k}, weight " + (f"{weight:.2f}" if weight >= 0.005 else f"{weight:.1g}")


def legend_outside(ax: Any, handles: list[Any]) -> Any:
    """A legend to the right of the axes, where no data are."""
    return ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0,
        frameon=False,
    )  # fmt: skip


def legend_above(ax: Any, handles: list[Any]) -> Any:
    """A legend above the axes, in one line."""
    return ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.01), borderaxespad=0.0,
        frameon=False, ncols=max(1, len(handles)),
    )  # fmt: skip


def show_range(ax: Any, values: Array, margin: float = 0.05, fresh: bool = True) -> None:
    """Let the y axis span these values, and what was on it before unless it is ``fresh``."""
    low, high = float(np.min(values)), float(np.max(values))
    room = margin * (high - low) or max(abs(high), 1.0) * margin
    low, high = low - room, high + room
    if not fresh:
        before = ax.get_ylim()
        low, high = min(low, *before), max(high, *before)
    ax.set_ylim(low, high)
