"""How far an axis of a criterion looks, and what marks values on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.arrays import Array
from . import _style

FAR = 20.0  # times the smallest difference that matters
APART = 0.36  # of one number of components, between marks of two families


def limit(differences: Array, errors: Array | None, matters: float) -> float:
    """Largest difference drawn to scale: `FAR` times the smallest that matters."""
    sizes = np.sort(np.abs(differences[np.isfinite(differences)]))
    if len(sizes) < 3:
        return np.inf
    error = 0.0
    if errors is not None:
        error = float(np.max(errors[np.isfinite(errors)], initial=0.0))
    return FAR * max(float(sizes[1]), matters, 3.0 * error)


def ends(
    values: Array, errors: Array | None, matters: float, arrows: int, down: bool
) -> tuple[float, float]:
    """Ends of an axis that shows these differences with their errors.

    There is room for so many arrows over each other, below or above.
    """
    error = np.zeros(len(values)) if errors is None else errors
    error = np.where(np.isfinite(error), error, 0.0)
    low = float(np.min(values - error, initial=0.0))
    high = float(np.max(values + error, initial=0.0))
    size = max(high - low, matters) or 1.0
    worse = 0.15 + 0.07 * arrows if arrows else 0.1
    below, above = (worse, 0.1) if down else (0.1, worse)
    return low - below * size, high + above * size


def besides(place: int, n_families: int) -> float:
    """How far from its number of components a family has its marks, so that none covers another."""
    return min(APART, 0.8 / n_families) * (place - 0.5 * (n_families - 1))


def write_far(
    ax: Any, x: float, difference: float, edge: float, down: bool, colour: Any, rank: int
) -> None:
    """An arrow that leaves the axes, with how far its value lies; higher than ``rank`` others."""
    reach = 26 + 14 * rank
    size = f"{difference:+,.0f}" if abs(difference) >= 100 else f"{difference:+.3g}"
    ax.annotate(
        size.replace("-", "\N{MINUS SIGN}"),
        xy=(x, edge), xytext=(0, reach if down else -reach), textcoords="offset points",
        ha="center", va="bottom" if down else "top", color=colour,
        arrowprops={"arrowstyle": "-|>", "color": colour},
    )  # fmt: skip


def write_unresolved(ax: Any, x: float, colour: Any) -> None:
    """In the place of a value that is not finite."""
    ax.text(
        x, 0.5, "unresolved", rotation=90, ha="center", va="center", color=colour,
        style="italic", transform=ax.get_xaxis_transform(),
    )  # fmt: skip


def ring(ax: Any, at: NDArray[Any], differences: Array, label: str) -> list[Any]:
    """A ring around the value chosen; none if there is no such value."""
    if not len(at) or not np.isfinite(differences).all():
        return []
    return list(
        ax.plot(
            at, differences, marker="o", markersize=14,
            markerfacecolor="none", markeredgecolor="0.2", linestyle="none", label=label,
        )
    )  # fmt: skip


def line_style(place: int, label: str | None) -> dict[str, Any]:
    """The line of one family among several, or the only one."""
    style = {"color": _style.colour(place), "marker": "o", "markersize": 6, "linewidth": 1.2}
    if label is None:
        return style
    dashes = {"marker": _style.marker(place), "linestyle": _style.dashes(place)}
    return {**style, **dashes, "label": label}
