"""What ``verbose`` shows of a fit: bars on a terminal or in a notebook, else lines."""

from __future__ import annotations

import importlib
import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Between two lines on one stage.
SECONDS_PER_LINE = 5.0


@contextmanager
def display(verbose: bool, *, messages_only: bool = False) -> Iterator[list[Lines | Bars]]:
    """What is to be told of a fit: nobody, lines or bars.

    Parameters
    ----------
    verbose : bool
    messages_only : bool
        Whether stages are shown elsewhere.
    """
    if not verbose:
        yield []
        return
    bars = None if messages_only else _bars()
    if bars is None:
        lines = Lines(messages_only)
        with _compilations_told(lines):
            yield [lines]
        return
    with bars, _compilations_told(bars):
        yield [bars]


@contextmanager
def _compilations_told(shown: Lines | Bars) -> Iterator[None]:
    """Tell of every kernel of this package that is compiled meanwhile, by whatever thread."""
    event: Any = importlib.import_module("numba.core.event")
    package = __name__.partition(".")[0]

    class Told(event.Listener):
        def on_start(self, event: Any) -> None:
            dispatcher = event.data["dispatcher"]
            function, options = dispatcher.py_func, dispatcher.targetoptions
            ours = function.__module__.partition(".")[0] == package
            # Python cannot call the parts of kernels.
            if ours and not options.get("no_cpython_wrapper"):
                shown.say(f"compiling {function.__name__}, which takes seconds, once")

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Told()):
        yield


class Lines:
    """Lines on standard output: messages, and for every stage how far it is and when it is over.

    Parameters
    ----------
    messages_only : bool
    """

    def __init__(self, messages_only: bool = False):
        self.messages_only = messages_only

    def start(self, name: str, total: int | None, blocks: int | None) -> _Line:
        return _Line(name, total, self.messages_only)

    def say(self, text: str) -> None:
        print(text, flush=True)


class _Line:
    def __init__(self, name: str, total: int | None, silent: bool):
        self._name, self._total, self._silent = name, total, silent
        self._began = self._shown = time.monotonic()

    def advance(self, blocks: int, done: int) -> None:
        now = time.monotonic()
        if not self._silent and now - self._shown >= SECONDS_PER_LINE:
            self._shown = now
            how_far = f"{done} done" if self._total is None else f"{done / self._total:.0%}"
            print(f"{self._name}: {how_far}", flush=True)

    def finish(self) -> None:
        if not self._silent:
            print(f"{self._name}: {time.monotonic() - self._began:.1f} s", flush=True)


class Bars:
    """Bars by rich, one for every stage.

    Parameters
    ----------
    progress : rich.progress.Progress
    """

    def __init__(self, progress: Any):
        self._progress = progress

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def start(self, name: str, total: int | None, blocks: int | None) -> _Bar:
        return _Bar(self._progress, self._progress.add_task(name, total=total), total)

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


class _Bar:
    def __init__(self, progress: Any, task: int, total: int | None):
        self._progress, self._task, self._total = progress, task, total

    def advance(self, blocks: int, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def finish(self) -> None:
        total = 1 if self._total is None else self._total
        self._progress.update(self._task, total=total, completed=total)


def _bars() -> Bars | None:
    """Bars, where there is something that can draw them."""
    if multiprocessing.parent_process() or threading.current_thread() != threading.main_thread():
        return None  # fits that run side by side would draw over each other
    try:
        rich = importlib.import_module("rich.progress")
    except ImportError:
        return None
    progress = rich.Progress(
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.TimeRemainingColumn(elapsed_when_finished=True),
    )
    console = progress.console
    return Bars(progress) if console.is_terminal or console.is_jupyter else None
