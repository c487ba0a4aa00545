"""Average weights over few rows are those over all."""

import numpy as np
import pytest
from role_cases import Case, problem_of
from scipy.special import softmax

from skmixreg._model.raw import Raw
from skmixreg._posterior._rows.gate_rows import GATE_ROWS, gate_rows
from skmixreg._posterior.parameters import average_memberships


@pytest.mark.parametrize("n", [40, 3000])
@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("group", [False, True])
def test_averages_are_those_of_all_units(n, K, group):
    rng = np.random.default_rng(K)
    weights = np.repeat(rng.integers(1, 9, n // 4), 4).astype(float)
    problem = problem_of(Case("poisson", K, gating=True, group=group), n, weights=weights)
    q, E = problem.layout.n_gating, len(problem.layout.extras)
    logits = rng.normal(size=(K, 1 + q))
    mode = Raw(logits, np.zeros((K, 3)), np.zeros((K, E)))
    near = Raw(
        logits + 0.05 * rng.normal(size=(50, K, 1 + q)), *(np.zeros((50, K, a)) for a in (3, E))
    )
    rows = gate_rows(problem, mode)
    units = problem.rows.observations
    first = units.first_rows
    assert rows.shape == (1 + q, min(len(first), GATE_ROWS))
    odds = near.logits[..., :1] + near.logits[..., 1:] @ units.gating[:, first]
    exact = softmax(odds, axis=1) @ (units.weights[first] / units.weights[first].sum())
    found = average_memberships(near, problem.family, rows)
    np.testing.assert_allclose(found, exact, atol=1e-12 if len(first) <= GATE_ROWS else 3e-5)
