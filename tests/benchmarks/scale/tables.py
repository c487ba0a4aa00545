"""Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    lines = [f"| {' | '.join(head)} |", "| " + " | ".join("---" for _ in head) + " |"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def seconds_text(seconds: float) -> str:
    """Two significant digits, without powers of ten."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def times(ratio: float) -> str:
    """A ratio to two digits."""
    return f"{float(f'{ratio:.2g}'):,.10g}"
