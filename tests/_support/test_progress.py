"""Progress by scikit-learn's callbacks and by ``verbose``: it shows, ends, and changes nothing."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from conftest import quick_solver, two_lines
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmixreg import BayesianMixtureRegressor
from skmixreg._kernels.compile import compiled, part
from skmixreg._support import progress as _progress
from skmixreg._support.progress import MOST_REPORTS, Progress
from skmixreg._support.progress_display import display
from skmixreg.solvers import CAVI, NUTS, SMC, Gibbs, Laplace

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning"),
]


class Recorder:
    """A callback that keeps what it is told, and answers that it wants to stop."""

    def __init__(self):
        self.open, self.ended, self.live = [], [], 0

    def setup(self, estimator, context):
        self.live += 1

    def teardown(self, estimator, context):
        self.live -= 1

    def on_fit_task_begin(self, estimator, context):
        self.open.append(context)

    def on_fit_task_end(self, estimator, context):
        self.open.remove(context)
        self.ended.append(context)
        return True

    @property
    def stages(self):
        """Names of the tasks under that of the fit, and how many blocks each had."""
        (root,) = [context for context in self.ended if context.parent is None]
        return {
            context.task_name: len(context._children_map)
            for context in self.ended
            if context.parent is root
        }


def model(solver, **options):
    return BayesianMixtureRegressor(solver=solver, random_state=0, **options)


def quickest_solver(name):
    """Fits that need not be good."""
    if name == "smc":
        return SMC(draws=100, chains=1, max_cycles=3)
    return quick_solver(name)


def assert_same(one, other):
    for name in ("coef", "sigma", "log_prior", "log_likelihood"):
        np.testing.assert_array_equal(one.posterior_[name], other.posterior_[name])


def test_what_is_attached_changes_no_bit(solver_name, monkeypatch, capfd):
    """Silent without it, and with it every stage that begins ends."""
    X, y = two_lines(200)
    plain = model(quickest_solver(solver_name)).fit(X, y)
    assert capfd.readouterr() == ("", "")

    # Lines and a callback at once, which users get one of.
    monkeypatch.setattr(_progress, "display", lambda verbose, messages_only: display(verbose))
    recorder = Recorder()
    watched = model(quickest_solver(solver_name), verbose=True).set_callbacks(recorder).fit(X, y)
    assert_same(plain, watched)
    assert recorder.open == [] and recorder.live == 0
    stages = recorder.stages
    assert "search for modes" in stages
    own = [name for name in stages if name.startswith(f"{plain.posterior_.solver}: ")]
    assert own or solver_name == "map"  # the point is found by the search
    assert all(1 <= stages[name] <= MOST_REPORTS for name in own)
    out, err = capfd.readouterr()
    assert err == ""
    for name in stages:
        assert re.search(rf"^{re.escape(name)}: \d+\.\d s$", out, flags=re.MULTILINE), name


@pytest.mark.parametrize(
    ("total", "steps", "blocks"),
    [(1000, [1] * 1000, 50), (1000, [300, 900], 50), (7, [1] * 5, 5), (7, [1, 2], 3), (0, [4], 0)],
)
def test_reports_are_few(total, steps, blocks):
    """Of a known total: in 50 parts, or one by one."""
    seen = Counted()
    with Progress([seen]).stage("", total) as stage:
        for n in steps:
            stage.advance(n)
    assert seen.total == blocks
    assert seen.calls <= min(len(steps), MOST_REPORTS)


def test_reports_of_a_stage_that_may_be_long_become_rare():
    """20 + 20 log(n / 20) for n steps, if nobody knows how many there are."""
    seen, last = Counted(), 0
    with Progress([seen]).stage("") as stage:
        for n in (1, 20, 21, 22, 1000, 100_000):
            stage.advance(n - last)
            last = n
            assert seen.total == int(min(n, 20) + 20 * np.log(max(n / 20, 1)))


class Counted:
    total = calls = 0

    def start(self, name, total, blocks):
        return self

    def advance(self, blocks, done):
        self.total += blocks
        self.calls += 1

    def finish(self):
        pass


def test_gibbs_reports_what_it_adds():
    X, y = two_lines(60, noise=1.0)
    recorder = Recorder()
    fit = model(Gibbs(draws=50, chains=2, max_thin=32)).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the two lines are hardly there
        fit.fit(X, y)
    # Every extension doubles the length, and keeps half as many draws of the longer rest.
    more = [name for name in recorder.stages if "more sweeps" in name]
    assert more
    last = int(re.search(r"\d+", more[-1])[0])
    assert fit.solver_report_["sweeps"] == 2 * last


JAX = [pytest.param(name, marks=pytest.mark.slow) for name in ("numpyro", "blackjax")]


@pytest.mark.parametrize("sampler", ["pymc", "nutpie", *JAX])
def test_chains_report_from_their_threads(sampler):
    if sampler != "pymc":
        pytest.importorskip(sampler)
    X, y = two_lines(12_000)
    recorder = Recorder()
    solver = NUTS(draws=10, tune=10, chains=3, sampler=sampler)
    watched = model(solver, n_jobs=2).set_callbacks(recorder).fit(X, y)
    assert recorder.open == []
    chains = {name: n for name, n in recorder.stages.items() if "chain" in name}
    assert chains == {f"nuts: chain {i} of 3": 20 for i in (1, 2, 3)}
    assert_same(watched, model(solver, n_jobs=1).fit(X, y))


def test_chunks_are_tasks_of_their_own():
    recorder = Recorder()
    fit = model(CAVI()).set_callbacks(recorder)
    for seed in (0, 1):
        fit.partial_fit(*two_lines(500, seed=seed))
    roots = [context.task_name for context in recorder.ended if context.parent is None]
    assert roots == ["fit", "partial_fit"]
    assert recorder.live == 0


# ---------------------------------------------------------------------------- how it ends


class Failing(Laplace):
    """Fails half way."""

    error: BaseException = RuntimeError("half way")

    def draw(self, problem, modes, rng, *, n_threads=1, progress):
        with progress.stage("failing: steps", 10) as stage:
            stage.advance(5)
            raise self.error


@pytest.mark.parametrize("error", [RuntimeError("half way"), KeyboardInterrupt()])
def test_a_fit_that_fails_closes_the_bars_and_ends_nothing(error, monkeypatch, capfd):
    monkeypatch.setattr(Failing, "error", error)
    recorder, before = Recorder(), set(threading.enumerate())
    fit = model(Failing()).set_callbacks(recorder, ProgressBar())
    with pytest.raises(type(error)):
        fit.fit(*two_lines(100))
    assert recorder.live == 0
    ended = {context.task_name for context in recorder.ended}
    assert ended == {"search for modes", "block"}
    assert {c.task_name for c in recorder.open} >= {"fit", "failing: steps"}
    drawing = [t for t in set(threading.enumerate()) - before if "Monitor" in type(t).__name__]
    assert drawing == []
    # It can be used again.
    fit.set_params(solver="laplace").fit(*two_lines(100))
    out = capfd.readouterr().out
    assert "failing: steps" in out and "laplace: 4000 draws" in out


class Impatient(Recorder):
    """Fails when the first block of chains ends."""

    def on_fit_task_end(self, estimator, context):
        if context.parent is not None and "chain" in context.parent.task_name:
            raise ZeroDivisionError


@pytest.mark.parametrize("sampler", ["pymc", "nutpie"])
def test_a_callback_that_fails_stops_the_chains(sampler):
    if sampler != "pymc":
        pytest.importorskip(sampler)
    recorder = Impatient()
    solver = NUTS(draws=5000, tune=10, chains=2, sampler=sampler)
    with pytest.raises(ZeroDivisionError):
        model(solver, n_jobs=2).set_callbacks(recorder).fit(*two_lines(12_000))
    assert recorder.live == 0


@pytest.fixture
def terminal(monkeypatch):
    """rich's console, as if on a terminal."""
    rich = pytest.importorskip("rich")
    console = rich.get_console()
    before = dict(console.__dict__)
    rich.reconfigure(force_terminal=True, width=100)
    yield
    console.__dict__ = before


def test_bars_on_a_terminal(terminal, capfd):
    fit = model(Gibbs(draws=100, chains=2), verbose=True).fit(*two_lines(100))
    out = capfd.readouterr().out
    assert "gibbs: sweeps" in out and "100%" in out
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 1  # the cursor is hidden and back
    assert_same(fit, model(Gibbs(draws=100, chains=2)).fit(*two_lines(100)))
    with pytest.raises(RuntimeError, match="half way"):
        model(Failing(), verbose=True).fit(*two_lines(100))
    out = capfd.readouterr().out
    assert "50%" in out and "failing: steps" in out
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 1


def test_lines_without_rich(monkeypatch, terminal, capfd):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    model("laplace", verbose=True).fit(*two_lines(100))
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert "k-hat" in out and "laplace: 4000 draws: " in out


def test_long_stages_say_how_far_they_are(monkeypatch, capfd):
    monkeypatch.setattr("skmixreg._support.progress_display.SECONDS_PER_LINE", 0.0)
    model(Gibbs(draws=100, chains=2), verbose=True).fit(*two_lines(100))
    out = capfd.readouterr().out
    shares = [int(share) for share in re.findall(r"^gibbs: sweeps: (\d+)%$", out, re.MULTILINE)]
    assert shares == sorted(shares) and shares[-1] == 100 and len(shares) == MOST_REPORTS


# ------------------------------------------------------------------- as scikit-learn has it


def test_bars_of_scikit_learn(capfd):
    model(Gibbs(draws=100, chains=2)).set_callbacks(ProgressBar()).fit(*two_lines(100))
    lines = capfd.readouterr().out.splitlines()
    for name in ("fit", "search for modes #0", "gibbs: tuning #1", "gibbs: sweeps #2"):
        (line,) = [line for line in lines if f"BayesianMixtureRegressor - {name} " in line]
        assert "100%" in line


def test_clones_and_pickles_with_callbacks():
    X, y = two_lines(100)
    fit = model("laplace").set_callbacks(ProgressBar()).fit(X, y)
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.predict(X), fit.predict(X))
    assert isinstance(again._skl_callbacks[0], ProgressBar)
    assert clone(fit)._skl_callbacks == fit._skl_callbacks
    assert_same(again.fit(X, y), fit)


def test_the_score_of_the_fit_for_a_monitor():
    """Only of the whole fit: there is nothing to predict from before."""
    X, y = two_lines(100)
    monitor = ScoringMonitor(scoring="r2")
    fit = model("laplace").set_callbacks(monitor).fit(X, y)
    (row,) = monitor.get_logs().data
    assert row["r2"] == pytest.approx(r2_score(y, fit.predict(X)), rel=1e-12)


@pytest.mark.slow
def test_grid_search_over_a_pipeline_in_two_processes(capfd):
    X, y = two_lines(100)
    pipe = make_pipeline(StandardScaler(), model(Laplace(draws=500)))
    grid = {"bayesianmixtureregressor__n_components": [1, 2]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2)
    plain = clone(search).fit(X, y)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    out = capfd.readouterr().out
    assert out.count("BayesianMixtureRegressor - laplace: 500 draws") == 5  # 2 x 2, and the refit
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], plain.cv_results_[name])
    assert_same(search.best_estimator_[-1], plain.best_estimator_[-1])


def test_warnings_point_at_the_caller_with_callbacks():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = model(Gibbs(draws=4, chains=2, max_thin=1)).set_callbacks(Recorder())
        fit.fit(*two_lines(100))
    assert ConvergenceWarning in [warning.category for warning in caught]
    assert {warning.filename for warning in caught} == {__file__}


def test_without_the_callbacks_of_scikit_learn():
    """As if scikit-learn had taken them back: fits work, ``verbose`` shows."""
    code = """
import sys
import numpy as np
import sklearn.base, sklearn.model_selection, sklearn.metrics
for name in [name for name in sys.modules if name.startswith("sklearn.callback")]:
    sys.modules[name] = None
from skmixreg import BayesianMixtureRegressor
x = np.linspace(-1, 1, 60)
y = np.where(np.arange(60) % 2, x, -x) + 0.1 * np.cos(9 * x)
model = BayesianMixtureRegressor(solver="map", random_state=0, verbose=True)
assert not hasattr(model, "set_callbacks")
model.fit(x[:, None], y).predict(x[:, None])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # A first fit compiles, and says so.
    told = [line for line in done.stdout.splitlines() if not line.startswith("compiling ")]
    assert told[0].startswith("search for modes: ")


def test_compilations_are_told(capsys):
    """Of kernels of the package, and not of the parts that they are made of."""

    def one(x):
        return x + 1.0

    one.__module__ = "skmixreg.somewhere"
    add = part(one)

    def _kernel(x):
        return add(x)

    _kernel.__module__ = "skmixreg.somewhere"
    kernel, other = compiled(_kernel), compiled(lambda x: x)
    with display(True):
        kernel(1.0)
        kernel(2.0)
        other(1.0)
    assert capsys.readouterr().out == "compiling _kernel, which takes seconds, once\n"
    with display(False):
        kernel(1)
    assert capsys.readouterr().out == ""
