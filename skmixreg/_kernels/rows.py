"""Rows in blocks: "sum this kernel over all rows".

A kernel over data is called as ``kernel(start, stop, X, y, w, *parameters)`` and returns a flat
float64 array of sums over rows start..stop.  The size of blocks depends on the number of rows
alone and sums are combined in one fixed pairwise tree, so that the result does not depend on the
number of threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._model.blocks import Array
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


class Rows(ABC):
    """Standardised rows, wherever they are: parameters go in, sums come out.

    Attributes
    ----------
    in_memory : bool
        Whether the rows are here, as ``columns``, ``target`` and ``weights``.
    n_rows : int
    total_weight : float
        Sum of the weights.
    counts, repeated : bool
        Whether all weights are integers, and whether one exceeds 1.
    """

    in_memory: ClassVar[bool]
    columns: Array
    target: Array
    weights: Array

    @property
    @abstractmethod
    def n_rows(self) -> int: ...

    @property
    @abstractmethod
    def total_weight(self) -> float: ...

    @property
    @abstractmethod
    def counts(self) -> bool: ...

    @property
    @abstractmethod
    def repeated(self) -> bool: ...

    @abstractmethod
    def sum(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        """Sums over all rows of a kernel over data."""

    @abstractmethod
    def sum_of_parts(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        """Sums of a kernel that numbers rows: ``kernel(X, y, w, first_row, *parameters)``."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, size: int) -> NDArray[np.intp]:
        """Indices of random rows: `spread_sample`, or by weight where weights differ."""

    @abstractmethod
    def subset(self, index: NDArray[np.intp], weights: Array | None = None) -> Rows:
        """Some of the rows, with weights 1 unless given."""

    def on_one_thread(self) -> Rows:
        """The same rows, for work that runs beside other work."""
        return self

    def close(self) -> None:  # noqa: B027 (nothing to release, unless there is)
        """Release what summing needs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class HeldRows(Rows):
    """Rows in memory.

    Parameters
    ----------
    columns : ndarray of shape (p, n)
        Feature-major and C-contiguous.
    target, weights : ndarray of shape (n,)
    n_threads : int, default=1
    """

    in_memory = True

    def __init__(self, columns: Array, target: Array, weights: Array, n_threads: int = 1):
        self.columns = columns
        self.target = target
        self.weights = weights
        self.blocks = RowBlocks(len(target), n_threads)

    @property
    def n_rows(self) -> int:
        return len(self.target)

    @property
    def total_weight(self) -> float:
        return float(self.weights.sum())

    @property
    def counts(self) -> bool:
        parts = (self.weights[start:stop] for start, stop in self.blocks.bounds)
        return all(bool((part == np.rint(part)).all()) for part in parts)

    @property
    def repeated(self) -> bool:
        return bool((self.weights > 1).any())

    def sum(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        return self.blocks.sum(kernel, self.columns, self.target, self.weights, *parameters)

    def sum_of_parts(self, kernel: Callable[..., Array], *parameters: Any) -> Array:
        return kernel(self.columns, self.target, self.weights, 0, *parameters)

    def sample(self, rng: np.random.Generator, size: int) -> NDArray[np.intp]:
        w = self.weights
        if w.min() == w.max():
            return spread_sample(rng, self.n_rows, size)
        return rng.choice(self.n_rows, size, p=w / w.sum())

    def subset(self, index: NDArray[np.intp], weights: Array | None = None) -> HeldRows:
        return HeldRows(
            np.ascontiguousarray(self.columns[:, index]),
            np.ascontiguousarray(self.target[index]),
            np.ones(len(index)) if weights is None else np.ascontiguousarray(weights),
        )

    def on_one_thread(self) -> HeldRows:
        return HeldRows(self.columns, self.target, self.weights)

    def close(self) -> None:
        self.blocks.close()
