"""Real data with roles: the likelihood that flexmix reached; see benchmarks/real_roles.py."""

import warnings

import pytest
from role_reference import NAMES, load

from skmixreg import BayesianMixtureRegressor, MultimodalPosteriorWarning


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_best_mode_is_as_likely_as_the_optimum_of_flexmix(name):
    case = load(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MultimodalPosteriorWarning)
        model = BayesianMixtureRegressor(**case.parameters, random_state=0).fit(case.X, case.y)
    assert model.converged_
    # The prior may cost half a nat per parameter.
    assert model.modes_["log_likelihood"].max() > case.log_likelihood - case.size / 2
