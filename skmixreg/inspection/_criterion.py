"""A criterion against the number of components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from . import _criterion_marks as marks
from . import _style
from ._criteria import Column
from ._search_scores import SearchScores


class CriterionDisplay:
    """A criterion against the number of components, as differences from its best value.

    Of several families, each has a line, and the best value is that of all.  Bars are standard
    errors.  A value that is not finite is not left out: its number of components is marked
    "unresolved", and if there is one, the best is that of the others only.  Values so far from
    the best that the others would lie on one line are arrows at the edge, with their difference
    written beside them.

    It is recommended to use `from_estimator`, `from_table` or `from_search`.  All parameters are
    stored as attributes.

    Parameters
    ----------
    n_components : array-like of shape (m,)
        Numbers of components, ascending, of several families within each.
    values : array-like of shape (m,)
        The criterion; not finite where it could not be computed.
    families : array-like of str of shape (m,), default=None
        The family of every value, if there are several.
    errors : array-like of shape (m,), default=None
        Standard errors; not finite where unknown.
    greater_is_better : bool, default=True
    label : str, default="criterion"
        Name on the axis.
    chosen : int or (str, int), default=None
        Number of components that was chosen, after its family if there are several; marked by a
        ring.
    matters : float, default=0.0
        A difference that decides; limits how closely the axis looks.
    resolved : bool, default=True
        Whether the choice is settled; otherwise its mark says that it is not.

    Attributes
    ----------
    differences : ndarray of shape (m,)
        From the best finite value: at most 0 if greater is better, else at least 0.
    best : int, (str, int) or None
        Number of components with the best finite value, after its family if there are several.
    unresolved : ndarray of ints, or list of (str, int)
        The same of those without a finite value.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
    errors_ : matplotlib ErrorbarContainer or None
        Of several families, lists of both with one for each.
    legend_ : matplotlib Legend or None
        Says which number was chosen, and which line is whose.

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
        families: ArrayLike | None = None,
        errors: ArrayLike | None = None,
        greater_is_better: bool = True,
        label: str = "criterion",
        chosen: int | tuple[str, int] | None = None,
        matters: float = 0.0,
        resolved: bool = True,
    ):
        self.n_components = np.asarray(n_components, dtype=np.int64)
        self.values = np.asarray(values, dtype=np.float64)
        self.families = None if families is None else np.asarray(families, dtype=object)
        self.errors = None if errors is None else np.asarray(errors, dtype=np.float64)
        self.greater_is_better = greater_is_better
        self.label = label
        self.chosen = chosen
        self.matters = matters
        self.resolved = resolved
        finite = np.isfinite(self.values)
        keys = self._keys()
        self.unresolved = (
            self.n_components[~finite]
            if families is None
            else [key for key, known in zip(keys, finite, strict=True) if not known]
        )
        self.differences = np.full(len(self.values), np.nan)
        self.best: int | tuple[str, int] | None = None
        if finite.any():
            at = int(np.argmax(np.where(finite, self._sign * self.values, -np.inf)))
            self.best = keys[at]
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
        chosen: int | tuple[str, int] | None = None,
        resolved: bool = True,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        error_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw a column of a table.

        Parameters
        ----------
        table : DataFrame
            Its index holds numbers of components, or families and numbers.  Standard errors are in
            the column ``<criterion>_error``, if there is one; those of differences from the best,
            in ``<criterion>_difference_error``, are preferred.
        criterion : str
            Name of the column; ``"evidence"`` and ``"loo"`` stand for ``"log_evidence"`` and
            ``"elpd_loo"``.
        greater_is_better : bool, default=None
            Which end is good; known of ``log_evidence``, ``elpd_loo``, ``aic``, ``bic`` and
            ``icl``, to be given for others.
        chosen : int or (str, int), default=None
            Label of the row to be marked.
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
        column = Column.of(table, criterion, greater_is_better)
        return cls(
            column.n_components,
            column.values,
            families=column.families,
            errors=column.errors,
            greater_is_better=column.reading.greater_is_better,
            label=column.reading.label,
            chosen=chosen,
            matters=column.reading.matters,
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
            chosen=getattr(estimator, "best_candidate_", None),
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
        wider = 1.0 if self.families is None else 1.35
        ax = _style.axes_or_new(ax, "CriterionDisplay", wider=wider)
        drawn = np.isfinite(self.differences)
        limit = marks.limit(self.differences, self.errors, self.matters)
        far = drawn & (np.abs(self.differences) > limit)
        near = drawn & ~far
        down, families = self.greater_is_better, self._families()
        # How many families before it are as far at this number of components.
        rank = np.array(
            [
                np.sum(far[:i] & (self.n_components[:i] == K))
                for i, K in enumerate(self.n_components)
            ]
        )
        low, high = marks.ends(
            self.differences[near], None if self.errors is None else self.errors[near],
            self.matters, int(np.max(rank[far] + 1, initial=0)), down,
        )  # fmt: skip
        edge = low if down else high
        self.line_: Any = []
        self.errors_: Any = []
        for place, (family, own) in enumerate(families):
            line, bars = self._line(ax, near & own, own, place, family, line_kw, error_kw)
            self.line_.append(line)
            self.errors_.append(bars)
            x = self.n_components + marks.besides(place, len(families))
            colour = line.get_color()
            for i in np.flatnonzero(far & own):
                marks.write_far(ax, x[i], self.differences[i], edge, down, colour, rank[i])
            for i in np.flatnonzero(~drawn & own):
                marks.write_unresolved(ax, x[i], "0.35" if family is None else colour)
        self.legend_ = None
        ringed = self._ring(ax)
        if self.families is not None:
            self.legend_ = _style.legend_outside(ax, [*self.line_, *ringed])
        else:
            self.line_, self.errors_ = self.line_[0], self.errors_[0]
            if ringed:
                self.legend_ = _style.legend_above(ax, ringed)
        ax.set_ylim(low, high)
        ax.set_xticks(np.unique(self.n_components))
        ax.set_xlim(self.n_components.min() - 0.5, self.n_components.max() + 0.5)
        better = "higher" if self.greater_is_better else "lower"
        ax.set_xlabel("number of components")
        ax.set_ylabel(f"{self.label}, difference from best\n({better} is better)")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _families(self) -> list[tuple[str | None, NDArray[np.bool_]]]:
        """Which values are of each family, in the order in which these come."""
        if self.families is None:
            return [(None, np.ones(len(self.values), dtype=bool))]
        return [(family, self.families == family) for family in dict.fromkeys(self.families)]

    def _line(
        self,
        ax: Any,
        near: NDArray[np.bool_],
        own: NDArray[np.bool_],
        place: int,
        family: str | None,
        line_kw: Mapping[str, Any] | None,
        error_kw: Mapping[str, Any] | None,
    ) -> tuple[Any, Any]:
        """A line through the values of one family, and its bars."""
        from matplotlib.lines import Line2D

        line = _style.merged(marks.line_style(place, family), line_kw, Line2D)
        heights = np.where(near, self.differences, np.nan)
        drawn = ax.plot(self.n_components[own], heights[own], **line)[0]
        if self.errors is None or not near.any():
            return drawn, None
        bars = {"fmt": "none", "ecolor": line["color"], "elinewidth": 1.2, "capsize": 4}
        known = np.where(np.isfinite(self.errors), self.errors, 0.0)[near]
        return drawn, ax.errorbar(
            self.n_components[near], heights[near], yerr=known, **{**bars, **(error_kw or {})}
        )

    def _ring(self, ax: Any) -> list[Any]:
        """A ring around the value chosen, for the legend."""
        at = [i for i, key in enumerate(self._keys()) if key == self.chosen]
        name = ", ".join(map(str, self.chosen)) if isinstance(self.chosen, tuple) else self.chosen
        label = f"chosen: {name}" + ("" if self.resolved else ", not resolved")
        return marks.ring(ax, self.n_components[at], self.differences[at], label)

    def _keys(self) -> list[Any]:
        """What names the values."""
        numbers = self.n_components.tolist()
        return numbers if self.families is None else list(zip(self.families, numbers, strict=True))
