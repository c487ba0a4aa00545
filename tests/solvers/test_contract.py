"""What every row of the table of solvers promises."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from conftest import quick_solver, two_lines
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmixreg import BayesianMixtureRegressor, Gaussian
from skmixreg.solvers import SOLVERS
from skmixreg.solvers._needs import NEEDS, in_words

N = 1000


def fit(name, X, y, K=2, seed=0, **options):
    """A fit with little work, which may say that it was too little."""
    model = BayesianMixtureRegressor(K, solver=quick_solver(name), random_state=seed, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.fixture(scope="module")
def fitted():
    """Fits of the seed problem by solver, each done once."""
    done: dict[str, BayesianMixtureRegressor] = {}

    def get(name):
        if name not in done:
            done[name] = fit(name, *two_lines(N))
        return done[name]

    return get


def test_shapes_and_units(fitted, solver_name):
    posterior = fitted(solver_name).posterior_
    shape = posterior["log_prior"].shape
    assert len(shape) == 2 and min(shape) >= 1
    assert posterior["weights"].shape == (*shape, 2)
    assert posterior["coef"].shape == (*shape, 2, 1)
    assert posterior["intercept"].shape == posterior["sigma"].shape == (*shape, 2)
    np.testing.assert_allclose(posterior["weights"].sum(axis=-1), 1.0)
    assert posterior["log_likelihood"].shape == posterior["mode"].shape == shape
    assert posterior.solver in SOLVERS


def test_recovers_the_seed_problem(fitted, solver_name):
    """Within five posterior sds of an exact fit; a point has none of its own."""
    model, exact = fitted(solver_name), fitted("laplace")
    for name, truth in {"coef": [[-1], [3]], "sigma": [0.1, 0.1], "weights": [0.5, 0.5]}.items():
        sd = exact.posterior_[name].std(axis=(0, 1))
        assert (np.abs(getattr(model, f"{name}_") - truth) < 5 * sd).all(), name


def test_log_likelihood_is_that_of_the_draws(fitted, solver_name):
    X, y = two_lines(N)
    posterior = fitted(solver_name).posterior_
    w, b, a, s = (posterior[k][-1, -1] for k in ("weights", "coef", "intercept", "sigma"))
    density = w * np.exp(-0.5 * ((y[:, None] - a - X @ b.T) / s) ** 2) / (s * np.sqrt(2 * np.pi))
    expected = np.log(density.sum(axis=1)).sum()
    assert posterior["log_likelihood"][-1, -1] == pytest.approx(expected, rel=1e-9)


def test_every_mode_has_a_summary(fitted, solver_name):
    model = fitted(solver_name)
    table = model.summary(by_mode=True)
    assert table["mean"].notna().all()
    best = int(model.modes_["probability"].argmax())
    slopes = table.loc[best].filter(like="coef", axis=0)["mean"]
    np.testing.assert_allclose(slopes, [-1, 3], atol=0.05)
    if solver_name == "map":
        assert table["sd"].isna().all()


def test_same_seed_same_result(fitted, solver_name):
    model, other = fitted(solver_name), fit(solver_name, *two_lines(N))
    for name in ("weights_", "coef_", "intercept_", "sigma_"):
        np.testing.assert_array_equal(getattr(other, name), getattr(model, name))


def test_units_do_not_matter(fitted, solver_name):
    X, y = two_lines(N)
    model, other = fitted(solver_name), fit(solver_name, 4 * X - 1, 8 * y + 3)
    np.testing.assert_allclose(other.weights_, model.weights_, atol=0.01)
    np.testing.assert_allclose(other.coef_, 2 * model.coef_, atol=0.01)
    np.testing.assert_allclose(other.sigma_, 8 * model.sigma_, rtol=0.02)


def test_one_component(solver_name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = 1 + X @ [2.0, -1.0] + rng.normal(0, 0.5, 200)
    model = fit(solver_name, X, y, K=1)
    np.testing.assert_allclose(model.coef_, [[2, -1]], atol=0.15)
    np.testing.assert_allclose([model.intercept_, model.sigma_], [[1], [0.5]], atol=0.15)
    np.testing.assert_array_equal(model.weights_, [1.0])


def test_shared_sigma_without_intercept(solver_name):
    X, y = two_lines(300)
    model = fit(solver_name, X, y, family=Gaussian(shared_sigma=True), fit_intercept=False)
    np.testing.assert_allclose(model.coef_.ravel(), [-1, 3], atol=0.1)
    np.testing.assert_array_equal(model.intercept_, [0, 0])
    assert model.sigma_[0] == model.sigma_[1] == pytest.approx(0.1, rel=0.2)


def test_fractional_weights_are_served_or_refused(solver_name):
    X, y = two_lines(300)
    weights = np.full(300, 1.5)
    model = BayesianMixtureRegressor(solver=quick_solver(solver_name), random_state=0)
    refusal = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y, sample_weight=weights)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert "counts" in refusal and "solver=" in refusal
    else:
        np.testing.assert_allclose(model.coef_.ravel(), [-1, 3], atol=0.1)


def test_clones_and_pickles(fitted, solver_name):
    model = fitted(solver_name)
    assert clone(model).get_params().keys() == model.get_params().keys()
    again = pickle.loads(pickle.dumps(model))
    X, y = two_lines(20, seed=5)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.predict_proba(X, y), model.predict_proba(X, y))
    assert again.solver_report_.keys() == model.solver_report_.keys()


def test_unknown_options_are_named(solver_name):
    with pytest.raises(TypeError, match="drows"):
        SOLVERS[solver_name](drows=3)
    with pytest.raises(ValueError, match="drows"):
        SOLVERS[solver_name]().set_params(drows=3)


def test_options_out_of_range_are_named(solver_name):
    solver = SOLVERS[solver_name]()
    counts = [o for o in ("draws", "chains", "n_iterations") if o in solver.get_params()]
    for option in counts:
        wrong = clone(solver).set_params(**{option: -1})
        with pytest.raises(ValueError, match=option):
            BayesianMixtureRegressor(solver=wrong).fit(*two_lines(50))


class Unconjugate(Gaussian):
    """A family whose conditional distributions nobody knows."""

    name = "unconjugate"
    conjugate = False


def test_a_family_that_cannot_be_served(solver_name):
    if "conjugate" not in SOLVERS[solver_name].requires:
        pytest.skip("serves every family")
    model = BayesianMixtureRegressor(solver=solver_name, family=Unconjugate())
    with pytest.raises(ValueError, match=r"conjugate family.*unconjugate.*use solver="):
        model.fit(*two_lines(50))


def test_columns_with_roles_that_cannot_be_served(solver_name):
    if "conjugate" not in SOLVERS[solver_name].requires:
        pytest.skip("serves roles")
    X, y = two_lines(50)
    model = BayesianMixtureRegressor(solver=solver_name, gating_features=[0])
    with pytest.raises(ValueError, match=r"columns with roles.*use solver="):
        model.fit(X, y)


def test_shared_extras_that_no_step_moves_are_refused(solver_name):
    model = BayesianMixtureRegressor(solver=solver_name, family=Unconjugate(shared_sigma=True))
    with pytest.raises(ValueError, match=r"Unconjugate.*shares sigma over components"):
        model.fit(*two_lines(50))


def test_approximations_say_how_far_off_they_are(fitted, solver_name):
    model = fitted(solver_name)
    if SOLVERS[solver_name].exact or model.posterior_["log_prior"].size == 1:
        pytest.skip("exact, or a point")
    report = model.solver_report_
    assert report["khat"] <= report["khat_threshold"] or not model.converged_


def test_the_table_says_what_to_expect(solver_name):
    solver = SOLVERS[solver_name]
    assert all(getattr(solver, text) for text in ("name", "summary", "cost", "fails"))
    assert set(solver.requires) <= NEEDS.keys()
    assert all(NEEDS[name].label in in_words(solver.requires) for name in solver.requires)


def test_summary_works_for_every_solver(fitted, solver_name):
    table = fitted(solver_name).summary()
    assert np.isfinite(table["mean"]).all()
