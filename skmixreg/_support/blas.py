"""One thread of BLAS while fits run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> ThreadpoolController:
    """The libraries that are loaded; to find them takes milliseconds, and imports load more."""
    return ThreadpoolController()


_lock = threading.Lock()
_fits = 0
_limits: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS threads cost more than they give on matrices of a few columns.

    The limit is one of the process: it ends with the last of the fits that run at once.  With a
    limit for each, the first to end would lift that of the others, and the last would leave the
    limit that it found.
    """
    global _fits, _limits
    with _lock:
        if _fits == 0:
            _limits = _controller(len(sys.modules)).limit(limits=1, user_api="blas")
        _fits += 1
    try:
        yield
    finally:
        with _lock:
            _fits -= 1
            if _fits == 0:
                _limits.restore_original_limits()
