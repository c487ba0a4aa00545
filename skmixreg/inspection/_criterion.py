"""A criterion against the number of components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from . import _style
from ._criteria import COLUMNS, CRITERIA, Reading
from ._search_scores import SearchScores

FAR = 20.0  # times the smallest difference that matters


class CriterionDisplay:
    """A criterion against the number of components, as differences from its best value.

    Bars are standard errors.  A value that is not finite is not left out: its number of
    components is marked "unresolved", and if there is one, the best is that of the others only.
    Values so far from the best that the others would lie on one line are arrows at the edge, with
    their difference written beside them.

    It is recommended to use `from_estimator`, `from_table` or `from_search`.  All parameters are
    stored as attributes.

    Parameters
    ----------
    n_components : array-like of shape (m,)
        Numbers of components, ascending.
    values : array-like of shape (m,)
        The criterion; not finite where it could not be computed.
    errors : array-like of shape (m,), default=None
        Standard errors; not finite where unknown.
    greater_is_better : bool, default=True
    label : str, default="criterion"
        Name on the axis.
    chosen : int, default=None
        Number of components that was chosen, marked by a ring.
    matters : float, default=0.0
        A difference that decides; limits how closely the axis looks.
    resolved : bool, default=True
        Whether the choice is settled; otherwise its mark says that it is not.

    Attributes
    ----------
    differences : ndarray of shape (m,)
        From the best finite value: at most 0 if greater is better, else at least 0.
    best : int or None
        Number of components with the best finite value.
    unresolved : ndarray of ints
        Numbers of components without a finite value.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
    errors_ : matplotlib ErrorbarContainer or None
    legend_ : matplotlib Legend or None
        Says which number was chosen.

    Examples
    --------
    >>> from skmixreg.inspection import CriterionDisplay
    >>> CriterionDisplay.from_table(table, "log_evidence")  # doctest: +SKIP
    """

    def __init__(
        self,
        n_components: ArrayLike,
        values: ArrayLike,
        *,
        errors: ArrayLike | None = None,
        greater_is_better: bool = True,
        label: str = "criterion",
        chosen: int | None = None,
        matters: float = 0.0,
        resolved: bool = True,
    ):
        self.n_components = np.asarray(n_components, dtype=np.int64)
        self.values = np.asarray(values, dtype=np.float64)
        self.errors = None if errors is None else np.asarray(errors, dtype=np.float64)
        self.greater_is_better = greater_is_better
        self.label = label
        self.chosen = chosen
        self.matters = matters
        self.resolved = resolved
        finite = np.isfinite(self.values)
        self.unresolved = self.n_components[~finite]
        self.differences = np.full(len(self.values), np.nan)
        self.best: int | None = None
        if finite.any():
            at = np.argmax(np.where(finite, self._sign * self.values, -np.inf))
            self.best = int(self.n_components[at])
            self.differences[finite] = self.values[finite] - self.values[at]

    @property
    def _sign(self) -> float:
        return 1.0 if self.greater_is_better else -1.0

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        criterion: str,
        *,
        greater_is_better: bool | None = None,
        chosen: int | None = None,
        resolved: bool = True,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        error_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw a column of a table.

        Parameters
        ----------
        table : DataFrame
            Its index holds numbers of components.  Standard errors are in the column
            ``<criterion>_error``, if there is one; those of differences from the best, in
            ``<criterion>_difference_error``, are preferred.
        criterion : str
            Name of the column; ``"evidence"`` and ``"loo"`` stand for ``"log_evidence"`` and
            ``"elpd_loo"``.
        greater_is_better : bool, default=None
            Which end is good; known of ``log_evidence``, ``elpd_loo``, ``aic``, ``bic`` and
            ``icl``, to be given for others.
        chosen : int, default=None
            Number of components to be marked.
        resolved : bool, default=True
            Whether that choice is settled.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, error_kw : dict, default=None
            Keywords of ``Axes.plot`` and ``errorbar``.

        Returns
        -------
        CriterionDisplay

        Raises
        ------
        ValueError
            If there is no such column, or it is not known which end is good.
        MissingPackageError
            If matplotlib is not installed.
        """
        _style.pyplot("CriterionDisplay")
        column = COLUMNS.get(criterion, criterion)
        if column not in table.columns:
            raise ValueError(
                f"There is no criterion {criterion!r}; columns are {list(table.columns)}."
            )
        known = CRITERIA.get(column)
        if known is None and greater_is_better is None:
            raise ValueError(
                f"Whether a greater {criterion!r} is better is not known; pass greater_is_better."
            )
        if known is None:
            known = Reading(column.replace("_", " "), True, 0.0)
        table = table.sort_index()
        errors = None
        for name in (f"{column}_difference_error", f"{column}_error"):
            if errors is None and name in table.columns:
                errors = table[name]
        return cls(
            table.index.to_numpy(),
            table[column],
            errors=errors,
            greater_is_better=(
                known.greater_is_better if greater_is_better is None else greater_is_better
            ),
            label=known.label,
            chosen=chosen,
            matters=known.matters,
            resolved=resolved,
        ).plot(ax, line_kw=line_kw, error_kw=error_kw)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        criterion: str | None = None,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        error_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the table of an estimator that has chosen the number of components.

        Parameters
        ----------
        estimator : BayesianMixtureRegressorCV
            Fitted; or a Pipeline that ends in one.
        criterion : str, default=None
            Another column of ``criterion_table_`` than the one that decided.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, error_kw : dict, default=None
            Keywords of ``Axes.plot`` and ``errorbar``.

        Returns
        -------
        CriterionDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``criterion_table_``.
        ValueError
            If there is no such criterion.
        MissingPackageError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        while hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        if not hasattr(estimator, "criterion_table_"):
            raise TypeError(
                "CriterionDisplay.from_estimator needs a BayesianMixtureRegressorCV, got "
                f"{type(estimator).__name__}; use from_search for a search, and from_table for a "
                "table."
            )
        return cls.from_table(
            estimator.criterion_table_,
            estimator.criterion if criterion is None else criterion,
            chosen=getattr(estimator, "n_components_", None),
            resolved=getattr(estimator, "resolved_", True),
            ax=ax,
            line_kw=line_kw,
            error_kw=error_kw,
        )

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        metric: str = "score",
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        error_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the mean test score of a search over the number of components.

        Standard errors are those of the mean over splits, ``std(ddof=1) / sqrt(n_splits)``, on
        which `skmixreg.model_selection.one_standard_error` is based.

        Parameters
        ----------
        search : GridSearchCV or RandomizedSearchCV
            Fitted; over ``n_components`` or ``<step>__n_components`` and nothing else.
        metric : str, default="score"
            Which of several scores.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, error_kw : dict, default=None
            Keywords of ``Axes.plot`` and ``errorbar``.

        Returns
        -------
        CriterionDisplay

        Raises
        ------
        ValueError
            If other parameters vary, or there is no such score.
        MissingPackageError
            If matplotlib is not installed.
        """
        _style.pyplot("CriterionDisplay")
        scores = SearchScores.of(search, metric)
        return cls(
            scores.n_components,
            scores.means,
            errors=scores.errors,
            label="mean test score" if metric == "score" else f"mean test {metric}",
            chosen=scores.chosen,
        ).plot(ax, line_kw=line_kw, error_kw=error_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        error_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, error_kw : dict, default=None
            Keywords of ``Axes.plot`` and ``errorbar``.

        Returns
        -------
        CriterionDisplay

        Raises
        ------
        MissingPackageError
            If matplotlib is not installed.
        """
        ax = _style.axes_or_new(ax, "CriterionDisplay")
        from matplotlib.lines import Line2D

        drawn = np.isfinite(self.differences)
        limit = self._limit()
        far = drawn & (np.abs(self.differences) > limit)
        near = drawn & ~far
        low, high = self._range(near, bool(far.any()))
        edge = low if self.greater_is_better else high
        line = {"color": "C0", "marker": "o", "markersize": 6, "linewidth": 1.2}
        line = _style.merged(line, line_kw, Line2D)
        heights = np.where(near, self.differences, np.nan)
        self.line_ = ax.plot(self.n_components, heights, **line)[0]
        self.errors_ = None
        if self.errors is not None and near.any():
            bars = {"fmt": "none", "ecolor": line["color"], "elinewidth": 1.2, "capsize": 4}
            known = np.where(np.isfinite(self.errors), self.errors, 0.0)[near]
            self.errors_ = ax.errorbar(
                self.n_components[near], heights[near], yerr=known, **{**bars, **(error_kw or {})}
            )
        for K, difference in zip(self.n_components[far], self.differences[far], strict=True):
            self._write_far(ax, K, difference, edge, line["color"])
        for K in self.unresolved:
            ax.text(
                K, 0.5, "unresolved", rotation=90, ha="center", va="center", color="0.35",
                style="italic", transform=ax.get_xaxis_transform(),
            )  # fmt: skip
        self.legend_ = self._ring(ax)
        ax.set_ylim(low, high)
        ax.set_xticks(self.n_components)
        ax.set_xlim(self.n_components.min() - 0.5, self.n_components.max() + 0.5)
        better = "higher" if self.greater_is_better else "lower"
        ax.set_xlabel("number of components")
        ax.set_ylabel(f"{self.label}, difference from best\n({better} is better)")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _limit(self) -> float:
        """Largest difference drawn to scale: `FAR` times the smallest that matters."""
        sizes = np.sort(np.abs(self.differences[np.isfinite(self.differences)]))
        if len(sizes) < 3:
            return np.inf
        error = 0.0
        if self.errors is not None:
            error = float(np.max(self.errors[np.isfinite(self.errors)], initial=0.0))
        return FAR * max(float(sizes[1]), self.matters, 3.0 * error)

    def _range(self, near: NDArray[np.bool_], arrows: bool) -> tuple[float, float]:
        """Ends of the axis."""
        values = self.differences[near]
        error = np.zeros(len(values)) if self.errors is None else self.errors[near]
        error = np.where(np.isfinite(error), error, 0.0)
        low = float(np.min(values - error, initial=0.0))
        high = float(np.max(values + error, initial=0.0))
        size = max(high - low, self.matters) or 1.0
        # Room for arrows and their numbers on the side where they stand.
        worse = 0.22 if arrows else 0.1
        below, above = (worse, 0.1) if self.greater_is_better else (0.1, worse)
        return low - below * size, high + above * size

    def _write_far(self, ax: Any, K: int, difference: float, edge: float, colour: Any) -> None:
        """An arrow that leaves the axes, with how far its value lies."""
        down = self.greater_is_better
        size = f"{difference:+,.0f}" if abs(difference) >= 100 else f"{difference:+.3g}"
        ax.annotate(
            size.replace("-", "\N{MINUS SIGN}"),
            xy=(K, edge), xytext=(0, 26 if down else -26), textcoords="offset points",
            ha="center", va="bottom" if down else "top", color=colour,
            arrowprops={"arrowstyle": "-|>", "color": colour},
        )  # fmt: skip

    def _ring(self, ax: Any) -> Any:
        """A ring around the value chosen, named in a legend above; None if there is none."""
        at = np.flatnonzero(self.n_components == self.chosen)
        if not len(at) or not np.isfinite(self.differences[at[0]]):
            return None
        label = f"chosen: {self.chosen}" + ("" if self.resolved else ", not resolved")
        ax.plot(
            self.n_components[at], self.differences[at], marker="o", markersize=14,
            markerfacecolor="none", markeredgecolor="0.2", linestyle="none", label=label,
        )  # fmt: skip
        return _style.legend_above(ax, ax.lines[-1:])
