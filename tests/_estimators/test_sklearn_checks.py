"""scikit-learn's own checks, for every solver."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import quick_solver
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV

# The checks fit noise, two or three distinct responses and the like: whether such a posterior
# has two modes or a chain mixes is not what they are about.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning"),
    pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning"),
]


class TwoComponents(BayesianMixtureRegressor):
    """Always two components: many of the checks set ``n_components`` to 1."""

    def __init__(self, solver="auto", random_state=None):
        super().__init__(solver=solver, random_state=random_state)

    @property
    def n_components(self):
        return 2

    @n_components.setter
    def n_components(self, value):
        pass


COUNT_GROUPS = "weights count groups, in which the rows of this check have different ones"
SAME_GROUP = "a row that is repeated is one more row of its group, not another group"


def expected_failed_checks(estimator):
    expected = {
        "check_regressors_no_decision_function": (
            "predict_proba gives the probabilities of the components, which are what a mixture "
            "of regressions is fitted for"
        )
    }
    if estimator.group_feature is not None:
        expected["check_sample_weights_not_overwritten"] = COUNT_GROUPS
        expected["check_sample_weight_equivalence_on_dense_data"] = SAME_GROUP
    return expected


@parametrize_with_checks(
    [
        BayesianMixtureRegressor(solver="map"),
        TwoComponents(solver="cavi"),
    ],
    expected_failed_checks=expected_failed_checks,
    xfail_strict=True,
)
def test_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [BayesianMixtureRegressorCV((1, 2), criterion="bic", solver="map")],
    expected_failed_checks=expected_failed_checks,
    xfail_strict=True,
)
def test_checks_of_the_choice(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:gating column 0 is constant")
@pytest.mark.filterwarnings("ignore:every row is a group of its own")
@parametrize_with_checks(
    [
        BayesianMixtureRegressor(solver="map", **roles)
        for roles in (
            {"gating_features": [0], "component_features": "all"},
            {"group_feature": 0},
        )
    ],
    expected_failed_checks=expected_failed_checks,
    xfail_strict=True,
)
def test_checks_of_roles(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        BayesianMixtureRegressor(solver=quick_solver("auto")),
        *[TwoComponents(quick_solver(name)) for name in ("laplace", "gibbs", "nuts")],
        BayesianMixtureRegressorCV((1, 2), average=True),
    ],
    expected_failed_checks=expected_failed_checks,
    xfail_strict=True,
)
def test_checks_of_dear_solvers(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.skipif("SCIPY_ARRAY_API" in os.environ, reason="this is that run")
def test_checks_with_array_api():
    """With SCIPY_ARRAY_API=1, read when SciPy is imported, scikit-learn runs one more check."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"),
            *("-k", "test_checks and map and not equivalence", __file__),
        ],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "SCIPY_ARRAY_API is not set" not in done.stdout
