"""Progress of a fit, for scikit-learn's callbacks and for ``verbose``.

The only file that knows `sklearn.callback`, which is experimental.  Without it estimators have no
``set_callbacks``, and all else is the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import log
from typing import Any, Protocol, Self

from .progress_display import display

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """In the place of scikit-learn's."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """In the place of scikit-learn's."""
        return method


__all__ = [
    "SILENT",
    "UNWATCHED",
    "CallbackSupportMixin",
    "Progress",
    "Stage",
    "fit_progress",
    "with_callbacks",
]

# Reports per stage: a task of scikit-learn for every draw would take longer than the draw.
MOST_REPORTS = 50
# Where nobody knows how long a stage is, so many steps are reported one by one, then about as
# many for every factor of e.
SINGLE_STEPS = 20


class Task(Protocol):
    """One stage as somebody watches it."""

    def advance(self, blocks: int, done: int) -> None:
        """``blocks`` more blocks are done, and ``done`` steps in all."""

    def finish(self) -> None:
        """The stage is over; not called where it failed."""


class Watcher(Protocol):
    """Who is told of a fit."""

    def start(self, name: str, total: int | None, blocks: int | None) -> Task:
        """A stage of ``total`` steps, to be reported in so many blocks."""

    def say(self, text: str) -> None:
        """A line of text."""


class Stage:
    """One piece of the work of a fit, whose steps are counted; a context manager.

    Made by `Progress.stage`.  Steps may be counted from any thread.
    """

    def __init__(
        self,
        watchers: Sequence[Watcher],
        lock: threading.Lock,
        name: str,
        total: int | None,
    ):
        self._watchers, self._lock = watchers, lock
        self._name, self._total = name, total
        self._reports = None if total is None else min(max(total, 0), MOST_REPORTS)
        self._tasks: list[Task] = []
        self._done = self._reported = 0

    def advance(self, n: int = 1) -> None:
        """Count ``n`` more steps."""
        if not self._tasks:
            return
        with self._lock:
            self._done += n
            new = self._blocks_done() - self._reported
            if new > 0:
                self._reported += new
                for task in self._tasks:
                    task.advance(new, self._done)

    def _blocks_done(self) -> int:
        done = self._done
        if self._total is None or self._reports is None:
            early = min(done, SINGLE_STEPS)
            return early + (int(SINGLE_STEPS * log(done / early)) if done > early else 0)
        return self._reports * min(done, self._total) // max(self._total, 1)

    def __enter__(self) -> Self:
        with self._lock:
            self._tasks = [
                watcher.start(self._name, self._total, self._reports) for watcher in self._watchers
            ]
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with self._lock:
            tasks, self._tasks = self._tasks, []
            # A stage that failed is not shown as done.
            for task in tasks if kind is None else []:
                task.finish()


class Progress:
    """Where a solver reports how far it is.  Nothing of it reaches the result.

    Parameters
    ----------
    watchers : sequence of Watcher
        Who is told; by default nobody.

    Examples
    --------
    >>> progress = Progress()
    >>> with progress.stage("gibbs: sweeps", total=1000) as stage:
    ...     for _ in range(10):
    ...         stage.advance(100)
    >>> progress.say("gibbs: effective sample size 2100")
    """

    def __init__(self, watchers: Sequence[Watcher] = ()):
        self._watchers = tuple(watchers)
        self._lock = threading.Lock()

    def stage(self, name: str, total: int | None = None) -> Stage:
        """A piece of the work, which begins and ends with a ``with`` statement.

        Parameters
        ----------
        name : str
            What is done, such as "gibbs: sweeps".
        total : int, optional
            Steps that it takes, at most; None if nobody knows.
        """
        return Stage(self._watchers, self._lock, name, total)

    def say(self, text: str) -> None:
        """A line for who set ``verbose``: something that one looks at a fit for."""
        for watcher in self._watchers:
            watcher.say(text)


SILENT = Progress()
UNWATCHED = SILENT.stage("")


@contextmanager
def fit_progress(
    estimator: Any, X: Any, y: Any, sample_weight: Any, *, name: str = "fit"
) -> Iterator[Progress]:
    """Tell the callbacks of an estimator of a fit, and the user if ``verbose`` asks for it.

    To be used in a method that is decorated with `with_callbacks`, which ends what is begun here,
    however the fit ends.  The estimator must be fitted when it is left.

    Parameters
    ----------
    estimator : BayesianMixtureRegressor
    X, y, sample_weight : array-like
        As the user gave them, for callbacks that ask for them.
    name : str
        Name of the task.
    """
    root = None
    watchers: list[Watcher] = []
    data: dict[str, Any] = {"X": X, "y": y}
    if sample_weight is not None:
        data["metadata"] = {"sample_weight": sample_weight}
    begin = getattr(estimator, "_init_callback_context", None)
    if begin is not None:
        root = begin(task_name=name, max_subtasks=None)
        root.call_on_fit_task_begin(estimator=estimator, **data)
        if getattr(estimator, "_skl_callbacks", ()):
            watchers.append(Callbacks(estimator, root))
    # Next to bars of callbacks, bars of our own would be in the way.
    with display(bool(estimator.verbose), messages_only=bool(watchers)) as shown:
        yield Progress([*watchers, *shown])
    if root is not None:
        # Only now are there fitted attributes: nothing is predicted from half a posterior.
        root.call_on_fit_task_end(estimator=estimator, reconstruction_attributes={}, **data)


class Callbacks:
    """The callbacks of an estimator: every stage is a task, with a subtask for every block.

    What a callback answers is not asked: scikit-learn lets it stop iterations, which would cut a
    posterior short without a word.

    Parameters
    ----------
    estimator : BayesianMixtureRegressor
    root : sklearn.callback.CallbackContext
        The task of the fit.
    """

    def __init__(self, estimator: Any, root: Any):
        self._estimator, self._root = estimator, root

    def start(self, name: str, total: int | None, blocks: int | None) -> Task:
        context = self._root.subcontext(task_name=name, max_subtasks=blocks)
        context.call_on_fit_task_begin(estimator=self._estimator)
        return _CallbackTask(self._estimator, context, blocks)

    def say(self, text: str) -> None:
        """Callbacks take no text."""


class _CallbackTask:
    def __init__(self, estimator: Any, context: Any, blocks: int | None):
        self._estimator, self._context = estimator, context
        self._left = blocks
        self._block: Any = None
        self._next()

    def _next(self) -> None:
        """End the block that is under way, and begin another if there is one left."""
        if self._block is not None:
            self._block.call_on_fit_task_end(estimator=self._estimator)
            self._block = None
        if self._left != 0:
            self._block = self._context.subcontext(task_name="block")
            self._block.call_on_fit_task_begin(estimator=self._estimator)
            if self._left is not None:
                self._left -= 1

    def advance(self, blocks: int, done: int) -> None:
        for _ in range(blocks):
            self._next()

    def finish(self) -> None:
        self._left = 0
        self._next()
        self._context.call_on_fit_task_end(estimator=self._estimator)
