"""Parts with empty components beside a gate, labels and what components share."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from role_cases import Case, problem_of
from scipy.special import logsumexp

from skmixreg._proposals.parts import EmptyPart, StudentPart
from skmixreg._proposals.symmetrised import SymmetrisedMixture
from skmixreg._search.empty import can_be_empty
from skmixreg.families import Gaussian

CASES = {
    "gate": Case("gaussian", 3, gating=True),
    "labels of two": Case("gaussian", 4, labels=True),
    "shared slope, gate": Case("poisson", 3, gating=True, shared=True),
    "all": Case(Gaussian(shared_sigma=True), 4, True, True, True, False, True),
}


def problem_with_two_labels(case, n=60):
    """The problem, of which labels name the first two components at most."""
    few = problem_of(case._replace(n_components=2), n)
    return few.with_components(case.n_components)


def wide_part(problem, seed=0):
    """A t distribution around random components that overlap."""
    rng = np.random.default_rng(seed)
    d = problem.layout.size
    factor = np.tril(0.1 * rng.normal(size=(d, d)), -1) + np.diag(rng.uniform(0.3, 0.6, d))
    return StudentPart(problem, rng.normal(size=d), factor, 12.0)


@pytest.mark.parametrize("n_empty", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_sum_over_relabellings(name, n_empty):
    """The density is the mean over all relabellings of components that are exchangeable."""
    problem = problem_with_two_labels(CASES[name])
    layout, K = problem.layout, problem.layout.n_components
    labelled = len(layout.fixed_labels)
    assert can_be_empty(problem)
    part = wide_part(problem.with_components(K - n_empty))
    for more in range(K - n_empty + 1, K + 1):
        part = EmptyPart(problem.with_components(more), part)
    mixture = SymmetrisedMixture(layout, [part], np.ones(1))
    thetas, _ = mixture.sample(np.random.default_rng(0), 100)
    orders = [np.array([*range(labelled), *rest]) for rest in permutations(range(labelled, K))]
    terms = [part.log_density(layout.permute(thetas, order)) for order in orders]
    expected = logsumexp(terms, axis=0) - np.log(len(orders))
    np.testing.assert_allclose(mixture.log_density(thetas), expected, atol=1e-6)


@pytest.mark.parametrize("K", [2, 3])
def test_density_is_that_of_the_draws(K):
    """E[p / q] = 1 under q, a t distribution with the moments of draws from p."""
    problem = problem_of(Case("poisson", K, gating=True), n=3)
    part = EmptyPart(problem, wide_part(problem.with_components(K - 1)))
    rng = np.random.default_rng(1)
    drawn = part.sample(rng, 20_000)
    scale = np.linalg.cholesky(np.cov(drawn.T))
    wide = StudentPart(problem, drawn.mean(axis=0), scale, 5.0)
    thetas = wide.sample(rng, 200_000)
    ratios = np.exp(part.log_density(thetas) - wide.log_density(thetas))
    error = ratios.std() / np.sqrt(len(ratios))
    assert error < 0.02
    assert ratios.mean() == pytest.approx(1.0, abs=4 * error)


def test_all_labels_leave_nothing_empty():
    assert not can_be_empty(problem_of(Case("gaussian", 2, labels=True)))
