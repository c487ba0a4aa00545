"""The line of every component, over the rows shaded by responsibility."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._estimators import validation
from .._estimators._validation import arguments
from .._posterior.bands import component_bands
from .._support.arrays import Array
from . import _style
from ._features import chosen_rows, regressor_at, slice_over, take_rows, target_name


class ComponentLinesDisplay:
    """Rows shaded by responsibility, and the line of every component with a credible band.

    Lines run over one feature, the others are fixed.  A row has the marker and colour of its most
    probable component, and is filled the more the surer that is: empty where all components are
    equally probable.

    It is recommended to use `from_estimator`.  All parameters are stored as attributes.

    Parameters
    ----------
    grid : ndarray of shape (g,)
        Values of the feature, ascending.
    lines : ndarray of shape (g, K)
        Posterior mean of each component's mean, in units of y.
    lower, upper : ndarray of shape (g, K)
        Ends of the credible bands.
    weights : ndarray of shape (K,)
        Mixing weights, for the legend.
    x, y : ndarray of shape (m,)
        The rows drawn.
    responsibilities : ndarray of shape (m, K), or (m, K + 1) with a background
        Probabilities of the components given x and y.
    feature_name, target_name : str
        Labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of K matplotlib Line2D
    bands_ : list of K matplotlib PolyCollection
    scatters_ : list of K matplotlib PathCollection
        The rows whose most probable component this is.
    legend_ : matplotlib Legend

    Examples
    --------
    >>> from skmixreg.inspection import ComponentLinesDisplay
    >>> ComponentLinesDisplay.from_estimator(model, X, y)  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        grid: Array,
        lines: Array,
        lower: Array,
        upper: Array,
        weights: Array,
        x: Array,
        y: Array,
        responsibilities: Array,
        feature_name: str = "x",
        target_name: str = "y",
    ):
        self.grid = grid
        self.lines = lines
        self.lower = lower
        self.upper = upper
        self.weights = weights
        self.x = x
        self.y = y
        self.responsibilities = responsibilities
        self.feature_name = feature_name
        self.target_name = target_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        feature: int | str = 0,
        at: Mapping[Any, Any] | None = None,
        partial_residuals: bool = False,
        probability: float = 0.9,
        grid_resolution: int = 100,
        subsample: float | int | None = 1000,
        random_state: Any = 0,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
        scatter_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Compute lines, bands and responsibilities, and draw them.

        Parameters
        ----------
        estimator : BayesianMixtureRegressor
            Fitted; or a Pipeline that ends in one, or a search over either.  In a pipeline the
            features are those that it is given, so that lines over a feature that is expanded,
            to powers or splines, are curves.
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        feature : int or str, default=0
            Position or name of the feature on the horizontal axis.
        at : dict, default=None
            Values at which other features are fixed, by name or position.  The default of each is
            its mean in X, or its most frequent value if it does not hold numbers; truth values
            and categories count as such.
        partial_residuals : bool, default=False
            Rows are drawn at their y as it is, which for several features lies around other lines
            than those drawn.  If True, y is moved by what the other features contribute: the
            difference of its most probable component's mean between ``at`` and the row, so that a
            row is as far from its line as its residual.
        probability : float, default=0.9
            Of the equal-tailed credible band of each line, at each point of the grid.
        grid_resolution : int, default=100
            Points of the grid, from the least to the greatest value in X.
        subsample : int, float or None, default=1000
            Most rows drawn, or their share; None draws all.  More than some thousand hide each
            other.
        random_state : int, RandomState, Generator or None, default=0
            Which rows those are; the same ones in every call by default.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, band_kw, scatter_kw : dict, default=None
            Keywords of ``Axes.plot``, ``fill_between`` and ``scatter``.

        Returns
        -------
        ComponentLinesDisplay

        Raises
        ------
        ValueError
            If there is no such feature, or it does not hold numbers.
        TypeError
            If ``estimator`` does not end in a mixture.
        MissingPackageError
            If matplotlib is not installed.

        Notes
        -----
        Where a second mode holds part of the posterior, lines and bands are averages over both
        solutions; see ``summary(by_mode=True)``.
        """
        _style.pyplot("ComponentLinesDisplay")
        probability = arguments.check_coverage(probability, "probability")
        regressor, _ = regressor_at(estimator, X)
        slice_ = slice_over(estimator, X, feature, at, grid_resolution)
        rows = validation.validate_rows(regressor, regressor_at(estimator, slice_.rows)[1])
        lines, lower, upper = component_bands(regressor.posterior_, rows, probability)

        label = target_name(y)
        chosen = chosen_rows(len(slice_.column), subsample, random_state)
        observed = np.asarray(take_rows(y, chosen), dtype=np.float64).ravel()
        shown = regressor_at(estimator, take_rows(X, chosen))[1]
        if regressor.posterior_.design.roles.group is None:
            responsibilities = regressor.predict_proba(shown, observed)
        else:  # those of a group follow from all its rows
            responsibilities = regressor.predict_proba(regressor_at(estimator, X)[1], y)[chosen]
        if partial_residuals:
            moved = regressor_at(estimator, take_rows(slice_.same_rows, chosen))[1]
            shift = regressor.predict_components(moved) - regressor.predict_components(shown)
            # A row of the background is of no line.
            shift = np.pad(shift, ((0, 0), (0, responsibilities.shape[1] - shift.shape[1])))
            observed = observed + shift[np.arange(len(shift)), responsibilities.argmax(axis=1)]
        return cls(
            grid=slice_.grid,
            lines=lines,
            lower=lower,
            upper=upper,
            weights=regressor.weights_,
            x=slice_.column[chosen],
            y=observed,
            responsibilities=responsibilities,
            feature_name=slice_.name,
            target_name=f"{label}, partial residuals" if partial_residuals else label,
        ).plot(ax, line_kw=line_kw, band_kw=band_kw, scatter_kw=scatter_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
        scatter_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw.

        The vertical axis spans the rows.  A band that is wider than that nearly everywhere, as of a
        component with next to no rows, whose line is as uncertain as its prior, is not filled, and
        the legend says so.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, band_kw, scatter_kw : dict, default=None
            Keywords of ``Axes.plot``, ``fill_between`` and ``scatter``.

        Returns
        -------
        ComponentLinesDisplay

        Raises
        ------
        MissingPackageError
            If matplotlib is not installed.
        """
        ax = _style.axes_or_new(ax, "ComponentLinesDisplay", wider=1.35)
        from matplotlib import patheffects
        from matplotlib.collections import PathCollection, PolyCollection
        from matplotlib.lines import Line2D

        fresh = not ax.has_data()
        unknown = np.median(self.upper - self.lower, axis=0) > np.ptp(self.y)
        K = self.lines.shape[1]
        assigned = self.responsibilities.argmax(axis=1)
        certainty = self._certainty()
        self.lines_, self.bands_, self.scatters_ = [], [], []
        for k in range(self.responsibilities.shape[1]):
            mine = assigned == k
            points = {"s": 18, "linewidths": 0.7, "marker": _style.marker(k), "zorder": 1.5}
            points = _style.merged(points, scatter_kw, PathCollection)
            colour = _style.colour(k) if k < K else _style.BACKGROUND
            points.setdefault("edgecolors", colour)
            if not {"c", "color", "facecolors"} & points.keys():
                points["facecolors"] = [(colour, a) for a in certainty[mine]]
            self.scatters_.append(ax.scatter(self.x[mine], self.y[mine], **points))
        for k in range(K):
            band = {"facecolor": _style.colour(k), "alpha": 0.25, "linewidth": 0, "zorder": 2}
            band = _style.merged(band, band_kw, PolyCollection)
            if unknown[k]:
                band["facecolor"] = "none"
            self.bands_.append(
                ax.fill_between(self.grid, self.lower[:, k], self.upper[:, k], **band)
            )
            line = {"color": _style.colour(k), "linestyle": _style.dashes(k), "zorder": 3}
            line = _style.merged({**line, "linewidth": 2.0}, line_kw, Line2D)
            rim = patheffects.withStroke(linewidth=line["linewidth"] + 2.0, foreground="white")
            line.setdefault("path_effects", [rim])
            self.lines_.append(ax.plot(self.grid, self.lines[:, k], **line)[0])
        ax.set(xlabel=self.feature_name, ylabel=self.target_name)
        _style.show_range(ax, self.y, fresh=fresh)
        self.legend_ = _style.legend_outside(ax, self._handles(Line2D, unknown))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _certainty(self) -> Array:
        """0 where all components are equally probable, 1 where one is certain."""
        K = self.responsibilities.shape[1]
        if K == 1:
            return np.ones(len(self.y))
        return np.clip((self.responsibilities.max(axis=1) - 1 / K) / (1 - 1 / K), 0.0, 1.0)

    def _handles(self, Line2D: Any, unknown: NDArray[np.bool_]) -> list[Any]:
        handles = [
            Line2D(
                [], [], color=line.get_color(), linestyle=line.get_linestyle(),
                linewidth=line.get_linewidth(), marker=_style.marker(k), markersize=5,
                label=_style.component_label(k, self.weights[k])
                + (",\nband beyond the axis" if unknown[k] else ""),
            )
            for k, line in enumerate(self.lines_)
        ]  # fmt: skip
        M, K = self.responsibilities.shape[1], len(self.lines_)
        if M > K:
            handles.append(
                Line2D(
                    [], [], linestyle="none", marker=_style.marker(K), markersize=5,
                    color=_style.BACKGROUND, label=f"background, weight {self.weights[K]:.2f}",
                )
            )  # fmt: skip
        if M > 1:
            for face, label in (("0.4", "row: certain"), ("none", f"row: probability 1/{M}")):
                handles.append(
                    Line2D(
                        [], [], linestyle="none", marker="o", markersize=5, markeredgecolor="0.4",
                        markerfacecolor=face, label=label,
                    )
                )  # fmt: skip
        return handles
