"""Run by the parts, in a process of its own: fits of one contender, reported one by one."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ..measure import seed_problem
from ..records import cpu_seconds
from .contenders import CONTENDERS, Answer, effective_draws
from .memory import PeakMemory
from .process import say


def described(answer: Answer) -> dict[str, Any]:
    """An answer as a record."""
    record = {"slopes": answer.slopes, "converged": answer.converged, "said": answer.said}
    if answer.draws is not None:
        record |= {
            "draws": int(answer.draws.shape[0] * answer.draws.shape[1]),
            "ess": effective_draws(answer.draws),
            "sd": float(answer.draws.reshape(-1, 2).std(axis=0).min()),
        }
    return record


def main(argument: str) -> None:
    """A first fit, a second one on other data, then starts on the data of the second.

    The argument is JSON: the contender's name, rows, the number of starts, and the seconds after
    which no further start is begun.
    """
    plan = json.loads(argument)
    fit = CONTENDERS[plan["name"]]()

    def timed(what: str, data: tuple[Any, Any], state: int, peak: bool) -> None:
        start, cpu = time.perf_counter(), cpu_seconds()
        if peak:
            with PeakMemory() as memory:
                answer = fit(*data, state)
            record: dict[str, Any] = {"peak": memory.peak}
        else:
            answer, record = fit(*data, state), {}
        record |= {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - cpu}
        say({"what": what, "state": state, **record, **described(answer)})

    timed("first", seed_problem(plan["n"], 0), 0, peak=True)
    data = seed_problem(plan["n"], 1)
    timed("second", data, 1, peak=False)
    begun = time.perf_counter()
    for state in range(2, 1 + plan["starts"]):  # the second fit is the first of them
        timed("start", data, state, peak=False)
        if time.perf_counter() - begun > plan["starts_seconds"]:
            break


if __name__ == "__main__":
    main(sys.argv[1])
