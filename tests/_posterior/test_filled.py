"""Draws with an empty component, and the summary of the others."""

import numpy as np
import pytest

from skmixreg import BayesianMixtureRegressor, Priors
from skmixreg._posterior.filled import empty_components, n_observations, typical_draws

pytestmark = pytest.mark.filterwarnings(
    "ignore::skmixreg.MultimodalPosteriorWarning", "ignore::skmixreg.WeaklyIdentifiedWarning"
)


def two_regressions(n, p, seed):
    rng = np.random.default_rng(seed)
    X, slopes = rng.normal(size=(n, p)), rng.normal(size=(2, p))
    side = rng.integers(0, 2, n)
    return X, (X * slopes[side]).sum(axis=1) + rng.normal(size=n)


def ratio_of(table):
    """Sds over those that a normal distribution with this interval has."""
    return table["sd"] / ((table["eti90_ub"] - table["eti90_lb"]) / (2 * 1.6449))


@pytest.fixture(scope="module")
def few_empty():
    """Under 10% of the draws have an empty component."""
    # The prior under which there are some.
    model = BayesianMixtureRegressor(2, random_state=0, priors=Priors(x_whitening=False))
    return model.fit(*two_regressions(100, 10, 5))


@pytest.mark.parametrize(
    ("share", "kept"), [(0.0, 1.0), (0.05, 0.95), (0.3, 1.0), (0.7, 1.0), (0.95, 0.95)]
)
def test_few_draws_of_another_kind_are_left_out(share, kept):
    empty = np.zeros((2, 500, 3), dtype=bool)
    empty.reshape(-1, 3)[: round(1000 * share), 1] = True
    assert typical_draws(empty).mean() == pytest.approx(kept)


def test_labels_tell_groups_apart():
    """One of two is always empty: mostly the second, seldom the first."""
    empty = np.zeros((1, 100, 2), dtype=bool)
    empty[0, :95, 1] = empty[0, 95:, 0] = True
    assert typical_draws(empty).tolist() == [[True] * 95 + [False] * 5]


def test_sds_belong_to_their_intervals(few_empty):
    posterior, table = few_empty.posterior_, few_empty.summary()
    empty = empty_components(posterior)
    share = empty.any(axis=-1).mean()
    assert 0.005 < share < 0.1
    assert n_observations(posterior) == pytest.approx(100.0, rel=1e-3)
    assert ratio_of(table).between(0.8, 1.3).all()
    kept = ~empty.any(axis=-1)
    for k in (0, 1):
        sd = posterior["intercept"][..., k].std()
        row = table.loc[f"intercept[{k}]"]
        assert row["sd"] == pytest.approx(posterior["intercept"][kept][:, k].std(ddof=1))
        assert row["sd"] < 0.5 * sd
        assert row["empty"] == pytest.approx(empty[..., k].mean())
        assert row["mcse_mean"] < sd / np.sqrt(row["ess_bulk"])
    assert table.loc["coef[1, x9]", "empty"] == table.loc["sigma[1]", "empty"]


def test_the_table_of_checks_counts_them(few_empty):
    row = few_empty.diagnostics().loc["empty_component"]
    empty = empty_components(few_empty.posterior_)
    assert row["value"] == pytest.approx(empty.any(axis=-1).mean())
    left_out = 1.0 - typical_draws(empty).mean()
    assert f"leaves out the {100 * left_out:.1f}% of the draws" in row["verdict"]


def test_without_empty_components_the_summary_is_of_all_draws():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 300)
    y = np.where(rng.random(300) < 0.5, 3 * x, -x) + 0.1 * rng.normal(size=300)
    model = BayesianMixtureRegressor(2, random_state=0).fit(x[:, None], y)
    table = model.summary()
    assert (table["empty"] == 0.0).all()
    assert table.loc["coef[0, x0]", "mean"] == pytest.approx(model.coef_[0, 0])
    assert "empty_component" not in model.diagnostics().index


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_sds_of_many_data_sets(seed):
    """Where at most a fifth of the draws have an empty component."""
    model = BayesianMixtureRegressor(2, random_state=0).fit(*two_regressions(60, 3, seed))
    empty = empty_components(model.posterior_)
    if typical_draws(empty).all() and empty.any():
        pytest.skip("no majority")
    table = model.summary()
    lines = table.index.str.startswith(("coef", "intercept"))
    assert ratio_of(table)[lines & (table["empty"] < 0.5)].between(0.7, 1.5).all()
