"""Choosing the number of components, and memberships out of fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed

from ._support.arrays import Array
from .metrics import last_step

__all__ = ["OneStandardError", "cross_val_responsibilities", "one_standard_error"]


@dataclass(frozen=True)
class OneStandardError:
    """The smallest number of components within one standard error of the best.

    ``one_standard_error`` is an instance, for ``refit=`` of ``GridSearchCV`` or
    ``RandomizedSearchCV``.  A spare component empties itself, so that the scores of larger K tie
    within noise; this rule (Breiman et al. 1984, sec. 3.4.3) takes the smallest.  The standard
    error is that of the best candidate's mean over splits, ``std(ddof=1) / sqrt(n_splits)``.
    Candidates with a fold whose score is not finite are left out.  The parameter is found by its
    name, ``n_components`` or ``<step>__n_components``; other parameters must not vary.  With
    several scores use ``one_standard_error.for_metric("name")``.

    Parameters
    ----------
    metric : str, optional
        Which score decides when there are several.

    References
    ----------
    Breiman, L., Friedman, J. H., Olshen, R. A. and Stone, C. J. (1984). Classification and
    Regression Trees. Wadsworth.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> GridSearchCV(
    ...     model, {"n_components": [1, 2, 3, 4]}, refit=one_standard_error
    ... ).fit(X, y)  # doctest: +SKIP
    """

    metric: str | None = None

    def for_metric(self, metric: str) -> OneStandardError:
        """The rule on one of several scores, by its name in ``scoring``."""
        return OneStandardError(metric)

    def __call__(self, cv_results: Mapping[str, Any]) -> int:
        """Index of the candidate to refit.

        Parameters
        ----------
        cv_results : dict
            ``cv_results_`` of a search.

        Raises
        ------
        ValueError
            If other parameters vary, several scores are unnamed, no candidate was scored on
            every split, or there is only one split.
        """
        candidates = _candidate_components(cv_results["params"])
        scores = self._split_scores(cv_results)
        n_splits = scores.shape[1]
        if n_splits < 2:
            raise ValueError("one_standard_error needs at least two splits, got one.")
        usable = np.isfinite(scores).all(axis=1)
        if not usable.any():
            raise ValueError(
                "one_standard_error: every candidate has a fold without a finite score; use "
                "error_score='raise' in the search to see why."
            )
        means = np.where(usable, np.where(usable[:, None], scores, 0.0).mean(axis=1), -np.inf)
        best = int(np.argmax(means))
        error = scores[best].std(ddof=1) / np.sqrt(n_splits)
        allowed = np.flatnonzero(means >= means[best] - error)
        return int(allowed[np.argmin(candidates[allowed])])

    def _split_scores(self, cv_results: Mapping[str, Any]) -> Array:
        """Scores by candidate and split."""
        pattern = re.compile(r"split(\d+)_test_(.+)")
        found: dict[str, dict[int, Any]] = {}
        for key, values in cv_results.items():
            if match := pattern.fullmatch(key):
                found.setdefault(match[2], {})[int(match[1])] = values
        name = self.metric
        if name is None:
            if len(found) > 1:
                raise ValueError(
                    f"The search has several scores, {sorted(found)}: say which one decides, "
                    f"refit=one_standard_error.for_metric({min(found)!r})."
                )
            name = next(iter(found), "score")
        if name not in found:
            raise ValueError(f"There is no score named {name!r}; there are {sorted(found)}.")
        splits = found[name]
        return np.column_stack([np.asarray(splits[i], np.float64) for i in sorted(splits)])


one_standard_error = OneStandardError()


def _candidate_components(params: Iterable[Mapping[str, Any]]) -> NDArray[np.int64]:
    """Number of components of every candidate, after checking that nothing else varies."""
    params = list(params)
    names = sorted({name for candidate in params for name in candidate})
    keys = [name for name in names if name.split("__")[-1] == "n_components"]
    if len(keys) != 1:
        found = f"several, {keys}" if keys else f"only {names}"
        raise ValueError(
            f"one_standard_error chooses n_components, but the search varies {found}; search over "
            "one parameter n_components or <step>__n_components."
        )
    if any(keys[0] not in candidate for candidate in params):
        raise ValueError(f"one_standard_error: not every candidate sets {keys[0]!r}.")
    others = [name for name in names if name != keys[0]]
    varying = [
        name for name in others if len({repr(candidate.get(name)) for candidate in params}) > 1
    ]
    if varying:
        raise ValueError(
            f"one_standard_error compares numbers of components only, but {varying} vary as well; "
            "fix them, or search over them with refit=True first."
        )
    return np.array([int(candidate[keys[0]]) for candidate in params])


def cross_val_responsibilities(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    groups: Any = None,
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> Array:
    """Out-of-fold component responsibilities.

    Each row's memberships, given its x and y, under the fit to the other folds.  It stands in
    for ``cross_val_predict(method="predict_proba")``, which encodes y as class labels.

    Columns mean the same in all folds: those of a fit of ``estimator`` to all rows, with the same
    ``random_state``.  Each fold's components are matched to that fit's so that the
    memberships of the fold's rows under the two fits agree most, whatever the earlier
    steps of a pipeline do to the coefficients.  The fit to all rows decides nothing else.

    Parameters
    ----------
    estimator : BayesianMixtureRegressor
        Or a Pipeline that ends in one, or a search over either; it is cloned, not fitted.
    X : array-like or DataFrame of shape (n, p)
    y : array-like of shape (n,)
    cv : int, splitter or iterable, optional
        As in ``cross_val_predict``: every row must be in exactly one test fold.  Folds are not
        stratified.
    groups : array-like of shape (n,), optional
        For the splitter.
    params : dict, optional
        Passed to ``fit``; arrays with one entry per row are split, such as
        ``{"sample_weight": w}`` or, for a pipeline, ``{"<step>__sample_weight": w}``.
    n_jobs : int, optional
        Fits to run at once.

    Returns
    -------
    ndarray of shape (n, K)
        Rows sum to 1.

    Raises
    ------
    ValueError
        If the test folds are no partition of the rows.
    """
    X, y, groups = indexable(X, y, groups)
    y_values = np.asarray(y)
    n = len(y_values)
    splits = list(check_cv(cv, y_values, classifier=False).split(X, y, groups))
    tests = np.concatenate([np.asarray(test) for _, test in splits])
    if len(tests) != n or len(np.unique(tests)) != n:
        raise ValueError(
            "cross_val_responsibilities needs every row in exactly one test fold; use a splitter "
            "such as KFold."
        )
    everything = np.arange(n)
    jobs = [(everything, everything), *splits]
    fits = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_assign)(clone(estimator), X, y, train, test, dict(params or {}))
        for train, test in jobs
    )
    reference, K = fits[0]
    out = np.empty_like(reference)
    for (_, test), (table, _) in zip(splits, fits[1:], strict=True):
        if table.shape[1] != reference.shape[1]:
            raise ValueError(
                f"A fold has {table.shape[1]} components and the fit to all rows "
                f"{reference.shape[1]}: fix n_components instead of searching over it."
            )
        # A background, the last, is one with no other.
        agreement = reference[test, :K].T @ table[:, :K]
        order = linear_sum_assignment(agreement, maximize=True)[1]
        out[test] = table[:, [*order, *range(K, table.shape[1])]]
    return out


def _fit_and_assign(
    estimator: Any, X: Any, y: Any, train: Any, test: Any, params: dict[str, Any]
) -> tuple[Array, int]:
    """Memberships, and the number of regressions."""
    n = len(np.asarray(y))
    params = {
        name: _rows(value, train) if np.ndim(value) and len(value) == n else value
        for name, value in params.items()
    }
    estimator.fit(_rows(X, train), _rows(y, train), **params)
    regressor, X_test = last_step(estimator, _rows(X, test))
    table = np.asarray(regressor.predict_proba(X_test, _rows(y, test)))
    return table, table.shape[1] - (getattr(regressor, "background", None) is not None)


def _rows(data: Any, index: Any) -> Any:
    """Rows of an array, a pandas or polars frame, a sparse matrix or a list."""
    if hasattr(data, "iloc"):
        return data.iloc[index]
    if isinstance(data, (list, tuple)):
        return [data[i] for i in np.arange(len(data))[index]]
    if not hasattr(data, "shape"):
        data = np.asarray(data)
    return data[index]
