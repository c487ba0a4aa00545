"""The PyMC model is the definition; the kernels are its compiled form."""

import numpy as np
import pymc as pm
import pytest
from pymc.blocking import DictToArrayBijection
from pytensor.compile.mode import Mode

from skmixreg._model._roles.column_roles import ColumnRoles
from skmixreg._model.density import LogPosterior
from skmixreg._model.priors import Priors
from skmixreg._model.problem import Problem
from skmixreg._model.standardisation import Standardisation
from skmixreg._pymc.coordinates import log_jacobian, to_values, value_map
from skmixreg._pymc.model import build_model, origin
from skmixreg.families import FAMILIES, StudentT

ESTIMATED_DF = "student_t, estimated df"
INTERPRETED = Mode(linker="py", optimizer="fast_compile")

# (shared_sigma, fit_intercept, weighted) by Latin squares over (K, p): every pair of options
# meets every K and every p, and in the slow square, which has the other four, every triple.
OPTIONS = [(False, True, False), (True, False, True), (False, False, True), (True, True, False)]
OTHERS = [(False, False, False), (True, True, True), (False, True, True), (True, False, False)]
SIZES = [(K, p) for K in (1, 2, 3, 4) for p in (0, 1, 2, 3)]
GRID = [(K, p, *OPTIONS[(K + p) % 4]) for K, p in SIZES]
SLOW_GRID = [(K, p, *OTHERS[(K - p) % 4]) for K, p in SIZES]


def make_problem(family, K, p, intercept, weighted, seed=0):
    rng = np.random.default_rng(seed)
    n = 40
    X = rng.normal(3.0, 2.0, size=(n, p))
    columns = rng.integers(20, 30, size=(n, len(family.columns))).astype(float)
    y = rng.poisson(5.0, n).astype(float) if family.discrete else rng.normal(5.0, 4.0, size=n)
    y = np.abs(y) if family.support.low == 0.0 else y
    y = y / (1.0 + y) if family.support.high == 1.0 else y
    weights = rng.uniform(0.2, 3.0, size=n) if weighted else None
    priors = Priors(weight_concentration=1.7, coef_scale=2.0, intercept_scale=1.5).resolve()
    return Problem.from_arrays(
        np.column_stack([columns, X]), y, weights, family=family, n_components=K, priors=priors,
        fit_intercept=intercept,
        standardisation=Standardisation(
            roles=ColumnRoles.of_family(columns.shape[1] + p, tuple(range(len(family.columns))))
        ),
    )  # fmt: skip


def check_parity(problem, likelihood, compile_kwargs):
    model = build_model(problem, likelihood)
    function = model.logp_dlogp_function(ravel_inputs=True, **compile_kwargs)
    function.set_extra_values({})
    density = LogPosterior(problem)
    rng = np.random.default_rng(1)
    start = model.initial_point()
    assert {k: v.shape for k, v in origin(model).items()} == {k: v.shape for k, v in start.items()}
    assert list(origin(model)) == list(start)
    for _ in range(3):
        theta = rng.normal(scale=0.7, size=density.size)
        point = to_values(theta, problem.layout, start)
        value, gradient = function(DictToArrayBijection.map(point))
        expected, slope = density.value_and_gradient(theta)
        # The model is a density of y in the user's units and of PyMC's simplex coordinates.
        expected += log_jacobian(problem.layout) - problem.log_scale
        np.testing.assert_allclose(value, expected, rtol=1e-9)
        slope = value_map(problem.layout).T @ slope
        np.testing.assert_allclose(
            gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max(initial=0.0)
        )


def build_family(name, shared):
    if name == ESTIMATED_DF:
        return StudentT(df=None, known_error=0)
    family = FAMILIES[name]()
    if "shared_sigma" in family.get_params():
        family.set_params(shared_sigma=shared)
    # The first columns of X are those that the family needs.
    if name in ("binomial", "student_t"):
        family.set_params(**{option: j for j, option in enumerate(family.column_options)})
    return family


@pytest.mark.parametrize("likelihood", ["kernel", "plain"])
@pytest.mark.parametrize(
    ("family", "K", "p", "shared", "intercept", "weighted"),
    [
        *((family, *case) for family in ("gaussian", "poisson") for case in GRID),
        *((family, *GRID[i]) for i, family in enumerate(FAMILIES, start=6)),
        (ESTIMATED_DF, *GRID[5]),
    ],
)
def test_parity(family, K, p, shared, intercept, weighted, likelihood):
    problem = make_problem(build_family(family, shared), K, p, intercept, weighted)
    check_parity(problem, likelihood, {"mode": INTERPRETED})


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["kernel", "plain"])
@pytest.mark.parametrize(
    ("family", "K", "p", "shared", "intercept", "weighted"),
    [
        *(("gaussian", *case) for case in SLOW_GRID),
        *(("negative_binomial", *case) for case in SLOW_GRID[5::5]),
    ],
)
def test_parity_of_the_other_options(family, K, p, shared, intercept, weighted, likelihood):
    problem = make_problem(build_family(family, shared), K, p, intercept, weighted)
    check_parity(problem, likelihood, {"mode": INTERPRETED})


# Without an extra, with one, and with a column of its own.
SOME = ["gamma", "binomial"]


@pytest.mark.parametrize(
    "family", ["gaussian", *(pytest.param(f, marks=pytest.mark.slow) for f in SOME)]
)
def test_parity_of_the_compiled_operation(family):
    problem = make_problem(build_family(family, False), 2, 1, True, True)
    check_parity(problem, "kernel", {})


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", *SOME])
def test_parity_of_the_compiled_plain_model(family):
    problem = make_problem(build_family(family, False), 2, 1, True, False)
    check_parity(problem, "plain", {})


def test_the_map_between_coordinates_has_the_stated_determinant():
    for K in (1, 2, 3, 5):
        layout = make_problem(FAMILIES["gaussian"](), K, 1, True, False).layout
        _, log_determinant = np.linalg.slogdet(value_map(layout))
        assert log_determinant == pytest.approx(log_jacobian(layout), abs=1e-12)


def test_deterministics_are_in_user_units():
    problem = make_problem(FAMILIES["gaussian"](), 3, 2, True, False)
    model = build_model(problem, "plain", feature_names=["age", "dose"])
    assert list(model.coords["feature"]) == ["age", "dose"]
    theta = np.random.default_rng(0).normal(size=problem.layout.size)
    point = to_values(theta, problem.layout, model.initial_point())
    names = ["weights", "intercept", "coef", "sigma"]
    with model:
        values = pm.compile(
            model.value_vars,
            model.replace_rvs_by_values([model[name] for name in names]),
            mode=INTERPRETED,
        )(*(point[v.name] for v in model.value_vars))
    user = problem.design.to_user(problem.layout.expand(theta))
    np.testing.assert_allclose(values[0], np.exp(user.log_weights))
    np.testing.assert_allclose(values[1], user.intercept)
    np.testing.assert_allclose(values[2], user.coef)
    np.testing.assert_allclose(values[3], np.exp(user.extra[..., 0]))


def test_rows_as_the_user_wrote_them():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 1)), rng.normal(size=30)
    problem = Problem.from_arrays(
        X, y, family=FAMILIES["gaussian"](), n_components=2, priors=Priors().resolve()
    )
    model = build_model(problem, "plain", rows=(X, y, None))
    np.testing.assert_array_equal(model["X"].get_value(), X)
    np.testing.assert_array_equal(model["y_observed"].get_value(), y)
    assert [rv.name for rv in model.observed_RVs] == ["y"]


def test_unknown_likelihood():
    problem = make_problem(FAMILIES["gaussian"](), 2, 1, True, False)
    with pytest.raises(ValueError, match="'kernel' or 'plain'"):
        build_model(problem, "fast")


@pytest.mark.slow
def test_the_plain_model_samples_and_predicts():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 1))
    y = np.where(rng.random(200) < 0.5, 3.0, -1.0) * X[:, 0] + rng.normal(0, 0.1, 200) + 7.0
    problem = Problem.from_arrays(
        X, y, family=FAMILIES["gaussian"](), n_components=2, priors=Priors().resolve()
    )
    model = build_model(problem, "plain", rows=(X, y, None))
    with model:
        tree = pm.sample(
            draws=200, tune=300, chains=1, cores=1, nuts_sampler="pymc", random_seed=1,
            progressbar=False, compute_convergence_checks=False,
        )  # fmt: skip
        slopes = np.sort(tree.posterior["coef"].mean(("chain", "draw")).to_numpy()[:, 0])
        np.testing.assert_allclose(slopes, [-1.0, 3.0], atol=0.1)
        pm.set_data({"X": np.zeros((5, 1)), "y_observed": np.zeros(5)})
        predicted = pm.sample_posterior_predictive(
            tree, predictions=True, random_seed=1, progressbar=False
        ).predictions["y"]
    assert predicted.shape == (1, 200, 5)
    assert float(predicted.mean()) == pytest.approx(7.0, abs=0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Numba will use object mode")  # SMC draws from the prior
def test_the_kernel_model_serves_the_other_samplers():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 1)), rng.normal(size=100)
    problem = Problem.from_arrays(
        X, y, family=FAMILIES["gaussian"](), n_components=2, priors=Priors().resolve()
    )
    with build_model(problem, "kernel"):
        nuts = pm.sample(
            draws=20, tune=20, chains=1, cores=1, nuts_sampler="pymc", progressbar=False,
            random_seed=1, compute_convergence_checks=False,
        )  # fmt: skip
        rust = pm.sample(
            draws=20, tune=20, chains=1, cores=1, nuts_sampler="nutpie", progressbar=False,
            random_seed=1, compute_convergence_checks=False,
        )  # fmt: skip
        advi = pm.fit(100, method="advi", progressbar=False, random_seed=1)
        smc = pm.sample_smc(
            50, chains=1, cores=1, progressbar=False, random_seed=1,
            compute_convergence_checks=False,
        )  # fmt: skip
    for tree in (nuts, rust, smc):
        assert np.isfinite(tree.posterior["coef"].to_numpy()).all()
    assert np.isfinite(advi.hist).all()
