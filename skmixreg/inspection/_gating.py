"""Mixing weights over a column that they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._estimators import validation
from .._estimators._validation import arguments
from .._posterior.bands import gating_bands
from .._support.arrays import Array
from . import _style
from ._features import Rows, regressor_at, slice_over


class GatingDisplay:
    """Mixing weights over one gating column, with credible bands.

    The weight of a component is the probability that a row, or a group of rows, with these values
    of the gating columns belongs to it, before its response is seen.  Ticks on the horizontal
    axis are the deciles of the column: beyond the outer ones weights follow from the shape of the
    gate more than from rows.

    It is recommended to use `from_estimator`.  All parameters are stored as attributes.

    Parameters
    ----------
    grid : ndarray of shape (g,)
        Values of the column, ascending.
    weights : ndarray of shape (g, K), or (g, K + 1) with a background
        Posterior mean of the mixing weights; rows sum to 1.
    lower, upper : ndarray of the same shape
        Ends of the credible bands.
    average : ndarray of shape (K,) or (K + 1,)
        Weights averaged over the rows of the fit, for the legend.
    deciles : ndarray of shape (9,), default=None
        Of the column; None marks none.
    background : bool, default=False
        Whether the last component is a background.
    feature_name : str, default="z"
        Label of the horizontal axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One per component.
    bands_ : list of matplotlib PolyCollection
    deciles_ : matplotlib LineCollection or None
    legend_ : matplotlib Legend

    Examples
    --------
    >>> from skmixreg.inspection import GatingDisplay
    >>> gated = BayesianMixtureRegressor(gating_features=[0], random_state=0).fit(X, y)
    >>> GatingDisplay.from_estimator(gated, X)  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        grid: Array,
        weights: Array,
        lower: Array,
        upper: Array,
        average: Array,
        deciles: Array | None = None,
        background: bool = False,
        feature_name: str = "z",
    ):
        self.grid = grid
        self.weights = weights
        self.lower = lower
        self.upper = upper
        self.average = average
        self.deciles = deciles
        self.background = background
        self.feature_name = feature_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        feature: int | str | None = None,
        at: Mapping[Any, Any] | None = None,
        probability: float = 0.9,
        grid_resolution: int = 100,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Compute weights and bands, and draw them.

        Parameters
        ----------
        estimator : BayesianMixtureRegressor
            Fitted with ``gating_features``; or a Pipeline that ends in one, or a search over
            either.  In a pipeline the features are those that it is given.
        X : array-like or DataFrame of shape (n, p)
            Rows, whose range the grid covers.
        feature : int, str or None, default=None
            Position or name of the gating column on the horizontal axis; None is the first.
        at : dict, default=None
            Values at which other columns are fixed, by name or position.  The default of each is
            its mean in X, or its most frequent value if it does not hold numbers.  Only gating
            columns matter.
        probability : float, default=0.9
            Of the equal-tailed credible band of each weight, at each point of the grid.
        grid_resolution : int, default=100
            Points of the grid, from the least to the greatest value in X.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, band_kw : dict, default=None
            Keywords of ``Axes.plot`` and ``fill_between``.

        Returns
        -------
        GatingDisplay

        Raises
        ------
        ValueError
            If mixing weights are the same for all rows, or do not depend on ``feature``; if there
            is no such column, or it does not hold numbers.
        TypeError
            If ``estimator`` does not end in a mixture.
        MissingPackageError
            If matplotlib is not installed.

        Notes
        -----
        Where a second mode holds part of the posterior, weights and bands are averages over both
        solutions; see ``summary(by_mode=True)``.
        """
        _style.pyplot("GatingDisplay")
        probability = arguments.check_coverage(probability, "probability")
        regressor, _ = regressor_at(estimator, X)
        posterior = regressor.posterior_
        if posterior.design.gate is None:
            raise ValueError(
                "GatingDisplay needs a fit whose mixing weights depend on columns of X, and those "
                "of this one are the same for all rows; fit with gating_features, the names or "
                "positions of these columns."
            )
        names = list(posterior.design.roles.gating_names)
        if feature is None:
            feature = _first_gating_column(estimator, regressor, X, names)
        slice_ = slice_over(estimator, X, feature, at, grid_resolution)
        rows = validation.validate_rows(regressor, regressor_at(estimator, slice_.rows)[1])
        gating = posterior.design.gating(rows)
        if gating is None or not np.ptp(gating, axis=1).any():
            raise ValueError(
                f"Mixing weights do not depend on feature {slice_.name!r}; gating columns of the "
                f"fit are {names}."
            )
        weights, lower, upper = gating_bands(posterior, rows, probability)
        return cls(
            grid=slice_.grid,
            weights=weights,
            lower=lower,
            upper=upper,
            average=regressor.weights_,
            deciles=np.nanquantile(slice_.column, np.arange(1, 10) / 10),
            background=posterior.family.background is not None,
            feature_name=slice_.name,
        ).plot(ax, line_kw=line_kw, band_kw=band_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, band_kw : dict, default=None
            Keywords of ``Axes.plot`` and ``fill_between``.

        Returns
        -------
        GatingDisplay

        Raises
        ------
        MissingPackageError
            If matplotlib is not installed.
        """
        ax = _style.axes_or_new(ax, "GatingDisplay", wider=1.35)
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D

        fresh = not ax.has_data()
        K = self.weights.shape[1]
        self.lines_, self.bands_ = [], []
        for k in range(K):
            last = self.background and k == K - 1
            colour = _style.BACKGROUND if last else _style.colour(k)
            band = {"facecolor": colour, "alpha": 0.25, "linewidth": 0, "zorder": 2}
            band = _style.merged(band, band_kw, PolyCollection)
            self.bands_.append(
                ax.fill_between(self.grid, self.lower[:, k], self.upper[:, k], **band)
            )
            line = {"color": colour, "linestyle": _style.dashes(k), "zorder": 3, "linewidth": 2.0}
            line["label"] = (
                f"background, weight {self.average[k]:.2f}"
                if last
                else _style.component_label(k, self.average[k])
            )
            line = _style.merged(line, line_kw, Line2D)
            self.lines_.append(ax.plot(self.grid, self.weights[:, k], **line)[0])
        self.deciles_ = None
        if self.deciles is not None:
            # In the units of the column and, upwards, of the axes.
            place = ax.get_xaxis_transform()
            self.deciles_ = ax.vlines(
                self.deciles, 0.0, 0.03, transform=place, color="0.2", linewidth=1.0
            )
        ax.set(xlabel=self.feature_name, ylabel="mixing weight")
        _style.show_range(ax, np.array([0.0, 1.0]), margin=0.03, fresh=fresh)
        self.legend_ = _style.legend_outside(ax, self.lines_)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _first_gating_column(
    estimator: Any, regressor: Any, X: ArrayLike, names: list[str]
) -> int | str:
    """The first gating column, as a pipeline is given it.

    Raises
    ------
    ValueError
        If the pipeline is given no column of that name.
    """
    same_columns = [estimator, getattr(estimator, "best_estimator_", estimator)]
    if any(one is regressor for one in same_columns):
        return int(regressor.posterior_.design.roles.gating[0])
    if names[0] in Rows.of(X, estimator).names:
        return names[0]
    raise ValueError(
        f"The gating columns of this fit, {names}, are made by the pipeline; name the feature "
        "that they are made of, as feature=0."
    )
