"""Posterior: units, labels, tables."""

import dataclasses
import pickle

import arviz as az
import numpy as np
import pandas as pd
import pytest
from synthetic import (
    draws_around,
    make_mode,
    make_posterior,
    make_problem,
    random_components,
    simple_posterior,
)

from skmixreg._model.raw import Raw
from skmixreg._posterior.posterior import ELSEWHERE

PARAMETERS = ["weights", "intercept", "coef", "sigma"]


def test_shapes_and_names():
    _, posterior = simple_posterior(K=3, p=2, shape=(2, 50))
    assert list(posterior) == [*PARAMETERS, "mode", "log_prior", "log_likelihood"]
    assert len(posterior) == 7
    assert posterior["coef"].shape == (2, 50, 3, 2)
    for name in ("weights", "intercept", "sigma"):
        assert posterior[name].shape == (2, 50, 3)
    for name in ("mode", "log_prior", "log_likelihood"):
        assert posterior[name].shape == (2, 50)
    np.testing.assert_allclose(posterior["weights"].sum(axis=-1), 1.0)
    assert "log_proposal" not in posterior
    with pytest.raises(KeyError):
        posterior["log_proposal"]
    with pytest.raises(KeyError):
        posterior["tau"]
    assert repr(posterior) == (
        "Posterior(solver='made', n_components=3, n_features=2, chains=2, draws=50)"
    )
    assert posterior.report == {"khat": 0.1}
    assert posterior.ambiguous_share == 0.0


def test_shared_dispersion_and_no_intercept():
    problem = make_problem(K=3, p=2, fit_intercept=False, shared_sigma=True)
    components = random_components(np.random.default_rng(0), 3, 2)
    posterior = make_posterior(problem, [make_mode(problem, components)])
    assert posterior["sigma"].shape == (2, 150, 3)
    assert (np.ptp(posterior["sigma"], axis=-1) == 0).all()
    assert (posterior["intercept"] == 0).all()
    assert not any("intercept" in row for row in posterior.summary(["a", "b"]).index)
    assert list(posterior.contrast(["a", "b"]).index.unique(0)) == ["coef[a]", "coef[b]"]


def test_user_units():
    # A line in standardised units has the same values at the same rows.
    problem, posterior = simple_posterior(K=2, p=3)
    design = problem.design
    X = np.random.default_rng(1).normal(size=(5, 3)) * design.x_scale + design.x_mean
    user = posterior["intercept"][0, 0] + X @ posterior["coef"][0, 0].T
    Z = design.standardised(X)
    drawn = posterior.components
    standardised = drawn.intercept[0, 0] + Z @ drawn.coef[0, 0].T
    np.testing.assert_allclose(user, design.y_mean + design.y_scale * standardised)
    np.testing.assert_allclose(
        posterior["sigma"], design.y_scale * np.exp(drawn.extra[..., 0]), rtol=1e-12
    )
    shift = problem.n_rows * np.log(design.y_scale)
    np.testing.assert_allclose(posterior["log_likelihood"], -40.0 - shift)
    np.testing.assert_allclose(posterior.log_evidence, -50.0 - shift)
    assert posterior.log_evidence_error == 0.01
    assert posterior.modes["log_likelihood"][0] == posterior["log_likelihood"][0, 0]
    np.testing.assert_array_equal(posterior["log_prior"], -3.0)


def test_labels_and_order():
    # Draws come with random labels; they leave in the order of the first coefficient.
    problem = make_problem(K=3)
    components = Raw.of(
        np.log([0.2, 0.3, 0.5]), np.zeros(3), np.array([[1.0], [-1.0], [0.0]]), np.zeros((3, 1))
    )
    mode = make_mode(problem, components, sd=0.03)
    posterior = make_posterior(problem, [mode])
    assert (np.diff(posterior["coef"][..., 0], axis=-1) > 0).all()
    np.testing.assert_allclose(posterior["weights"].mean(axis=(0, 1)), [0.3, 0.5, 0.2], atol=0.01)
    parameters = posterior.mode_parameters
    assert parameters["coef"].shape == (1, 3, 1)
    np.testing.assert_allclose(parameters["weights"][0], [0.3, 0.5, 0.2])
    assert (np.diff(parameters["coef"][0, :, 0]) > 0).all()


def test_mode_of_every_draw():
    problem = make_problem(K=2)
    near = Raw.of(np.log([0.5, 0.5]), np.zeros(2), np.array([[1.0], [-1.0]]), np.zeros((2, 1)))
    far = Raw.of(near.log_weights, np.array([0.9, -0.9]), np.array([[0.9], [-1.1]]), near.extra)
    hopeless = Raw.of(near.log_weights, np.array([2.0, 2.0]), near.coef, near.extra)
    modes = [
        make_mode(problem, near),
        make_mode(problem, far),
        make_mode(problem, hopeless, log_likelihood=-90.0),
    ]
    shape = (2, 100)
    theta = draws_around(problem.layout, modes[:2], shape)
    posterior = make_posterior(problem, modes, theta=theta)
    np.testing.assert_array_equal(posterior["mode"].ravel(), np.arange(200) % 2)
    assert len(posterior.modes) == 3
    # The modes have the draws' order of components.
    means = [posterior["intercept"][posterior["mode"] == m].mean(axis=0) for m in (0, 1)]
    np.testing.assert_allclose(posterior.mode_parameters["intercept"][:2], means, atol=0.1)
    table = posterior.summary(["x"], by_mode=True)
    assert list(table.index.unique(0)) == [0, 1]
    assert table.index.names[0] == "mode"
    np.testing.assert_allclose(table.loc[(1, "intercept[0]"), "mean"], means[1][0])
    assert "r_hat" not in table.columns


@pytest.mark.parametrize("shape", [(1, 1), (1, 2)])
def test_modes_with_a_draw_or_none_are_points(shape):
    problem = make_problem(K=2)
    near = Raw.of(np.log([0.5, 0.5]), np.zeros(2), np.array([[1.0], [-1.0]]), np.zeros(2))
    far = Raw.of(np.log([0.5, 0.5]), np.array([0.9, -0.9]), np.array([[0.9], [-1.1]]), np.zeros(2))
    modes = [make_mode(problem, near), make_mode(problem, far)]
    theta = draws_around(problem.layout, modes, shape)
    posterior = make_posterior(problem, modes, theta=theta)
    table = posterior.summary(["x"], by_mode=True)
    assert list(table.index.unique("mode")) == [0, 1]
    at = posterior.mode_parameters
    for mode in (0, 1):
        for k in (0, 1):
            row = table.loc[(mode, f"coef[{k}, x]")]
            assert row["mean"] == pytest.approx(at["coef"][mode, k, 0])
            assert row.drop("mean").isna().all()
    many = make_posterior(problem, modes).summary(["x"], by_mode=True)
    assert list(table.columns) == list(many.columns)
    assert list(table.index) == list(many.index)


def test_draws_near_no_mode_are_a_block_of_their_own():
    _, posterior = simple_posterior(K=2, p=1, shape=(2, 50))
    away = dataclasses.replace(posterior, draw_mode=np.full((2, 50), ELSEWHERE))
    table = away.summary(["x"], by_mode=True)
    assert list(table.index.unique("mode")) == [ELSEWHERE]
    assert table["sd"].notna().all()


def test_summary_is_that_of_arviz():
    _, posterior = simple_posterior(K=2, p=2)
    table = posterior.summary(["age", "dose"], probability=0.8)
    assert list(table.index) == [
        "weights[0]", "weights[1]", "intercept[0]", "intercept[1]",
        "coef[0, age]", "coef[0, dose]", "coef[1, age]", "coef[1, dose]",
        "sigma[0]", "sigma[1]",
    ]  # fmt: skip
    assert {"mean", "sd", "ess_bulk", "r_hat", "eti80_lb", "eti80_ub"} <= set(table.columns)
    draws = posterior["coef"][..., 1, 0]
    row = table.loc["coef[1, age]"]
    np.testing.assert_allclose(float(row["mean"]), draws.mean())
    np.testing.assert_allclose(
        [float(row["eti80_lb"]), float(row["eti80_ub"])], np.quantile(draws, [0.1, 0.9]), rtol=0.05
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 3)])
def test_tables_of_very_few_draws(shape):
    _, posterior = simple_posterior(shape=shape)
    assert len(posterior.summary(["x"])) == 8
    table = posterior.contrast(["x"])
    draws = posterior["coef"].reshape(-1, 2)
    np.testing.assert_allclose(table["mean"].iloc[1], np.mean(draws[:, 1] - draws[:, 0]))


def test_contrast():
    _, posterior = simple_posterior(K=3, p=2, shape=(1, 400))
    table = posterior.contrast(["a", "b"], probability=0.9)
    assert table.shape == (9, 5)
    assert table.index.names == ["parameter", "component", "reference"]
    difference = posterior["coef"][0, :, 2, 1] - posterior["coef"][0, :, 0, 1]
    row = table.loc[("coef[b]", 2, 0)]
    expected = [
        difference.mean(), difference.std(ddof=1), *np.quantile(difference, [0.05, 0.95]),
        (difference > 0).mean(),
    ]  # fmt: skip
    np.testing.assert_allclose(row[["mean", "sd", "lower", "upper", "P(> 0)"]], expected)


def test_contrast_of_one_component_is_empty():
    _, posterior = simple_posterior(K=1)
    table = posterior.contrast(["x"])
    assert isinstance(table, pd.DataFrame)
    assert table.empty
    assert list(table.columns) == ["mean", "sd", "lower", "upper", "P(> 0)"]


def test_datatree():
    _, posterior = simple_posterior(K=2, p=2, shape=(2, 20))
    tree = posterior.to_datatree(["a", "b"])
    assert set(tree.children) == {"posterior", "log_prior", "sample_stats", "constant_data"}
    assert tree.posterior["coef"].dims == ("chain", "draw", "mixture_component", "feature")
    assert tree.posterior["weights"].dims == ("chain", "draw", "mixture_component")
    np.testing.assert_array_equal(
        tree.posterior["coef"].sel(feature="b", mixture_component=1), posterior["coef"][..., 1, 1]
    )
    assert set(tree.sample_stats.data_vars) == {"lp", "mode", "log_prior", "log_likelihood"}
    np.testing.assert_allclose(
        tree.sample_stats["lp"], posterior["log_prior"] + posterior["log_likelihood"]
    )
    rng = np.random.default_rng(0)
    tree = posterior.to_datatree(
        ["a", "b"],
        observed=rng.normal(size=7),
        log_likelihood=rng.normal(size=(2, 20, 7)),
        posterior_predictive=rng.normal(size=(2, 20, 7)),
    )
    for group in ("log_likelihood", "posterior_predictive"):
        assert tree[group]["y"].dims == ("chain", "draw", "observation")
    assert tree["observed_data"]["y"].dims == ("observation",)
    assert az.summary(tree, var_names=["coef"]).shape[0] == 4


def test_pickles():
    _, posterior = simple_posterior(K=2, p=2)
    again = pickle.loads(pickle.dumps(posterior))
    for name in posterior:
        np.testing.assert_array_equal(again[name], posterior[name])
    pd.testing.assert_frame_equal(again.modes, posterior.modes)
    assert len(pickle.dumps(posterior)) < 3 * sum(a.nbytes for a in posterior.components) + 20_000


def test_ambiguous_share():
    problem = make_problem(K=2)
    same = Raw.of(np.log([0.5, 0.5]), np.zeros(2), np.array([[0.1], [-0.1]]), np.zeros((2, 1)))
    posterior = make_posterior(problem, [make_mode(problem, same, sd=0.5)])
    assert posterior.ambiguous_share > 0.8
