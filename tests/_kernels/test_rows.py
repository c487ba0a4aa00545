"""Rows in blocks, on threads."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from conftest import two_lines
from hypothesis import given
from hypothesis import strategies as st

from skmixreg import BayesianMixtureRegressor
from skmixreg._kernels.rows import RowBlocks, rows_per_block, spread_sample
from skmixreg._kernels.vector_kernels import BLOCK


@given(st.integers(1, 10**9))
def test_blocks_are_multiples_of_what_kernels_work_on(n_rows):
    assert rows_per_block(n_rows) % BLOCK == 0


@pytest.mark.parametrize("n_threads", [1, 2, 5, 100])
@pytest.mark.parametrize("n_rows", [1, 10, 1000])
def test_results_come_in_the_order_of_rows(n_rows, n_threads):
    def kernel(start, stop, power):
        time.sleep(0.001 * (start % 3))
        return np.arange(start, stop) ** power

    with RowBlocks(n_rows, n_threads, block_rows=100) as blocks:
        for _ in range(3):
            np.testing.assert_array_equal(
                np.concatenate(blocks.map(kernel, 2)), np.arange(n_rows) ** 2
            )


@pytest.mark.parametrize("where", ["calling thread", "another"])
def test_an_error_in_a_thread_ends_the_work(where):
    caller = threading.current_thread()
    both = threading.Barrier(2, timeout=20)
    done = []

    def kernel(start, stop):
        if start < 2:
            both.wait()  # each thread has one block
            if (threading.current_thread() is caller) == (where == "calling thread"):
                raise ZeroDivisionError
        time.sleep(0.01)
        done.append(start)

    with RowBlocks(1000, 2, block_rows=1) as blocks, pytest.raises(ZeroDivisionError):
        blocks.map(kernel)
    assert len(done) < 10


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_a_sample_holds_no_row_twice(sizes):
    n_rows, size = sizes
    index = spread_sample(np.random.default_rng(0), n_rows, size)
    assert len(index) == size
    assert (np.diff(index) > 0).all()
    assert 0 <= index[0] <= index[-1] < n_rows


def test_a_sample_holds_every_row_equally_often():
    rng = np.random.default_rng(0)
    counts = np.bincount(np.concatenate([spread_sample(rng, 17, 5) for _ in range(20_000)]))
    expected = 20_000 * np.repeat(1.0 / np.array([3, 3, 4, 3, 4]), [3, 3, 4, 3, 4])
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("layout", ["C", "F"])
def test_single_precision_is_fitted_like_its_values_in_double(layout):
    X, y = two_lines(20_000)
    X = np.asarray(np.column_stack([X, X**2]), dtype=np.float32, order=layout)
    single, double = (
        BayesianMixtureRegressor(solver="map", random_state=0).fit(data, y)
        for data in (X, X.astype(np.float64))
    )
    np.testing.assert_allclose(single.coef_, double.coef_, rtol=1e-10, atol=1e-10)
    assert single.coef_.dtype == np.float64
