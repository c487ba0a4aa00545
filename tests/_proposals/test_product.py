"""Parts whose roles are independent, and sums over their relabellings."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp
from synthetic import make_problem

from skmixreg._proposals import symmetrised
from skmixreg._proposals.parts import EmptyPart, StudentPart
from skmixreg._proposals.product import MOST_JOINT_ROLES, ProductPart, with_few_terms
from skmixreg._proposals.symmetrised import SymmetrisedMixture


def wide_part(problem, seed=0, spread=1.0, funnel=False, df=12.0):
    """A t distribution around random components that overlap."""
    rng = np.random.default_rng(seed)
    d = problem.layout.size
    factor = np.tril(0.1 * rng.normal(size=(d, d)), -1) + np.diag(rng.uniform(0.3, 0.6, d))
    return StudentPart(problem, spread * rng.normal(size=d), factor, df, funnel)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("funnel", [False, True])
def test_draws_are_from_the_density(funnel, shared):
    """E[p / q] = 1 under q, for densities p whose tails are lighter."""
    problem = make_problem(K=3, p=1, shared_sigma=shared)
    part = ProductPart(wide_part(problem, funnel=funnel, df=5.0))
    narrow = wide_part(problem, funnel=funnel, df=60.0)
    narrow.scale *= 0.7
    thetas = part.sample(np.random.default_rng(0), 60_000)
    ratios = np.exp(narrow.log_density(thetas) - part.log_density(thetas))
    assert ratios.mean() == pytest.approx(1.0, abs=4 * ratios.std() / np.sqrt(len(ratios)))
    assert ratios.std() / np.sqrt(len(ratios)) < 0.05


def test_contrasts_have_the_moments_of_the_joint_distribution():
    problem = make_problem(K=4, p=1)
    joint = wide_part(problem)
    at = problem.layout.table["gating"].where
    part = ProductPart(joint)
    contrasts = part.sample(np.random.default_rng(0), 100_000)[:, at]
    np.testing.assert_allclose(contrasts.mean(axis=0), joint.centre[at], atol=0.02)
    variance = (joint.scale[at] ** 2).sum() * joint.df / (joint.df - 2.0)
    assert contrasts.var(axis=0).sum() == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("n_empty", [0, 1, 2])
def test_sum_over_relabellings_is_a_permanent(monkeypatch, n_empty, shared):
    monkeypatch.setattr(symmetrised, "with_few_terms", lambda part, _: ProductPart(part))
    K = 4
    problem = make_problem(K=K, p=1, shared_sigma=shared)
    part = ProductPart(wide_part(problem.with_components(K - n_empty), funnel=True))
    for more in range(K - n_empty + 1, K + 1):
        part = EmptyPart(problem.with_components(more), part)
    mixture = SymmetrisedMixture(problem.layout, [part], np.ones(1))
    thetas, _ = mixture.sample(np.random.default_rng(0), 200)
    terms = [
        part.log_density(problem.layout.permute(thetas, np.array(order)))
        for order in permutations(range(K))
    ]
    expected = logsumexp(terms, axis=0) - gammaln(K + 1)
    np.testing.assert_allclose(mixture.log_density(thetas), expected, atol=1e-6)


def test_roles_are_independent_only_where_many_relabellings_count():
    problem = make_problem(K=6, p=1)
    assert isinstance(with_few_terms(wide_part(problem, spread=40.0), 6), StudentPart)
    assert isinstance(with_few_terms(wide_part(problem, spread=0.5), 6), ProductPart)
    few = make_problem(K=3, p=1)
    assert isinstance(with_few_terms(wide_part(few, spread=0.5), 3), StudentPart)
    # With many empty components, any of them may play a wide role.
    assert isinstance(with_few_terms(wide_part(few, spread=0.5), 12), ProductPart)
    many = make_problem(K=MOST_JOINT_ROLES + 1, p=1)
    assert isinstance(
        with_few_terms(wide_part(many, spread=40.0), many.layout.n_components), ProductPart
    )
