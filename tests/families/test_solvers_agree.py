"""Exact solvers against each other: two components that half overlap, with a dispersion each.

`tests/test_agreement.py` has normal errors, against longer runs.
"""

from __future__ import annotations

import numpy as np
import pytest
from log_densities import family_of
from solver_moments import SOLVERS, moments

from skmixreg import BayesianMixtureRegressor
from skmixreg.families import StudentT
from skmixreg.solvers import NUTS

pytestmark = pytest.mark.slow
N = 150
ESTIMATED_DF = "student_t, estimated df"
EXTRAS = {
    "student_t": (0.4, 0.3),
    ESTIMATED_DF: ((0.4, 5.0), (0.3, 5.0)),
    "negative_binomial": (6.0, 12.0),
    "gamma": (6.0, 12.0),
    "binomial": (25.0, 25.0),  # trials
    "lognormal": (0.4, 0.3),
    "weibull": (2.0, 3.5),
    "beta": (20.0, 40.0),
}
# Of families whose predictors have no units of y.
LINES = {"binomial": ((-1.0, 1.2), (1.0, -0.8))}
# Along the shape of counts that may be Poisson an sd is told by few draws of a long tail.
LONGER = {"negative_binomial": {"nuts": NUTS(draws=8000, target_accept=0.9)}}


def rows(family, extras):
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, N)
    first = rng.random(N) < 0.55
    (a, b), (c, d) = LINES.get(family.name, ((1.0, 0.8), (2.6, -0.6)))
    eta = np.where(first, a + b * x, c + d * x)
    extra = np.where(first, *(np.reshape(e, (-1, 1)) for e in extras))
    columns = extra if family.columns else []
    return np.column_stack([*columns, x]), family.sample(rng, eta, *extra)


@pytest.mark.parametrize("family_name", sorted(EXTRAS))
def test_means_sds_and_evidence(family_name):
    family = StudentT(df=None) if family_name == ESTIMATED_DF else family_of(family_name)
    X, y = rows(family, EXTRAS[family_name])
    fits = {
        name: BayesianMixtureRegressor(2, family=family, solver=solver, random_state=0)
        for name, solver in (SOLVERS | LONGER.get(family_name, {})).items()
    }
    for name, model in fits.items():
        assert model.fit(X, y).converged_, name
    mean, sd = moments(fits["nuts"])
    for name in ("laplace", "gibbs"):
        other_mean, other_sd = moments(fits[name])
        np.testing.assert_array_less(np.abs(other_mean - mean) / sd, 0.1, err_msg=name)
        np.testing.assert_array_less(np.abs(other_sd / sd - 1.0), 0.1, err_msg=name)
    assert fits["gibbs"].log_evidence_ == pytest.approx(fits["laplace"].log_evidence_, abs=0.1)
