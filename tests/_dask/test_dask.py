"""Rows in Dask collections give what the same rows give in memory."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skmixreg import BayesianMixtureRegressor, ClusterLostError
from skmixreg._dask import chunks as _chunks
from skmixreg._dask import stores
from skmixreg._dask.chunk_rows import ChunkedData, ChunkRows
from skmixreg._model._roles.column_roles import ColumnRoles
from skmixreg._model.design import Design
from skmixreg._model.observations import Observations
from skmixreg._model.rows import HeldRows
from skmixreg._model.standardisation import Standardisation
from skmixreg.families import Gaussian
from skmixreg.solvers import SOLVERS, Auto, Gibbs, Laplace
from skmixreg.solvers._gibbs.chunk_kernels import label_sums

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

N = 16_000  # two thirds of these have positive weights: more than are brought into memory
CLOSE = {"rtol": 1e-8, "atol": 1e-8}
QUICK = {
    "map": SOLVERS["map"](),
    "laplace": Laplace(draws=1000),
    "cavi": SOLVERS["cavi"](draws=500),
    "gibbs": Gibbs(draws=350, tune=20, chains=2, max_thin=1),
}


def block(seed, n):
    """Columns x1, x2 and y."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) * [1.0, 50.0] + [5.0, 1000.0]
    upper = rng.random(n) < 0.4
    y = np.where(upper, 3.0 * X[:, 0], 0.01 * X[:, 1] - X[:, 0]) + rng.normal(0.0, 0.4, n)
    return np.column_stack([X, y])


@pytest.fixture(scope="module")
def data():
    table = block(0, N)
    return table[:, :2], table[:, 2], np.random.default_rng(1).integers(0, 3, N).astype(float)


@pytest.fixture(scope="module")
def chunked(data):
    """Arrays whose chunks of rows and columns do not match."""
    X, y, w = data
    return da.from_array(X, (5000, 1)), da.from_array(y, 7000), da.from_array(w, 4100)


@pytest.fixture(scope="module")
def fits(data, chunked):
    """A fit in memory and the same in chunks."""
    model = BayesianMixtureRegressor(solver=QUICK["laplace"], random_state=0)
    return model.fit(*data[:2]), clone(model).fit(*chunked[:2])


def assert_same_posterior(fit, other):
    assert other.converged_ == fit.converged_
    assert list(other.posterior_) == list(fit.posterior_)
    for name, values in fit.posterior_.items():
        np.testing.assert_allclose(other.posterior_[name], values, **CLOSE, err_msg=name)
    np.testing.assert_allclose(other.log_evidence_, fit.log_evidence_, **CLOSE)


# ------------------------------------------------------------------------------------- fits


@pytest.mark.parametrize("solver", QUICK)
def test_every_draw_is_that_of_rows_in_memory(solver, data, chunked):
    model = BayesianMixtureRegressor(solver=QUICK[solver], random_state=0)
    X, y, w = data
    fit = model.fit(X, y, w)
    dX, dy, dw = chunked
    other = clone(model).fit(dX, dy, dw)
    assert_same_posterior(fit, other)


def test_fractional_weights_and_no_intercept(data, chunked):
    X, y, _ = data
    weights = np.random.default_rng(2).gamma(2.0, size=N)
    options = {"solver": QUICK["laplace"], "random_state": 0, "fit_intercept": False}
    fit = BayesianMixtureRegressor(**options).fit(X, y, weights)
    lazy = da.from_array(weights, 3333)
    other = BayesianMixtureRegressor(**options).fit(chunked[0], chunked[1], lazy)
    assert_same_posterior(fit, other)


def test_the_scheduler_and_threads_do_not_matter(fits, chunked):
    model = clone(fits[1]).set_params(n_jobs=2)
    with dask.config.set(scheduler="synchronous"):
        model.fit(*chunked[:2])
    np.testing.assert_array_equal(model.posterior_["coef"], fits[1].posterior_["coef"])


def test_dataframes_of_unknown_lengths(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(y=y)
    lazy = dd.from_pandas(frame, npartitions=3)
    lazy = lazy[lazy["a"] > 4.0]
    kept = frame[frame["a"] > 4.0]
    model = BayesianMixtureRegressor(solver="map", random_state=0)
    fit = model.fit(kept[["a", "b"]], kept["y"])
    other = clone(model).fit(lazy[["a", "b"]], lazy["y"])
    np.testing.assert_array_equal(other.feature_names_in_, ["a", "b"])
    np.testing.assert_allclose(other.coef_, fit.coef_, **CLOSE)
    for answer, expected in (
        (other.predict(lazy[["a", "b"]]), fit.predict(kept[["a", "b"]])),
        (
            other.predict_proba(lazy[["a", "b"]], lazy["y"]),
            fit.predict_proba(kept[["a", "b"]], kept["y"]),
        ),
    ):
        assert isinstance(answer, da.Array)
        np.testing.assert_allclose(answer.compute(), expected, **CLOSE)
    score = other.score(lazy[["a", "b"]], lazy["y"].to_dask_array(lengths=True))
    np.testing.assert_allclose(score, fit.score(kept[["a", "b"]], kept["y"]), rtol=1e-10)
    with pytest.raises(ValueError, match="feature names"):
        other.predict(lazy[["b", "a"]])


def test_few_rows_are_fitted_in_memory(data):
    X, y, _ = (a[:500] for a in data)
    model = BayesianMixtureRegressor(solver="map", random_state=0)
    coef = model.fit(X, y).coef_
    np.testing.assert_array_equal(model.fit(da.from_array(X, (130, 2)), y).coef_, coef)


def test_samples_of_rows_are_those_of_rows_in_memory():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(2, 900)), rng.normal(size=900), rng.gamma(1.0, size=900)
    for weights in (np.ones(900), w):
        held = HeldRows(Observations(X, y, weights))
        cuts = [slice(0, 100), slice(100, 101), slice(101, 900)]
        chunks = [Observations(np.ascontiguousarray(X[:, c]), y[c], weights[c]) for c in cuts]
        rows = ChunkRows(
            stores.LocalStore(chunks, 1),
            [_chunks.summary(c, None) for c in chunks],
        )
        index = held.sample(np.random.default_rng(3), 300)
        np.testing.assert_array_equal(rows.sample(np.random.default_rng(3), 300), index)
        part = rows.subset(index)
        np.testing.assert_array_equal(part.columns, X[:, index])
        np.testing.assert_array_equal(part.target, y[index])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("given", [None, 7.0])
def test_moments_of_chunks_are_those_of_all_rows(weighted, given):
    """Also of values of very different sizes, in order, far from zero, or all the same."""
    rng = np.random.default_rng(0)
    n = 20_000
    X = np.column_stack([
        rng.normal(size=n), np.sort(rng.standard_cauchy(n)), 1e140 * rng.normal(size=n),
        1e-140 * rng.normal(size=n), 1e6 + rng.normal(size=n), np.full(n, 0.1), np.zeros(n),
        np.repeat([1.0, 1e12, -1e-12, 5.0, 1e3], n // 5),
    ])  # fmt: skip
    y = rng.normal(size=n)
    w = np.exp(rng.normal(0.0, 5.0, n)) if weighted else None
    cuts = [slice(0, 1), slice(1, 1), slice(1, 15_000), slice(15_000, n)]
    parts = [
        _chunks.prepare(X[c], y[c], None if w is None else w[c], (Gaussian(), ColumnRoles(())))
        for c in cuts
    ]
    data = ChunkedData.of(stores.LocalStore(parts, 1), X.shape[1])
    location = None if given is None else np.full(X.shape[1], given)
    design, rows = data.standardised(Gaussian(), True, Standardisation(x_location=location))
    exact = np.column_stack([X, y]).astype(np.longdouble)
    weights = np.ones(n, np.longdouble) if w is None else w.astype(np.longdouble)
    mean = weights @ exact / weights.sum()
    if given is not None:
        mean[:-1] = given
    scale = np.sqrt(weights @ (exact - mean) ** 2 / weights.sum())
    scale[scale < 1e-13 * np.abs(exact).max(axis=0)] = 1.0
    scale[scale == 0.0] = 1.0
    np.testing.assert_allclose([*design.x_scale, design.y_scale], scale.astype(float), rtol=1e-10)
    error = np.array([*design.x_mean, design.y_mean]) - mean
    assert (np.abs(error / scale) < 1e-9).all()
    held = np.concatenate([chunk.columns for chunk in rows.store.chunks], axis=1)
    # Chunks of one row are mapped by another routine of BLAS.
    np.testing.assert_allclose(held, design.columns(X), rtol=1e-13)


def test_a_chunk_keeps_what_it_was_given_but_not_much_memory_beside_it():
    table = np.random.default_rng(0).normal(size=(5000, 20))
    part = _chunks.prepare(table[:, :15], table[:, 15], None, (Gaussian(), ColumnRoles(())))
    assert np.shares_memory(part.X, table) and not np.shares_memory(part.y, table)
    before = table.copy()
    design = Design(np.ones(15), np.full(15, 2.0), 1.0, 2.0, True)
    chunk = _chunks.standardise(part, None, design, Gaussian())
    np.testing.assert_array_equal(table, before)
    assert (chunk.weights == 1.0).all()


def test_labels_do_not_depend_on_chunks():
    rng = np.random.default_rng(0)
    n, K = 1000, 3
    X, y, w = rng.normal(size=(2, n)), rng.normal(size=n), rng.integers(1, 4, n).astype(float)
    state = (np.log(np.full((2, K), 1 / K)), rng.normal(size=(2, K)), rng.normal(size=(2, K, 2)),
             np.zeros((2, K)))  # fmt: skip
    tail = (np.array([5, 9], dtype=np.uint64), 7)

    def sums(start, stop):
        part = np.ascontiguousarray(X[:, start:stop])
        return label_sums(part, y[start:stop], w[start:stop], start, True, True, *state, *tail)

    whole = sums(0, n)
    assert whole.reshape(2, K, -1)[:, :, 0].sum() == 2 * w.sum()
    np.testing.assert_allclose(sums(0, 123) + sums(123, 640) + sums(640, n), whole, rtol=1e-12)


def test_where_nothing_exact_passes_the_draws_are_those_of_laplace(chunked, monkeypatch):
    monkeypatch.setattr("skmixreg._draws.importance.LEAST_IMPORTANCE_ESS", 1e6)
    solver = Auto(laplace=Laplace(draws=200, max_rounds=1), gibbs=Gibbs(4, 0, 2, 1, jumps=False))
    model = BayesianMixtureRegressor(solver=solver, random_state=0)
    with pytest.warns(ConvergenceWarning, match="no exact solver passed"):
        model.fit(*chunked[:2])
    assert not model.converged_ and model.solver_.chosen_ == "laplace"
    assert model.posterior_["coef"].shape[:2] == (1, 200)
    assert np.isnan(model.log_evidence_)
    assert "nuts was left out" in model.solver_.why_[-1]


# ------------------------------------------------------------------------------ predictions


@pytest.mark.parametrize(
    ("method", "needs_y", "options"),
    [
        ("predict", False, {}),
        ("predict_components", False, {}),
        ("predict_proba", False, {}),
        ("predict_proba", True, {}),
        ("assign", True, {}),
        ("predict_quantiles", False, {"quantiles": [0.1, 0.5]}),
        ("predict_interval", False, {"coverage": 0.8}),
        ("log_predictive_density", True, {}),
    ],
)
def test_answers_are_lazy_and_the_same(method, needs_y, options, fits, data, chunked):
    fit, other = fits
    few = slice(0, 700)
    X, y = data[0][few], data[1][few]
    lazy = chunked[0].rechunk((300, 1))[few], chunked[1][few]
    expected = getattr(fit, method)(X, *([y] if needs_y else []), **options)
    answer = getattr(other, method)(lazy[0], *([lazy[1]] if needs_y else []), **options)
    assert isinstance(answer, da.Array)
    assert answer.shape == expected.shape and answer.dtype == expected.dtype
    np.testing.assert_allclose(answer.compute(), expected, **CLOSE)


def test_mean_and_sd_are_two_lazy_arrays(fits, data, chunked):
    mean, sd = fits[1].predict(chunked[0], return_std=True)
    expected = fits[0].predict(data[0], return_std=True)
    np.testing.assert_allclose(dask.compute(mean, sd), expected, **CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_sums_over_chunks(weighted, fits, data, chunked):
    stop = 3 if weighted else 2
    for method in ("score", "aic", "bic", "icl"):
        expected = getattr(fits[0], method)(*data[:stop])
        np.testing.assert_allclose(getattr(fits[1], method)(*chunked[:stop]), expected, rtol=1e-9)


# ------------------------------------------------------------------------------------ errors


def test_solvers_that_need_rows_in_memory_say_so_before_any_work(chunked):
    def never(block):
        raise AssertionError("a chunk was computed")

    X = chunked[0].map_blocks(never, dtype=float, meta=np.empty((0, 0)))
    for solver in ("nuts", "smc", "advi", "fullrank_advi"):
        model = BayesianMixtureRegressor(solver=solver)
        with pytest.raises(ValueError, match=r"'auto', 'laplace', 'gibbs', 'map', 'cavi'"):
            model.fit(X, chunked[1])
    with pytest.raises(ValueError, match="batch_size"):
        BayesianMixtureRegressor(solver=SOLVERS["cavi"](batch_size=100)).fit(*chunked[:2])


def spoilt(values, value):
    values = values.copy()
    values[-3] = value
    return da.from_array(values, 6000)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X, y: (spoilt(X.compute(), np.nan), y), ValueError, "X contains NaN"),
        (lambda X, y: (X, spoilt(y.compute(), np.inf)), ValueError, "y contains infinity"),
        (lambda X, y: (X, y, spoilt(np.ones(N), -1.0)), ValueError, "Negative sample_weight"),
        (lambda X, y: (X, y, da.zeros(N, chunks=999)), ValueError, "weights are zero"),
        (lambda X, y: (X, spoilt(y.compute(), 1e200)), ValueError, "Rescale"),
        (lambda X, y: (X, y[:-1]), ValueError, "inconsistent numbers of samples"),
        (lambda X, y: (X[:, 0], y), ValueError, "Expected 2D"),
        (lambda X, y: (X.compute(), y), TypeError, "pass X as a Dask array"),
        (lambda X, y: (X[y > 0], y[y > 1]), ValueError, "inconsistent numbers of samples"),
    ],
)
def test_data(change, error, message, chunked):
    with pytest.raises(error, match=message):
        BayesianMixtureRegressor(solver="map").fit(*change(*chunked[:2]))


def test_what_needs_rows_in_memory_refuses_dask_collections(fits, chunked):
    with pytest.raises(TypeError, match=r"X\.compute\(\)"):
        fits[1].sample_y(chunked[0])
    with pytest.raises(TypeError, match="takes Dask"):
        fits[1].loo(*chunked[:2])


# ---------------------------------------------------------------------------------- clusters


@contextmanager
def cluster(**options):
    """Two worker processes, and a client that is the default."""
    distributed = pytest.importorskip("distributed")
    options = {"threads_per_worker": 1, "dashboard_address": None} | options
    with (
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}),
        distributed.LocalCluster(2, **options) as workers,
        distributed.Client(workers) as client,
    ):
        yield workers, client


def made_on_workers(n_chunks, n=10_000):
    """X and y that exist nowhere but where they are made."""
    table = da.map_blocks(
        lambda block_id=None: block(block_id[0], n), chunks=((n,) * n_chunks, (3,)), dtype=float,
        meta=np.empty((0, 0)),
    )  # fmt: skip
    return table[:, :2], table[:, 2]


def during_the_fit(monkeypatch, action, at=5):
    """Do something before the given sum over the rows."""
    original, calls = stores.ClusterStore.sum_of_blocks, []

    def sum_of_blocks(self, *arguments):
        calls.append(1)
        if len(calls) == at:
            action()
        return original(self, *arguments)

    monkeypatch.setattr(stores.ClusterStore, "sum_of_blocks", sum_of_blocks)
    return calls


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("solver", ["laplace", "cavi", "gibbs"])
def test_a_cluster_gives_the_same(solver):
    X, y = made_on_workers(6)
    here = dask.compute(X, y, scheduler="synchronous")
    model = BayesianMixtureRegressor(solver=QUICK[solver], random_state=0)
    fit = model.fit(*here)
    with cluster() as (_, client):
        other = clone(model).fit(X, y)
        assert_same_posterior(fit, other)
        np.testing.assert_allclose(other.predict(X).compute(), fit.predict(here[0]), **CLOSE)
        np.testing.assert_allclose(other.score(X, y), fit.score(*here), rtol=1e-10)
        for _ in range(100):  # nothing stays behind
            if not any(client.run(lambda dask_worker: len(dask_worker.data)).values()):
                break
            time.sleep(0.1)
        else:
            held = client.run(lambda dask_worker: list(map(str, dask_worker.data)))
            raise AssertionError(f"still held after the fit: {held}, {list(client.futures)}")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_killed_worker_costs_time_and_not_the_fit(monkeypatch):
    X, y = made_on_workers(6)
    model = BayesianMixtureRegressor(solver=QUICK["laplace"], random_state=0)
    fit = model.fit(*dask.compute(X, y, scheduler="synchronous"))
    with cluster() as (_, client):
        victim = next(iter(client.run(os.getpid).values()))
        calls = during_the_fit(monkeypatch, lambda: os.kill(victim, signal.SIGKILL))
        other = clone(model).fit(X, y)
        assert len(calls) > 5
    assert_same_posterior(fit, other)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_goes_away_gives_one_error(monkeypatch):
    X, y = made_on_workers(6)
    model = BayesianMixtureRegressor(solver="map", random_state=0)
    with cluster() as (workers, _):
        during_the_fit(monkeypatch, lambda: workers.sync(workers.scheduler.close), at=2)
        with pytest.raises(ClusterLostError, match="nothing was fitted"):
            model.fit(X, y)
    assert not hasattr(model, "posterior_")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_searches_and_chains_run_on_a_cluster_by_joblib(tone):
    search = GridSearchCV(
        BayesianMixtureRegressor(solver="laplace", random_state=0),
        {"n_components": [1, 2]}, cv=3, n_jobs=2,
    )  # fmt: skip
    X, y = tone.X.to_numpy(), tone.y.to_numpy()
    nuts = BayesianMixtureRegressor(
        solver=SOLVERS["nuts"](draws=100, tune=100, chains=2), random_state=0
    )
    expected = clone(search).fit(X, y).cv_results_["mean_test_score"]
    coef = clone(nuts).fit(X, y).coef_
    with cluster(), joblib.parallel_backend("dask"):
        scores = search.fit(X, y).cv_results_["mean_test_score"]
        np.testing.assert_allclose(nuts.fit(X, y).coef_, coef, **CLOSE)
    np.testing.assert_allclose(scores, expected, **CLOSE)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_more_rows_than_one_worker_has_memory():
    limit = 700 << 20
    n, p = 100_000, 7
    table = da.map_blocks(
        lambda block_id=None: wide_block(block_id[0], n, p), chunks=((n,) * 120, (p + 1,)),
        dtype=float, meta=np.empty((0, 0)),
    )  # fmt: skip
    X, y = table[:, :p], table[:, p]
    assert X.nbytes + y.nbytes > limit  # as it is held
    with cluster(memory_limit=limit):
        model = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y)
    np.testing.assert_allclose(np.sort(model.coef_[:, 0]), [-1.0, 3.0], atol=1e-3)


def wide_block(seed, n, p):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    slope = np.where(rng.random(n) < 0.4, 3.0, -1.0)
    return np.column_stack([X, slope * X[:, 0] + rng.normal(0.0, 0.4, n)])
