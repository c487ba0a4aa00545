"""Real data with roles: the likelihood that flexmix reached; see benchmarks/real_roles.py."""

import warnings

import numpy as np
import pytest
from role_reference import NAMES, load
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skmixreg import BayesianMixtureRegressor, MultimodalPosteriorWarning
from skmixreg.solvers import Laplace


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


@pytest.mark.slow
def test_a_search_with_named_centres_and_a_category_in_the_gate():
    """22 centres of a trial by name, their size as a category, whole centres in each fold."""
    case = load("betablocker")
    patients = case.X.groupby("Center")["Total"].transform("sum")
    X = case.X.assign(
        Center=[f"centre {number}" for number in case.X["Center"]],
        size=np.where(patients > patients.median(), "large", "small"),
    )
    encode = ColumnTransformer(
        [("size", OneHotEncoder(sparse_output=False, drop="first"), ["size"])],
        remainder="passthrough", verbose_feature_names_out=False,
    ).set_output(transform="pandas")  # fmt: skip
    mixture = BayesianMixtureRegressor(
        family=case.parameters["family"], group_feature="Center",
        gating_features=make_column_selector(pattern="^size_"), solver=Laplace(draws=400),
        random_state=0,
    )  # fmt: skip
    search = GridSearchCV(
        make_pipeline(encode, mixture), {"bayesianmixtureregressor__n_components": [1, 2]},
        cv=GroupKFold(2), n_jobs=2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, case.y, groups=X["Center"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"bayesianmixtureregressor__n_components": 2}
    best = search.best_estimator_[-1]
    assert best.gating_coef_.shape[1] == 1
    memberships = best.predict_proba(search.best_estimator_[:-1].transform(X), case.y)
    arms = memberships[X["Center"].to_numpy() == "centre 1"]
    np.testing.assert_array_equal(arms[0], arms[1])
