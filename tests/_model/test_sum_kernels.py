"""Kernels against plain NumPy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from skmixreg._kernels.vector_kernels import BLOCK, exp_nonpositive, log_positive
from skmixreg._model import sum_kernels as kernels
from skmixreg.families.gaussian import Gaussian

GAUSSIAN = Gaussian()
SETTINGS = GAUSSIAN.kernel_settings()
# (K, p): components are taken one or two at a time, features one, two or four.
SHAPES = [(1, 0), (1, 2), (2, 0), (2, 1), (3, 2), (3, 5), (5, 4), (1, 7), (2, 6), (3, 9), (4, 16)]


class Data(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    w: np.ndarray


class Draws(NamedTuple):
    log_weights: np.ndarray
    intercept: np.ndarray
    coef: np.ndarray
    log_dispersion: np.ndarray

    def one(self, s: int) -> Draws:
        return Draws(*(np.ascontiguousarray(array[s]) for array in self))


def make(K: int, p: int, n: int = BLOCK + 77, n_draws: int = 3, unit_weights: bool = False) -> Any:
    rng = np.random.default_rng([K, p])
    data = Data(
        rng.normal(size=(p, n)),
        2.0 * rng.normal(size=n),
        np.ones(n) if unit_weights else rng.gamma(1.0, size=n),
    )
    draws = Draws(
        np.log(rng.dirichlet(np.ones(K), size=n_draws)),
        rng.normal(size=(n_draws, K)),
        rng.normal(size=(n_draws, K, p)),
        0.5 * rng.normal(size=(n_draws, K)),
    )
    return data, draws


class Reference(NamedTuple):
    """Row by row: log-likelihood (n,), responsibilities (n, K), gradient (m,), Hessian (m, m)."""

    ll: np.ndarray
    r: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


def reference(data: Data, draw: Draws) -> Reference:
    """Derivatives of log f_k in all coordinates, then the chain rule of log-sum-exp."""
    X, y, w = data
    K, p = draw.coef.shape
    n = len(y)
    sigma = np.exp(draw.log_dispersion)
    eta = (draw.intercept[:, None] + draw.coef @ X).T
    a = draw.log_weights + GAUSSIAN.log_density(y[:, None], eta, sigma)
    ll = logsumexp(a, axis=1)
    r = np.exp(a - ll[:, None])
    z = (y[:, None] - eta) / sigma
    design = np.vstack([np.ones(n), X]).T
    J, S = np.zeros((n, K, K, 3 + p)), np.zeros((n, K, K, 3 + p, 3 + p))
    for k in range(K):
        g, h = z[:, k] / sigma[k], z[:, k] ** 2 - 1.0
        J[:, k, k, 0] = 1.0
        J[:, k, k, 1:-1] = g[:, None] * design
        J[:, k, k, -1] = h
        S[:, k, k, 1:-1, 1:-1] = -(sigma[k] ** -2) * design[:, :, None] * design[:, None, :]
        S[:, k, k, 1:-1, -1] = S[:, k, k, -1, 1:-1] = -2.0 * g[:, None] * design
        S[:, k, k, -1, -1] = -2.0 * z[:, k] ** 2
    rw = w[:, None] * r
    mean = np.einsum("ik,ikab->iab", r, J)
    gradient = np.einsum("i,iab->ab", w, mean)
    hessian = np.einsum("ik,ikab,ikcd->abcd", rw, J, J) - np.einsum(
        "i,iab,icd->abcd", w, mean, mean
    )
    for k in range(K):
        hessian[k, :, k] += np.einsum("i,iab->ab", rw[:, k], S[:, k, k])
    # from (component, coordinate) to the order of the kernels
    index = np.arange(K * (3 + p)).reshape(K, 3 + p)
    order = np.concatenate([index[:, 0], index[:, 1], index[:, 2:-1].ravel(), index[:, -1]])
    m = K * (3 + p)
    return Reference(ll, r, gradient.ravel()[order], hessian.reshape(m, m)[np.ix_(order, order)])


def assert_close(actual: Any, desired: Any, tolerance: float = 1e-12) -> None:
    """Relative to the largest element: sums cancel."""
    desired = np.asarray(desired)
    scale = max(1.0, float(np.abs(desired).max(initial=0.0)))
    np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("unit_weights", [True, False])
@pytest.mark.parametrize(("K", "p"), SHAPES)
def test_value_gradient_and_hessian(K: int, p: int, unit_weights: bool) -> None:
    data, draws = make(K, p, unit_weights=unit_weights)
    draw, n, m = draws.one(0), len(data.y), K * (3 + p)
    expected = reference(data, draw)
    gradient = kernels.log_likelihood_gradient(0, n, *data, *draw, SETTINGS)
    hessian = kernels.log_likelihood_hessian(0, n, *data, *draw, SETTINGS)
    assert gradient.shape == (1 + m,)
    assert hessian.shape == (1 + m + m * m,)
    assert_close(gradient[0], data.w @ expected.ll)
    assert_close(gradient[1:], expected.gradient)
    # Two compiled loops: sums may be ordered differently.
    np.testing.assert_allclose(hessian[: 1 + m], gradient, rtol=1e-12, atol=1e-11)
    assert_close(hessian[1 + m :].reshape(m, m), expected.hessian)


@pytest.mark.parametrize(("K", "p"), [(1, 1), (2, 1), (3, 2)])
def test_derivatives_are_those_of_the_value(K: int, p: int) -> None:
    """Finite differences: the one check that shares no formula with the kernels."""
    data, draws = make(K, p)
    draw, n, m = draws.one(1), len(data.y), K * (3 + p)
    theta = np.concatenate([array.ravel() for array in draw])

    def evaluate(theta: np.ndarray) -> np.ndarray:
        parts = np.split(theta, np.cumsum([array.size for array in draw])[:-1])
        shaped = [part.reshape(array.shape) for part, array in zip(parts, draw, strict=True)]
        return kernels.log_likelihood_gradient(0, n, *data, *shaped, SETTINGS)

    step = 1e-5
    differences = np.array(
        [(evaluate(theta + e) - evaluate(theta - e)) / (2 * step) for e in step * np.eye(m)]
    )
    result = kernels.log_likelihood_hessian(0, n, *data, *draw, SETTINGS)
    assert_close(differences[:, 0], result[1 : 1 + m], 1e-7)
    assert_close(differences[:, 1:], result[1 + m :].reshape(m, m), 1e-7)


@pytest.mark.parametrize("unit_weights", [True, False])
@pytest.mark.parametrize(("K", "p"), SHAPES)
def test_draws(K: int, p: int, unit_weights: bool) -> None:
    data, draws = make(K, p, unit_weights=unit_weights)
    n = len(data.y)
    rows = [reference(data, draws.one(s)) for s in range(3)]
    ll = np.array([row.ll for row in rows])
    assert_close(kernels.log_likelihood_draws(0, n, *data, *draws, SETTINGS), ll @ data.w)
    assert_close(kernels.log_likelihood_rows(0, n, data.X, data.y, *draws.one(0), SETTINGS), ll[0])
    assert_close(
        kernels.pointwise_log_predictive(0, n, data.X, data.y, *draws, SETTINGS),
        logsumexp(ll, axis=0) - np.log(3),
    )
    shares = kernels.pointwise_responsibilities(0, n, data.X, data.y, *draws, SETTINGS)
    assert_close(shares.reshape(n, K), np.mean([row.r for row in rows], axis=0))


@pytest.mark.parametrize(("K", "p"), SHAPES)
def test_weighted_moments(K: int, p: int) -> None:
    data, draws = make(K, p)
    expected = reference(data, draws.one(0))
    weights = data.w[:, None] * expected.r
    design = np.vstack([np.ones_like(data.y), data.X])
    upper = np.triu_indices(p + 1)
    outer = [(design * weights[:, k]) @ design.T for k in range(K)]
    flat = np.concatenate(
        [
            [data.w @ expected.ll],
            weights.sum(axis=0),
            *(matrix[upper] for matrix in outer),
            ((design * data.y) @ weights).T.ravel(),
            data.y**2 @ weights,
        ]
    )
    result = kernels.weighted_moments(0, len(data.y), *data, *draws.one(0), SETTINGS)
    assert result.shape == flat.shape
    assert_close(result, flat)


@pytest.mark.parametrize("n", [1, 7, 8, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 9])
def test_slices_of_rows_add_up(n: int) -> None:
    data, draws = make(3, 2, n=n)
    draw = draws.one(0)
    cuts = [0, n // 3, n // 3, n]  # the middle one is empty
    for kernel in (
        kernels.log_likelihood_gradient,
        kernels.log_likelihood_hessian,
        kernels.weighted_moments,
    ):
        parts = [kernel(a, b, *data, *draw, SETTINGS) for a, b in pairwise(cuts)]
        assert_close(np.sum(parts, axis=0), kernel(0, n, *data, *draw, SETTINGS))
    for kernel, parameters in (
        (kernels.log_likelihood_rows, draw),
        (kernels.pointwise_log_predictive, draws),
        (kernels.pointwise_responsibilities, draws),
    ):
        parts = [kernel(a, b, data.X, data.y, *parameters, SETTINGS) for a, b in pairwise(cuts)]
        whole = kernel(0, n, data.X, data.y, *parameters, SETTINGS)
        assert_close(np.concatenate(parts), whole)


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("unit_weights", [True, False])
def test_far_tails(K: int, unit_weights: bool) -> None:
    """Rows a million nats from every component, and components of weight e^-700."""
    data, draws = make(K, 1, n=50, unit_weights=unit_weights)
    data.y[:] = np.where(np.arange(50) % 2, 1.0, -1.0) * np.geomspace(1.0, 2e4, 50)
    draw = draws.one(0)
    draw.log_dispersion[:] = -2.0
    if K > 1:
        draw.log_weights[-1] = -700.0
    expected = reference(data, draw)
    assert expected.ll.min() < -1e6
    rows = kernels.log_likelihood_rows(0, 50, data.X, data.y, *draw, SETTINGS)
    np.testing.assert_allclose(rows, expected.ll, rtol=1e-13)
    result = kernels.log_likelihood_gradient(0, 50, *data, *draw, SETTINGS)
    np.testing.assert_allclose(result[0], data.w @ expected.ll, rtol=1e-13)
    assert_close(result[1:], expected.gradient)
    one = Draws(*(array[None] for array in draw))
    np.testing.assert_allclose(
        kernels.log_likelihood_draws(0, 50, *data, *one, SETTINGS), result[:1], rtol=1e-13
    )
    np.testing.assert_allclose(
        kernels.pointwise_log_predictive(0, 50, data.X, data.y, *one, SETTINGS),
        rows,
        rtol=1e-13,
    )


@pytest.mark.parametrize("K", [2, 3])
def test_component_of_weight_zero(K: int) -> None:
    data, draws = make(K, 1)
    draw = draws.one(0)
    without = Draws(*(np.ascontiguousarray(array[1:]) for array in draw))
    draw.log_weights[0] = -np.inf
    rows = kernels.log_likelihood_rows(0, 99, data.X, data.y, *draw, SETTINGS)
    expected = kernels.log_likelihood_rows(0, 99, data.X, data.y, *without, SETTINGS)
    np.testing.assert_allclose(rows, expected, rtol=1e-13)


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("block", range(4))
def test_nan_is_never_hidden(K: int, block: int) -> None:
    data, draws = make(K, 1, unit_weights=True)
    for k in range(K):
        draw = Draws(*(array.copy() for array in draws.one(0)))
        draw[block][k] = np.nan
        one = Draws(*(array[None] for array in draw))
        n = len(data.y)
        assert np.isnan(kernels.log_likelihood_gradient(0, n, *data, *draw, SETTINGS)[0])
        assert np.isnan(kernels.log_likelihood_draws(0, n, *data, *one, SETTINGS)[0])
        assert np.isnan(kernels.log_likelihood_rows(0, n, data.X, data.y, *draw, SETTINGS)).all()


@given(st.floats(min_value=-1e6, max_value=0.0))
@settings(deadline=None)
def test_exponential(x: float) -> None:
    expected = np.exp(max(x, -700.0))
    np.testing.assert_allclose(exp_nonpositive(x), expected, rtol=1e-15 * (1.0 + 1e-3 * abs(x)))


@given(st.floats(min_value=1e-300, max_value=1e300))
@settings(deadline=None)
def test_logarithm(x: float) -> None:
    np.testing.assert_allclose(log_positive(x), np.log(x), rtol=5e-16, atol=0.0)


def test_special_values() -> None:
    assert exp_nonpositive(0.0) == exp_nonpositive(-0.0) == 1.0
    assert 0.0 < exp_nonpositive(-np.inf) < 1e-300
    assert log_positive(1.0) == 0.0
    assert np.isnan(exp_nonpositive(np.nan))
    assert np.isnan(log_positive(np.nan))
