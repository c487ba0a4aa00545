"""What a call that fails leaves behind, and what it says where memory is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


def all_or_nothing[**P, T](method: Callable[P, T]) -> Callable[P, T]:
    """A method of an estimator that, if it fails, leaves the estimator as it was.

    However it fails: by an error or by ctrl-C.  Without this, a second fit that fails half-way
    would leave the first posterior with the columns of the second data.
    """

    @wraps(method)
    def undone_if_it_fails(*args: P.args, **kwargs: P.kwargs) -> T:
        estimator: Any = args[0]
        before = dict(vars(estimator))
        try:
            return method(*args, **kwargs)
        except BaseException:
            vars(estimator).clear()
            vars(estimator).update(before)
            raise

    return undone_if_it_fails


FIT_ADVICE = (
    "A fit holds X twice in double precision, some numbers per row, and the draws: fit fewer rows, "
    "or take them in chunks by solver='cavi' and partial_fit; lower the solver's draws or n_jobs."
)


class AdvisedMemoryError(MemoryError):
    """A MemoryError that says what to lower."""


@contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Say what to lower if memory runs out inside.

    Parameters
    ----------
    advice : str
        What the memory is for, and which option or argument asks for less.  That of the
        innermost block is the one that is given.
    """
    try:
        yield
    except AdvisedMemoryError:
        raise
    except MemoryError as error:
        cause = str(error).rstrip(".") or "Out of memory"
        raise AdvisedMemoryError(f"{cause}. {advice}") from error
