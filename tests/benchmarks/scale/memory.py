"""Peak memory of a call above what the process held before; Linux only."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType

import psutil

SECONDS_BETWEEN_LOOKS = 0.1


class PeakMemory:
    """Measures a ``with`` block; ``peak`` in bytes.

    The kernel's own high-water mark for this process, and, for processes that it starts, the
    largest sum of their unshared memory seen every tenth of a second.
    """

    def __enter__(self) -> PeakMemory:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
        self._before = psutil.Process().memory_info().rss
        self._done, self._children = threading.Event(), 0
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        this = psutil.Process()
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            total = 0
            for child in this.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    total += child.memory_full_info().uss
            self._children = max(self._children, total)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._watcher.join()
        lines = Path("/proc/self/status").read_text().splitlines()
        high = 1024 * next(int(s.split()[1]) for s in lines if s.startswith("VmHWM"))
        self.peak = max(high - self._before, 0) + self._children
