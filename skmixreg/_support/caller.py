"""Warnings that point at the line of the caller, outside of the package."""

from __future__ import annotations

import warnings
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1])


def warn(message: str, category: type[Warning]) -> None:
    """`warnings.warn`, from whatever depth of the package."""
    warnings.warn(message, category, skip_file_prefixes=(PACKAGE,))
