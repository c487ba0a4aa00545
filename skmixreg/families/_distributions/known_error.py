r"""Families of location and scale whose rows have errors of a known size beside those of the line.

The scale of row i in component k is :math:`\sqrt{\sigma_k^2 + s_i^2}`, with a column of X for
:math:`s_i` and :math:`\sigma_k` the scatter that is left (Hogg, Bovy and Lang 2010, sec. 7).
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..._support.arrays import Array
from .._base import Family


class KnownErrorFamily(Family):
    """A family whose first extra is a scale, and whose option ``known_error`` names a column."""

    column_options: ClassVar[tuple[str, ...]] = ("known_error",)
    known_error: str | int | None

    @property
    def columns_in_units_of_y(self) -> bool:  # type: ignore[override]
        """Errors are."""
        return True

    @property
    def linear_mean(self) -> bool:  # type: ignore[override]
        """The variance depends on the row."""
        return self.known_error is None

    def _settings(self, own: NamedTuple) -> NamedTuple:
        """Those of the family, or of the family with known errors."""
        if self.known_error is None:
            return own
        from .._kernels.known_error_kernels import KnownErrorSettings

        return KnownErrorSettings(own)

    def check_columns(self, *columns: Array) -> None:
        if not columns:
            return
        wrong = ~(columns[0] >= 0.0)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"Known errors are standard deviations, 0 or more, but column "
                f"{self.known_error!r} of X is {columns[0][row]:g} in row {row} "
                f"(one of {int(wrong.sum())} such rows)."
            )

    def auxiliary(self, y: Array, *columns: Array) -> Array | None:
        # A response of zero: see the kernels.
        return np.zeros((1, len(y))) if columns else None


def total_variance(symbols: tuple[str, ...]) -> str:
    """LaTeX of the square of the scale of row i, from the symbols of scale and known error."""
    return " + ".join(f"{symbol}^2" for symbol in symbols)


def total_scale(extra: tuple[Any, ...]) -> Any:
    """Scale of every row: (M,) without known errors, else (n, M)."""
    scale, *known = extra
    return np.hypot(scale, known[0]) if known else scale
