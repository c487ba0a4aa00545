"""What to do about a failure: what to change, and which solvers are left to try."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self

# Where every solver that could help was tried.
LAST_RESORT = "lower n_components, or state narrower priors"


def advise(change: str, instead: Sequence[str] = (), tried: Collection[str] = ()) -> str:
    """What to change, and the solvers to use instead that were not tried.

    Parameters
    ----------
    change : str
        May be empty.
    instead, tried : collection of str
        Names of solvers.
    """
    left = [repr(solver) for solver in instead if solver not in tried]
    use = f"use solver={' or '.join([', '.join(left[:-1]), left[-1]] if left[1:] else left)}"
    return ", or ".join([*([change] if change else []), *([use] if left else [])]) or LAST_RESORT


class Failure(str):
    """A sentence that says what failed and what to do, of which solvers can be left out.

    Parameters
    ----------
    what : str
    change : str
        What to change; may be empty.
    instead : sequence of str
        Names of solvers that may do better.
    tried : collection of str
        Those of them that are not named.
    """

    what: str
    change: str
    instead: tuple[str, ...]

    def __new__(
        cls, what: str, change: str = "", instead: Iterable[str] = (), tried: Collection[str] = ()
    ) -> Self:
        instead = tuple(instead)
        sentence = super().__new__(cls, f"{what}; {advise(change, instead, tried)}")
        sentence.what, sentence.change, sentence.instead = what, change, instead
        return sentence

    def __getnewargs__(self) -> Any:
        return self.what, self.change, self.instead


def without(failures: Iterable[str], tried: Collection[str]) -> list[str]:
    """The failures, none of which advises what was tried or cannot help."""
    return [
        Failure(each.what, each.change, each.instead, tried) if isinstance(each, Failure) else each
        for each in failures
    ]
