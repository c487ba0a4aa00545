"""This package beside its peers, and how cost grows.

    python -m tests.benchmarks.scale                # all parts, about an hour
    python -m tests.benchmarks.scale peers warm     # some
    python -m tests.benchmarks.scale --page         # the page only
    python -m tests.benchmarks.scale --tiny gpu     # runs through in a minute; nothing is kept

Every part is merged into ``tests/benchmarks/benchmarks.json`` when it is done, and
``docs/benchmarks.md`` is written from that.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime

from ..measure import loads, source_hash
from .parts import PARTS
from .results import keep, write


def main(arguments: list[str] | None = None) -> None:
    """Measure parts."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--tiny", action="store_true", help="small sizes, printed only")
    parser.add_argument("--page", action="store_true", help="only write the page from the results")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    # Chains and threads of ours and of the peers fill the cores themselves.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if given.page:
        return write()
    for name in given.parts or PARTS:
        part = PARTS[name]
        if given.tiny:
            print("\n".join(part.details(part.measure(part.tiny))))
            continue
        entry = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "source": source_hash()}
        with loads() as around:
            found = part.measure(part.full)
        keep(name, entry | around | {"found": found})
    return None


if __name__ == "__main__":
    main()
