"""Where chunks are kept: in this process, or on the workers of a Dask cluster.

Nothing here imports Dask before a collection was given.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from .._kernels.rows import FEWEST_ROWS, pairwise_sum
from .._support.arrays import Array
from .._support.exceptions import ClusterLostError
from .._support.failures import AdvisedMemoryError
from . import chunks as _chunks

# Seconds between looks whether a worker went away while its sums are waited for.
PATIENCE = 2.0
# Seconds that workers may stand still for lack of memory.
LONGEST_PAUSE = 60.0
# Chunks that one task sums over: as many bytes, or this share of a worker's memory if it is more.
GROUP_BYTES = 64 << 20
GROUP_SHARE = 0.03
# Sums of tasks that are sent here; where there are more, workers add up their own.
MOST_SUMS = 16
# Times that work is sent anew to where chunks are by then.
ATTEMPTS = 20


def store_of(parts: Sequence[Any], n_threads: int) -> LocalStore | ClusterStore:
    """Chunks computed once from delayed ones, and kept where Dask computes.

    Parameters
    ----------
    parts : list of dask.delayed.Delayed
        Each a `Chunk`.
    n_threads : int
        Threads that sum, where there is no cluster.
    """
    import dask
    from dask.base import get_scheduler

    scheduler = get_scheduler(collections=list(parts))
    client = getattr(scheduler, "__self__", None) if inspect.ismethod(scheduler) else None
    if client is None or not hasattr(client, "who_has"):
        return LocalStore(list(dask.compute(*parts)), n_threads)
    with named_errors():
        return ClusterStore(client, client.compute(list(parts)))


class LocalStore:
    """Chunks in this process.

    Parameters
    ----------
    chunks : list of Chunk
    n_threads : int
    """

    def __init__(self, chunks: list[Any], n_threads: int):
        self.chunks = chunks
        self.n_threads = n_threads
        self._pool: ThreadPoolExecutor | None = None

    def transform(
        self, function: Callable[..., Any], *common: Any, each: Sequence[Any] | None = None
    ) -> LocalStore:
        return LocalStore(self.collect(function, *common, each=each), self.n_threads)

    def select(self, index: Sequence[int]) -> LocalStore:
        return LocalStore([self.chunks[i] for i in index], self.n_threads)

    def collect(
        self, function: Callable[..., Any], *common: Any, each: Sequence[Any] | None = None
    ) -> list[Any]:
        each = [None] * len(self.chunks) if each is None else each
        return self._map(
            lambda pair: function(*pair, *common), list(zip(self.chunks, each, strict=True))
        )

    def sum(
        self, function: Callable[..., Array], *common: Any, each: Sequence[Any] | None = None
    ) -> Array:
        return pairwise_sum(self.collect(function, *common, each=each))

    def sum_of_blocks(self, kernel: tuple[str, str], *parameters: Any) -> Array:
        function = _chunks.kernel_named(kernel)
        blocks = [
            (start, min(start + FEWEST_ROWS, chunk.n_units), chunk)
            for chunk in (rows.for_kernels() for rows in self.chunks)
            for start in range(0, chunk.n_units, FEWEST_ROWS)
        ]
        return pairwise_sum(self._map(lambda block: function(*block, *parameters), blocks))

    def close(self) -> None:
        self.chunks = []
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _map(self, function: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        if self.n_threads == 1 or len(items) < 2:
            return [function(item) for item in items]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads)
        return list(self._pool.map(function, items))


class ClusterStore:
    """Chunks in the memory of the workers of a cluster.

    Work goes to the worker that holds the chunk, and nowhere else: a scheduler that balances load
    would copy chunks.  When a worker is lost, Dask computes its chunks again from where they came
    from, on other workers, and work that waits for them is sent there.

    Parameters
    ----------
    client : distributed.Client
    chunks : list of distributed.Future
    """

    def __init__(self, client: Any, chunks: list[Any]):
        self.client = client
        self.chunks = chunks
        self._holders: dict[str, list[int]] = {}
        self._groups: dict[str, list[list[int]]] = {}

    def transform(
        self, function: Callable[..., Any], *common: Any, each: Sequence[Any] | None = None
    ) -> ClusterStore:
        each = [None] * len(self.chunks) if each is None else each
        with named_errors():
            chunks = self.client.map(
                _call, self.chunks, each, function=function, common=common, pure=False,
                key=f"skmixreg-{function.__name__}",
            )  # fmt: skip
            new = ClusterStore(self.client, chunks)
            new._locate()
        return new

    def select(self, index: Sequence[int]) -> ClusterStore:
        return ClusterStore(self.client, [self.chunks[i] for i in index])

    def collect(
        self, function: Callable[..., Any], *common: Any, each: Sequence[Any] | None = None
    ) -> list[Any]:
        out: list[Any] = [None] * len(self.chunks)

        def submit() -> list[Any]:
            return self._submit(_list, function, common, each)

        with named_errors():
            found = self._results(submit)
        # Where chunks lie by now, which is where the results came from.
        for group, results in zip(self._in_order(), found, strict=True):
            for i, result in zip(group, results, strict=True):
                out[i] = result
        return out

    def sum(
        self, function: Callable[..., Array], *common: Any, each: Sequence[Any] | None = None
    ) -> Array:
        def submit() -> list[Any]:
            sums = self._submit(_sum, function, common, each)
            if len(sums) <= MOST_SUMS:
                return sums
            own = iter(sums)
            return [
                self.client.submit(
                    pairwise_sum, [next(own) for _ in groups], workers=[worker], pure=False
                )
                for worker, groups in self._groups.items()
            ]

        with named_errors():
            return pairwise_sum(self._results(submit))

    def sum_of_blocks(self, kernel: tuple[str, str], *parameters: Any) -> Array:
        return self.sum(_chunks.sum_of_blocks, kernel, *parameters)

    def close(self) -> None:
        self.chunks = []

    def _locate(self) -> None:
        """Wait until all chunks are held, and note by whom."""
        self._holders = {}
        self._wait(self.chunks)
        held: dict[str, list[int]] = {}
        holders = self.client.who_has(self.chunks)
        for i, chunk in enumerate(self.chunks):
            # None where it was lost since.
            for worker in holders[chunk.key][:1]:
                held.setdefault(worker, []).append(i)
        self._holders = held
        sizes = self.client.nbytes(keys=[chunk.key for chunk in self.chunks], summary=False)
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
        self._groups = {
            worker: _grouped(
                own, [sizes.get(self.chunks[i].key, 0) for i in own], workers.get(worker, {})
            )
            for worker, own in held.items()
        }

    def _in_order(self) -> list[list[int]]:
        return [group for groups in self._groups.values() for group in groups]

    def _submit(
        self,
        of_group: Callable[..., Any],
        function: Callable[..., Any],
        common: Sequence[Any],
        each: Sequence[Any] | None,
    ) -> list[Any]:
        """One task per group of chunks, where these are."""
        futures: list[Any] = []
        for worker, groups in self._groups.items():
            futures += self.client.map(
                of_group, [[self.chunks[i] for i in group] for group in groups],
                [[None if each is None else each[i] for i in group] for group in groups],
                function=function, common=common, workers=[worker], pure=False,
                key=f"skmixreg-{function.__name__}",
            )  # fmt: skip
        return futures

    def _results(self, submit: Callable[[], list[Any]]) -> list[Any]:
        """Results of tasks that are tied to workers, sent again where a worker was lost."""
        for _ in range(ATTEMPTS):
            while sum(map(len, self._holders.values())) < len(self.chunks):
                self._locate()
            futures = submit()
            if self._wait(futures):
                return list(self.client.gather(futures))
            self._holders = {}
        raise ClusterLostError(
            f"Workers of the Dask cluster were lost {ATTEMPTS} times while one sum was computed; "
            "look at their logs for what ends them, most often memory."
        )

    def _wait(self, futures: list[Any]) -> bool:
        """Wait for tasks to end; False if a worker that holds chunks was lost meanwhile.

        Raises
        ------
        _TaskError
            If a task failed.
        ConnectionError
            If the scheduler does not answer.
        MemoryError
            If workers do not go on, since they have no memory left.
        """
        stuck, pending = 0.0, len(futures)
        while True:
            if self.client.sync(_all_end, futures, PATIENCE):
                for future in futures:
                    if future.status == "error":
                        raise _TaskError(future.exception())
                return True
            if self.client.status != "running":
                # It may connect again, but then to a scheduler that knows nothing of the chunks.
                raise ConnectionError(f"the client is {self.client.status}")
            workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
            if any(worker not in workers for worker in self._holders):
                return False
            left = sum(not future.done() for future in futures)
            paused = [name for name, info in workers.items() if info["status"] == "paused"]
            stuck = stuck + PATIENCE if paused and left == pending else 0.0
            pending = left
            if stuck >= LONGEST_PAUSE:
                raise AdvisedMemoryError(
                    f"Dask paused {len(paused)} of {len(workers)} workers for lack of memory, and "
                    f"nothing has moved for {LONGEST_PAUSE:.0f} s: give workers more memory "
                    "(memory_limit), use more of them, or split X into smaller chunks. About 400 MB"
                    " per worker are taken before the first row."
                )


async def _all_end(futures: list[Any], seconds: float) -> bool:
    """Whether all tasks end in time; an exception for it would hold on to them in its frames."""
    from distributed import TimeoutError, wait

    try:
        await wait(futures, timeout=seconds)
    except TimeoutError:
        return False
    return True


def _call(chunk: Any, each: Any, function: Callable[..., Any], common: Sequence[Any]) -> Any:
    return function(chunk, each, *common)


def _list(
    chunks: Sequence[Any],
    each: Sequence[Any],
    function: Callable[..., Any],
    common: Sequence[Any],
) -> list[Any]:
    return [function(chunk, own, *common) for chunk, own in zip(chunks, each, strict=True)]


def _sum(
    chunks: Sequence[Any],
    each: Sequence[Any],
    function: Callable[..., Array],
    common: Sequence[Any],
) -> Array:
    return pairwise_sum(_list(chunks, each, function, common))


def _grouped(chunks: list[int], sizes: list[int], worker: dict[str, Any]) -> list[list[int]]:
    """Chunks of a worker, in order, in groups of bounded size and at least one for each thread.

    What a task sums over is in memory at once, also where Dask had written it to disk.
    """
    threads = worker.get("nthreads", 1)
    bound = max(GROUP_BYTES, worker.get("memory_limit", 0) * GROUP_SHARE / threads)
    most = min(bound, sum(sizes) / threads)
    groups: list[list[int]] = []
    room = 0.0
    for chunk, size in zip(chunks, sizes, strict=True):
        if not groups or size > room:
            groups.append([])
            room = most
        groups[-1].append(chunk)
        room -= size
    return groups


class _TaskError(Exception):
    """Carries what was raised inside a task past what is raised by the connection."""


@contextmanager
def named_errors() -> Iterator[None]:
    """One error for whatever can happen to a connection; those of tasks pass as they are."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except _TaskError as error:
        cause = error.args[0]
        if isinstance(cause, KilledWorker):
            raise ClusterLostError(
                "Workers of the Dask cluster died again and again over one chunk, most often for "
                "memory: split X into smaller chunks, or give workers more memory."
            ) from cause
        raise cause from None
    except ClusterLostError:
        raise
    except (
        CommClosedError,
        concurrent.futures.CancelledError,
        asyncio.CancelledError,
        OSError,
        RuntimeError,
    ) as error:
        raise ClusterLostError(
            "The connection to the scheduler of the Dask cluster was lost during the computation "
            f"({type(error).__name__}: {error}); nothing was fitted. Start a new cluster, make "
            "the collections anew and fit again."
        ) from error
