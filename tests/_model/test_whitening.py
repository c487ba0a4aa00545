"""The prior of slopes does not depend on how columns are written."""

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._model._scaling.whitening import AS_THEY_ARE, WHITENED, Products, prior_map
from skmixreg._model.held_data import HeldData
from skmixreg._model.problem import Problem
from skmixreg.families import Gaussian


def problem_of(X, y, weights=None, **priors):
    own = Priors(**priors)
    return Problem.from_data(
        HeldData(X, y, weights),
        family=Gaussian(),
        n_components=2,
        priors=own.resolve(),
        standardisation=own.standardisation(X.shape[1], True),
    )


def rows(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + rng.normal(size=p)
    return X, rng.normal(size=n) + X[:, 0]


def covariance_of_lines(problem):
    """Prior covariance of a centred line at the rows, over s^2."""
    return problem.mean_design.T @ problem.mean_design


@pytest.mark.parametrize("p", [1, 2, 5, 12])
def test_a_line_has_the_same_prior_variance_whatever_the_columns(p):
    X, y = rows(200, p)
    variance = np.diag(covariance_of_lines(problem_of(X, y)))
    assert variance.mean() == pytest.approx(1.0, abs=1e-12)


def test_one_column_is_taken_as_it_is():
    X, y = rows(50, 1)
    problem = problem_of(X, y)
    assert problem.design.x_map is None
    expected = np.sort((X[:, 0] - X.mean()) / X.std())
    np.testing.assert_allclose(np.sort(problem.mean_design[0]), expected, rtol=1e-12)


def test_the_covariance_of_the_formula():
    n, weights = 90, np.arange(1.0, 91.0)
    for p in (4, 30, 60):
        X, y = rows(n, p, seed=p)
        for w in (None, weights / weights.mean()):
            problem = problem_of(X, y, w)
            w = np.ones(n) if w is None else w
            Z = (X - np.average(X, axis=0, weights=w)) / problem.design.x_scale
            S = (Z * w[:, None]).T @ Z / w.sum()
            t = min(1.0, max(0.0, (p / n - WHITENED) / (AS_THEY_ARE - WHITENED)))
            expected = (1 - t) * np.linalg.inv(S) / p + t * np.eye(p)
            T = np.eye(p) if problem.design.x_map is None else problem.design.x_map
            np.testing.assert_allclose(T.T @ T, expected, rtol=1e-7, atol=1e-9)
    # The rule is continuous: just above a limit it is nearly what it is below.
    assert t == 1.0


def test_directions_without_spread():
    X, y = rows(300, 3)
    level = np.arange(300) % 4
    factor = np.eye(4)[level]
    whole = problem_of(np.column_stack([X, factor, np.ones(300), X[:, 0] * 3.7 - 1e3]), y)
    assert whole.design.n_directions == 6
    one_less = problem_of(np.column_stack([X, factor[:, 1:]]), y)
    np.testing.assert_allclose(whole.mean_design, one_less.mean_design, atol=1e-6)
    constant = problem_of(np.ones((300, 2)), y)
    assert constant.design.n_directions == 1
    assert not constant.mean_design.any()


def test_weights_are_repeated_rows():
    X, y = rows(40, 3)
    counts = np.arange(40) % 4
    weighted = problem_of(X, y, counts.astype(float))
    repeated = problem_of(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.mean_design, repeated.mean_design, atol=1e-10)


def test_parts_of_rows_add_up():
    X, y = rows(500, 4)
    columns = np.ascontiguousarray(X.T)
    whole = Products.of(columns, y, None)
    parts = [Products.of(columns[:, a:b], y[a:b], None) for a, b in ((0, 3), (3, 290), (290, 500))]
    total = Products.total(parts)
    noise = np.full(4, 1e-16)
    np.testing.assert_allclose(
        prior_map(total, 500.0, noise, None), prior_map(whole, 500.0, noise, None), rtol=1e-9
    )


def test_slopes_in_the_users_units():
    X, y = rows(100, 4)
    design = problem_of(X, y).design
    coef = np.random.default_rng(0).normal(size=(2, 4))
    np.testing.assert_allclose(
        X @ design.slopes(coef).T / design.y_scale - design.standardised(X) @ coef.T,
        np.broadcast_to(design.x_mean @ design.slopes(coef).T / design.y_scale, (100, 2)),
    )
    np.testing.assert_allclose(design.standardised_slopes(design.slopes(coef)), coef)
    np.testing.assert_allclose(design.of_standardised(design.standardised(X)), X)


def test_given_scales_whiten_nothing():
    X, y = rows(100, 3)
    given = problem_of(X, y, x_location=0.0, x_scale=1.0)
    assert given.design.x_map is None
    assert problem_of(X, y, x_whitening=False).design.x_map is None
    forced = problem_of(X[:8], y[:8], x_whitening=True)
    assert np.diag(covariance_of_lines(forced)).mean() == pytest.approx(1.0)
    T = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
    assert problem_of(X, y, x_whitening=T).design.n_directions == 2


@pytest.mark.parametrize("value", ["yes", np.eye(2), [1.0, 2.0, 3.0], [[1.0, np.nan, 0.0]]])
def test_a_matrix_must_fit_the_columns(value):
    X, y = rows(30, 3)
    with pytest.raises(ValueError, match=r"x_whitening=.*3 columns"):
        problem_of(X, y, x_whitening=value)


def two_lines_with_a_factor(n=300):
    rng = np.random.default_rng(0)
    level, x, first = rng.integers(4, size=n), rng.normal(size=n), rng.random(n) < 0.4
    y = np.where(first, 0.7 * level + 2 * x, 1 - x - 0.5 * level) + 0.3 * rng.normal(size=n)
    return np.eye(4)[level], x, y


def test_nothing_depends_on_how_columns_are_written():
    factor, x, y = two_lines_with_a_factor()
    plain = np.column_stack([factor[:, 1:], x])
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    answers = []
    for X in (
        plain,
        np.column_stack([factor[:, :3], x]),
        np.column_stack([factor, x]),
        np.column_stack([np.ones(300), x, factor[:, :3] * 1e3]),
        plain @ turn,
        plain + 1e6,
    ):
        model = BayesianMixtureRegressor(n_components=2, random_state=0).fit(X, y)
        assert model.converged_
        _, sds = model.predict(X, return_std=True)
        responsibilities = np.sort(model.predict_proba(X, y), axis=1)
        answers.append([model.log_evidence_, *model.predict(X), *sds, *responsibilities[:, 0]])
    assert np.ptp(np.array(answers), axis=0).max() < 1e-6


def test_powers_of_a_year():
    rng = np.random.default_rng(0)
    year = rng.uniform(1990, 2020, 200)
    u = (year - 2005) / 15
    y = np.where(rng.random(200) < 0.5, 3 * u**2, 1 - 3 * u**2) + 0.2 * rng.normal(size=200)
    raw = BayesianMixtureRegressor(n_components=2, random_state=0)
    raw.fit(np.column_stack([year, year**2]), y)
    centred = BayesianMixtureRegressor(n_components=2, random_state=0)
    centred.fit(np.column_stack([u, u**2]), y)
    assert raw.converged_
    assert raw.modes_["log_likelihood"].iloc[0] > -73.0
    assert raw.log_evidence_ == pytest.approx(centred.log_evidence_, abs=1e-6)


def test_a_constant_column_has_no_slope():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = np.where(rng.random(200) < 0.5, 3 * x, 1 - x) + 0.2 * rng.normal(size=200)
    with_constant = BayesianMixtureRegressor(n_components=2, random_state=0)
    with_constant.fit(np.column_stack([np.ones(200), x]), y)
    plain = BayesianMixtureRegressor(n_components=2, random_state=0).fit(x[:, None], y)
    np.testing.assert_array_equal(with_constant.coef_[:, 0], 0.0)
    # To Monte Carlo error: rows come in another order.
    np.testing.assert_allclose(with_constant.intercept_, plain.intercept_, atol=5e-3)
    assert with_constant.summary()["sd"].max() < 0.1


def test_scales_of_any_type_of_number_are_taken():
    given = Priors(x_scale=True, y_location=np.bool_(False)).standardisation(2, True)
    np.testing.assert_array_equal(given.x_scale, [1.0, 1.0])
    assert given.y_location == 0.0
    assert given.x_whitening is None
