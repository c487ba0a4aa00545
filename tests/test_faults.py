"""Fits that are stopped, that run out of memory, and that run side by side."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from conftest import quick_solver, two_lines
from sklearn.base import clone
from threadpoolctl import threadpool_info

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg._kernels.rows import RowBlocks
from skmixreg._model.density import LogPosterior
from skmixreg._model.raw import Raw
from skmixreg._posterior.posterior import Posterior
from skmixreg._search import search
from skmixreg._support.progress import Stage
from skmixreg.solvers import CAVI, SOLVERS

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning"),
]

DEAR = ("advi", "fullrank_advi", "smc")
EVERY_SOLVER = [
    pytest.param(name, marks=pytest.mark.slow if name in DEAR else ()) for name in sorted(SOLVERS)
]


# ------------------------------------------------------------------------------- stopped fits


class Stopper:
    """Ctrl-C at one of all calls of functions that fits go through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.calls, self.at = 0, -1
        for owner, name in (
            (search._Search, "run"), (Stage, "advance"), (Stage, "__enter__"), (RowBlocks, "sum"),
            (RowBlocks, "map"), (LogPosterior, "values"), (Posterior, "from_draws"),
            (BayesianMixtureRegressor, "__setattr__"), (BayesianMixtureRegressorCV, "__setattr__"),
        ):  # fmt: skip
            found = owner.__dict__.get(name, getattr(owner, name))
            function = self.counted(getattr(found, "__func__", found))
            is_class_method = isinstance(found, classmethod)
            monkeypatch.setattr(
                owner, name, classmethod(function) if is_class_method else function, raising=False
            )

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # Of attributes only the fitted ones: scikit-learn sets others, for callbacks.
            self.calls += function is not object.__setattr__ or args[1].endswith("_")
            if self.calls == self.at:
                self.at = -1
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return call

    def count(self, work: Callable[[], Any]) -> int:
        """How many calls there are."""
        self.calls, self.at = 0, -1
        work()
        return self.calls

    def stop(self, work: Callable[[], Any], at: int) -> None:
        self.calls, self.at = 0, at
        with pytest.raises(KeyboardInterrupt):
            work()


def stop_everywhere(stopper: Stopper, model: Any, work: Callable[[Any], Any]) -> None:
    """``work`` on a model may be stopped anywhere, and the model is as it was."""
    spare = copy.copy(model)
    calls = stopper.count(lambda: work(spare))
    before, threads = dict(vars(model)), threading.active_count()
    # Near the end are the fitted attributes, one by one.
    for at in sorted({1, 2, calls // 4, calls // 2, 3 * calls // 4, calls - 7, calls - 1, calls}):
        stopper.stop(lambda: work(model), at)
        after = vars(model)
        assert after.keys() == before.keys()
        assert all(after[name] is before[name] for name in before)
        assert threading.active_count() == threads


def wider(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Other data, with one column more."""
    X, y = two_lines(n, seed=1)
    return np.column_stack([X, X**2]), y


@pytest.mark.parametrize("name", EVERY_SOLVER)
def test_a_stopped_fit_leaves_the_model_as_it_was(name, monkeypatch):
    unfitted = BayesianMixtureRegressor(
        solver=quick_solver(name), n_init=2, n_jobs=2, random_state=0
    )
    fitted = clone(unfitted).set_params(solver="map").fit(*two_lines(100))
    fitted.set_params(solver=quick_solver(name))
    X, y = wider(100)
    stopper = Stopper(monkeypatch)
    stop_everywhere(stopper, unfitted, lambda model: model.fit(X, y))
    if name in ("map", "cavi", "gibbs"):
        stop_everywhere(stopper, fitted, lambda model: model.fit(X, y))
    assert fitted.predict(X[:, :1]).shape == (100,)
    assert fitted.n_features_in_ == 1


def test_a_stopped_choice_leaves_the_model_as_it_was(monkeypatch):
    model = BayesianMixtureRegressorCV((1, 2), average=True, solver="laplace", random_state=0)
    fitted = clone(model).fit(*two_lines(100))
    X, y = wider(100)
    stopper = Stopper(monkeypatch)
    stop_everywhere(stopper, model, lambda model: model.fit(X, y))
    stop_everywhere(stopper, fitted, lambda model: model.fit(X, y))
    first, again = (fitted.predict(X[:5, :1]) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_stopped_refit_leaves_the_model_as_it_was(monkeypatch):
    X, y = two_lines(100)
    model = BayesianMixtureRegressor(solver="map", n_init=2, random_state=0).fit(X, y)
    stop_everywhere(Stopper(monkeypatch), model, lambda model: model.refit_as("gibbs", X, y))


def test_a_stopped_chunk_was_not_seen(monkeypatch):
    chunks = [two_lines(200, seed=seed) for seed in range(3)]
    model, straight = (BayesianMixtureRegressor(solver=CAVI(), random_state=0) for _ in range(2))
    for chunk in chunks:
        straight.partial_fit(*chunk)
    model.partial_fit(*chunks[0])
    with monkeypatch.context() as patch:
        stopper = Stopper(patch)
        for chunk in chunks[1:]:
            stop_everywhere(stopper, model, lambda model, chunk=chunk: model.partial_fit(*chunk))
            stopper.at = -1
            model.partial_fit(*chunk)
    np.testing.assert_array_equal(model.coef_, straight.coef_)
    assert model.solver_report_ == straight.solver_report_


def test_data_that_are_refused_leave_the_model_as_it_was():
    model = BayesianMixtureRegressor(solver="map", random_state=0)
    X, y = wider(50)
    with pytest.raises(ValueError, match="y contains NaN"):
        model.fit(X, np.full(50, np.nan))
    assert not hasattr(model, "n_features_in_")
    model.fit(*two_lines(50))
    with pytest.raises(ValueError, match="needs at least as many rows"):
        model.set_params(n_components=51).fit(X, y)
    assert model.predict(X[:, :1]).shape == (50,)


SIGNALS = """
import gc, signal, threading, time, warnings
import numpy as np
from skmixreg import BayesianMixtureRegressor
from skmixreg.solvers import NUTS

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, 20_000)
y = np.where(rng.random(len(x)) < 0.5, 3 * x, -x) + rng.normal(0, 0.1, len(x))
short = slice(0, 100)
stopped = 0
for solver in ("map", "laplace", "gibbs", "cavi", NUTS(draws=100, tune=100, chains=2)):
    model = BayesianMixtureRegressor(solver="map", n_init=3, n_jobs=2, random_state=0)
    model.fit(np.column_stack([x, x**2])[short], y[short])
    model.set_params(solver=solver)
    begin = time.perf_counter()
    BayesianMixtureRegressor(solver=solver, n_init=3, n_jobs=2).fit(x[:, None], y)
    seconds = time.perf_counter() - begin
    threads = threading.active_count()
    for share in np.linspace(0.02, 0.98, 12):
        before = dict(vars(model))
        arrays = [name for name, value in before.items() if isinstance(value, np.ndarray)]
        try:
            signal.setitimer(signal.ITIMER_REAL, share * seconds)
            try:
                model.fit(x[:, None], y)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
        except (KeyboardInterrupt, RuntimeError) as error:
            # A condition of Python's that is stopped while it lets go of its lock raises another.
            assert KeyboardInterrupt in (type(error), type(error.__context__)), error
            # The signal may come when all is done: then the fit is whole.
            after = vars(model)
            kept = [after[name] is before[name] for name in arrays]
            assert after.keys() == before.keys() and any(kept) == all(kept), (solver, share)
            if all(kept):
                stopped += 1
                assert all(after[name] is before[name] for name in before), (solver, share)
        assert model.coef_.shape[1] == model.n_features_in_
        assert len(model.predict(np.zeros((3, model.n_features_in_)))) == 3
        # What stops a pool may itself be stopped; its threads end once nothing refers to it.
        end = time.perf_counter() + 20
        while threading.active_count() > threads and time.perf_counter() < end:
            gc.collect()
            time.sleep(0.01)
        assert threading.active_count() <= threads, (solver, share, threading.enumerate())
print(stopped)
"""


@pytest.mark.slow
def test_signals_at_any_time():
    script = "import signal\nsignal.signal(signal.SIGALRM, signal.default_int_handler)\n" + SIGNALS
    assert int(in_a_process(script)) > 20


def in_a_process(script: str, **environment: str) -> str:
    """What a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


# ------------------------------------------------------------------------------------- memory


def out_of_memory(*_: Any, **__: Any) -> Any:
    raise MemoryError("Unable to allocate 8.00 GiB")


@pytest.mark.parametrize(
    ("ask", "advice"),
    [
        (lambda m, X, y: m.sample_y(X, 10), "lower n_samples"),
        (lambda m, X, y: m.to_datatree(X), "pass fewer rows, or lower the solver's draws"),
        (lambda m, X, y: m.to_datatree(X, y), "pass fewer rows, or lower the solver's draws"),
    ],
)
def test_memory_errors_of_predictions_say_what_to_lower(ask, advice, monkeypatch):
    X, y = two_lines(100)
    model = BayesianMixtureRegressor(solver="laplace", random_state=0).fit(X, y)
    monkeypatch.setattr(Raw, "flattened", out_of_memory)
    with pytest.raises(MemoryError, match=f"Unable to allocate 8.00 GiB. .*{advice}"):
        ask(model, X, y)


@pytest.mark.parametrize(
    "model",
    [BayesianMixtureRegressor(1), BayesianMixtureRegressorCV((1, 2))],
    ids=["fit", "choice"],
)
def test_memory_errors_of_fits_say_what_to_lower(model, monkeypatch):
    X, y = two_lines(100)
    monkeypatch.setattr(Posterior, "from_draws", out_of_memory)
    with pytest.raises(MemoryError, match=r"8.00 GiB\. .*fewer rows.*partial_fit.*draws"):
        model.fit(X, y)
    assert not hasattr(model, "n_features_in_")


LIMITED = """
import resource
import numpy as np
from skmixreg import BayesianMixtureRegressor

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (50_000, 1))
y = x[:, 0] + rng.normal(0, 0.1, 50_000)
model = BayesianMixtureRegressor(1, solver="laplace", n_jobs=1, random_state=0).fit(x, y)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), resource.RLIM_INFINITY))
for ask in (lambda: model.to_datatree(x, y), lambda: model.sample_y(x, 4000)):
    try:
        ask()
    except MemoryError as error:
        print(error)
assert model.loo(x, y).elpd > 0
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the size of the process")
def test_memory_that_is_really_short():
    said = in_a_process(LIMITED)
    assert said.count("Unable to allocate") == 2
    assert "lower the solver's draws" in said and "lower n_samples" in said


GROWTH = """
import ctypes, gc, resource, warnings
import numpy as np
import skmixreg.solvers
from skmixreg import BayesianMixtureRegressor

warnings.simplefilter("ignore")
solver, most = SOLVER, 200
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, 2000)
y = np.where(rng.random(2000) < 0.5, 3 * x, -x) + rng.normal(0, 0.1, 2000)
sizes = []
trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)
for i in range(most):
    n = 1000 + 5 * (37 * i % most)  # in no order: more rows are no leak
    BayesianMixtureRegressor(solver=solver, n_init=3, random_state=i).fit(x[:n, None], y[:n])
    if i in (most // 4, most - 1):
        gc.collect()
        trim(0)  # what the allocator keeps to use again is no leak
    sizes.append(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
print(*(round(size / 2**20) for size in (sizes[most // 4], sizes[-1])))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the size of the process")
@pytest.mark.parametrize(
    "solver", ["laplace", "skmixreg.solvers.Gibbs(draws=100, tune=50, max_thin=1)"]
)
def test_fits_do_not_pile_up(solver):
    """200 fits, each of other rows: the last 150 add less than a fiftieth of a megabyte each."""
    source = solver if "(" in solver else repr(solver)
    quarter, end = map(int, in_a_process(GROWTH.replace("SOLVER", source)).split())
    assert end - quarter < 3


# ------------------------------------------------------------------------------- side by side


def fit_of(seed: int, solver: Any) -> tuple[np.ndarray, np.ndarray, float]:
    X, y = wider(9000) if seed == 0 else two_lines(100 * seed, seed=seed)
    model = BayesianMixtureRegressor(solver=solver, n_init=3, random_state=seed, n_jobs=2)
    model.fit(X, y)
    return model.coef_, model.predict_quantiles(X[:20]), model.log_evidence_


@pytest.mark.parametrize("name", EVERY_SOLVER)
def test_threads_fit_as_one_does(name):
    """Bit for bit, with data of different shapes, and no limit of BLAS is left behind."""
    solver = quick_solver(name)
    seeds = range(2 if name == "smc" else 4)
    alone = [fit_of(seed, solver) for seed in seeds]
    blas = [each["num_threads"] for each in threadpool_info()]
    together = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(fit_of)(seed, solver) for seed in seeds
    )
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert [each["num_threads"] for each in threadpool_info()] == blas


FIRST_FIT = """
import warnings
import numpy as np
from skmixreg import BayesianMixtureRegressor

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (200, 1))
y = np.where(rng.random(200) < 0.5, 3.0, -1.0) * x[:, 0] + rng.normal(0, 0.1, 200)
for solver in ("laplace", "gibbs"):
    print(BayesianMixtureRegressor(solver=solver, random_state=0).fit(x, y).coef_.ravel().tolist())
"""


@pytest.mark.slow
def test_processes_fill_an_empty_cache_at_once(tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)}
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(in_a_process, FIRST_FIT, **cache) for _ in range(2)]
        first, second = (run.result() for run in runs)
    assert first == second == in_a_process(FIRST_FIT, **cache)
    assert list(tmp_path.rglob("*.pickle"))
