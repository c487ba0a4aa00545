"""A few rows do not decide on the scale of a column."""

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor
from skmixreg._model._scaling.outlying import MOST_RATIO, settled


def found(values, weights=None, centred=True):
    weights = np.ones(len(values)) if weights is None else weights
    mean = float(np.average(values, weights=weights)) if centred else 0.0
    spread = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    return settled(values, weights, mean, spread, centred)


@pytest.mark.parametrize("n", [12, 200, 20_000])
def test_usual_columns_keep_their_standard_deviation(n):
    rng = np.random.default_rng(0)
    for values in (
        rng.normal(size=n),
        rng.lognormal(0.0, 1.5, size=n),
        rng.standard_t(2, size=n),
        (np.arange(n) < max(1, n // 100)).astype(float),  # a level of one percent
        np.where(np.arange(n) < n // 20, 1e3, rng.normal(size=n)),  # a component of 5%
        np.zeros(n),
    ):
        assert found(values) is None, values


@pytest.mark.parametrize("centred", [True, False])
def test_the_scale_of_the_others(centred):
    rng = np.random.default_rng(1)
    values = rng.normal(size=300)
    values[[3, 70]] = [1e6, -2e7]
    location, scale, far = found(values, centred=centred)
    # Six rows are left out, the four farthest of the others among them.
    assert scale == pytest.approx(MOST_RATIO, rel=0.2)
    assert abs(location) < 0.2
    np.testing.assert_array_equal(np.flatnonzero(far), [3, 70])


def test_the_rule_is_continuous():
    rng = np.random.default_rng(2)
    values = rng.normal(size=300)
    scales = []
    for size in np.linspace(150.0, 200.0, 500):
        values[0] = size
        new = found(values)
        scales.append(values.std() if new is None else new[1])
    assert np.abs(np.diff(scales)).max() < 0.02
    assert max(scales) == pytest.approx(scales[-1])


# The third component holds the one row.
@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
@pytest.mark.parametrize("wrong", [1e3, 1e6, 1e9])
def test_two_lines_and_a_typing_error(wrong):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = np.where(rng.random(200) < 0.5, 3 * x, -x) + 0.2 * rng.normal(size=200)
    y[0] = wrong
    model = BayesianMixtureRegressor(n_components=3, random_state=0).fit(x[:, None], y)
    lines = np.argsort(-model.weights_)[:2]
    np.testing.assert_allclose(np.sort(model.coef_[lines, 0]), [-1.0, 3.0], atol=0.1)
    np.testing.assert_allclose(model.sigma_[lines], 0.2, atol=0.05)


@pytest.mark.filterwarnings("ignore::skmixreg.WeaklyIdentifiedWarning")
def test_typing_errors_in_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = np.where(rng.random(200) < 0.5, 3.0, -1.0) * X[:, 0] + X[:, 1] + 0.2 * rng.normal(size=200)
    X[0, 1], X[1, 0] = 1e6, -1e5
    model = BayesianMixtureRegressor(n_components=3, random_state=0).fit(X, y)
    lines = model.coef_[np.argsort(-model.weights_)[:2]]
    lines = lines[np.argsort(lines[:, 0])]
    np.testing.assert_allclose(lines, [[-1.0, 1.0], [3.0, 1.0]], atol=0.1)
