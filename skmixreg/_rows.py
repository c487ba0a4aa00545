"""Rows in blocks: "sum this kernel over all rows".

A kernel is called as ``kernel(start, stop, *arguments)`` and returns a flat float64 array of
sums over rows start..stop.  Blocks have a fixed size and their sums are combined in one fixed
pairwise tree, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ._blocks import Array

BLOCK_ROWS = 8192


def pairwise_sum(parts: Sequence[Array]) -> Array:
    """Sum in a balanced binary tree whose shape depends only on ``len(parts)``."""
    level = list(parts)
    while len(level) > 1:
        paired = [a + b for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return level[0]


class RowBlocks:
    """Executor of kernels over the rows of one data set held in memory.

    Parameters
    ----------
    n_rows : int
    n_threads : int, default=1
        Threads that work on blocks; kernels release the GIL.
    block_rows : int
        Rows per block.  Results depend on it to rounding, so it is a constant in practice.
    """

    def __init__(self, n_rows: int, n_threads: int = 1, block_rows: int = BLOCK_ROWS):
        self.n_rows = n_rows
        self.block_rows = block_rows
        self.bounds = [
            (start, min(start + block_rows, n_rows)) for start in range(0, n_rows, block_rows)
        ]
        self.n_threads = max(1, min(n_threads, len(self.bounds)))
        self._pool: ThreadPoolExecutor | None = None

    def map(self, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What the kernel returns for every block, in order."""
        if self.n_threads == 1:
            return [kernel(start, stop, *arguments) for start, stop in self.bounds]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads)
        futures = [
            self._pool.submit(kernel, start, stop, *arguments) for start, stop in self.bounds
        ]
        return [future.result() for future in futures]

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
