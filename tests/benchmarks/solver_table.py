"""Write the table of solvers in docs/choosing-a-solver.md from the table of solvers itself.

    python tests/benchmarks/solver_table.py           # write
    python tests/benchmarks/solver_table.py --check   # say whether the page is up to date

The table stands between two comments; everything else on the page is left as it is.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from skmixreg.solvers import SOLVERS
from skmixreg.solvers._needs import in_words

PAGE = Path(__file__).resolve().parents[2] / "docs" / "choosing-a-solver.md"
HEADER = ("`solver=`", "what it does", "draws are", "time grows with", "needs", "fails")


def table() -> str:
    """One row per solver, in the order of `SOLVERS`, as Markdown."""
    rows = [
        (
            f"`{name}`",
            solver.summary,
            "exact" if solver.exact else "approximate",
            solver.cost,
            in_words(solver.requires),
            solver.fails,
        )
        for name, solver in SOLVERS.items()
    ]
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def with_table(page: str, name: str, content: str) -> str:
    """The page with ``content`` between ``<!-- name -->`` and ``<!-- end of name -->``."""
    opening, closing = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(opening)}.*?{re.escape(closing)}", flags=re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"The page must hold {opening} and {closing} once, in this order.")
    return pattern.sub(lambda _: f"{opening}\n\n{content}\n\n{closing}", page)


def main(arguments: list[str] | None = None) -> int:
    """Write or check; 1 if the page is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    before = options.page.read_text()
    after = with_table(before, "solver table", table())
    if options.check:
        if after != before:
            print(f"{options.page} is out of date: run python tests/benchmarks/solver_table.py")
        return int(after != before)
    options.page.write_text(after)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
