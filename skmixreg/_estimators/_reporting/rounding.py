"""Numbers as they are printed."""

from __future__ import annotations

import numpy as np

# Digits where no sd says how many matter.
DIGITS = 3
# Between these powers of ten numbers are written without an exponent.
LARGEST, SMALLEST = 7, -5


def decimals_of(sd: float) -> int | None:
    """Decimal places, negative left of the point, that show two digits of ``sd``; None without."""
    if not (np.isfinite(sd) and sd > 0.0):
        return None
    return 1 - int(f"{sd:.1e}".partition("e")[2])


def rounded(value: float, sd: float) -> str:
    """A number to the decimal place of the second digit of its sd; to three digits without one."""
    if not np.isfinite(value):
        return f"{value:g}"
    decimals = decimals_of(sd)
    if decimals is None:
        return f"{value:#.{DIGITS}g}".removesuffix(".")
    at = round(value, decimals)
    power = int(f"{at:e}".partition("e")[2]) if at else 0
    if decimals > -SMALLEST + 1 or power > LARGEST:
        return f"{at:.{max(power + decimals, 0)}e}"
    return f"{at + 0.0:.{max(decimals, 0)}f}"


def with_interval(mean: float, sd: float, lower: float, upper: float) -> str:
    """``mean (lower, upper)``; the mean alone where there is no interval."""
    if decimals_of(sd) is None:
        return rounded(mean, sd)
    return f"{rounded(mean, sd)} ({rounded(lower, sd)}, {rounded(upper, sd)})"


def probability_in_words(share: float, n_draws: int) -> str:
    """A share of draws, not nearer to 0 and 1 than so many draws can tell."""
    decimals = min(3, max(1, int(np.log10(max(n_draws, 1)))))
    least = 10.0**-decimals
    if share > 1.0 - least:
        return f"> {1.0 - least:.{decimals}f}"
    if share < least:
        return f"< {least:.{decimals}f}"
    return f"{share:.{decimals}f}"


def total(weight: float) -> str:
    """A number of rows, which may have fractions for weights."""
    whole = weight >= 1000.0 or abs(weight - round(weight)) < 1e-3
    return f"{weight:,.{0 if whole else 1}f}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
