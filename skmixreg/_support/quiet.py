"""Messages of other packages that a fit says better itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_messages(logger_name: str) -> Iterator[None]:
    """Keep the log messages of this thread from the user."""
    here = threading.get_ident()
    logger = logging.getLogger(logger_name)

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    logger.addFilter(elsewhere)
    try:
        yield
    finally:
        logger.removeFilter(elsewhere)
