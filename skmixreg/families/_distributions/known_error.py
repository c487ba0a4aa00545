r"""Families of location and scale whose rows have errors of a known size beside those of the line.

The scale of row i in component k is :math:`\sqrt{\sigma_k^2 + s_i^2}`, with a column of X for
:math:`s_i` and :math:`\sigma_k` the scatter that is left (Hogg, Bovy and Lang 2010, sec. 7).
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..._support.arrays import Array, mean_and_spread
from .._base import Family

# Of what known errors do not explain, in units of the spread of all rows.
SPREADS = 2.0 ** np.arange(1.0, -20.25, -0.25)


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

    def latent_moments(
        self, measured: Array, weights: Array, centred: bool, *columns: Array
    ) -> tuple[float, float] | None:
        return moments_beside_errors(measured, columns[0], weights, centred) if columns else None

    def auxiliary(self, y: Array, *columns: Array) -> Array | None:
        # A response of zero: see the kernels.
        return np.zeros((1, len(y))) if columns else None


def moments_beside_errors(
    values: Array, errors: Array, weights: Array, centred: bool
) -> tuple[float, float] | None:
    r"""Location and scale of values with known errors, of which precise ones tell more.

    With :math:`y_i \sim N(m, t^2 + s_i^2)` and the most likely t of `SPREADS`, the scale is the
    harmonic mean of the variances: the spread of y where errors are alike, and about t where those
    of some are much larger.
    """
    total = float(weights.sum())
    middle, unit = mean_and_spread(values, weights, centred)
    if not unit > 0.0 or not errors.any():
        return None
    z, s2 = (values - middle) / unit, (errors / unit) ** 2
    best, found = -np.inf, None
    for spread in SPREADS:
        variance = s2 + spread**2
        precision = weights / variance
        sum_of_precisions = float(precision.sum())
        m = float(precision @ z) / sum_of_precisions if centred else 0.0
        value = -0.5 * float(weights @ np.log(variance) + precision @ (z - m) ** 2)
        if value > best:
            best, found = value, (middle + unit * m, unit * np.sqrt(total / sum_of_precisions))
    return found


def total_variance(symbols: tuple[str, ...]) -> str:
    """LaTeX of the square of the scale of row i, from the symbols of scale and known error."""
    return " + ".join(f"{symbol}^2" for symbol in symbols)


def total_scale(extra: tuple[Any, ...]) -> Any:
    """Scale of every row: (M,) without known errors, else (n, M)."""
    scale, *known = extra
    return np.hypot(scale, known[0]) if known else scale
