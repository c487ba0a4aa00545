"""Starting points: cheap, diverse guesses of all components.

Every recipe takes the problem (usually a subsample of rows) and a Generator, and returns
components together with the sigma from which annealing should start.  The recipes fail on
different data, which is why there are several:

* ``random_subsets``: each component is a least-squares fit to a random subset of rows, from just
  enough rows to determine it (elemental sets, Rousseeuw 1984) to n / K rows.
* ``sequential_quantile``: components one after the other; each is the candidate line that comes
  closest to a given share of the rows not yet explained (least quantile of squares), with the
  sigma of those rows.  Finds narrow components that few random starts see.
* ``spectral_splits``: from the pooled fit, split the component that fits worst along a direction
  in which its squared residuals grow, until there are K.
* ``shifted_quantiles``, of families without normal errors: parallel lines.

Lines are fitted to working responses, on the scale of the linear predictor.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from .._model.problem import Problem
from .._model.raw import Raw
from .._support.arrays import Array

_RIDGE = 1e-6
# Share of the rows that a background may have where a search starts.
OUTSIDE = (0.02, 0.95)
# Lines tried for each component; few go through rows of it where most are of a background.
CANDIDATES, CANDIDATES_IN_A_BACKGROUND = 40, 200

Recipe = Callable[[Problem, Array, np.random.Generator], tuple[Raw, float]]


def with_ones(problem: Problem) -> Array:
    """Rows of the design with the column of ones first (zeros without an intercept): (n, P)."""
    lead = np.full((1, problem.n_rows), 1.0 if problem.layout.fit_intercept else 0.0)
    return np.ascontiguousarray(np.concatenate([lead, problem.mean_design]).T)


def ridge(Z: Array, y: Array, w: Array | None = None) -> Array:
    """Weighted least squares with a whiff of the prior, so that no subset is singular."""
    weighted = Z if w is None else Z * w[:, None]
    A = weighted.T @ Z
    A.flat[:: len(A) + 1] += _RIDGE * (1.0 + np.trace(A) / len(A))
    return np.linalg.solve(A, weighted.T @ y)


def _components(
    problem: Problem, lines: Array, spread: Array, weights: Array, outside: float | None = None
) -> Raw:
    """Components of these; ``outside`` is the share of a background, if it is known."""
    # Lines far outside the prior come from nearly singular subsets.
    lines = np.clip(lines, -20.0, 20.0)
    extra = problem.family.start_extras(
        spread, problem.priors._replace(sigma_floor=problem.least_sigma)
    )
    if outside is not None and problem.family.background is not None:
        extra[:, -1] = special.logit(np.clip(outside, *OUTSIDE))
    return Raw(np.log(weights / weights.sum())[:, None], lines, extra)


def random_subsets(problem: Problem, Z: Array, rng: np.random.Generator) -> tuple[Raw, float]:
    """Least-squares fits to random disjoint subsets."""
    n, P = Z.shape
    K = problem.layout.n_components
    largest = max(P, n // K)
    size = int(np.exp(rng.uniform(np.log(P), np.log(largest + 1))))
    order = rng.permutation(n)
    lines = np.empty((K, P))
    for k in range(K):
        rows = order[k * size : (k + 1) * size] if (k + 1) * size <= n else rng.integers(n, size=P)
        lines[k] = ridge(Z[rows], problem.working_target[rows])
    nearest = np.abs(problem.working_target[:, None] - Z @ lines.T).min(axis=1)
    sigma = max(1.5 * float(np.median(nearest)), problem.least_sigma)
    outside = None if problem.family.background is None else rng.uniform(*OUTSIDE)
    return _components(problem, lines, np.full(K, sigma), np.ones(K), outside), sigma


def sequential_quantile(problem: Problem, Z: Array, rng: np.random.Generator) -> tuple[Raw, float]:
    """Lines one after the other through what is not yet explained."""
    n, P = Z.shape
    K = problem.layout.n_components
    y = problem.working_target
    remaining = np.arange(n)
    lines, sigmas, weights = np.empty((K, P)), np.empty(K), np.empty(K)
    candidates, inside = CANDIDATES, 1.0
    if problem.family.background is not None:
        candidates = CANDIDATES_IN_A_BACKGROUND
        inside = float(np.exp(rng.uniform(np.log(1.0 - OUTSIDE[1]), 0.0)))
    for k in range(K):
        if len(remaining) < 2 * P:
            remaining = np.arange(n)
        m = len(remaining)
        share = inside * rng.uniform(0.3, 0.9) / (K - k)
        rank = min(max(int(share * m), P + 1), m - 1)
        rows = remaining[rng.integers(m, size=(candidates, P))]
        A = Z[rows]
        gram = np.einsum("cij,cik->cjk", A, A)
        gram[:, np.arange(P), np.arange(P)] += (
            _RIDGE * (1.0 + np.trace(gram, axis1=1, axis2=2) / P)
        )[:, None]
        trial = np.linalg.solve(gram, np.einsum("cij,ci->cj", A, y[rows])[..., None])[..., 0]
        distance = np.abs(y[remaining] - trial @ Z[remaining].T)
        reach = np.partition(distance, rank, axis=1)[:, rank]
        best = int(np.argmin(reach))
        line = trial[best]
        for _ in range(3):
            residual = np.abs(y[remaining] - Z[remaining] @ line)
            close = np.argpartition(residual, rank)[: rank + 1]
            line = ridge(Z[remaining[close]], y[remaining[close]])
        residual = np.abs(y[remaining] - Z[remaining] @ line)
        reach_k = float(np.partition(residual, rank)[rank])
        lines[k] = line
        sigmas[k] = max(reach_k / 1.5, problem.least_sigma)
        taken = residual <= 1.5 * reach_k
        weights[k] = max(taken.sum(), 1) / n
        remaining = remaining[~taken]
    outside = 1.0 - float(weights.sum())
    return _components(problem, lines, sigmas, weights + 0.02, outside), 0.0


def split_line(
    Z: Array, y: Array, responsibility: Array, line: Array, rng: np.random.Generator
) -> tuple[Array, Array, float]:
    """Two lines from one, along a direction in which its squared residuals grow.

    If y = x'(b +- u) with equal odds, E[e^2 | x] = sigma^2 + (x'u)^2, so that the leading
    generalised eigenvector of sum r e^2 x x' against sum r x x' is u.

    Returns
    -------
    first, second : ndarray of shape (P,)
    sigma : float
    """
    residual = y - Z @ line
    total = responsibility.sum() + 1e-12
    base = (Z * responsibility[:, None]).T @ Z / total
    base[np.diag_indices_from(base)] += 1e-6
    # Winsorised, or a single outlier decides the direction.
    square = residual**2
    square = np.minimum(square, 9.0 * (responsibility @ square) / total)
    moment = (Z * (responsibility * square)[:, None]).T @ Z / total
    root = np.linalg.inv(np.linalg.cholesky(base))
    values, vectors = np.linalg.eigh(root @ moment @ root.T)
    noise = 0.15 * np.abs(rng.standard_normal(len(values))) * (values[-1] + 1e-12)
    direction = root.T @ vectors[:, int(np.argmax(values + noise))]
    along = Z @ direction
    side = residual * along > 0
    lines = []
    for mask in (side, ~side):
        w = responsibility * mask
        lines.append(ridge(Z, y, w) if w.sum() > 0 else line.copy())
    variance = float(responsibility @ residual**2 / total)
    return lines[0], lines[1], 0.5 * float(np.sqrt(max(variance, 1e-12)))


def spectral_splits(problem: Problem, Z: Array, rng: np.random.Generator) -> tuple[Raw, float]:
    """Split the pooled fit until there are K components."""
    K = problem.layout.n_components
    y, w = problem.working_target, problem.weights
    lines = [ridge(Z, y, w)]
    while len(lines) < K:
        residual = y[:, None] - Z @ np.array(lines).T
        near = np.argmin(np.abs(residual), axis=1)
        badness = np.array(
            [(w * (near == k)) @ residual[:, k] ** 2 + 1e-12 for k in range(len(lines))]
        )
        k = int(rng.choice(len(lines), p=badness / badness.sum()))
        first, second, _ = split_line(Z, y, w * (near == k), lines[k], rng)
        lines[k] = first
        lines.append(second)
    stacked = np.array(lines)
    # A few rounds of nearest-line fits, so that splits made early can follow those made late.
    for _ in range(2):
        near = np.argmin(np.abs(y[:, None] - Z @ stacked.T), axis=1)
        for k in range(K):
            if (near == k).sum() > Z.shape[1]:
                stacked[k] = ridge(Z, y, w * (near == k))
    nearest = np.abs(y[:, None] - Z @ stacked.T).min(axis=1)
    sigma = max(1.5 * float(np.median(nearest)), problem.least_sigma)
    return _components(problem, stacked, np.full(K, sigma), np.ones(K)), sigma


def shifted_quantiles(problem: Problem, Z: Array, rng: np.random.Generator) -> tuple[Raw, float]:
    """The pooled line, its intercept shifted to random quantiles of its residuals."""
    K = problem.layout.n_components
    y, w = problem.working_target, problem.weights
    line = ridge(Z, y, w)
    residual = y - Z @ line
    lines = np.repeat(line[None], K, axis=0)
    levels = (rng.permutation(K) + rng.random(K)) / K
    lines[:, 0] += Z[0, 0] * np.quantile(residual, levels)
    spread = max(float(residual.std()) / K, 1e-6)
    return _components(problem, lines, np.full(K, spread), np.ones(K)), spread


RECIPES = (random_subsets, sequential_quantile, spectral_splits)
# Where responses are not as far from lines as working responses are, one recipe more.
GENERAL_RECIPES = (*RECIPES, shifted_quantiles)
# Of a single line there are no splits: that start would be the same each time.
RECIPES_OF_ONE = (random_subsets, sequential_quantile, shifted_quantiles)


def relocations(problem: Problem, Z: Array, components: Raw, rng: np.random.Generator) -> list[Raw]:
    """Each component taken out and put back elsewhere: see `additions`."""
    out = []
    for k in range(problem.layout.n_components):
        others = np.delete(np.arange(problem.layout.n_components), k)
        out += additions(problem, Z, Raw(*(a[others] for a in components)), rng)
    return out


def additions(problem: Problem, Z: Array, components: Raw, rng: np.random.Generator) -> list[Raw]:
    """K - 1 components and one more, put where it may be missing.

    Once as a line through rows the mixture explains badly, and once as half of a split of the
    component that fits worst.
    """
    y, w = problem.working_target, problem.weights
    lines, family = components.line, problem.family
    offset = problem.rows.observations.offset
    terms = components.log_weights + family.log_density(
        problem.target[:, None],
        Z @ lines.T + problem.design.location + (0.0 if offset is None else offset[:, None]),
        *family.natural(components.extra),
        *problem.family_columns[:, :, None],
    )
    top = terms.max(axis=1)
    density = top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
    out = []
    for line, spread, share in (
        _line_through_bad_rows(Z, y, w, density, rng),
        _half_of_a_split(Z, y, w, terms - density[:, None], lines, rng),
    ):
        weights = np.append(np.exp(components.log_weights), share)
        added = _components(problem, line[None], np.array([spread]), np.ones(1))
        out.append(
            Raw(
                np.log(weights / weights.sum())[:, None],
                np.vstack([lines, added.line]),
                np.vstack([components.extra, added.extra]),
            )
        )
    return out


def _line_through_bad_rows(
    Z: Array, y: Array, w: Array, density: Array, rng: np.random.Generator
) -> tuple[Array, float, float]:
    """A line fitted to a random part of the rows of lowest density."""
    n, P = Z.shape
    share = rng.uniform(0.05, 0.5)
    pool = np.argsort(density)[: max(int(share * n), min(2 * P, n))]
    rows = rng.choice(pool, size=min(P + int(rng.integers(0, P + 2)), len(pool)), replace=False)
    line = ridge(Z[rows], y[rows])
    residual = np.abs(y[pool] - Z[pool] @ line)
    for _ in range(3):
        close = np.argsort(residual)[: max(len(pool) // 2, P + 1)]
        line = ridge(Z[pool[close]], y[pool[close]], w[pool[close]])
        residual = np.abs(y[pool] - Z[pool] @ line)
    scale = float(np.median(residual)) + 1e-6
    return line, scale, max(0.5 * share, 1.0 / n)


def _half_of_a_split(
    Z: Array, y: Array, w: Array, log_responsibility: Array, lines: Array, rng: np.random.Generator
) -> tuple[Array, float, float]:
    """One half of a split of a component, chosen by its sum of squared residuals."""
    responsibility = np.exp(log_responsibility) * w[:, None]
    squares = (responsibility * (y[:, None] - Z @ lines.T) ** 2).sum(axis=0) + 1e-12
    k = int(rng.choice(len(lines), p=squares / squares.sum()))
    first, second, scale = split_line(Z, y, responsibility[:, k], lines[k], rng)
    share = float(responsibility[:, k].sum() / w.sum())
    return (first if rng.random() < 0.5 else second), scale, 0.5 * share + 1.0 / len(y)


def reductions(components: Raw, n_labelled: int = 0) -> list[Raw]:
    """The components with any two merged, or any one left out, but for the first ``n_labelled``."""
    K = len(components.log_weights)
    weights = np.exp(components.log_weights)
    out = []
    for k in range(n_labelled, K):
        rest = np.delete(np.arange(K), k)
        out.append(Raw(*(a[rest] for a in components)))
        for j in rest[(rest < n_labelled) | (rest > k)]:
            share = weights[j] / (weights[j] + weights[k])
            pair = components.copied()
            for a in pair:
                a[j] = share * a[j] + (1.0 - share) * a[k]
            pair.logits[:, 0] = components.log_weights
            pair.logits[j, 0] = np.log(weights[j] + weights[k])
            out.append(Raw(*(a[rest] for a in pair)))
    return out
