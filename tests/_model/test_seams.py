"""Sums over rows of every kind of model against plain NumPy and finite differences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, log_softmax, logsumexp, softmax

from skmixreg._kernels.vector_kernels import BLOCK
from skmixreg._model._sums import pointwise_kernels as pointwise
from skmixreg._model._sums import row_kernels as kernels
from skmixreg._model.observations import Observations
from skmixreg._model.raw import Model, Raw
from skmixreg.backgrounds._kernels.background_kernels import PointSettings, UniformSettings
from skmixreg.families._kernels.gaussian_kernels import GaussianSettings
from skmixreg.families._kernels.poisson_kernels import PoissonSettings

K, P = 3, 2
SEAMS = {
    "plain": {},
    "gating": {"gating"},
    "offset": {"offset"},
    "allowed": {"allowed"},
    "background": {"background"},
    "groups": {"units"},
    "groups with a gate": {"units", "gating"},
    "all": {"units", "gating", "offset", "allowed", "background"},
}


class Case(NamedTuple):
    observations: Observations
    raw: Raw
    model: Model

    @property
    def n_units(self) -> int:
        units = self.observations.units
        return len(self.observations.target) if units is None else len(units) - 1


def make(seams: set[str], family: str = "gaussian") -> Case:
    """Groups of 1 to 3 rows, and one longer than two blocks."""
    rng = np.random.default_rng(len(seams))
    sizes = rng.integers(1, 4, size=BLOCK + 30)
    sizes[7] = 2 * BLOCK + 5
    starts = np.concatenate([[0], np.cumsum(sizes)])
    if "units" not in seams:
        starts = np.arange(BLOCK + 31)
    unit = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    n, U = len(unit), len(starts) - 1
    q = 2 if "gating" in seams else 0
    gating = rng.normal(size=(q, U))
    allowed = np.where(rng.random((U, K)) < 0.2, -np.inf, 0.0)
    allowed[:, rng.integers(0, K - 1)] = np.log(0.3)
    poisson = family == "poisson"
    y = rng.poisson(1.5, size=n).astype(float) if poisson else rng.normal(size=n)
    observations = Observations(
        rng.normal(size=(P, n)),
        y,
        rng.gamma(2.0, size=U)[unit],
        gating=np.ascontiguousarray(gating[:, unit]) if q else None,
        offset=0.5 * rng.normal(size=n) if "offset" in seams else None,
        auxiliary=-gammaln(y + 1.0)[None] if poisson else None,
        units=starts if "units" in seams else None,
        allowed=allowed if "allowed" in seams else None,
    )
    raw = Raw(
        rng.normal(size=(K, 1 + q)),
        0.5 * rng.normal(size=(K, 1 + P)),
        0.3 * rng.normal(size=(K, 0 if poisson else 1)),
    )
    background = None
    if "background" in seams:
        background = PointSettings(0.0) if poisson else UniformSettings(-50.0, 50.0, -2.0)
    return Case(
        observations,
        raw,
        Model(PoissonSettings(0.2) if poisson else GaussianSettings(), background),
    )


class Plain(NamedTuple):
    """By units: log densities of components, log weights (without ``allowed``), log joint."""

    rows: np.ndarray
    log_weights: np.ndarray
    joint: np.ndarray
    weights: np.ndarray


def plain(case: Case, raw: Raw) -> Plain:
    data, model = case.observations, case.model
    n = len(data.target)
    starts = np.arange(n + 1) if data.units is None else data.units
    eta = raw.line[:, :1] + raw.line[:, 1:] @ data.columns
    if data.offset is not None:
        eta = eta + data.offset
    if isinstance(model.family, PoissonSettings):
        rows = stats.poisson.logpmf(data.target, np.exp(eta + model.family.location))
    else:
        rows = stats.norm.logpdf(data.target, eta, np.exp(raw.extra))
    if isinstance(model.background, UniformSettings):
        rows[-1] = model.background.log_density
    elif isinstance(model.background, PointSettings):
        rows[-1] = np.where(data.target == model.background.at, 0.0, -np.inf)
    first = starts[:-1]
    logits = np.broadcast_to(raw.logits[:, :1], (K, len(first)))
    if data.gating is not None:
        logits = logits + raw.logits[:, 1:] @ data.gating[:, first]
    log_weights = log_softmax(logits, axis=0)
    joint = log_weights + np.add.reduceat(rows, first, axis=1)
    if data.allowed is not None:
        joint = joint + data.allowed.T
    return Plain(rows, log_weights, joint, data.weights[first])


def value(case: Case, raw: Raw) -> float:
    result = plain(case, raw)
    return float(result.weights @ logsumexp(result.joint, axis=0))


def flat(raw: Raw) -> np.ndarray:
    return np.concatenate([array.ravel() for array in raw])


def shaped(vector: np.ndarray, like: Raw) -> Raw:
    parts = np.split(vector, np.cumsum([array.size for array in like])[:-1])
    return Raw(*(part.reshape(array.shape) for part, array in zip(parts, like, strict=True)))


def assert_close(actual: Any, desired: Any, tolerance: float = 1e-12) -> None:
    """Relative to the largest element: sums cancel."""
    scale = max(1.0, float(np.abs(desired).max(initial=0.0)))
    np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=tolerance * scale)


# Each is compiled.
every_seam = pytest.mark.parametrize(
    ("seam", "family"),
    [
        *(
            pytest.param(seam, "gaussian", marks=() if seam == "plain" else pytest.mark.slow)
            for seam in SEAMS
        ),
        ("all", "poisson"),
    ],
)
extreme_seams = pytest.mark.parametrize(
    ("seam", "family"),
    [
        ("plain", "gaussian"),
        pytest.param("all", "gaussian", marks=pytest.mark.slow),
        ("all", "poisson"),
    ],
)


@every_seam
def test_values(seam: str, family: str) -> None:
    case = make(set(SEAMS[seam]), family)
    raws = [case.raw, shaped(flat(case.raw) + 0.1, case.raw)]
    draws = Raw(*(np.stack(arrays) for arrays in zip(*raws, strict=True)))
    result = kernels.log_likelihood_draws(0, case.n_units, case.observations, draws, case.model)
    assert_close(result, [value(case, raw) for raw in raws])


@every_seam
def test_gradient_and_hessian_by_finite_differences(seam: str, family: str) -> None:
    case = make(set(SEAMS[seam]), family)
    data, model, theta = case.observations, case.model, flat(case.raw)
    m = len(theta)

    def gradient(vector: np.ndarray) -> np.ndarray:
        raw = shaped(vector, case.raw)
        return kernels.log_likelihood_gradient(0, case.n_units, data, raw, model)

    result = gradient(theta)
    assert result.shape == (1 + m,)
    assert_close(result[0], value(case, case.raw))
    step = 1e-5
    slopes = [
        (value(case, shaped(theta + h, case.raw)) - value(case, shaped(theta - h, case.raw)))
        / (2 * step)
        for h in step * np.eye(m)
    ]
    assert_close(result[1:], slopes, 1e-7)
    hessian = kernels.log_likelihood_hessian(0, case.n_units, data, case.raw, model)
    assert hessian.shape == (1 + m + m * m,)
    assert_close(hessian[: 1 + m], result)
    curvature = [
        (gradient(theta + h)[1:] - gradient(theta - h)[1:]) / (2 * step) for h in step * np.eye(m)
    ]
    matrix = hessian[1 + m :].reshape(m, m)
    assert_close(matrix, curvature, 1e-7)
    np.testing.assert_array_equal(matrix, matrix.T)
    if model.background is not None:
        padding = np.concatenate(
            [
                np.zeros_like(array, dtype=bool).ravel()
                if at == 0
                else np.repeat(np.arange(K) == K - 1, array.shape[1])
                for at, array in enumerate(case.raw)
            ]
        )
        assert (result[1:][padding] == 0.0).all()
        assert (matrix[padding] == 0.0).all()


@pytest.mark.parametrize("steep", [5.0, 20.0, 60.0, 300.0])
def test_gates_as_steep_as_can_be(steep: float) -> None:
    """Odds that one exponential less can take, that it can not, and beyond all numbers."""
    case = make(SEAMS["all"], "poisson")
    raw = case.raw._replace(logits=steep * case.raw.logits)
    result = kernels.log_likelihood_gradient(0, case.n_units, case.observations, raw, case.model)
    assert_close(result[0], value(case, raw))
    oracle, first = plain(case, raw), case.observations.units[:-1]
    gate = np.vstack([np.ones(case.n_units), case.observations.gating[:, first]])
    excess = softmax(oracle.joint, axis=0) - np.exp(oracle.log_weights)
    assert_close(result[1 : 1 + raw.logits.size], ((oracle.weights * excess) @ gate.T).ravel())


@extreme_seams
def test_complete_sums(seam: str, family: str) -> None:
    """Scores and information in closed form, at the responsibilities of the units."""
    case = make(set(SEAMS[seam]), family)
    data, raw, model = case.observations, case.raw, case.model
    result = kernels.complete_sums(0, case.n_units, data, raw, model)
    oracle = plain(case, raw)
    n = len(data.target)
    starts = np.arange(n + 1) if data.units is None else data.units
    unit = np.repeat(np.arange(case.n_units), np.diff(starts))
    r = softmax(oracle.joint, axis=0)
    w = data.weights * r[:, unit]
    eta = raw.line[:, :1] + raw.line[:, 1:] @ data.columns
    eta = eta if data.offset is None else eta + data.offset
    design = np.vstack([np.ones(n), data.columns])
    E = raw.extra.shape[1]
    M = 1 + P + E
    scores, information = np.zeros((K, M)), np.zeros((K, M, M))
    for k in range(K - (model.background is not None)):
        if family == "poisson":
            mean = np.exp(eta[k] + model.family.location)
            g, i_eta = data.target - mean, mean
        else:
            sigma = np.exp(raw.extra[k, 0])
            z = (data.target - eta[k]) / sigma
            g, i_eta = z / sigma, np.full(n, sigma**-2)
            scores[k, -1] = w[k] @ (z**2 - 1.0)
            information[k, -1, -1] = 2.0 * w[k].sum()
        scores[k, : 1 + P] = design @ (w[k] * g)
        information[k, : 1 + P, : 1 + P] = (design * (w[k] * i_eta)) @ design.T
    upper = np.triu_indices(M)
    expected = [
        [oracle.weights @ logsumexp(oracle.joint, axis=0)],
        r @ oracle.weights,
        scores.ravel(),
        *(matrix[upper] for matrix in information),
    ]
    if data.gating is not None:
        gate = np.vstack([np.ones(case.n_units), data.gating[:, starts[:-1]]])
        pi = np.exp(oracle.log_weights)
        expected.append(((oracle.weights * (r - pi)) @ gate.T).ravel())
        outer = np.einsum("ku,kq->kqu", pi, np.eye(K)) - np.einsum("ku,qu->kqu", pi, pi)
        matrix = np.einsum("u,kqu,iu,ju->kiqj", oracle.weights, outer, gate, gate)
        expected.append(matrix.ravel())
    assert_close(result, np.concatenate(expected))


@pytest.mark.parametrize("seam", ["plain", "all"])
def test_slices_of_units_add_up(seam: str) -> None:
    case = make(set(SEAMS[seam]))
    data, raw, model, U = case.observations, case.raw, case.model, case.n_units
    for kernel in (
        kernels.log_likelihood_gradient,
        kernels.log_likelihood_hessian,
        kernels.complete_sums,
        kernels.weighted_moments,
    ):
        cuts = [0, 5, 5, 9, U // 2, U]
        parts = [kernel(a, b, data, raw, model) for a, b in pairwise(cuts)]
        assert_close(np.sum(parts, axis=0), kernel(0, U, data, raw, model))


@pytest.mark.parametrize("seam", ["plain", "all"])
def test_weighted_moments(seam: str) -> None:
    case = make(set(SEAMS[seam]))
    data, raw, model = case.observations, case.raw, case.model
    oracle = plain(case, raw)
    n = len(data.target)
    starts = np.arange(n + 1) if data.units is None else data.units
    unit = np.repeat(np.arange(case.n_units), np.diff(starts))
    r = softmax(oracle.joint, axis=0)
    lines = K - (model.background is not None)
    w = data.weights * r[:, unit] * (np.arange(K) < lines)[:, None]
    design, y = np.vstack([np.ones(n), data.columns]), data.target
    upper = np.triu_indices(1 + P)
    expected = [
        [oracle.weights @ logsumexp(oracle.joint, axis=0)],
        r @ oracle.weights,
        *(((design * w[k]) @ design.T)[upper] for k in range(K)),
        (w * y @ design.T).ravel(),
        w @ y**2,
    ]
    result = kernels.weighted_moments(0, case.n_units, data, raw, model)
    assert_close(result, np.concatenate(expected))


@pytest.mark.parametrize("seam", ["plain", "all"])
def test_pointwise(seam: str) -> None:
    case = make(set(SEAMS[seam]))
    data, model, U = case.observations, case.model, case.n_units
    raws = [case.raw, shaped(flat(case.raw) + 0.1, case.raw)]
    draws = Raw(*(np.stack(arrays) for arrays in zip(*raws, strict=True)))
    joint = np.array([plain(case, raw).joint for raw in raws])
    ll = logsumexp(joint, axis=1)
    for a, b in ((0, U), (3, U - 2)):
        rows = pointwise.log_likelihood_rows(a, b, data, case.raw, model)
        assert_close(rows, ll[0, a:b])
        predictive = pointwise.pointwise_log_predictive(a, b, data, draws, model)
        assert_close(predictive, logsumexp(ll[:, a:b], axis=0) - np.log(2.0))
        shares = pointwise.pointwise_responsibilities(a, b, data, draws, model)
        assert_close(shares.reshape(b - a, K), softmax(joint, axis=1).mean(axis=0).T[a:b])
