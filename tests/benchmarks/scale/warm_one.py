"""Run by the part "warm", in a process of its own: what first and later fits of a solver take."""

from __future__ import annotations

import time

BEGIN = time.perf_counter()
import skmixreg  # noqa: E402

IMPORTED = time.perf_counter() - BEGIN

import json  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from typing import Any  # noqa: E402

from .process import say  # noqa: E402


class Counts:
    """Compilations so far, by who compiled; JAX and PyTensor are imported for it."""

    def __init__(self, jax: bool) -> None:
        from numba.core import event
        from pytensor.compile.maker import FunctionMaker

        self._kernels = event.RecordingListener()
        event.register("numba:compile", self._kernels)
        self.pytensor = self.jax = 0
        original = FunctionMaker.__init__

        def counted(maker: Any, *args: Any, **options: Any) -> None:
            self.pytensor += 1
            original(maker, *args, **options)

        FunctionMaker.__init__ = counted
        if jax:
            from jax import monitoring

            monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, duration: float, **_: Any) -> None:
        self.jax += event == "/jax/core/compile/backend_compile_duration"

    def now(self) -> dict[str, int]:
        """Kernels of this package, other functions by numba, and the others' functions."""
        starts = [e for _, e in self._kernels.buffer if e.is_start]
        modules = [e.data["dispatcher"].py_func.__module__ or "" for e in starts]
        own = sum(module.startswith("skmixreg") for module in modules)
        return {
            "kernels": own,
            "numba": len(modules) - own,
            "pytensor": self.pytensor,
            "jax": self.jax,
        }


def main(argument: str) -> None:
    """Fits of one solver, each reported as soon as it is done.

    The argument is JSON: ``solver``, ``options``, ``fits`` (a list of what, N, K, p), ``count``.
    """
    plan = json.loads(argument)
    say({"what": "import", "seconds": IMPORTED})
    counts = Counts("numpyro" in plan["options"].values()) if plan["count"] else None

    from .growth import problem

    for what, n, K, p in plan["fits"]:
        X, y, _ = problem(n, K, p)
        before = counts.now() if counts else {}
        start = time.perf_counter()
        solver = skmixreg.solvers.SOLVERS[plan["solver"]](**plan["options"])
        model = skmixreg.BayesianMixtureRegressor(K, solver=solver, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)
        record: dict[str, Any] = {"what": what, "seconds": time.perf_counter() - start}
        if counts:
            record["compiled"] = {k: v - before[k] for k, v in counts.now().items()}
        say(record)


if __name__ == "__main__":
    main(sys.argv[1])
