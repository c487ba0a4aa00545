"""Parts of a proposal fitted to draws of a chain, where modes and their curvature say too little.

Around a mode a posterior may have shoulders that its curvature does not know of: a component that
nearly empties itself, a line that a few rows pull one way.  Draws of a short chain go there.  They
are aligned, told apart by whether a component stands empty, clustered, and every cluster becomes a
t distribution with its moments.  Importance sampling makes up for what the chain got wrong.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.vq import kmeans2

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._model.raw import Raw
from .._search.alignment import Pivot
from .._search.empty import can_be_empty
from .._search.mode_table import Mode
from .._support.arrays import Array
from .parts import EmptyPart, Part, StudentPart
from .symmetrised import SymmetrisedMixture

# A component that is expected to hold fewer rows stands empty.
EMPTY_ROWS = 0.6
MOST_CLUSTERS = 12
DRAWS_PER_COORDINATE = 30
DF = 6.0
# Of the proposal; the rest stays with the parts that it had.
SHARE = 0.8


def with_parts_from_draws(
    proposal: SymmetrisedMixture,
    problem: Problem,
    mode: Mode,
    thetas: Array,
    rng: np.random.Generator,
) -> SymmetrisedMixture:
    """The proposal with t distributions fitted to draws (S, d) of a chain.

    Parameters
    ----------
    proposal : SymmetrisedMixture
    problem : Problem
    mode : Mode
        In whose labels draws are aligned.
    thetas : ndarray of shape (S, d)
    rng : numpy.random.Generator
        Source of the starts of the clustering.
    """
    layout = problem.layout
    raw = layout.expand(thetas)
    orders, _ = Pivot.from_mode(layout, mode.theta, mode.scale).align(raw, False)
    parts, sizes = _fitted_parts(problem, layout.collapse(raw.permuted(orders)), rng)
    if not parts:
        return proposal
    shares = SHARE * np.array(sizes) / np.sum(sizes)
    return proposal.with_parts(
        [*proposal.parts, *parts], np.concatenate([(1.0 - SHARE) * proposal.probabilities, shares])
    )


def _fitted_parts(
    problem: Problem, thetas: Array, rng: np.random.Generator
) -> tuple[list[Part], list[int]]:
    """Parts, and how many draws each stands for."""
    parts: list[Part] = []
    sizes: list[int] = []
    K = problem.layout.n_components
    full = thetas
    if K > 1 and can_be_empty(problem):
        density = LogPosterior(problem)
        counts = np.stack([density.expected_counts(theta) for theta in thetas])
        # Components with a label come first; they are not empty.
        labelled = len(problem.layout.fixed_labels)
        empty = counts[:, labelled:].min(axis=1) < EMPTY_ROWS
        full = thetas[~empty]
        if empty.any():
            # Parts with an empty component have it last.
            spare = labelled + counts[empty, labelled:].argmin(axis=1)
            others = np.stack([np.delete(np.arange(K), k) for k in spare])
            raw = problem.layout.expand(thetas[empty])
            kept = Raw(*(np.take_along_axis(part, others[..., None], 1) for part in raw))
            inner = problem.with_components(K - 1)
            found, numbers = _fitted_parts(inner, inner.layout.collapse(kept), rng)
            parts += [EmptyPart(problem, part) for part in found]
            sizes += numbers
    for cluster in _clusters(full, rng):
        parts.append(_student(problem, cluster))
        sizes.append(len(cluster))
    return parts, sizes


def _clusters(thetas: Array, rng: np.random.Generator) -> list[Array]:
    """Draws in clusters that are large enough for moments of their own."""
    S, d = thetas.shape
    least = DRAWS_PER_COORDINATE * d
    if 2 * d > S:
        return []
    k = min(MOST_CLUSTERS, S // least)
    if k < 2:
        return [thetas]
    unit = thetas.std(axis=0)
    _, label = kmeans2(thetas / np.maximum(unit, 1e-12), k, minit="++", rng=rng)
    clusters = [thetas[label == c] for c in range(k)]
    small = [c for c in clusters if len(c) < least]
    large = [c for c in clusters if len(c) >= least]
    if sum(map(len, small)) > 2 * d:
        large.append(np.concatenate(small))
    return large


def _student(problem: Problem, thetas: Array) -> StudentPart:
    n, d = thetas.shape
    gap = thetas - thetas.mean(axis=0)
    covariance = gap.T @ gap / n
    diagonal = np.diag(np.diagonal(covariance) + 1e-12)
    trust = n / (n + 2.0 * d)
    covariance = trust * covariance + (1.0 - trust) * diagonal
    # The covariance of a t distribution is df / (df - 2) times its scale.
    scale = np.linalg.cholesky(covariance * (DF - 2.0) / DF)
    return StudentPart(problem, thetas.mean(axis=0), scale, DF)
