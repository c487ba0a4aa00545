"""Draws that several rooms need, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skmixreg._support.sampling import (
    evenly_spaced,
    log_beta_draws,
    log_gamma_draws,
    systematic_counts,
    systematic_index,
)
from skmixreg._support.student import student_log_constant, student_log_kernel, student_noise


def test_counts_are_shares_rounded_up_or_down():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(7))
    counts = np.array([systematic_counts(rng, shares, 50) for _ in range(4000)])
    assert (counts.sum(axis=1) == 50).all()
    assert (np.abs(counts - 50 * shares) < 1).all()
    np.testing.assert_allclose(counts.mean(axis=0), 50 * shares, atol=0.04)


def test_resampled_items_have_their_weights():
    rng = np.random.default_rng(1)
    weights = np.append(rng.dirichlet(np.ones(9)), 0.0)
    index = systematic_index(rng, weights, 1000)
    assert (np.diff(index) >= 0).all()
    assert (np.abs(np.bincount(index, minlength=10) - 1000 * weights) < 1.0 + 1e-9).all()


@pytest.mark.parametrize("shape", [0.3, 4.0])
def test_logs_of_gamma_and_beta_draws(shape):
    rng = np.random.default_rng(2)
    gamma = np.exp(log_gamma_draws(rng, shape, (5000,)))
    assert stats.kstest(gamma, stats.gamma(shape).cdf).pvalue > 1e-3
    log_v, log_rest = log_beta_draws(rng, np.full(5000, shape), np.array(2.0))
    np.testing.assert_allclose(np.exp(log_v) + np.exp(log_rest), 1.0)
    assert stats.kstest(np.exp(log_v), stats.beta(shape, 2.0).cdf).pvalue > 1e-3


def test_logs_of_tiny_shapes_are_finite():
    log_v, _ = log_beta_draws(np.random.default_rng(3), np.full(200, 1e-3), np.array(10.0))
    assert np.isfinite(log_v).all() and log_v.min() < -1000


@pytest.mark.parametrize(("n", "count"), [(10, 10), (100, 7), (4000, 200), (5, 1)])
def test_evenly_spaced_indices(n, count):
    chosen = evenly_spaced(n, count)
    assert len(np.unique(chosen)) == count
    assert chosen[0] >= 0 and chosen[-1] < n
    assert abs(chosen[0] - (n - 1 - chosen[-1])) <= 1
    assert np.ptp(np.diff(chosen)) <= 1 if count > 1 else True


@pytest.mark.parametrize(("size", "df"), [(1, 5.0), (4, 3.0)])
def test_student_distribution(size, df):
    rng = np.random.default_rng(4)
    z = rng.normal(size=(20, size)) * 3
    got = student_log_constant(size, df) + student_log_kernel((z**2).sum(axis=1), size, df)
    expected = stats.multivariate_t(np.zeros(size), np.eye(size), df).logpdf(z)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    noise = student_noise(rng, 5000, size, df)
    assert stats.kstest(noise[:, 0], stats.t(df).cdf).pvalue > 1e-3
    squares = (noise**2).sum(axis=1) / size
    assert stats.kstest(squares, stats.f(size, df).cdf).pvalue > 1e-3
