"""Responses that look rounded, and the floor of sigma that follows."""

import pickle

import numpy as np
import pytest
from conftest import load_reference, two_lines
from sklearn.base import clone

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV, Priors
from skmixreg._model._scaling.resolution import MOST_VALUES, joined, resolution_of, values_of
from skmixreg._model.problem import Problem
from skmixreg._pymc.model import build_model
from skmixreg.families import Gamma, Gaussian, Poisson, StudentT

pytestmark = [
    pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def resolution(y, weights=None):
    y = np.asarray(y, dtype=float)
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    return resolution_of(values_of(y, weights), len(y))


def counts(n, seed=0):
    """Two lines, ten times over, in whole numbers."""
    X, y = two_lines(n, seed=seed)
    return X, np.round(10.0 * y)


def floor_of(X, y, weights=None, **options):
    problem = Problem.from_arrays(
        X, y, weights, family=options.pop("family", Gaussian()), n_components=2,
        priors=Priors(**options).resolve(),
    )  # fmt: skip
    return problem.with_floor_of_rounding().priors.sigma_floor


# ------------------------------------------------------------------------------- what is found


def test_whole_numbers():
    _, y = counts(200)
    found = resolution(y)
    assert found.step == 1.0
    assert found.most == np.unique(y, return_counts=True)[1].max()
    assert found.sd == pytest.approx(12**-0.5)


@pytest.mark.parametrize("n", [60, 2000, 30_000])
@pytest.mark.parametrize(
    ("scale", "shift"), [(1.8, 32.0), (0.1, 0.0), (-1e-7, 3.0), (1e9, 1.0), (1 / 3, -1e4)]
)
def test_location_and_scale_do_not_matter(scale, shift, n):
    _, y = counts(n)
    found = resolution(scale * y + shift)
    assert found.step == pytest.approx(abs(scale), rel=1e-9)
    assert found.most == resolution(y).most


def test_neither_do_order_and_repeats():
    _, y = counts(300)
    rng = np.random.default_rng(1)
    repeats = rng.integers(1, 4, len(y))
    weighted = resolution(y, repeats)
    assert resolution(rng.permutation(np.repeat(y, repeats))) == weighted
    assert resolution(y[::-1]) == resolution(y)


def test_chunks_are_as_rows_together():
    _, y = counts(300)
    parts = [values_of(part, np.ones(len(part))) for part in np.array_split(y, 7)]
    assert resolution_of(joined(parts), len(y)) == resolution(y)
    assert resolution_of(joined([*parts, None]), len(y)) is None


def test_noise_of_floating_point_numbers_is_no_step():
    y = np.array([0.1 + 0.2, 0.3, 0.1 * 3, 0.7 + 0.1, 0.8, 0.1, 1.1 + 2.2, 3.3, 2.0, 2.0])
    found = resolution(y)
    assert found.step == pytest.approx(0.1)
    assert found.most == 3.0
    single = np.float32(0.1) * np.float32(counts(200)[1])
    assert resolution(single.astype(float)).step == pytest.approx(0.1, rel=1e-5)


def test_a_step_that_no_two_values_are_apart():
    assert resolution([0.0, 6.0, 10.0, 16.0, 21.0, 21.0, 37.0, 43.0]).step == 1.0
    assert resolution([0.0, 6.0, 10.0, 16.0, 20.0, 20.0]).step == 2.0


NOT_ROUNDED = {
    "continuous": lambda rng: rng.normal(size=500),
    "float32": lambda rng: rng.normal(size=500).astype(np.float32).astype(float),
    "many": lambda rng: rng.normal(size=5 * MOST_VALUES),
    "continuous, repeated": lambda rng: np.repeat(rng.normal(size=100), 5),
    "continuous, few, repeated": lambda rng: np.repeat(rng.normal(size=6), 5),
    "zero-inflated": lambda rng: np.maximum(rng.normal(size=500), 0.0),
    "three levels": lambda rng: rng.integers(0, 3, 200),
    "two levels": lambda rng: rng.integers(0, 2, 200),
    "constant": lambda rng: np.ones(50),
    "whole numbers, none tied": lambda rng: rng.permutation(50),
}


@pytest.mark.parametrize("name", NOT_ROUNDED)
def test_nothing_is_found(name):
    assert resolution(NOT_ROUNDED[name](np.random.default_rng(0))) is None


@pytest.mark.slow
def test_chance_is_as_stated():
    """Continuous values that are tied: few sets of five fall on a lattice of some steps."""
    rng = np.random.default_rng(0)
    found = [resolution(np.append(y, y[0])) for y in rng.random((2000, 5))]
    assert sum(each is not None for each in found) <= 1


# ------------------------------------------------------------------------------- the floor


def test_the_floor_is_the_formula():
    X, y = counts(200)
    found = resolution(y)
    expected = np.sqrt(found.most / 12.0) / y.std()
    assert floor_of(X, y) == pytest.approx(expected, rel=1e-9)
    assert floor_of(X, y, np.full(len(y), 1e4)) == 0.75
    assert floor_of(X, y, sigma_ceiling=0.1) == 0.05
    assert floor_of(X, np.abs(y), family=Poisson()) == 0.003


def test_the_floor_of_a_coefficient_of_variation_is_relative():
    X, y = counts(200)
    y = np.abs(y) + 40.0
    values, numbers = np.unique(y, return_counts=True)
    expected = (np.sqrt(numbers / 12.0) / values).max()
    assert floor_of(X, y, family=Gamma()) == pytest.approx(expected, rel=1e-9)
    assert floor_of(X, y, family=StudentT()) == floor_of(X, y)


@pytest.mark.slow
def test_rounded_costs_have_no_component_on_tied_rows():
    """Two lines of the logarithm; with the floor of exact responses, one is y = 2."""
    rng = np.random.default_rng(0)
    x, first = rng.uniform(-1, 1, 200), rng.random(200) < 0.6
    mean = np.exp(np.where(first, 1.0 + 0.5 * x, 2.2 - 0.3 * x))
    y = np.maximum(np.rint(rng.gamma(8.0, mean / 8.0)), 1.0)
    model = BayesianMixtureRegressor(family="gamma", random_state=0).fit(x[:, None], y)
    assert model.shape_.max() < 30.0
    np.testing.assert_allclose(model.coef_[:, 0], [-0.3, 0.5], atol=0.2)
    (row,) = np.flatnonzero(model.diagnostics().index == "resolution_of_y")
    assert "the coefficient of variation was raised" in model.diagnostics()["verdict"].iloc[row]


def test_cents_are_too_fine_to_matter():
    X, y = two_lines(200)
    assert floor_of(X, np.round(1000.0 * y, 2)) == 0.003


def test_tied_rows_alone_have_the_sd_of_rounding():
    """At the mode of sigma, (sum of squares + f^2) / n, of the most frequent rows."""
    X, y = counts(200)
    found, floor = resolution(y), floor_of(X, y) * y.std()
    assert floor / np.sqrt(found.most) == pytest.approx(1.0 / np.sqrt(12.0))


def test_sigma_floor_is_a_parameter_like_others():
    assert Priors().get_params()["sigma_floor"] is None
    assert clone(Priors()).sigma_floor is None
    assert Priors().resolve().sigma_floor == 0.003
    assert Priors(sigma_floor=0.01).resolve().sigma_floor == 0.01
    with pytest.raises(ValueError, match=r"sigma_floor=.*positive"):
        Priors(sigma_floor=0.0).resolve()


# ------------------------------------------------------------------------------- fits


PUBLISHED = [0.002, 0.055]  # Turner (2000), Applied Statistics 49, 371-384


@pytest.mark.parametrize("seed", [0, 1, pytest.param(range(2, 20), marks=pytest.mark.slow)])
def test_the_published_lines_of_aphids(seed):
    case = load_reference("aphids")
    for one in np.atleast_1d(seed):
        model = BayesianMixtureRegressor(2, random_state=int(one)).fit(case.X, case.y)
        assert model.converged_
        np.testing.assert_allclose(model.coef_[:, 0], PUBLISHED, atol=0.001)
        np.testing.assert_allclose(model.sigma_, case.fits[2]["sigma"], rtol=0.2)
        assert model.modes_["probability"].max() > 0.98


def test_more_rows_of_a_kind_do_not_collapse():
    case = load_reference("aphids")
    for weight in (20.0, 1000.0):
        model = BayesianMixtureRegressor(2, solver="laplace", random_state=0)
        model.fit(case.X, case.y, np.full(len(case.y), weight))
        np.testing.assert_allclose(model.coef_[:, 0], PUBLISHED, atol=0.001)


def test_a_spare_component_does_not_pay():
    """Without the floor, three components win by 16 nats, the third on the rows y = 0."""
    rng = np.random.default_rng(200)
    x = rng.uniform(0, 350, 200)
    flat = rng.random(200) < 0.5
    y = np.where(flat, 0.86 + 0.0024 * x, 3.5 + 0.0553 * x)
    y = np.maximum(0, np.round(y + rng.normal(size=200) * np.where(flat, 1.12, 3.1)))
    model = BayesianMixtureRegressorCV((2, 3), random_state=0).fit(x[:, None], y)
    assert model.n_components_ == 2
    fits = model.estimators_.values()
    assert len({fit.posterior_.priors for fit in fits}) == 1
    assert model.posterior_.priors.sigma_floor == floor_of(x[:, None], y)
    assert "resolution_of_y" in model.diagnostics().index


def test_rounded_lines():
    X, y = counts(300)
    model = BayesianMixtureRegressor(2, random_state=0).fit(X, y)
    assert model.converged_
    np.testing.assert_allclose(model.coef_[:, 0], [-10.0, 30.0], atol=0.7)
    np.testing.assert_allclose(model.sigma_, 1.04, atol=0.15)


def test_continuous_responses_are_fitted_as_before():
    X, y = two_lines(200)
    y = np.where(np.arange(200) % 4 == 0, y[0], y)  # tied, on no lattice
    for fitted in (y, two_lines(200)[1]):
        default, stated = (
            BayesianMixtureRegressor(priors=priors, solver="laplace", random_state=0).fit(X, fitted)
            for priors in (None, Priors(sigma_floor=0.003))
        )
        assert default.posterior_.resolution is None
        assert "resolution_of_y" not in default.diagnostics().index
        np.testing.assert_array_equal(default.posterior_["coef"], stated.posterior_["coef"])
        assert default.log_evidence_ == stated.log_evidence_


def test_a_given_floor_wins():
    X, y = counts(200)
    priors = Priors(sigma_floor=0.003)
    model = BayesianMixtureRegressor(priors=priors, solver="map", random_state=0).fit(X, y)
    assert model.posterior_.priors.sigma_floor == 0.003
    assert "resolution_of_y" not in model.diagnostics().index


def test_diagnostics_say_it():
    X, y = counts(200)
    model = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, 0.5 * y + 7.0)
    row = pickle.loads(pickle.dumps(model)).diagnostics().loc["resolution_of_y"]
    assert row["value"] == pytest.approx(0.5)
    assert "multiples of 0.5" in row["verdict"]
    assert "floor of sigma was raised to" in row["verdict"]


def test_weights_are_repeats():
    X, y = counts(80)
    repeats = np.random.default_rng(0).integers(1, 4, 80)
    one, other = (
        BayesianMixtureRegressor(solver="laplace", random_state=0).fit(*data)
        for data in ((X, y, repeats), (np.repeat(X, repeats, axis=0), np.repeat(y, repeats)))
    )
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-7)
    np.testing.assert_allclose(one.sigma_, other.sigma_, rtol=1e-7)
    floors = [model.posterior_.priors.sigma_floor for model in (one, other)]
    assert floors[0] == pytest.approx(floors[1], rel=1e-12)


# ------------------------------------------------------------------------------- other doors


def test_refits_and_pymc_have_the_floor_of_the_fit():
    X, y = counts(120)
    model = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y)
    priors = model.posterior_.priors
    assert priors.sigma_floor > 0.01
    assert model.refit_as("laplace", X, y).posterior_.priors == priors
    others = counts(50, seed=3)
    point = None
    densities = []
    for rows in ((X, y), others):
        built = model.to_pymc(*rows)
        point = point or built.initial_point()
        dispersion = [v for v in built.free_RVs if "sigma" in v.name]
        densities.append(built.compile_logp(vars=dispersion, jacobian=False)(point))
    assert densities[0] == densities[1]
    problem = Problem.from_arrays(X, y, family=Gaussian(), n_components=2, priors=priors)
    built = build_model(problem)
    dispersion = [v for v in built.free_RVs if "sigma" in v.name]
    again = built.compile_logp(vars=dispersion, jacobian=False)(built.initial_point())
    assert again == pytest.approx(densities[0], rel=1e-9)


def test_the_priors_of_a_fit_can_be_stated():
    X, y = counts(120)
    model = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y)
    stated = Priors().standardised_as(model)
    assert stated.sigma_floor == model.posterior_.priors.sigma_floor
    assert Priors(sigma_floor=0.01).standardised_as(model).sigma_floor == 0.01


def test_later_chunks_have_the_floor_of_the_first():
    X, y = counts(400)
    model = BayesianMixtureRegressor(solver="cavi", random_state=0)
    model.partial_fit(X[:200], y[:200])
    priors = model.posterior_.priors
    model.partial_fit(X[200:], y[200:] + 0.001 * np.arange(200))
    assert model.posterior_.priors == priors
    assert "resolution_of_y" in model.diagnostics().index


def test_chunks_of_dask():
    da = pytest.importorskip("dask.array")
    X, y = counts(12_000)
    model = BayesianMixtureRegressor(solver="map", random_state=0, n_init=2)
    held = clone(model).fit(X, y)
    lazy = clone(model).fit(da.from_array(X, chunks=(5000, 1)), da.from_array(y, chunks=5000))
    assert lazy.posterior_.priors.sigma_floor == pytest.approx(
        held.posterior_.priors.sigma_floor, rel=1e-9
    )
