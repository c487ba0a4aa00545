"""Leave-one-out cross-validation against quadrature, refits, repeated rows and ArviZ."""

import warnings

import arviz as az
import numpy as np
import pytest
from conftest import two_lines
from scipy.special import logsumexp
from sklearn.base import clone

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg.families import Gaussian
from skmixreg.solvers.cavi import CAVI


def one_line(n=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x[:, None], 5.0 + 2.0 * x + 0.7 * rng.normal(size=n)


def log_marginal(model, X, y, weights):
    """Log marginal likelihood of one line, the line integrated exactly, log(sigma) on a grid.

    ``weights`` are powers of the rows' likelihoods; the standardisation is that of ``model``.
    """
    design, priors = model.posterior_.design, Priors().resolve()
    A = np.column_stack([np.ones(len(y)), design.columns(X).T])
    z = design.target(y)
    scales = np.array([priors.intercept_scale] + [priors.coef_scale] * X.shape[1])
    precision, moment = A.T @ (weights[:, None] * A), A.T @ (weights * z)
    grid = np.linspace(-3.5, 1.5, 801)
    prior = Gaussian().extra_priors(priors)[0].terms(grid)[0]
    variance = np.exp(2 * grid)
    inner = precision / variance[:, None, None] + np.diag(scales**-2.0)
    b = moment / variance[:, None]
    fitted = np.einsum("gi,gi->g", b, np.linalg.solve(inner, b[:, :, None])[:, :, 0])
    values = (
        -0.5 * weights.sum() * np.log(2 * np.pi * variance)
        - 0.5 * (weights @ z**2 / variance - fitted)
        - 0.5 * np.linalg.slogdet(inner)[1]
    )
    total = logsumexp(values + prior) + np.log(grid[1] - grid[0]) - np.log(scales).sum()
    return total - weights.sum() * np.log(design.y_scale)


def exact_elpd(model, X, y, weights):
    """Log density of every row under the posterior without one copy of it."""
    out = np.empty(len(y))
    for i, w in enumerate(weights):
        without = weights.copy()
        without[i] -= min(w, 1.0)
        with_one = without.copy()
        with_one[i] += 1.0
        out[i] = log_marginal(model, X, y, with_one) - log_marginal(model, X, y, without)
    return out


@pytest.mark.parametrize("kind", ["none", "whole", "fractions"])
def test_one_line_by_quadrature(kind):
    X, y = one_line()
    rng = np.random.default_rng(3)
    weights = {
        "none": np.ones(30),
        "whole": rng.integers(1, 4, 30).astype(float),
        "fractions": rng.uniform(0.2, 2.5, 30),
    }[kind]
    model = BayesianMixtureRegressor(1, random_state=0).fit(X, y, weights)
    loo = model.loo(X, y, None if kind == "none" else weights)
    exact = exact_elpd(model, X, y, weights)
    rows = loo.elpd_i["row"].to_numpy()
    factor = weights if kind == "fractions" else np.ones(30)
    np.testing.assert_allclose(loo.elpd_i, (factor * exact)[rows], atol=0.03)
    np.testing.assert_allclose(loo.elpd, weights @ exact, atol=0.15)
    assert loo.n_data_points == (30 if kind == "fractions" else weights.sum())


@pytest.fixture(scope="module")
def crossing():
    """Two lines in 60 rows, as weights and as repeated rows."""
    X, y = two_lines(60, seed=1, noise=0.4)
    counts = np.random.default_rng(0).integers(0, 4, 60)
    model = BayesianMixtureRegressor(solver="gibbs", random_state=0)
    return X, y, counts, clone(model).fit(X, y), clone(model).fit(X, y, counts)


def test_is_that_of_arviz(crossing):
    X, y, _, model, _ = crossing
    ours, theirs = model.loo(X, y), az.loo(model.to_datatree(X, y), pointwise=True)
    for name in ("elpd", "se", "p", "good_k"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6)
    np.testing.assert_allclose(ours.elpd_i, theirs.elpd_i, rtol=1e-6)
    np.testing.assert_allclose(ours.pareto_k, theirs.pareto_k, rtol=1e-6, atol=1e-9)
    assert (ours.n_samples, ours.n_data_points, ours.warning) == (4000, 60, False)


def test_weights_are_repetitions(crossing):
    X, y, counts, _, model = crossing
    repeated = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    ours = model.loo(X, y, counts)
    theirs = clone(model).fit(*repeated).loo(*repeated)
    for name in ("elpd", "se", "p", "n_data_points"):
        np.testing.assert_allclose(ours[name], theirs[name])
    np.testing.assert_allclose(ours.elpd_i, theirs.elpd_i)
    np.testing.assert_array_equal(ours.elpd_i["row"], np.repeat(np.arange(60), counts))


def test_rows_in_chunks_and_subsamples(crossing, monkeypatch):
    """The subsample of all rows, and chunks of few rows, change nothing."""
    X, y, counts, _, model = crossing
    whole = model.loo(X, y, counts)
    monkeypatch.setattr("skmixreg._assessment.leave_one_out.CHUNK_NUMBERS", 4 * 4000)
    monkeypatch.setattr("skmixreg._assessment.leave_one_out.MOST_ROWS", 10)
    monkeypatch.setattr("skmixreg._assessment.leave_one_out.INFLUENTIAL_ROWS", 5)
    chunked = model.loo(X, y, counts, exact=True)
    np.testing.assert_allclose(chunked.elpd_i, whole.elpd_i)
    part = model.loo(X, y, counts, subsample_size=30)
    assert isinstance(part, az.ELPDDataLOOSubsample)
    sample = part.loo_subsample_observations
    assert len(np.unique(sample)) == 30
    np.testing.assert_allclose(part.elpd_i[sample], whole.elpd_i[sample])
    np.testing.assert_allclose(part.elpd, whole.elpd, atol=4 * part.subsampling_se)
    assert 0 < part.subsampling_se < 0.5
    np.testing.assert_allclose(part.p, whole.p, rtol=0.3)
    np.testing.assert_allclose(part.se, whole.se, rtol=0.1)
    again = model.loo(X, y, counts, subsample_size=30)
    np.testing.assert_array_equal(again.loo_subsample_observations, sample)
    other = model.loo(X, y, counts, subsample_size=30, random_state=1)
    assert not np.array_equal(other.loo_subsample_observations, sample)


def test_compare(crossing, monkeypatch):
    X, y, counts, _, two = crossing
    one = BayesianMixtureRegressor(1, random_state=0).fit(X, y, counts)
    table = az.compare({"one": one.loo(X, y, counts), "two": two.loo(X, y, counts)})
    assert list(table.index) == ["two", "one"]
    monkeypatch.setattr("skmixreg._assessment.leave_one_out.MOST_ROWS", 10)
    options = {"sample_weight": counts, "subsample_size": 40}
    sampled = az.compare(
        {"one": one.loo(X, y, **options), "two": two.loo(X, y, **options)}, round_to="none"
    )
    assert list(sampled.index) == ["two", "one"]
    np.testing.assert_allclose(sampled["weight"], table["weight"], atol=0.02)
    difference = two.loo(X, y, counts, exact=True).elpd - one.loo(X, y, counts, exact=True).elpd
    error = sampled.loc["one", "subsampling_dse"]
    np.testing.assert_allclose(sampled.loc["one", "elpd_diff"], -difference, atol=4 * error)


def test_an_approximation_is_corrected():
    """Its own draws are off; weighed by p / q as well, they give the exact values."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    y = 1.0 + X @ [1.0, -2.0] + 0.7 * rng.normal(size=30)
    model = BayesianMixtureRegressor(1, solver=CAVI(draws=20_000), random_state=0).fit(X, y)
    exact = exact_elpd(model, X, y, np.ones(30))
    loo = model.loo(X, y)
    assert loo.approx_posterior
    np.testing.assert_allclose(loo.elpd_i, exact, atol=0.05)
    np.testing.assert_allclose(loo.elpd, exact.sum(), atol=0.08)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        uncorrected = az.loo(model.to_datatree(X, y))
    assert abs(uncorrected.elpd - exact.sum()) > 0.12


def test_high_khat_names_the_rows():
    X, y = one_line(20)
    y[7] = 40.0
    model = BayesianMixtureRegressor(1, solver="gibbs", random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match=r"1 of 20 rows.*\(k-hat\): 7 \(.*cross_val_score"):
        loo = model.loo(X, y)
    assert loo.warning and np.argmax(loo.pareto_k.to_numpy()) == 7


def test_what_cannot_be_left_out(crossing):
    X, y, counts, model, weighted = crossing
    for fit, rows in (
        (model, (X[1:], y[1:])),
        (model, (X, y[::-1])),
        (model, (X, y, counts)),
        (weighted, (X, y)),
    ):
        with pytest.raises(ValueError, match="not the rows of the fit"):
            fit.loo(*rows)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(model.loo(X[order], y[order]).elpd, model.loo(X, y).elpd)
    with pytest.raises(ValueError, match="a single point"):
        model.refit_as("map", X, y).loo(X, y)
    stream = BayesianMixtureRegressor(solver="cavi", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream.partial_fit(X[:40], y[:40]).partial_fit(X[40:], y[40:])
    with pytest.raises(ValueError, match="partial_fit"):
        stream.loo(X, y)
    with pytest.raises(ValueError, match="subsample_size"):
        model.loo(X, y, subsample_size=0)


@pytest.mark.slow
def test_two_lines_by_refits():
    X, y = two_lines(30, seed=2, noise=0.3)
    model = BayesianMixtureRegressor(solver="gibbs", random_state=0).fit(X, y)
    loo = model.loo(X, y)
    without = clone(model).set_params(priors=Priors().standardised_as(model))
    refits = np.empty(30)
    for i in range(30):
        keep = np.arange(30) != i
        refits[i] = without.fit(X[keep], y[keep]).log_predictive_density(X[[i]], y[[i]])[0]
    good = loo.pareto_k.to_numpy() < 0.5
    assert good.sum() >= 25
    np.testing.assert_allclose(loo.elpd_i[good], refits[good], atol=0.06)
    np.testing.assert_allclose(loo.elpd, refits.sum(), atol=0.4)


@pytest.mark.slow
def test_a_subsample_of_many_rows():
    X, y = two_lines(25_000, noise=0.3)
    fits = [BayesianMixtureRegressor(K, random_state=0).fit(X, y) for K in (1, 2)]
    for model in fits:
        part, whole = model.loo(X, y), model.loo(X, y, exact=True)
        assert isinstance(part, az.ELPDDataLOOSubsample)
        assert not isinstance(whole, az.ELPDDataLOOSubsample)
        assert part.subsampling_se < 0.3
        np.testing.assert_allclose(part.elpd, whole.elpd, atol=4 * part.subsampling_se)
        np.testing.assert_allclose(part.se, whole.se, rtol=0.01)
        np.testing.assert_allclose(part.p, whole.p, atol=0.5)
