"""Mixtures with a background: what users see, and agreement of solvers."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import clone

from skmixreg import BayesianMixtureRegressor
from skmixreg._model.density import LogPosterior
from skmixreg._pymc.coordinates import log_jacobian, to_values
from skmixreg.backgrounds import Normal, Uniform
from skmixreg.inspection import ComponentLinesDisplay, ResponsibilityDisplay
from skmixreg.model_selection import cross_val_responsibilities
from skmixreg.solvers import NUTS, Gibbs, Laplace


def outliers(n=200, seed=0, share=0.2):
    """A line with outliers."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    far = rng.random(n) < share
    y = np.where(far, rng.uniform(-5, 5, n), 1 + 2 * x + rng.normal(0, 0.3, n))
    return x[:, None], y, far


def many_zeros(n=400, seed=0):
    """Two kinds of counts, and rows that are zero whatever their column."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    mean = np.exp(np.where(rng.random(n) < 0.5, 2.5 + x, 1.0 - 0.5 * x))
    return x[:, None], rng.poisson(mean) * (rng.random(n) < 0.7)


@pytest.fixture(scope="module")
def line():
    X, y, far = outliers()
    model = BayesianMixtureRegressor(1, background="uniform", solver="map", random_state=0)
    return model.fit(X, y), X, y, far


def test_weights_and_memberships_have_the_background_last(line):
    model, X, y, far = line
    assert model.weights_.shape == (2,) and model.coef_.shape == (1, 1)
    assert model.weights_.sum() == pytest.approx(1.0)
    assert model.predict_components(X).shape == (len(X), 1)
    proba = model.predict_proba(X, y)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    # By Bayes' rule, with the one density over the range and a part in n more.
    density = 1.0 / ((y.max() - y.min()) * (1.0 + 1.0 / len(y)))
    residual = y - model.predict_components(X)[:, 0]
    sigma = model.sigma_[0]
    own = np.exp(-0.5 * (residual / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    expected = model.weights_ * np.column_stack([own, np.full(len(y), density)])
    np.testing.assert_allclose(proba, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)
    total = model.log_predictive_density(X, y)
    np.testing.assert_allclose(total, np.log(expected.sum(axis=1)), rtol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X[:3]), np.tile(model.weights_, (3, 1)))
    assert (model.assign(X, y) == far).mean() > 0.9
    assert {"weights[0]", "weights[background]", "sigma[0]"} <= set(model.summary().index)


def test_predictions_are_those_of_the_mixture(line):
    model, X, y, _ = line
    at = X[:3]
    mean = model.weights_ @ [
        model.predict_components(at)[:, 0],
        np.full(3, 0.5 * (y.max() + y.min())),
    ]
    np.testing.assert_allclose(model.predict(at), mean)
    quantiles = model.predict_quantiles(at, [0.05, 0.5, 0.95])
    draws = model.sample_y(at, 40_000, random_state=0)
    assert draws.min() >= y.min() - 0.1 and draws.max() <= y.max() + 0.1
    for i in range(3):
        reached = (draws[i][:, None] <= quantiles[i]).mean(axis=0)
        np.testing.assert_allclose(reached, [0.05, 0.5, 0.95], atol=0.01)
    for region, row in zip(model.predict_hdr(at, 0.9), draws, strict=True):
        inside = ((row[:, None] >= region[:, 0]) & (row[:, None] <= region[:, 1])).any(axis=1)
        assert inside.mean() == pytest.approx(0.9, abs=0.01)
    score = model.crps(at, y[:3])
    sampled = np.abs(draws - y[:3, None]).mean(axis=1)
    sampled -= 0.5 * np.abs(draws - np.roll(draws, 7, axis=1)).mean(axis=1)
    np.testing.assert_allclose(score, sampled, atol=0.02)


@pytest.mark.parametrize(
    ("seed", "n", "share"), [(17, 1000, 0.7), (3, 100, 0.85), (32, 100, 0.85), (31, 1000, 0.85)]
)
def test_a_line_that_few_rows_are_on_is_found(seed, n, share):
    """Two starts may agree on a wrong one, all the more where a start is the same each time."""
    rng = np.random.default_rng([seed, n, int(100 * share)])
    X, coef = rng.normal(size=(n, 1 + seed % 2)), rng.normal(0, 2, 1 + seed % 2)
    sigma = np.exp(rng.uniform(np.log(0.1), np.log(0.6)))
    eta = rng.normal(0, 2) + X @ coef
    outside = rng.random(n) < share
    y = np.where(outside, rng.uniform(-10, 10, n), eta + rng.normal(0, sigma, n))
    model = BayesianMixtureRegressor(1, background="uniform", random_state=seed).fit(X, y)
    own = stats.norm.pdf(y, eta, sigma)
    truth = np.log((1 - share) * own + share / (y.max() - y.min())).sum()
    best = model.modes_.loc[model.modes_["probability"].idxmax(), "log_likelihood"]
    assert model.converged_
    assert best > truth - 3.0


@pytest.mark.slow
def test_counts_with_a_point_at_zero():
    X, y = many_zeros()
    model = BayesianMixtureRegressor(
        2, family="poisson", background="zero", solver="map", random_state=0
    ).fit(X, y)
    assert model.weights_[-1] == pytest.approx(0.3, abs=0.06)
    proba = model.predict_proba(X, y)
    assert (proba[y > 0, -1] == 0.0).all() and (proba[y == 0, -1] > 0.3).all()
    (region,) = model.predict_hdr(X[:1], 0.5)
    assert region[0, 0] == 0.0
    counts = np.arange(400.0)
    mass = np.exp(model.log_predictive_density(np.repeat(X[:1], 400, axis=0), counts))
    assert mass.sum() == pytest.approx(1.0, abs=1e-9)
    steps = np.cumsum(mass) - (counts >= 3)
    assert model.crps(X[:1], [3])[0] == pytest.approx((steps**2).sum(), rel=1e-7)
    assert model.predict(X[:1])[0] == pytest.approx(mass @ counts, rel=1e-9)


@pytest.mark.slow
def test_the_model_in_pymc_is_the_same_density(line):
    for model, X, y in (
        line[:3],
        (
            BayesianMixtureRegressor(
                2, family="poisson", background="zero", solver="map", random_state=0
            ).fit(*many_zeros(60)),
            *many_zeros(60),
        ),
    ):
        pymc = model.to_pymc(X, y)
        problem = model._problem(
            X, np.asarray(y, float), None, model.posterior_.family, model.posterior_.priors,
            standardisation=model.posterior_.design.standardisation,
        )  # fmt: skip
        density, rng = LogPosterior(problem), np.random.default_rng(0)
        logp = pymc.compile_logp()
        for _ in range(3):
            theta = rng.normal(scale=0.5, size=problem.layout.size)
            value = logp(to_values(theta, problem.layout, pymc.initial_point()))
            expected = density.value_and_gradient(theta)[0]
            expected += log_jacobian(problem.layout) - problem.log_scale
            assert float(value) == pytest.approx(expected, rel=1e-9)
        tree = model.to_datatree(X, y)
        assert list(tree.posterior["weights"].coords["membership"].values)[-1] == "background"
        names = {v.name for v in pymc.free_RVs}
        assert names - {"weights_of_regressions"} <= set(tree.posterior.data_vars)


def test_displays_and_folds_know_the_background(line, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    model, X, y, far = line
    lines = ComponentLinesDisplay.from_estimator(model, X, y, feature=0, partial_residuals=True)
    assert len(lines.lines_) == 1 and len(lines.scatters_) == 2
    assert sum(len(points.get_offsets()) for points in lines.scatters_) == len(y)
    assert any("background" in text.get_text() for text in lines.legend_.get_texts())
    panels = ResponsibilityDisplay.from_estimator(model, X, y)
    assert panels.axes_[1].get_title().startswith("background")
    held_out = cross_val_responsibilities(model, X, y, cv=4)
    assert held_out.shape == (len(y), 2) and (held_out.argmax(axis=1) == far).mean() > 0.9


def test_copies_pickles_and_frames(line):
    model, X, y, _ = line
    assert clone(model).get_params()["background"] == "uniform"
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X, y), model.predict_proba(X, y))
    wide = clone(model).set_params(background=Uniform(low=-100.0, high=100.0)).fit(X, y)
    assert wide.set_params(background__low=-50.0).background.low == -50.0
    assert wide.weights_[-1] < model.weights_[-1] + 0.05
    frame = pd.DataFrame(X, columns=["x"])
    bump = clone(model).set_params(background=Normal()).fit(frame, y)
    assert (bump.assign(frame, y) == line[3]).mean() > 0.9


@pytest.mark.parametrize(
    ("family", "background", "message"),
    [
        ("gaussian", "zero", "is a probability and family='gaussian'"),
        ("poisson", "uniform", "is a density and family='poisson'"),
        ("gaussian", "nothing", "Unknown background 'nothing'; known are 'zero', 'uniform'"),
        ("gaussian", Uniform, r"is a class; pass an instance"),
        ("gaussian", Uniform(2.0, 1.0), "needs low < high"),
        ("gaussian", Uniform(low="a"), r"Uniform\(low=...\) must be a finite number or None"),
        ("gaussian", Normal(scale=-1.0), r"Normal\(scale=...\) must be positive"),
    ],
)
def test_what_is_wrong_is_said(family, background, message):
    X, y = many_zeros(30)
    with pytest.raises((ValueError, TypeError), match=message):
        BayesianMixtureRegressor(1, family=family, background=background).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["line", "counts"])
def test_solvers_agree(kind):
    X, y = outliers(100)[:2] if kind == "line" else many_zeros(200)
    options = {"background": "uniform"} if kind == "line" else {"background": "zero"}
    options |= {"family": "gaussian" if kind == "line" else "poisson", "random_state": 0}
    K = 1 if kind == "line" else 2
    solvers = {
        "laplace": Laplace(draws=20_000),
        "gibbs": Gibbs(draws=4000),
        "nuts": NUTS(draws=2000, target_accept=0.9),
    }
    fits = {
        name: BayesianMixtureRegressor(K, solver=solver, **options).fit(X, y)
        for name, solver in solvers.items()
    }

    def draws(model):
        parts = [model.posterior_[name] for name in ("weights", "intercept", "coef")]
        flat = np.concatenate([p.reshape(*p.shape[:2], -1) for p in parts], axis=-1)
        return flat.reshape(-1, flat.shape[-1])

    mean, sd = (f(draws(fits["nuts"]), axis=0) for f in (np.mean, np.std))
    for name, model in fits.items():
        assert model.converged_, name
        other_mean, other_sd = (f(draws(model), axis=0) for f in (np.mean, np.std))
        np.testing.assert_array_less(np.abs(other_mean - mean) / sd, 0.1, err_msg=name)
        np.testing.assert_array_less(np.abs(other_sd / sd - 1.0), 0.1, err_msg=name)
        assert model.log_evidence_ == pytest.approx(fits["laplace"].log_evidence_, abs=0.1)
