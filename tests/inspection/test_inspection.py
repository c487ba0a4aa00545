"""The displays: their arrays against formulas by hand, and their plumbing."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import load_reference, two_lines
from matplotlib import pyplot as plt
from scipy import stats
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV, MissingPackageError
from skmixreg.inspection import (
    ComponentLinesDisplay,
    CriterionDisplay,
    PredictiveDensityDisplay,
    ResidualQuantileDisplay,
    ResponsibilityDisplay,
)
from skmixreg.inspection._outlines import outlines
from skmixreg.inspection._residual_quantile import drawn_ranks, simultaneous_band

FITTED = [
    ComponentLinesDisplay,
    ResponsibilityDisplay,
    PredictiveDensityDisplay,
    ResidualQuantileDisplay,
]
QUICK = {"grid_resolution": 11}


@pytest.fixture(autouse=True)
def no_open_figures():
    """Nothing global changes, and figures of a test do not stay."""
    matplotlib.use("Agg")
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="module")
def lines():
    """The seed problem."""
    X, y = two_lines(400)
    return BayesianMixtureRegressor(2, random_state=0).fit(X, y), X, y


@pytest.fixture(scope="module")
def plane():
    """Two components over three named columns."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(300, 3)) * [1, 2, 5] + [0, 10, 50], columns=[*"abc"])
    slopes = np.where(rng.random(300)[:, None] < 0.4, [2.0, 0.0, -1.0], [-2.0, 1.0, 0.5])
    y = pd.Series((X * slopes).sum(axis=1) + rng.normal(0, 0.5, 300), name="yield")
    return BayesianMixtureRegressor(2, random_state=0).fit(X, y), X, y


def user_draws(model):
    """Draws over one axis, in units of the data."""
    posterior = model.posterior_
    return {
        name: posterior[name].reshape(-1, *posterior[name].shape[2:])
        for name in ("weights", "intercept", "coef", "sigma")
    }


def predictive_cdf(model, x, y):
    """P(y[i, j] | x[i]) over the draws that quantiles are from: 200, evenly spaced."""
    draws = user_draws(model)
    S = len(draws["weights"])
    some = np.round((np.arange(200) + 0.5) * S / 200 - 0.5).astype(int)
    draws = {name: values[some] for name, values in draws.items()}
    out = np.zeros(y.shape)
    for s in range(200):
        mean = draws["intercept"][s] + np.outer(x, draws["coef"][s, :, 0])
        below = stats.norm.cdf(y[:, :, None], mean[:, None], draws["sigma"][s])
        out += below @ draws["weights"][s] / 200
    return out


# ------------------------------------------------------------------------------- all alike


@pytest.mark.parametrize("display", FITTED)
def test_display_convention(display, plane):
    model, X, y = plane
    _, ax = plt.subplots()
    shown = display.from_estimator(model, X, y, ax=ax)
    assert isinstance(shown, display)
    assert shown.ax_ is ax
    assert shown.figure_ is ax.figure
    again = shown.plot()
    assert again is shown
    assert shown.ax_ is not ax
    assert shown.figure_ is shown.ax_.figure
    shown.figure_.canvas.draw()


@pytest.mark.parametrize("display", FITTED)
def test_pipelines_searches_and_what_is_no_mixture(display, lines):
    _, X, y = lines
    frame = pd.DataFrame(X, columns=["x"])
    pipe = make_pipeline(StandardScaler(), BayesianMixtureRegressor(2, random_state=0))
    search = GridSearchCV(pipe, {"bayesianmixtureregressor__n_components": [2]}, cv=2)
    with pytest.raises(NotFittedError):
        display.from_estimator(pipe, frame, y)
    shown = display.from_estimator(search.fit(frame, y), frame, y)
    alone = display.from_estimator(search.best_estimator_[-1], (X - X.mean()) / X.std(), y)
    for name, value in vars(alone).items():
        if isinstance(value, np.ndarray) and value.dtype == float and name not in ("grid", "x"):
            np.testing.assert_allclose(getattr(shown, name), value, rtol=1e-6, atol=1e-9)
    if hasattr(shown, "feature_name"):
        assert shown.ax_.get_xlabel() == "x"
        assert shown.grid[0] == X.min()
        assert shown.grid[-1] == X.max()
    for other in (LinearRegression(), TransformedTargetRegressor(LinearRegression())):
        with pytest.raises(TypeError, match="needs a BayesianMixtureRegressor"):
            display.from_estimator(other.fit(X, y), X, y)


def test_matplotlib_is_loaded_only_to_draw():
    code = (
        "import sys, skmixreg.inspection; "
        "print([m for m in sys.modules if m.startswith('matplotlib')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("display", FITTED)
def test_missing_matplotlib_says_what_to_install(display, lines, monkeypatch):
    model, X, y = lines
    shown = display.from_estimator(model, X, y)
    real = __import__("importlib").import_module

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *rest)

    monkeypatch.setattr("importlib.import_module", without)
    for draw in (lambda: display.from_estimator(model, X, y), shown.plot):
        with pytest.raises(MissingPackageError, match=r"pip install \"skmixreg\[plot\]\""):
            draw()


@pytest.mark.parametrize("display", [ComponentLinesDisplay, PredictiveDensityDisplay])
def test_wrong_features(display, plane):
    model, X, y = plane
    with pytest.raises(ValueError, match=r"no feature 'd'; features are \['a', 'b', 'c'\]"):
        display.from_estimator(model, X, y, feature="d")
    with pytest.raises(ValueError, match="no feature 3"):
        display.from_estimator(model, X, y, feature=3)
    with pytest.raises(ValueError, match="the feature that varies"):
        display.from_estimator(model, X, y, feature="b", at={1: 0.0})
    with pytest.raises(ValueError, match="single value"):
        display.from_estimator(model, X.assign(b=1.0), y, feature="b")
    with pytest.raises(ValueError, match="subsample"):
        display.from_estimator(model, X, y, subsample=1.5)


# ----------------------------------------------------------------------------------- lines


def test_lines_and_bands_are_those_of_the_draws(plane):
    model, X, y = plane
    shown = ComponentLinesDisplay.from_estimator(
        model, X, y, feature="b", at={"c": 7.0}, probability=0.8, grid_resolution=5
    )
    draws = user_draws(model)
    np.testing.assert_allclose(shown.grid, np.linspace(X["b"].min(), X["b"].max(), 5))
    for k in range(2):
        slope = draws["coef"][:, k]
        values = (
            draws["intercept"][:, k, None]
            + (slope[:, 0] * X["a"].mean() + slope[:, 2] * 7.0)[:, None]
            + slope[:, 1, None] * shown.grid
        )
        np.testing.assert_allclose(shown.lines[:, k], values.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(shown.lower[:, k], np.quantile(values, 0.1, axis=0), rtol=1e-9)
        np.testing.assert_allclose(shown.upper[:, k], np.quantile(values, 0.9, axis=0), rtol=1e-9)
        np.testing.assert_array_equal(shown.lines_[k].get_ydata(), shown.lines[:, k])
    np.testing.assert_array_equal(shown.x, X["b"])
    np.testing.assert_array_equal(shown.y, y)
    np.testing.assert_array_equal(shown.responsibilities, model.predict_proba(X, y))
    assert (shown.ax_.get_xlabel(), shown.ax_.get_ylabel()) == ("b", "yield")


def test_rows_are_filled_by_how_sure_their_component_is(lines):
    model, X, y = lines
    shown = ComponentLinesDisplay.from_estimator(model, X, y)
    r = model.predict_proba(X, y)
    for k, scatter in enumerate(shown.scatters_):
        mine = r.argmax(axis=1) == k
        np.testing.assert_array_equal(scatter.get_offsets(), np.column_stack([X, y])[mine])
        opacity = scatter.get_facecolors()[:, 3]
        np.testing.assert_allclose(opacity, 2.0 * (r.max(axis=1)[mine] - 0.5), atol=1e-12)


def test_partial_residuals_keep_each_rows_residual(plane):
    model, X, y = plane
    shown = ComponentLinesDisplay.from_estimator(
        model, X, y, feature="a", at={"b": 3.0}, partial_residuals=True
    )
    k = model.assign(X, y)
    rows = np.arange(len(y))
    residual = y - model.predict_components(X)[rows, k]
    own_line = np.array([np.interp(X["a"], shown.grid, line) for line in shown.lines.T])[k, rows]
    np.testing.assert_allclose(shown.y - own_line, residual, atol=1e-8)


def test_a_feature_expanded_in_a_pipeline_gives_curves(npreg):
    X = npreg.X[["x"]]
    pipe = make_pipeline(
        PolynomialFeatures(2, include_bias=False), BayesianMixtureRegressor(2, random_state=0)
    ).fit(X, npreg.y)
    shown = ComponentLinesDisplay.from_estimator(pipe, X, npreg.y, **QUICK)
    model = pipe[-1]
    curve = model.intercept_ + np.outer(shown.grid, model.coef_[:, 0])
    curve += np.outer(shown.grid**2, model.coef_[:, 1])
    np.testing.assert_allclose(shown.lines, curve, rtol=1e-8)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_categories_and_missing_values_stay_where_they_are_usual(kind):
    case = load_reference("nodata_no_on_eq")
    n = len(case.y)
    ratio = case.X["Equivalence"].to_numpy().copy()
    other = np.linspace(0, 1, n)
    other[::7] = np.nan
    fuel = np.where(np.arange(n) % 3 == 0, "gas", "oil")
    X = kind({"ratio": ratio, "other": other, "fuel": fuel})
    pipe = make_pipeline(
        ColumnTransformer(
            [
                ("numbers", SimpleImputer(), ["ratio", "other"]),
                ("fuel", OneHotEncoder(drop="if_binary", sparse_output=False), ["fuel"]),
            ]
        ),
        BayesianMixtureRegressor(2, solver="map", random_state=0),
    )
    pipe.fit(X, case.y)
    shown = ComponentLinesDisplay.from_estimator(pipe, X, case.y, feature="ratio", **QUICK)
    usual = kind({"ratio": shown.grid, "other": [np.nanmean(other)] * 11, "fuel": ["oil"] * 11})
    expected = pipe[-1].predict_components(pipe[:-1].transform(usual))
    np.testing.assert_allclose(shown.lines, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="'fuel' does not hold numbers"):
        ComponentLinesDisplay.from_estimator(pipe, X, case.y, feature="fuel")
    gas = ComponentLinesDisplay.from_estimator(pipe, X, case.y, at={"fuel": "gas"}, **QUICK)
    assert np.abs(gas.lines - shown.lines).max() > 1e-6


def test_few_of_many_rows_are_drawn_and_the_same_ones_each_time(lines):
    model, X, y = lines
    first, second = (
        ComponentLinesDisplay.from_estimator(model, X, y, subsample=50, **QUICK) for _ in range(2)
    )
    assert len(np.unique(first.x)) == 50
    np.testing.assert_array_equal(first.x, second.x)
    assert set(zip(first.x, first.y, strict=True)) <= set(zip(X[:, 0], y, strict=True))
    share = ComponentLinesDisplay.from_estimator(
        model, X, y, subsample=0.25, random_state=1, **QUICK
    )
    assert len(share.x) == 100


def test_rows_of_a_group_are_as_sure_as_all_of_them_make_it():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"x": rng.uniform(-1, 1, 160), "who": np.repeat([*"abcdefgh"] * 4, 5)})
    X["who"] += np.repeat(np.arange(4), 40).astype(str)
    kind = np.repeat(rng.random(32) < 0.5, 5)
    y = np.where(kind, X["x"], -X["x"]) + rng.normal(0, 0.5, 160)
    model = BayesianMixtureRegressor(group_feature="who", random_state=0).fit(X, y)
    shown = ComponentLinesDisplay.from_estimator(model, X, y, subsample=40, **QUICK)
    assert len(shown.x) == 40
    every = model.predict_proba(X, y)
    where = [int(np.flatnonzero(X["x"] == value)[0]) for value in shown.x]
    np.testing.assert_array_equal(shown.responsibilities, every[where])


def test_a_band_as_wide_as_the_prior_does_not_hide_the_rows(lines):
    _, X, y = lines
    ones = np.ones((11, 1))
    shown = ComponentLinesDisplay(
        grid=np.linspace(-1, 1, 11),
        lines=np.zeros((11, 2)),
        lower=ones * [-0.1, -100.0],
        upper=ones * [0.1, 100.0],
        weights=np.array([0.997, 0.003]),
        x=X[:, 0],
        y=y,
        responsibilities=np.tile([0.997, 0.003], (len(y), 1)),
    ).plot()
    known, unknown = (band.get_facecolors() for band in shown.bands_)
    assert len(known) == 1 and len(unknown) == 0
    low, high = shown.ax_.get_ylim()
    assert low > y.min() - 1 and high < y.max() + 1
    entries = [text.get_text() for text in shown.legend_.get_texts()]
    assert entries[:2] == [
        "component 0, weight 1.00", "component 1, weight 0.003,\nband beyond the axis",
    ]  # fmt: skip


def test_styles_of_the_user_come_first(lines):
    model, X, y = lines
    shown = ComponentLinesDisplay.from_estimator(
        model, X, y, line_kw={"lw": 7, "ls": ":"}, band_kw={"fc": "red"}, scatter_kw={"c": "k"}
    )
    assert shown.lines_[0].get_linewidth() == 7
    assert shown.lines_[1].get_linestyle() == ":"
    np.testing.assert_array_equal(shown.bands_[0].get_facecolors()[0, :3], [1, 0, 0])
    np.testing.assert_array_equal(shown.scatters_[0].get_facecolors()[0], [0, 0, 0, 1])


# -------------------------------------------------------------------------- responsibilities


def test_rootogram_counts():
    r = np.array([[1.0, 0.0], [0.97, 0.03], [0.5, 0.5], [1 - 1e-4, 1e-4], [1 - 2e-4, 2e-4]])
    shown = ResponsibilityDisplay(r, bins=10)
    np.testing.assert_array_equal(shown.counts[0], [0, 0, 0, 0, 0, 1, 0, 0, 0, 4])
    # The last but one row is at the threshold, the first below it.
    np.testing.assert_array_equal(shown.counts[1], [2, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    weighted = ResponsibilityDisplay(r, bins=10, sample_weight=np.array([3.0, 1, 2, 1, 1]))
    assert weighted.counts[0, 5] == 2 and weighted.counts[0, 9] == 6
    shown.plot(mark=0)
    assert [bar.get_height() for bar in shown.bars_[1]] == [*shown.counts[1]]
    # Heights are drawn on a root scale: a quarter of the count is half as high.
    to_pixels = shown.axes_[0].transData.transform
    heights = to_pixels([(0, 4.0), (0, 1.0), (0, 0.0)])[:, 1]
    assert heights[1] - heights[2] == pytest.approx(0.5 * (heights[0] - heights[2]))


def test_rootogram_of_a_fit(lines):
    model, X, y = lines
    shown = ResponsibilityDisplay.from_estimator(model, X, y, sample_weight=np.full(len(y), 2.0))
    r = model.predict_proba(X, y)
    np.testing.assert_array_equal(shown.counts.sum(axis=1), 2.0 * (r > 1e-4).sum(axis=0))
    assert len(shown.axes_) == 2
    _, axes = plt.subplots(1, 2)
    shown.plot(axes)
    assert list(shown.axes_) == list(axes)
    with pytest.raises(ValueError, match="2 components, but ax has 3"):
        shown.plot(plt.subplots(1, 3)[1])
    with pytest.raises(ValueError, match="no subplot"):
        shown.plot(plt.figure().add_axes((0.1, 0.1, 0.8, 0.8)))
    with pytest.raises(ValueError, match="mark must be a component, 0 to 1"):
        shown.plot(mark=2)


@pytest.mark.parametrize("K", range(1, 7))
def test_panels_of_many_components_do_not_overlap(K):
    rng = np.random.default_rng(K)
    shown = ResponsibilityDisplay(rng.dirichlet(np.full(K, 0.2), 200)).plot()
    shown.figure_.canvas.draw()
    boxes = [panel.get_tightbbox() for panel in shown.axes_]
    inside = shown.figure_.bbox
    for i, box in enumerate(boxes):
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1 + 1
        assert not any(box.padded(-2).overlaps(other.padded(-2)) for other in boxes[:i])


# ---------------------------------------------------------------------------------- density


def test_density_is_the_average_over_each_cell(lines):
    model, X, y = lines
    shown = PredictiveDensityDisplay.from_estimator(
        model, X, y, grid_resolution=3, y_resolution=50, coverage=(0.5, 0.9)
    )
    below = predictive_cdf(model, shown.grid, np.tile(shown.y_edges, (3, 1)))
    expected = np.diff(below, axis=1) / np.diff(shown.y_edges)
    np.testing.assert_allclose(shown.density, expected.T, atol=1e-10)
    for level, regions in shown.regions.items():
        for ours, theirs in zip(
            regions, model.predict_hdr(shown.grid[:, None], level), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(shown.y, y)
    assert shown.y_edges[0] < y.min() and y.max() < shown.y_edges[-1]


def test_a_line_narrower_than_a_cell_keeps_its_mass(lines):
    model, X, _ = lines
    shown = PredictiveDensityDisplay.from_estimator(model, X, y_resolution=4, coverage=(), **QUICK)
    mass = (shown.density * np.diff(shown.y_edges)[:, None]).sum(axis=0)
    np.testing.assert_allclose(mass, 1.0, atol=0.03)
    assert shown.scatter_ is None and shown.curves_ == {}


def test_averaged_predictions_are_drawn_where_an_estimator_averages():
    X, y = two_lines(60, noise=1.0)
    cv = BayesianMixtureRegressorCV([1, 2], average=True, random_state=0).fit(X, y)
    assert cv.criterion_table_["probability"].min() > 0.01
    shown = ResidualQuantileDisplay.from_estimator(cv, X, y)
    # The distribution function at the quantiles that the estimator predicts.
    median = cv.predict_quantiles(X, 0.5)[:, 0]
    at_median = ResidualQuantileDisplay.from_estimator(cv, X, median)
    np.testing.assert_allclose(at_median.observed, 0.5, atol=1e-9)
    best = ResidualQuantileDisplay.from_estimator(cv.best_estimator_, X, y)
    assert np.abs(shown.observed - best.observed).max() > 1e-4


def test_outlines_join_split_and_end():
    x = np.arange(4.0)
    regions = [
        np.array([[0.0, 1.0], [5.0, 6.0]]),
        np.array([[0.5, 5.5]]),  # both merge
        np.array([[0.0, 1.0], [3.0, 4.0], [8.0, 9.0]]),  # splits in two, a third begins
        np.array([[0.0, 1.0], [4.5, 5.5]]),  # the steep one moves on, the third ends
    ]
    curves = {tuple(map(tuple, curve)) for curve in outlines(x, regions)}
    assert curves == {
        ((0.0, 0.0), (1.0, 0.5), (2.0, 0.0), (3.0, 0.0)),
        ((0.0, 6.0), (1.0, 5.5), (2.0, 4.0), (2.5, 3.5)),
        ((0.0, 1.0), (0.5, 3.0)),
        ((0.0, 5.0), (0.5, 3.0)),
        ((1.5, 2.0), (2.0, 1.0), (3.0, 1.0)),
        ((1.5, 2.0), (2.0, 3.0), (2.5, 3.5)),
        ((1.5, 8.5), (2.0, 8.0), (2.5, 8.5)),
        ((1.5, 8.5), (2.0, 9.0), (2.5, 8.5)),
        ((2.5, 5.0), (3.0, 4.5)),
        ((2.5, 5.0), (3.0, 5.5)),
    }
    steep = [np.array([[3.0 * i, 3.0 * i + 1.0]]) for i in range(4)]
    assert len(outlines(x, steep)) == 2


# -------------------------------------------------------------------------------- residuals


def test_the_truth_is_within_the_band_and_one_line_is_not(lines):
    model, _, _ = lines
    X, y = two_lines(2000, seed=9)
    shown = ResidualQuantileDisplay.from_estimator(model, X, y)
    assert len(shown.outside_.get_offsets()) == 0
    ranks = drawn_ranks(2000)
    expected = np.sort(predictive_cdf(model, X[:, 0], y[:, None])[:, 0])[ranks - 1]
    np.testing.assert_allclose(shown.observed, expected, atol=1e-10)
    single = BayesianMixtureRegressor(1, random_state=0).fit(X, y)
    shown = ResidualQuantileDisplay.from_estimator(single, X, y)
    assert len(shown.outside_.get_offsets()) > 50
    assert len(shown.outside_.get_offsets()) + len(shown.points_.get_offsets()) == len(ranks)


@pytest.mark.parametrize("n", [20, 3000])
def test_band_holds_all_order_statistics_at_once(n):
    ranks = drawn_ranks(n)
    assert ranks[0] == 1 and ranks[-1] == n and (np.diff(ranks) > 0).all() and len(ranks) <= 260
    lower, upper = simultaneous_band(ranks, n, 0.9, np.random.default_rng(0))
    values = np.sort(np.random.default_rng(1).random((2000, n)), axis=1)[:, ranks - 1]
    held = ((values >= lower) & (values <= upper)).all(axis=1).mean()
    assert held == pytest.approx(0.9, abs=0.03)  # three errors of both simulations
    # As likely beyond at every rank.
    at_each = stats.beta.cdf(lower, ranks, n + 1 - ranks)
    np.testing.assert_allclose(at_each, at_each[0], rtol=1e-6)
    np.testing.assert_allclose(lower, 1.0 - upper[::-1], rtol=0.5, atol=1e-3)


def test_a_band_of_one_value_is_exact():
    lower, upper = simultaneous_band(np.array([1]), 1, 0.9, np.random.default_rng(0))
    np.testing.assert_allclose([lower[0], upper[0]], [0.05, 0.95], atol=0.02)


def test_scales_and_impossible_values():
    pit = [0.0, 0.2, 0.5, 0.9, 1.0]
    shown = ResidualQuantileDisplay.from_pit(pit)
    np.testing.assert_allclose(shown.theoretical, np.arange(1, 6) / 6)
    drawn = np.sort(
        np.concatenate([a.get_offsets() for a in (shown.points_, shown.outside_)])[:, 1]
    )
    np.testing.assert_allclose(drawn[1:4], stats.norm.ppf(pit[1:4]))
    np.testing.assert_allclose(drawn[[0, 4]], [-8.2, 8.2], atol=0.02)
    shown.plot(scale="uniform", detrend=True)
    drawn = np.concatenate([a.get_offsets() for a in (shown.points_, shown.outside_)])
    np.testing.assert_allclose(sorted(drawn.sum(axis=1)), pit, atol=1e-12)
    for wrong in ([0.5, 1.1], [np.nan], []):
        with pytest.raises(ValueError, match="from 0 to 1"):
            ResidualQuantileDisplay.from_pit(wrong)
    with pytest.raises(ValueError, match="scale must be 'normal' or 'uniform'"):
        shown.plot(scale="log")


# --------------------------------------------------------------------------------- criterion


def criterion_table(**columns):
    return pd.DataFrame(columns, index=pd.Index([1, 2, 3, 4], name="n_components"))


def written(display):
    return {text.get_text(): text for text in display.ax_.texts}


def test_differences_from_the_best_and_what_is_far_or_unresolved():
    table = criterion_table(
        log_evidence=[-151_203.0, 0.0, np.nan, -14.2], log_evidence_error=[0.1, 0.2, 0.1, np.nan]
    )
    shown = CriterionDisplay.from_table(table.iloc[::-1], "evidence", chosen=2, resolved=False)
    np.testing.assert_array_equal(shown.differences, [-151_203.0, 0.0, np.nan, -14.2])
    assert shown.best == 2
    np.testing.assert_array_equal(shown.unresolved, [3])
    assert set(written(shown)) == {"\N{MINUS SIGN}151,203", "unresolved"}
    assert written(shown)["unresolved"].get_position()[0] == 3
    low, high = shown.ax_.get_ylim()
    assert -25 < low < -14.2 and 0 < high < 5
    assert [t.get_text() for t in shown.legend_.get_texts()] == ["chosen: 2, not resolved"]
    np.testing.assert_array_equal(shown.line_.get_ydata(), [np.nan, 0.0, np.nan, -14.2])


def test_lower_is_better_for_information_criteria():
    table = criterion_table(bic=[300.0, 110.0, 100.0, 104.0], mine=[1.0, 2, 3, 4])
    shown = CriterionDisplay.from_table(table, "bic")
    np.testing.assert_array_equal(shown.differences, [200.0, 10.0, 0.0, 4.0])
    assert "lower is better" in shown.ax_.get_ylabel()
    assert shown.legend_ is None
    with pytest.raises(ValueError, match="no criterion 'icl'"):
        CriterionDisplay.from_table(table, "icl")
    with pytest.raises(ValueError, match="pass greater_is_better"):
        CriterionDisplay.from_table(table, "mine")
    assert CriterionDisplay.from_table(table, "mine", greater_is_better=True).best == 4


def test_errors_of_differences_are_preferred():
    table = criterion_table(
        elpd_loo=[-90.0, 0.0, -1.0, -2.0],
        elpd_loo_error=[15.0, 15, 15, 15],
        elpd_loo_difference_error=[9.0, 0, 2, 3],
    )
    np.testing.assert_array_equal(CriterionDisplay.from_table(table, "loo").errors, [9, 0, 2, 3])


def test_several_families_have_a_line_each():
    families = ["poisson", "negative_binomial"]
    table = pd.DataFrame(
        {"bic": [2900.0, 2100.0, np.nan, 2080.0, 2086.0, 2093.0], "bic_error": 1.0},
        index=pd.MultiIndex.from_product([families, [1, 2, 3]], names=["family", "n_components"]),
    )
    chosen = ("negative_binomial", 1)
    shown = CriterionDisplay.from_table(table, "bic", chosen=chosen)
    assert [line.get_label() for line in shown.line_] == families
    assert shown.best == chosen
    assert shown.unresolved == [("poisson", 3)]
    first, second = (line.get_ydata() for line in shown.line_)
    np.testing.assert_array_equal(first, [np.nan, 20.0, np.nan])
    np.testing.assert_array_equal(second, [0.0, 6.0, 13.0])
    assert len(shown.errors_) == 2
    texts = [text.get_text() for text in shown.legend_.get_texts()]
    assert texts == [*families, "chosen: negative_binomial, 1"]
    # Marks of a family stand on its side of the number of components.
    places = written(shown)
    assert 2.5 < places["unresolved"].get_position()[0] < 3
    assert 0.5 < places["+820"].xy[0] < 1
    alone = CriterionDisplay.from_table(table.loc["poisson"], "bic")
    assert alone.line_.get_label() not in families and alone.unresolved.tolist() == [3]


@pytest.mark.parametrize("values", [[np.nan] * 4, [1.0] * 4])
def test_nothing_or_nothing_apart(values):
    shown = CriterionDisplay.from_table(criterion_table(bic=values), "bic", chosen=1)
    shown.figure_.canvas.draw()
    assert (shown.best is None) == np.isnan(values[0])
    assert len(shown.unresolved) == 4 * np.isnan(values[0])


def test_estimators_and_searches_that_chose(lines):
    model, X, y = lines
    cv = BayesianMixtureRegressorCV([1, 2], random_state=0).fit(X, y)
    shown = CriterionDisplay.from_estimator(cv)
    np.testing.assert_array_equal(shown.values, cv.criterion_table_["log_evidence"])
    assert shown.chosen == 2
    assert not CriterionDisplay.from_estimator(cv, criterion="icl").greater_is_better
    with pytest.raises(TypeError, match="from_search"):
        CriterionDisplay.from_estimator(model)
    cv = BayesianMixtureRegressorCV(
        [1, 2], family=["gaussian"], criterion="bic", solver="map", random_state=0
    ).fit(X, y)
    shown = CriterionDisplay.from_estimator(cv)
    assert shown.chosen == shown.best == ("gaussian", 2) and len(shown.line_) == 1

    pipe = make_pipeline(StandardScaler(), BayesianMixtureRegressor(solver="map", random_state=0))
    name = "bayesianmixtureregressor__n_components"
    search = GridSearchCV(pipe, {name: [2, 1]}, cv=KFold(3)).fit(X, y)
    shown = CriterionDisplay.from_search(search)
    results = search.cv_results_
    np.testing.assert_array_equal(shown.n_components, [1, 2])
    np.testing.assert_allclose(shown.values, results["mean_test_score"][::-1])
    np.testing.assert_allclose(shown.errors, results["std_test_score"][::-1] / np.sqrt(2))
    assert shown.chosen == 2
    with pytest.raises(ValueError, match="no score 'crps'"):
        CriterionDisplay.from_search(search, metric="crps")
    search.cv_results_["params"][0]["bayesianmixtureregressor__n_init"] = 3
    with pytest.raises(ValueError, match="nothing else"):
        CriterionDisplay.from_search(search)
