"""Run examples/forum_question.py and put its table and picture into docs/label-switching.md.

python tests/benchmarks/forum_table.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from solver_table import with_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "label-switching.md"
PICTURE = ROOT / "docs" / "images" / "forum_question.png"


def main() -> None:
    """Run, show, write."""
    command = [sys.executable, "-u", str(ROOT / "examples" / "forum_question.py"), str(PICTURE)]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if process.returncode:
        raise SystemExit(process.returncode)
    table = "\n".join(line for line in lines if line.startswith("| "))
    PAGE.write_text(with_table(PAGE.read_text(), "forum table", table))


if __name__ == "__main__":
    main()
