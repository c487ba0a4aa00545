"""AIC, BIC and ICL against flexmix and mixtools."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE_NAMES, load_reference, two_lines
from scipy.stats import norm
from synthetic import make_mode, make_posterior

from skmixreg import BayesianMixtureRegressor
from skmixreg._assessment.information import information_criteria
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg.families import Gaussian

CASES = [(name, K) for name in REFERENCE_NAMES for K in sorted(load_reference(name).fits)]
# Where the most probable mode and the peers' best maximum are the same solution.  Beyond, a
# component is spare, and the peers' maximum puts it on few rows.
SAME_SOLUTION = {
    "aphids": 2,
    "nodata_no_on_eq": 3,
    "npreg_yn": 2,
    "s2_heterosced": 2,
    "tonedata": 3,
}


def posterior_at(case, K):
    """A posterior whose only mode is the peers' estimate."""
    fit = case.fits[K]
    X, y = case.X.to_numpy(float), case.y.to_numpy(float)
    problem = Problem.from_arrays(
        X, y, family=Gaussian(), n_components=K, priors=Priors().resolve()
    )
    design = problem.design
    lines = pd.DataFrame(fit["coef"])[["(Intercept)", *case.X.columns]].to_numpy()
    components = Raw.of(
        np.log(np.ravel(fit["prior"])),
        (lines[:, 0] + lines[:, 1:] @ design.x_mean - design.y_mean) / design.y_scale,
        design.standardised_slopes(lines[:, 1:]),
        np.log(np.ravel(fit["sigma"]) / design.y_scale),
    )
    return X, y, make_posterior(problem, [make_mode(problem, components)])


@pytest.mark.parametrize(("name", "K"), CASES)
def test_the_peers_numbers_at_their_estimates(name, K):
    case = load_reference(name)
    peer = case.fits[K]
    X, y, posterior = posterior_at(case, K)
    criteria = information_criteria(posterior, X, y, None)
    np.testing.assert_allclose(criteria, [peer["AIC"], peer["BIC"], peer["ICL"]], rtol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of several modes
@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_fits_have_the_peers_numbers(name):
    case = load_reference(name)
    for K in range(1, SAME_SOLUTION[name] + 1):
        model = BayesianMixtureRegressor(K, solver="laplace", random_state=0).fit(case.X, case.y)
        ours = [getattr(model, criterion)(case.X, case.y) for criterion in ("aic", "bic", "icl")]
        theirs = [case.fits[K][criterion] for criterion in ("AIC", "BIC", "ICL")]
        np.testing.assert_allclose(ours, theirs, rtol=5e-3)


@pytest.fixture(scope="module")
def crossing():
    X, y = two_lines(60, seed=1, noise=0.4)
    model = BayesianMixtureRegressor(
        family=Gaussian(shared_sigma=True), fit_intercept=False, solver="map", random_state=0
    )
    return X, y, model.fit(X, y)


def test_parameters_and_the_mode_by_hand(crossing):
    """Without intercepts and with one sigma: two slopes, one sigma, one weight."""
    X, y, model = crossing
    at = {name: values[0] for name, values in model.posterior_.mode_parameters.items()}
    terms = at["weights"] * norm.pdf(y[:, None], X * at["coef"][:, 0], at["sigma"])
    total = np.log(terms.sum(axis=1)).sum()
    np.testing.assert_allclose(model.aic(X, y), 2 * 4 - 2 * total)
    np.testing.assert_allclose(model.bic(X, y), 4 * np.log(60) - 2 * total)
    complete = np.log(terms.max(axis=1)).sum()
    np.testing.assert_allclose(model.icl(X, y), 4 * np.log(60) - 2 * complete)


def test_the_most_probable_mode_decides(crossing):
    X, y, model = crossing
    posterior = model.posterior_
    other = Raw(*(np.concatenate([a, a + 0.3]) for a in posterior.mode_components))
    two = dataclasses.replace(
        posterior,
        modes=pd.DataFrame({"probability": [0.2, 0.7]}),
        mode_components=other,
    )
    only = dataclasses.replace(
        posterior,
        modes=pd.DataFrame({"probability": [1.0]}),
        mode_components=Raw(*(a[1:] for a in other)),
    )
    assert information_criteria(two, X, y, None) == information_criteria(only, X, y, None)


def test_weights_are_repetitions(crossing):
    X, y, model = crossing
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    for criterion in (model.aic, model.bic, model.icl):
        np.testing.assert_allclose(
            criterion(X, y, counts), criterion(np.repeat(X, counts, axis=0), np.repeat(y, counts))
        )


def test_a_stream_is_judged_at_its_own_centre():
    X, y = two_lines(600, noise=0.3)
    whole = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y)
    stream = BayesianMixtureRegressor(solver="cavi", random_state=0)
    for part in np.split(np.arange(600), 3):
        stream.partial_fit(X[part], y[part])
    first = whole.__class__(solver="map", random_state=0).fit(X[:200], y[:200])
    loss = stream.aic(X, y) - whole.aic(X, y)
    assert abs(loss) < 0.2 < first.aic(X, y) - whole.aic(X, y)
