"""The posterior of the number of filled components, against a sum over all allocations."""

from itertools import product

import numpy as np
import pytest
from scipy.special import gammaln, k0, logsumexp
from scipy.stats import multivariate_normal

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg.solvers import Gibbs

X = np.array([[-1.5], [-0.9], [-0.2], [0.3], [1.0], [1.6]])
Y = np.array([-1.4, 0.8, -0.1, 0.4, -1.1, 1.5])


def log_marginal(x, y, priors):
    """Log density of rows on one line: lines integrated exactly, log(sigma) by quadrature."""
    if not len(y):
        return 0.0
    t = np.linspace(np.log(priors.sigma_floor) - 2.5, np.log(priors.sigma_ceiling) + 2.0, 1201)
    floor, ceiling = priors.sigma_floor, priors.sigma_ceiling
    log_prior = -0.5 * ((floor / np.exp(t)) ** 2 + (np.exp(t) / ceiling) ** 2)
    log_prior -= np.log(k0(floor / ceiling))
    Z = np.column_stack([np.ones(len(y)), x])
    lines = Z @ np.diag([priors.intercept_scale**2, priors.coef_scale**2]) @ Z.T
    density = [multivariate_normal(cov=lines + np.exp(2 * s) * np.eye(len(y))).logpdf(y) for s in t]
    return logsumexp(log_prior + density) + np.log(t[1] - t[0])


def shares_by_enumeration(x, y, K, priors):
    """Probability of every number of filled components, over all K^n allocations."""
    n, c = len(y), priors.weight_concentration
    subsets = {
        rows: log_marginal(x[list(map(bool, rows))], y[list(map(bool, rows))], priors)
        for rows in product((0, 1), repeat=n)
    }
    terms, filled = [], []
    for labels in product(range(K), repeat=n):
        members = [tuple(int(label == k) for label in labels) for k in range(K)]
        counts = np.array([sum(rows) for rows in members])
        terms.append(gammaln(counts + c).sum() + sum(subsets[rows] for rows in members))
        filled.append(np.count_nonzero(counts))
    probability = np.exp(np.array(terms) - logsumexp(terms))
    return {k: probability[np.array(filled) == k].sum() for k in range(1, K + 1)}


@pytest.mark.slow
@pytest.mark.parametrize("concentration", [0.1, 1.0])
@pytest.mark.filterwarnings("ignore::UserWarning")  # few rows: more solutions than one
def test_number_of_filled_components_is_exact(concentration):
    priors = Priors(weight_concentration=concentration, sigma_floor=0.05)
    model = BayesianMixtureRegressor(
        3, solver=Gibbs(draws=4000, max_thin=8), priors=priors, random_state=0
    ).fit(X, Y)
    design = model.posterior_.design
    expected = shares_by_enumeration((design.standardised(X))[:, 0], design.target(Y), 3, priors)
    assert sum(expected.values()) == pytest.approx(1.0)
    found = model.solver_report_["filled_components"]
    assert model.posterior_["n_filled"].shape == model.posterior_["log_prior"].shape
    for k, share in expected.items():
        assert found.get(k, 0.0) == pytest.approx(share, abs=0.02)
