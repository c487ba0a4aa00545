"""One contender in a process of its own, which reports each fit as soon as it is done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
MARK = "@@"  # begins a line of output that is a record


class Heard(NamedTuple):
    """Records of a process, whether it was ended at its cap, and its last words if it failed."""

    records: list[dict[str, Any]]
    capped: bool
    failure: str | None


def python(module: str, argument: dict[str, Any]) -> list[str]:
    """Command that runs a module of this package with one JSON argument."""
    return [sys.executable, "-m", f"tests.benchmarks.scale.{module}", json.dumps(argument)]


def say(record: dict[str, Any]) -> None:
    """Report one record to the process that listens."""
    print(MARK + json.dumps(record), flush=True)


def listen(command: list[str], cap: float, environment: dict[str, str] | None = None) -> Heard:
    """Run a command until it ends or ``cap`` seconds have passed; what it had said counts."""
    capped = threading.Event()
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # its sampling processes end with it
        )

        def end() -> None:
            capped.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(cap, end)
        timer.start()
        assert child.stdout is not None
        with child.stdout:
            lines = [line.strip() for line in child.stdout if line.startswith(MARK)]
        code = child.wait()
        timer.cancel()
        errors.seek(0)
        failure = errors.read()[-1500:] if code and not capped.is_set() else None
    return Heard([json.loads(line.removeprefix(MARK)) for line in lines], capped.is_set(), failure)
