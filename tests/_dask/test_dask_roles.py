"""Columns with roles in Dask collections: the fit of the same rows in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.base import clone

from skmixreg import BayesianMixtureRegressor, Gaussian
from skmixreg.solvers import Laplace

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

N = 12_000
NAMES = ["x", "u", "z", "t", "g"]
GAUSSIAN = {"shared_features": ["u"], "gating_features": ["z"], "offset_feature": "t"}
COUNTS = {"family": "poisson", "gating_features": ["z"], "exposure_feature": "t"}
CASES = {
    "gate, shared slope, offset": GAUSSIAN,
    "groups": {**GAUSSIAN, "group_feature": "g"},
    "counts, exposure": COUNTS,
}


def table(options, seed=0):
    """Columns, y and weights; groups of four rows lie one after the other."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(N // 4), 4)
    z = rng.normal(2.0, 3.0, N // 4)[group]
    upper = (rng.random(N // 4) < special.expit(z[::4] - 2.0))[group]
    x, u = rng.normal(size=(2, N))
    t = rng.uniform(0.5, 2.0, N)
    eta = np.where(upper, 1.0 + 0.5 * x, -0.5 - 0.7 * x) + 0.3 * u
    y = eta + t + rng.normal(0.0, 0.4, N)
    if "family" in options:
        y = rng.poisson(np.exp(eta) * t).astype(float)
    X = pd.DataFrame({"x": x, "u": u, "z": z, "t": t, "g": group.astype(float)})
    used = [name for name in NAMES if name != "g" or "group_feature" in options]
    return X[used], y, rng.integers(1, 3, N // 4)[group].astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_draw_is_that_of_rows_in_memory(name):
    X, y, weights = table(CASES[name])
    model = BayesianMixtureRegressor(2, **CASES[name], solver=Laplace(draws=500), random_state=0)
    held = model.fit(X, y, weights)
    frame = dd.from_pandas(X, npartitions=3, sort=False)
    lengths = tuple(len(part) for part in frame.partitions)
    chunked = clone(model).fit(
        frame, da.from_array(y, (lengths,)), da.from_array(weights, (lengths,))
    )
    assert held.converged_
    assert chunked.converged_
    for parameter in held.posterior_.parameters:
        np.testing.assert_allclose(
            chunked.posterior_[parameter], held.posterior_[parameter], rtol=1e-6, atol=1e-7
        )
    assert chunked.log_evidence_ == pytest.approx(held.log_evidence_, rel=1e-8)
    lazy = chunked.predict(frame)
    np.testing.assert_allclose(lazy.compute(), held.predict(X), rtol=1e-5, atol=1e-6)
    if "group_feature" in CASES[name]:
        with pytest.raises(ValueError, match="may be in several chunks"):
            chunked.predict_proba(frame, da.from_array(y, (lengths,)))


def test_columns_with_roles_are_checked():
    x = np.linspace(-1.0, 1.0, 60)
    exposure, group = np.where(np.arange(60) == 3, 0.0, 2.0), np.arange(60) // 4
    rated = BayesianMixtureRegressor(family="poisson", exposure_feature=1)
    X = da.from_array(np.column_stack([x, exposure]), chunks=(20, 2))
    with pytest.raises(ValueError, match="exposure_feature must be positive, but in row 3"):
        rated.fit(X, np.arange(60))
    gated = BayesianMixtureRegressor(gating_features=[0], group_feature=1)
    X = da.from_array(np.column_stack([x, group]), chunks=(20, 2))
    with pytest.raises(ValueError, match="column 0, which varies within a group"):
        gated.fit(X, np.cos(9 * x))


def test_groups_that_are_split_between_chunks():
    rows = np.column_stack([np.linspace(-1.0, 1.0, N), np.arange(N) // 4])
    grouped = BayesianMixtureRegressor(group_feature=1)
    split = da.from_array(rows, chunks=((6002, N - 6002), 2))
    with pytest.raises(
        ValueError, match="1 groups have rows in several chunks, such as group 1500"
    ):
        grouped.fit(split, da.from_array(np.cos(9 * rows[:, 0]), ((6002, N - 6002),)))


@pytest.mark.slow
@pytest.mark.parametrize("most", [200_000, 5_000])
def test_scales_beside_known_errors(most, monkeypatch):
    """The scale of the response is that of some rows, the same wherever they are."""
    monkeypatch.setattr("skmixreg._model._scaling.column_moments.SOME_ROWS", most)
    rng = np.random.default_rng(0)
    x, known = rng.uniform(-1, 1, N), 10.0 ** rng.uniform(-2, 2, N)
    y = np.where(rng.random(N) < 0.4, 3.0 + x, -2.0 - x) + np.hypot(0.5, known) * rng.normal(size=N)
    model = BayesianMixtureRegressor(
        1, family=Gaussian(known_error=1), solver="map", random_state=0
    )
    X = np.column_stack([x, known])
    held = model.fit(X, y)
    chunks = (1000, 4001, N - 5001)
    chunked = clone(model).fit(da.from_array(X, (chunks, 2)), da.from_array(y, (chunks,)))
    design = held.posterior_.design
    assert design.y_scale < 0.5 * y.std()
    assert chunked.posterior_.design.y_scale == pytest.approx(design.y_scale, rel=1e-9)
    for name in ("coef_", "intercept_", "sigma_"):
        np.testing.assert_allclose(getattr(chunked, name), getattr(held, name), rtol=1e-6)
