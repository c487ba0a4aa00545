"""Sums over rows of the plain Gaussian mixture, over shapes, sizes, tails and missing numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.special import log_softmax, logsumexp, softmax

from skmixreg._kernels.vector_kernels import BLOCK
from skmixreg._model._sums import pointwise_kernels as pointwise
from skmixreg._model._sums import row_kernels as kernels
from skmixreg._model.observations import Observations
from skmixreg._model.raw import Model, Raw
from skmixreg.families._kernels.gaussian_kernels import GaussianSettings

MODEL = Model(GaussianSettings())
# (K, p): components are taken one or two at a time, features one, two or four.
SHAPES = [(1, 0), (1, 2), (2, 0), (2, 1), (3, 2), (3, 5), (5, 4), (1, 7), (2, 6), (3, 9), (4, 16)]


def make(K: int, p: int, n: int = BLOCK + 77, ones: bool = False) -> tuple[Observations, Raw]:
    rng = np.random.default_rng([K, p])
    data = Observations(
        rng.normal(size=(p, n)),
        2.0 * rng.normal(size=n),
        np.ones(n) if ones else rng.gamma(1.0, size=n),
    )
    raw = Raw(rng.normal(size=(K, 1)), rng.normal(size=(K, 1 + p)), 0.5 * rng.normal(size=(K, 1)))
    return data, raw


def joint(data: Observations, raw: Raw) -> np.ndarray:
    eta = raw.line[:, :1] + raw.line[:, 1:] @ data.columns
    return log_softmax(raw.logits, axis=0) + stats.norm.logpdf(data.target, eta, np.exp(raw.extra))


def reference(data: Observations, raw: Raw) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, gradient and Hessian, from derivatives of every component in all coordinates."""
    (K, P), n = raw.line.shape, len(data.target)
    design = np.vstack([np.ones(n), data.columns]).T
    a = joint(data, raw)
    r, pi = softmax(a, axis=0), softmax(raw.logits[:, 0])
    sigma = np.exp(raw.extra[:, 0])
    z = (data.target - raw.line @ design.T) / sigma[:, None]
    m = K * (2 + P)
    J, S = np.zeros((K, n, m)), np.zeros((K, n, m, m))
    for k in range(K):
        line, extra = slice(K + k * P, K + (k + 1) * P), K + K * P + k
        g = z[k] / sigma[k]
        J[k, :, k] = 1.0
        J[k, :, :K] -= pi
        J[k, :, line] = g[:, None] * design
        J[k, :, extra] = z[k] ** 2 - 1.0
        S[k, :, :K, :K] = np.outer(pi, pi) - np.diag(pi)
        S[k, :, line, line] = -(sigma[k] ** -2) * design[:, :, None] * design[:, None, :]
        S[k, :, line, extra] = S[k, :, extra, line] = -2.0 * g[:, None] * design
        S[k, :, extra, extra] = -2.0 * z[k] ** 2
    w, mean = data.weights, np.einsum("ki,kia->ia", r, J)
    hessian = np.einsum("i,ki,kia,kib->ab", w, r, J, J, optimize=True)
    hessian += np.einsum("i,ki,kiab->ab", w, r, S, optimize=True) - (w[:, None] * mean).T @ mean
    return float(w @ logsumexp(a, axis=0)), w @ mean, hessian


def assert_close(actual: object, desired: object, tolerance: float = 1e-12) -> None:
    """Relative to the largest element: sums cancel."""
    scale = max(1.0, float(np.abs(desired).max(initial=0.0)))
    np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("ones", [True, False])
@pytest.mark.parametrize(("K", "p"), SHAPES)
def test_value_gradient_and_hessian(K: int, p: int, ones: bool) -> None:
    data, raw = make(K, p, ones=ones)
    n, m = len(data.target), K * (3 + p)
    value, gradient, hessian = reference(data, raw)
    result = kernels.log_likelihood_hessian(0, n, data, raw, MODEL)
    assert result.shape == (1 + m + m * m,)
    assert_close(result[0], value)
    assert_close(result[1 : 1 + m], gradient)
    assert_close(result[1 + m :].reshape(m, m), hessian)
    first = kernels.log_likelihood_gradient(0, n, data, raw, MODEL)
    np.testing.assert_allclose(first, result[: 1 + m], rtol=1e-12, atol=1e-11)
    draws = Raw(*(np.stack([array, array]) for array in raw))
    values = kernels.log_likelihood_draws(0, n, data, draws, MODEL)
    assert_close(values, [value, value])


@pytest.mark.parametrize("n", [1, 7, 8, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 9])
def test_slices_of_rows_add_up(n: int) -> None:
    data, raw = make(3, 2, n=n)
    cuts = [0, n // 3, n // 3, n]  # the middle one is empty
    for kernel in (kernels.log_likelihood_gradient, kernels.log_likelihood_hessian):
        parts = [kernel(a, b, data, raw, MODEL) for a, b in pairwise(cuts)]
        assert_close(np.sum(parts, axis=0), kernel(0, n, data, raw, MODEL))


@pytest.mark.parametrize("K", [1, 2, 3])
def test_far_tails(K: int) -> None:
    """Rows a million nats from every component, and components of weight e^-700."""
    data, raw = make(K, 1, n=50)
    data.target[:] = np.where(np.arange(50) % 2, 1.0, -1.0) * np.geomspace(1.0, 2e4, 50)
    raw.extra[:] = -2.0
    raw.logits[-1] = raw.logits[0] - 700.0 if K > 1 else 0.0
    expected = logsumexp(joint(data, raw), axis=0)
    assert expected.min() < -1e6
    rows = pointwise.log_likelihood_rows(0, 50, data, raw, MODEL)
    np.testing.assert_allclose(rows, expected, rtol=1e-13)
    result = kernels.log_likelihood_gradient(0, 50, data, raw, MODEL)
    value, gradient, _ = reference(data, raw)
    np.testing.assert_allclose(result[0], value, rtol=1e-13)
    assert_close(result[1:], gradient)


@pytest.mark.parametrize("K", [2, 3])
def test_component_of_weight_zero(K: int) -> None:
    data, raw = make(K, 1)
    without = Raw(*(np.ascontiguousarray(array[1:]) for array in raw))
    raw.logits[0] = -np.inf
    rows = pointwise.log_likelihood_rows(0, 99, data, raw, MODEL)
    expected = pointwise.log_likelihood_rows(0, 99, data, without, MODEL)
    np.testing.assert_allclose(rows, expected, rtol=1e-13)


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("block", range(3))
def test_nan_is_never_hidden(K: int, block: int) -> None:
    data, raw = make(K, 1, ones=True)
    n = len(data.target)
    for k in range(K):
        broken = Raw(*(array.copy() for array in raw))
        broken[block][k] = np.nan
        assert np.isnan(kernels.log_likelihood_gradient(0, n, data, broken, MODEL)[0])
        assert np.isnan(pointwise.log_likelihood_rows(0, n, data, broken, MODEL)).all()
