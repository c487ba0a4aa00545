"""Rootograms of posterior probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._estimators import validation
from .._estimators._validation import arguments
from .._support.arrays import Array
from . import _style
from ._features import regressor_at


class ResponsibilityDisplay:
    """Rootogram of the rows' probabilities of each component, one panel per component.

    Heights are square roots of counts, so that small ones are seen.  Well separated components
    have bars near 0 and 1 only; bars in between are rows that could belong to several.
    Probabilities of at most ``threshold`` are left out, since they would dwarf the rest, as R's
    flexmix does; above each panel stands how many rows are drawn in it.

    It is recommended to use `from_estimator`.  All parameters are stored as attributes.

    Parameters
    ----------
    responsibilities : ndarray of shape (n, K)
        Probabilities of the components given x and y.
    sample_weight : ndarray of shape (n,), default=None
        How often each row counts.
    threshold : float, default=1e-4
        Probabilities up to this are left out.
    bins : int, default=20
        Bars between 0 and 1.
    background : bool, default=False
        Whether the last component is a background.

    Attributes
    ----------
    counts : ndarray of shape (K, bins)
        Rows, or their total weight, in each bar; heights are square roots of these.
    edges : ndarray of shape (bins + 1,)
    axes_ : ndarray of K matplotlib Axes
        One per component.
    ax_ : matplotlib Axes or ndarray of such
        What the panels were put into.
    figure_ : matplotlib Figure
    bars_ : list of K matplotlib BarContainer

    References
    ----------
    Tantrum, J., Murua, A. and Stuetzle, W. (2003). Assessment and pruning of hierarchical model
    based clustering. Proceedings of the ninth ACM SIGKDD conference, 197-205.

    Leisch, F. (2004). FlexMix: a general framework for finite mixture models and latent class
    regression in R. Journal of Statistical Software 11(8), section 5.

    Examples
    --------
    >>> from skmixreg.inspection import ResponsibilityDisplay
    >>> ResponsibilityDisplay.from_estimator(model, X, y)  # doctest: +SKIP
    """

    def __init__(
        self,
        responsibilities: Array,
        *,
        sample_weight: Array | None = None,
        threshold: float = 1e-4,
        bins: int = 20,
        background: bool = False,
    ):
        self.responsibilities = responsibilities
        self.sample_weight = sample_weight
        self.threshold = threshold
        self.bins = bins
        self.background = background
        self.edges = np.linspace(0.0, 1.0, arguments.check_count("bins", bins) + 1)
        self.counts = self._count(np.ones(len(responsibilities), dtype=bool))

    def _count(self, rows: Array) -> Array:
        """Rows of every component and bar, among ``rows``."""
        out = np.zeros((self.responsibilities.shape[1], self.bins))
        for k, r in enumerate(self.responsibilities.T):
            shown = rows & (r > self.threshold)
            weights = None if self.sample_weight is None else self.sample_weight[shown]
            # Averages of draws may exceed 1 by rounding.
            out[k] = np.histogram(np.minimum(r[shown], 1.0), self.edges, weights=weights)[0]
        return out

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        threshold: float = 1e-4,
        bins: int = 20,
        mark: int | None = None,
        ax: Any = None,
        bar_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Compute the probabilities of the rows and draw them.

        Parameters
        ----------
        estimator : BayesianMixtureRegressor
            Fitted; or a Pipeline that ends in one, or a search over either.
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies, as in ``fit``.
        threshold : float, default=1e-4
            Probabilities up to this are left out; flexmix's default.
        bins : int, default=20
            Bars between 0 and 1.
        mark : int, default=None
            A component whose rows, those assigned to it, are hatched in every panel: shows which
            components overlap with it.
        ax : matplotlib Axes or array of K such, default=None
            Axes to divide into panels, or the panels; None makes a figure.
        bar_kw : dict, default=None
            Keywords of ``Axes.bar``.

        Returns
        -------
        ResponsibilityDisplay

        Raises
        ------
        ValueError
            If ``mark`` is no component, or ``ax`` cannot be divided.
        TypeError
            If ``estimator`` does not end in a mixture.
        MissingPackageError
            If matplotlib is not installed.
        """
        _style.pyplot("ResponsibilityDisplay")
        regressor, rows = regressor_at(estimator, X)
        responsibilities = regressor.predict_proba(rows, y)
        weights = None
        if sample_weight is not None:
            weights = validation.check_weights(sample_weight, responsibilities)
            validation.check_weights_of_groups(regressor, rows, weights)
        return cls(
            responsibilities, sample_weight=weights, threshold=threshold, bins=bins,
            background=regressor.posterior_.family.background is not None,
        ).plot(ax, mark=mark, bar_kw=bar_kw)  # fmt: skip

    def plot(
        self,
        ax: Any = None,
        *,
        mark: int | None = None,
        bar_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array of K such, default=None
            Axes to divide into panels, or the panels; None makes a figure.
        mark : int, default=None
            A component whose rows, those assigned to it, are hatched in every panel.
        bar_kw : dict, default=None
            Keywords of ``Axes.bar``.

        Returns
        -------
        ResponsibilityDisplay

        Raises
        ------
        ValueError
            If ``mark`` is no component, or ``ax`` cannot be divided.
        MissingPackageError
            If matplotlib is not installed.
        """
        K = len(self.counts)
        if mark is not None and mark not in range(K):
            raise ValueError(f"mark must be a component, 0 to {K - 1}, or None, got {mark!r}.")
        plt = _style.pyplot("ResponsibilityDisplay")
        from matplotlib.patches import Rectangle

        self.ax_, self.axes_, n_columns = self._panels(plt, ax)
        self.figure_ = self.axes_[0].figure
        bars = {"facecolor": "0.8", "edgecolor": "0.2", "linewidth": 0.6, "align": "edge"}
        bars = _style.merged(bars, bar_kw, Rectangle)
        highest = float(self.counts.max())
        ticks = _root_ticks(highest)
        self.bars_ = []
        for k, panel in enumerate(self.axes_):
            panel.set_yscale("function", functions=(_root, np.square))
            self.bars_.append(panel.bar(self.edges[:-1], self.counts[k], self._widths, **bars))
            if mark is not None:
                counts = self._count(self.responsibilities.argmax(axis=1) == mark)[k]
                hatched = {**bars, "facecolor": "none", "hatch": "//////", "linewidth": 0.0}
                panel.bar(self.edges[:-1], counts, self._widths, **hatched)
            last = self.background and k == len(self.axes_) - 1
            name = "background" if last else f"component {k}"
            name += " (hatched)" if k == mark else ""
            panel.set_title(f"{name}\n{self.counts[k].sum():,.6g} rows", fontsize="medium")
            panel.set_xlim(-0.04, 1.04)
            panel.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
            panel.set_ylim(0.0, 1.1 * max(highest, 1.0))
            panel.set_yticks(ticks, [f"{tick:,g}" for tick in ticks], minor=False)
            panel.minorticks_off()
            if k % n_columns == 0:
                panel.set_ylabel("rows, root scale")
            else:
                panel.tick_params(labelleft=False)
            if k + n_columns >= K:
                panel.set_xlabel("probability")
        return self

    @property
    def _widths(self) -> Array:
        return np.diff(self.edges)

    def _panels(self, plt: Any, ax: Any) -> tuple[Any, Any, int]:
        """What was given, one panel per component, and the number of panels side by side."""
        from matplotlib.gridspec import GridSpecFromSubplotSpec

        K = len(self.counts)
        if isinstance(ax, (list, tuple, np.ndarray)):
            panels = np.asarray(ax, dtype=object).ravel()
            if len(panels) != K:
                raise ValueError(
                    f"There are {K} components, but ax has {len(panels)} axes; pass one axes per "
                    "component, or a single one to be divided."
                )
            return ax, panels, K if np.ndim(ax) < 2 else np.shape(ax)[1]
        n_columns = K if K <= 3 else int(np.ceil(np.sqrt(K)))
        n_rows = -(-K // n_columns)
        if ax is None:
            size = (max(2.1 * n_columns, 4.8), 2.9 * n_rows)
            ax = plt.subplots(figsize=size, layout="constrained")[1]
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "ax cannot be divided into panels, since it is no subplot; make it by "
                "plt.subplots, or pass one axes per component."
            )
        ax.set_axis_off()
        grid = GridSpecFromSubplotSpec(n_rows, n_columns, subplot_spec=place)
        added = [ax.figure.add_subplot(grid[k // n_columns, k % n_columns]) for k in range(K)]
        return ax, np.array(added, dtype=object), n_columns


def _root(values: Array) -> Array:
    # The axis is also asked about its margins, which are below zero.
    return np.sqrt(np.maximum(values, 0.0))


def _root_ticks(highest: float) -> list[float]:
    """Round counts that are apart on a root scale."""
    ticks, last = [0.0], 0.0
    for power in range(int(np.log10(max(highest, 1.0))) + 1):
        for digit in (1, 2, 5):
            tick = float(digit * 10**power)
            if tick <= highest and np.sqrt(tick) - last >= 0.14 * np.sqrt(highest):
                ticks.append(tick)
                last = np.sqrt(tick)
    return ticks
