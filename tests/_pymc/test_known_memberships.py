"""Labels of a fit in the tree and in the model that it hands out."""

import numpy as np
import pymc as pm
import pytest
from scipy import special, stats

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg._pymc.coordinates import log_jacobian, to_values
from skmixreg.solvers import Laplace

FAST = {"solver": Laplace(draws=50), "random_state": 0}
DRAWS = 5


def rows_of(grouped, n=120, size=3):
    """X (x, group), y of two lines, and the true memberships; rows in random order."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(n // size), size) if grouped else np.arange(n)
    kind = rng.integers(0, 2, n)[group]
    x = rng.uniform(-1.0, 1.0, n)
    y = np.where(kind == 0, 2.0 * x, 1.0 - 2.0 * x) + rng.normal(0.0, 0.7, n)
    order = rng.permutation(n)
    return np.column_stack([x, rng.permutation(n)[group]])[order], y[order], kind[order]


def labels_of_rows(kind, probabilities):
    """Labels of a third of the rows, certain or not, and what multiplies the mixing weights."""
    known = np.arange(len(kind)) % 3 == 0
    if not probabilities:
        factor = np.where(known[:, None], np.eye(2)[kind], 1.0)
        return np.where(known, kind, -1), factor
    factor = np.where(known[:, None], np.where(np.eye(2)[kind] == 1.0, 1.0, 0.2), 1.0)
    factor[:6] = np.where(known[:6, None], np.eye(2)[kind[:6]], 1.0)
    return factor * np.random.default_rng(1).uniform(0.1, 5.0, (len(kind), 1)), factor


def log_likelihood_of(model, X, y, factor, weights):
    """By SciPy, in the user's units: (DRAWS,)."""
    out = []
    for s in range(DRAWS):
        weight, line, coef, sigma = (
            model.posterior_[name][0, s] for name in ("weights", "intercept", "coef", "sigma")
        )
        density = stats.norm.logpdf(y[:, None], line + X[:, :1] @ coef.T, sigma)
        groups = np.unique(X[:, 1]) if model.group_feature is not None else range(len(X))
        total = 0.0
        for i in groups:
            own = X[:, 1] == i if model.group_feature is not None else [i]
            terms = np.log(weight) + density[own].sum(axis=0)
            with np.errstate(divide="ignore"):
                # What is known of one row is known of its group.
                terms = terms + np.log(factor[own].min(axis=0))
            total += weights[own][0] * special.logsumexp(terms)
        out.append(total)
    return np.array(out)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("probabilities", [False, True])
def test_criteria_have_the_likelihood_of_the_fit(probabilities, grouped):
    X, y, kind = rows_of(grouped)
    labels, factor = labels_of_rows(kind, probabilities)
    options = {"group_feature": 1} if grouped else {"component_features": [0]}
    X = X if grouped else X[:, :1]
    model = BayesianMixtureRegressor(2, solver="map", random_state=0, **options)
    model.fit(X, y, labels=labels)
    best = model.modes_["log_likelihood"].iloc[model.modes_["probability"].argmax()]
    d = 7
    assert model.aic(X, y, labels=labels) == pytest.approx(2 * d - 2 * best, rel=1e-9)
    bic = d * np.log(len(y)) - 2 * best
    assert model.bic(X, y, labels=labels) == pytest.approx(bic, rel=1e-9)
    # Responsibilities by Bayes' rule; the mode is the one draw.
    r = model.predict_proba(X, y)
    if grouped:
        factor = np.stack([factor[X[:, 1] == g].min(axis=0) for g in X[:, 1]])
    r = r * factor / (r * factor).sum(axis=1, keepdims=True)
    share = np.log(r.max(axis=1))
    if grouped:
        share = share / np.array([(X[:, 1] == g).sum() for g in X[:, 1]])
    icl = model.icl(X, y, labels=labels)
    assert icl == pytest.approx(bic - 2.0 * share.sum(), rel=1e-6)
    with pytest.raises(ValueError, match="had labels and this criterion got none"):
        model.bic(X, y)


@pytest.mark.parametrize(
    ("probabilities", "grouped", "weighted"),
    [
        (False, False, False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((True, False, True), (False, True, False), (True, True, True))
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
def test_likelihood_is_that_of_the_fit(probabilities, grouped, weighted):
    X, y, kind = rows_of(grouped)
    labels, factor = labels_of_rows(kind, probabilities)
    weights = 1.0 + X[:, 1] % 3 if weighted else np.ones(len(y))
    given = weights if weighted else None
    roles = {"group_feature": 1} if grouped else {}
    model = BayesianMixtureRegressor(**roles, **FAST)
    used = X if grouped else X[:, :1]
    model.fit(used, y, given, labels)
    fitted = model.posterior_["log_likelihood"]
    np.testing.assert_allclose(
        fitted[0, :DRAWS], log_likelihood_of(model, X, y, factor, weights), rtol=1e-9
    )
    tree = model.to_datatree(used, y, given, labels, random_state=0)
    densities = tree.log_likelihood["y"]
    assert densities.dims == ("chain", "draw", "observation")
    np.testing.assert_allclose(densities.sum("observation"), fitted, rtol=1e-9)

    in_pymc = model.to_pymc(used, y, given, labels)
    function, start = in_pymc.compile_logp(mode="FAST_COMPILE"), in_pymc.initial_point()
    posterior = model.posterior_
    for s in range(DRAWS):
        theta = posterior.layout.collapse(posterior.components)[0, s]
        point = to_values(theta, posterior.layout, start)
        expected = posterior.log_prior[0, s] + fitted[0, s] + log_jacobian(posterior.layout)
        np.testing.assert_allclose(function(point), expected, rtol=1e-9)


@pytest.fixture(scope="module")
def labelled():
    X, y, kind = rows_of(grouped=False)
    labels, _ = labels_of_rows(kind, probabilities=False)
    return BayesianMixtureRegressor(**FAST).fit(X[:, :1], y, labels=labels), X[:, :1], y, labels


@pytest.mark.parametrize("method", ["to_pymc", "to_datatree"])
def test_labels_of_the_fit_are_asked_for(labelled, method):
    model, X, y, labels = labelled
    call = getattr(model, method)
    with pytest.raises(ValueError, match=rf"fit had labels and {method} got none.*np.full"):
        call(X, y)
    for wrong, message in (
        (labels + 1, "integers from 0 to 1"),
        (labels[:-1], r"labels must have shape \(120,\)"),
        (np.full((120, 3), 0.5), r"labels must have shape \(120,\), or \(120, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call(X, y, labels=wrong)


def test_minus_one_is_the_likelihood_without_labels(labelled):
    model, X, y, labels = labelled
    nothing = np.full(len(y), -1)
    tree = model.to_datatree(X, y, labels=nothing, random_state=0)
    np.testing.assert_allclose(
        special.logsumexp(tree.log_likelihood["y"], axis=(0, 1)) - np.log(50),
        model.log_predictive_density(X, y),
        rtol=1e-9,
    )
    assert [variable.name for variable in model.to_pymc(X, y, None, nothing).observed_RVs] == ["y"]
    # Draws of new rows have no labels.
    assert "log_likelihood" not in model.to_datatree(X, random_state=0)
    for given in ({"labels": labels}, {"sample_weight": np.ones(len(y))}):
        with pytest.raises(ValueError, match=f"got {next(iter(given))} without y"):
            model.to_datatree(X, **given)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`find_MAP`:FutureWarning")
def test_the_mode_of_the_model_is_that_of_the_fit(labelled):
    """The highest logp that PyMC finds of the labelled model is at the lines of the fit."""
    _, X, y, labels = labelled
    model = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y, labels=labels)
    with model.to_pymc(X, y, labels=labels):
        found = pm.find_MAP(progressbar=False)
    np.testing.assert_allclose(found["coef"], model.coef_, atol=0.05)


def test_another_solver_needs_the_labels(labelled):
    model, X, y, labels = labelled
    with pytest.raises(ValueError, match=r"had labels and got none.*sample_weight and labels, or"):
        model.refit_as("map", X, y)
    with pytest.raises(ValueError, match=r"[^.]*Pass the same X, y, sample_weight and labels, or"):
        model.refit_as("map", X[1:], y[1:], labels=labels[1:])
    again = model.refit_as("map", X, y, labels=labels)
    np.testing.assert_allclose(again.modes_["log_posterior"], model.modes_["log_posterior"])
    plain = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"had no labels and got some now. Pass the same X, y and"):
        plain.refit_as("laplace", X, y, labels=labels)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
def test_the_choice_of_k_asks_for_labels_too(labelled):
    _, X, y, labels = labelled
    model = BayesianMixtureRegressorCV((2, 3), criterion="bic", random_state=0)
    model.fit(X, y, labels=labels)
    with pytest.raises(ValueError, match="fit had labels"):
        model.to_datatree(X, y)
    for one in (model, model.best_estimator_):
        tree = one.to_datatree(X, y, labels=labels, random_state=0)
        total = tree.log_likelihood["y"].sum("observation")
        np.testing.assert_allclose(total, one.posterior_["log_likelihood"], rtol=1e-9)
