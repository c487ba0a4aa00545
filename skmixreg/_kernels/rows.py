"""Rows in blocks: "sum this kernel over all rows".

A kernel over data is called as ``kernel(start, stop, observations, *parameters)`` and returns a
flat float64 array of sums over units start..stop, which are rows or groups of rows.  The size of
blocks depends on the number of units alone and sums are combined in one fixed pairwise tree, so
that the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.arrays import Array
from .vector_kernels import BLOCK

BLOCKS = 32
FEWEST_ROWS, MOST_ROWS = 8192, 65_536


def pairwise_sum(parts: Sequence[Array]) -> Array:
    """Sum in a balanced binary tree whose shape depends only on ``len(parts)``."""
    level = list(parts)
    while len(level) > 1:
        paired = [a + b for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def rows_per_block(n_rows: int) -> int:
    """Rows that one call of a kernel sums.

    Enough that the call itself costs little, few enough that threads end together; it depends on
    the data alone, so that results do not depend on the number of threads.
    """
    share = -(-n_rows // BLOCKS)
    return min(max(share + -share % BLOCK, FEWEST_ROWS), MOST_ROWS)


def spread_sample(rng: np.random.Generator, n_rows: int, size: int) -> NDArray[np.intp]:
    """One random row of each of ``size`` stretches of nearly equal length, in order.

    Every row is as likely as any other, to rounding of the lengths; unlike a shuffle it takes no
    memory for the rows that are not drawn, and data in some order are covered evenly.
    """
    bounds = np.arange(size + 1) * n_rows // size
    return bounds[:-1] + (rng.random(size) * np.diff(bounds)).astype(np.intp)


class RowBlocks:
    """Executor of kernels over the rows of one data set held in memory.

    Threads take the next block when they are done with one; the calling thread is one of them.

    Parameters
    ----------
    n_rows : int
    n_threads : int, default=1
        Threads that work on blocks; kernels release the GIL.
    block_rows : int, optional
        Rows per block; `rows_per_block` by default.
    """

    def __init__(self, n_rows: int, n_threads: int = 1, block_rows: int | None = None):
        self.n_rows = n_rows
        self.block_rows = block_rows or rows_per_block(n_rows)
        self.bounds = [
            (start, min(start + self.block_rows, n_rows))
            for start in range(0, n_rows, self.block_rows)
        ]
        self.n_threads = max(1, min(n_threads, len(self.bounds)))
        self._pool: ThreadPoolExecutor | None = None

    def map(self, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What the kernel returns for every block, in order."""
        if self.n_threads == 1:
            return [kernel(start, stop, *arguments) for start, stop in self.bounds]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads - 1)
        out: list[Any] = [None] * len(self.bounds)
        left = deque(range(len(self.bounds)))

        def work() -> None:
            try:
                while left:
                    try:
                        i = left.popleft()
                    except IndexError:
                        return  # another thread has just taken the last one
                    out[i] = kernel(*self.bounds[i], *arguments)
            except BaseException:
                left.clear()
                raise

        others = [self._pool.submit(work) for _ in range(self.n_threads - 1)]
        work()
        for other in others:
            other.result()
        return out

    def sum(self, kernel: Callable[..., Array], *arguments: Any) -> Array:
        """Sums over all rows."""
        return pairwise_sum(self.map(kernel, *arguments))

    def close(self) -> None:
        """Release the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def __enter__(self) -> RowBlocks:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
