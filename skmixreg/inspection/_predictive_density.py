"""The density of y over a feature, with highest-density sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._estimators import validation
from .._estimators._validation import arguments
from .._posterior.bands import distribution_function
from .._support.arrays import Array
from . import _style
from ._features import chosen_rows, regressor_at, slice_over, take_rows, target_name
from ._outlines import outlines


class PredictiveDensityDisplay:
    """Posterior predictive density of y over one feature, as an image.

    Curves bound the highest-density sets: the smallest sets that hold a new y with the given
    probability at that value of the feature.  Other features are fixed.

    Of counts the image has one cell per count, or cells of several where they are many, shaded by
    the mean probability of a count in them, and curves run around whole counts.

    It is recommended to use `from_estimator`.  All parameters are stored as attributes.

    Parameters
    ----------
    grid : ndarray of shape (g,)
        Values of the feature, ascending.
    y_edges : ndarray of shape (m + 1,)
        Ends of the cells of y, ascending.
    density : ndarray of shape (m, g)
        Mean density over each cell, per unit of y: the probability of the cell over its height,
        so that no line is too narrow to be seen.
    regions : dict
        By coverage, g ndarrays of shape (number of intervals, 2).
    x, y : ndarray of shape (r,) or None
        Rows drawn on top.
    feature_name, target_name : str
        Labels of the axes.
    discrete : bool, default=False
        Whether y holds counts: ends of ``regions`` are counts inside, ``y_edges`` lie halfway
        between counts, and ``density`` holds probabilities.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib QuadMesh
    curves_ : dict
        By coverage, a matplotlib LineCollection.
    scatter_ : matplotlib PathCollection or None
    legend_ : matplotlib Legend
    colorbar_ : matplotlib Colorbar or None

    Examples
    --------
    >>> from skmixreg.inspection import PredictiveDensityDisplay
    >>> PredictiveDensityDisplay.from_estimator(model, X, y)  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        grid: Array,
        y_edges: Array,
        density: Array,
        regions: Mapping[float, Sequence[Array]],
        x: Array | None = None,
        y: Array | None = None,
        feature_name: str = "x",
        target_name: str = "y",
        discrete: bool = False,
    ):
        self.grid = grid
        self.y_edges = y_edges
        self.density = density
        self.regions = regions
        self.x = x
        self.y = y
        self.feature_name = feature_name
        self.target_name = target_name
        self.discrete = discrete

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        feature: int | str = 0,
        at: Mapping[Any, Any] | None = None,
        coverage: float | Sequence[float] = (0.5, 0.9),
        grid_resolution: int = 100,
        y_resolution: int = 200,
        subsample: float | int | None = 1000,
        random_state: Any = 0,
        ax: Any = None,
        image_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
        scatter_kw: Mapping[str, Any] | None = None,
        colorbar: bool = True,
    ) -> Self:
        """Compute density and sets, and draw them.

        Parameters
        ----------
        estimator : BayesianMixtureRegressor
            Fitted; or a Pipeline that ends in one, or a search over either.
        X : array-like or DataFrame of shape (n, p)
            Gives the range of the feature and the values at which others are fixed.
        y : array-like of shape (n,), default=None
            Responses, to be drawn on top.  With several features rows are not where the density
            says, since the others are not at the values fixed.
        feature : int or str, default=0
            Position or name of the feature on the horizontal axis.
        at : dict, default=None
            Values at which other features are fixed, by name or position.  The default of each is
            its mean in X, or its most frequent value if it does not hold numbers.
        coverage : float or sequence of floats, default=(0.5, 0.9)
            Probabilities of the highest-density sets; an empty sequence draws none.
        grid_resolution, y_resolution : int, default=100, 200
            Cells of the image, horizontally and vertically.
        subsample : int, float or None, default=1000
            Most rows drawn, or their share; None draws all.
        random_state : int, RandomState, Generator or None, default=0
            Which rows those are; the same ones in every call by default.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        image_kw, line_kw, scatter_kw : dict, default=None
            Keywords of ``Axes.pcolormesh``, ``LineCollection`` and ``Axes.scatter``.
        colorbar : bool, default=True
            Whether the density's scale is drawn.

        Returns
        -------
        PredictiveDensityDisplay

        Raises
        ------
        ValueError
            If there is no such feature, it does not hold numbers, or a coverage is not inside
            (0, 1).
        TypeError
            If ``estimator`` does not end in a mixture.
        MissingPackageError
            If matplotlib is not installed.
        """
        _style.pyplot("PredictiveDensityDisplay")
        levels = sorted({arguments.check_coverage(c) for c in np.atleast_1d(coverage).tolist()})
        y_resolution = arguments.check_count("y_resolution", y_resolution)
        regressor, _ = regressor_at(estimator, X)
        slice_ = slice_over(estimator, X, feature, at, grid_resolution)
        named = regressor_at(estimator, slice_.rows)[1]
        rows = validation.validate_rows(regressor, named)
        regions = {level: regressor.predict_hdr(named, coverage=level) for level in levels}

        reach = [regressor.predict_interval(named, coverage=0.98).ravel()]
        x_shown = y_shown = None
        if y is not None:
            chosen = chosen_rows(len(slice_.column), subsample, random_state)
            x_shown = slice_.column[chosen]
            y_shown = np.asarray(take_rows(y, chosen), dtype=np.float64).ravel()
            reach.append(y_shown)
        low, high = (f(np.concatenate(reach)) for f in (np.min, np.max))
        discrete = regressor._predictive.discrete
        edges = (_count_edges if discrete else _edges)(low, high, y_resolution)
        points = np.broadcast_to(edges, (len(rows), len(edges)))
        below = distribution_function(
            regressor._predictive, rows, points, n_threads=regressor._threads()
        )
        return cls(
            grid=slice_.grid,
            y_edges=edges,
            density=(np.diff(below, axis=1) / np.diff(edges)).T,
            regions=regions,
            x=x_shown,
            y=y_shown,
            feature_name=slice_.name,
            target_name=target_name(y),
            discrete=discrete,
        ).plot(
            ax,
            image_kw=image_kw,
            line_kw=line_kw,
            scatter_kw=scatter_kw,
            colorbar=colorbar,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        image_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
        scatter_kw: Mapping[str, Any] | None = None,
        colorbar: bool = True,
    ) -> Self:
        """Draw.

        Shades are proportional to the square root of the density, or the cube root of the
        probability of a count, unless ``image_kw`` has a
        ``norm``: otherwise a narrow component leaves nothing to be seen of a wide one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        image_kw, line_kw, scatter_kw : dict, default=None
            Keywords of ``Axes.pcolormesh``, ``LineCollection`` and ``Axes.scatter``.
        colorbar : bool, default=True
            Whether the density's scale is drawn.

        Returns
        -------
        PredictiveDensityDisplay

        Raises
        ------
        MissingPackageError
            If matplotlib is not installed.
        """
        plt = _style.pyplot("PredictiveDensityDisplay")
        ax = _style.axes_or_new(ax, "PredictiveDensityDisplay", wider=1.15)
        from matplotlib.collections import LineCollection, PathCollection, QuadMesh
        from matplotlib.colors import ListedColormap, PowerNorm

        middles = 0.5 * (self.grid[1:] + self.grid[:-1])
        x_edges = np.concatenate([self.grid[:1], middles, self.grid[-1:]])
        # Not darker than what rows and curves can be seen on.
        greys = ListedColormap(plt.get_cmap("Greys")(np.linspace(0.0, 0.6, 256)))
        image = {"cmap": greys, "edgecolors": "none", "zorder": 0.5, "rasterized": True}
        image = _style.merged(image, image_kw, QuadMesh)
        if not {"norm", "vmin", "vmax"} & image.keys():
            # Counts near zero are far more probable than any of many.
            power = 1.0 / 3.0 if self.discrete else 0.5
            image["norm"] = PowerNorm(power, vmin=0.0, vmax=float(self.density.max()))
        self.image_ = ax.pcolormesh(x_edges, self.y_edges, self.density, **image)
        self.curves_ = {}
        for rank, (level, regions) in enumerate(sorted(self.regions.items())):
            line: dict[str, Any] = {
                "colors": "C1",
                "linewidths": 1.5,
                "linestyles": [_style.dashes(rank)],
            }
            line = _style.merged({**line, "zorder": 2.0}, line_kw, LineCollection)
            if self.discrete:
                regions = [region + np.array([-0.5, 0.5]) for region in regions]
            collection = LineCollection(
                outlines(self.grid, regions), label=f"{100 * level:g}% region", **line
            )
            self.curves_[level] = ax.add_collection(collection, autolim=False)
        self.scatter_ = None
        if self.x is not None:
            points = {"s": 9, "color": "C0", "linewidths": 0}
            points = _style.merged({**points, "label": "rows"}, scatter_kw, PathCollection)
            self.scatter_ = ax.scatter(self.x, self.y, **points)
        ax.set(xlabel=self.feature_name, ylabel=self.target_name)
        ax.set_xlim(self.grid[0], self.grid[-1])
        ax.set_ylim(self.y_edges[0], self.y_edges[-1])
        self.colorbar_ = None
        if colorbar:
            what = "probability" if self.discrete else "density"
            self.colorbar_ = ax.figure.colorbar(self.image_, ax=ax, label=what)
        handles = [*self.curves_.values()]
        if self.scatter_ is not None:
            handles.append(self.scatter_)
        self.legend_ = _style.legend_above(ax, handles)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _edges(low: float, high: float, cells: int) -> Array:
    margin = 0.03 * (high - low)
    return np.linspace(low - margin, high + margin, cells + 1)


def _count_edges(low: float, high: float, cells: int) -> Array:
    """Halfway between counts, one count or a whole number of them in each cell."""
    width = max(1.0, np.ceil((high - low + 1.0) / cells))
    return low - 0.5 + width * np.arange(np.ceil((high - low + 1.0) / width) + 1.0)
