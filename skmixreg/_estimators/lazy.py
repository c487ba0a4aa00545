"""Answers about the rows of Dask collections: lazy arrays chunk by chunk, and sums.

A chunk is asked the same question as rows in memory would be, by the same method, where it lies.
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.validation import check_is_fitted

from .._assessment import information
from .._assessment.generalised_r2 import bounded_gain, log_probability_of_counts
from .._dask import chunks, dask_input
from .._support.arrays import Array


def per_row[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """Let a method with one result per row answer Dask collections with lazy Dask arrays."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Any:
        bound = signature.bind(*args, **kwargs)
        X, y = bound.arguments["X"], bound.arguments.get("y")
        if not dask_input.is_dask(X, y):
            return method(*args, **kwargs)
        rest = {
            name: value for name, value in bound.arguments.items() if name not in ("self", "X", "y")
        }
        return _lazily(method, bound.arguments["self"], X, y, rest)

    return answer


class _Question:
    """A method asked of one chunk, whose answer becomes one array with rows first."""

    def __init__(self, method: Callable[..., Any], options: dict[str, Any], width: tuple[int, ...]):
        self.method = method.__name__
        self.options = options
        self.width = width
        self.__name__ = f"skmixreg-{self.method}"

    def __call__(self, X: Any, *y: Any, estimator: Any) -> Array:
        if len(X) == 0:
            return np.empty((0, *self.width))
        answer = getattr(estimator, self.method)(_named(estimator, X), *y, **self.options)
        return np.stack(answer, axis=1) if isinstance(answer, tuple) else np.asarray(answer)


def _named(estimator: Any, X: Any) -> Any:
    """Rows with the columns' names, where the estimator knows them."""
    names = getattr(estimator, "feature_names_in_", None)
    X = np.array(X)  # its own memory: arrays of a cluster may be read-only
    return X if names is None else pd.DataFrame(X, columns=names)


def _lazily(
    method: Callable[..., Any], estimator: Any, X: Any, y: Any, options: dict[str, Any]
) -> Any:
    import dask
    import dask.array as da

    check_is_fitted(estimator)
    dask_input.check_columns(estimator, X, reset=False)
    if y is not None:
        _check_whole_groups(estimator)
    own = _in_one_thread(estimator)
    centre = own.posterior_.design.centre[None]
    # One row tells the shape of answers, and whether the options are any good.
    ones = () if y is None else (np.array([own.posterior_.family.some_response]),)
    sample = method(own, _named(own, centre), *ones, **options)
    several = isinstance(sample, tuple)
    shape = (len(sample),) if several else sample.shape[1:]
    dtype = sample[0].dtype if several else sample.dtype
    X, *ys = dask_input.row_arrays(X, y)
    letters = "ik"[: 1 + len(shape)]
    out = da.blockwise(
        _Question(method, options, shape), letters, X, "ij",
        *[part for value in ys for part in (value, "i")],
        estimator=dask.delayed(own, traverse=False, pure=False),
        new_axes=dict(zip("k", shape, strict=False)), concatenate=True, align_arrays=False,
        dtype=dtype, meta=np.empty((0,) * len(letters), dtype=dtype),
        token=f"skmixreg-{method.__name__}",
    )  # fmt: skip
    return tuple(out[:, i] for i in range(len(sample))) if several else out


def _check_whole_groups(estimator: Any) -> None:
    """Reject groups, of which nothing says that each lies in one chunk.

    Raises
    ------
    ValueError
    """
    if estimator.posterior_.design.roles.group is not None:
        raise ValueError(
            "Rows of a group share a membership, and may be in several chunks of these Dask "
            "collections, which are asked one by one; pass rows in memory, or ask whole groups "
            "with map_partitions."
        )


def _in_one_thread(estimator: BaseEstimator) -> Any:
    """The estimator as it works on one of many chunks."""
    own = copy.copy(estimator)
    own.n_jobs = 1
    return own


# ------------------------------------------------------------------------------------- sums


class _ScoreSums(NamedTuple):
    n_rows: int
    weight: float
    log_density: float  # weighted mean
    target: float  # weighted mean
    squares: float  # weighted sum around the mean
    least: float
    largest: float


def score(estimator: Any, X: Any, y: Any, sample_weight: Any) -> float:
    """As the score of rows in memory, from sums over chunks."""
    parts = [
        part for part in _over_chunks(_score_sums, estimator, X, y, sample_weight) if part.n_rows
    ]
    n_rows = sum(part.n_rows for part in parts)
    if n_rows < 2:
        warnings.warn(
            "The score is not defined with fewer than two rows.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
        return float("nan")
    weights = np.array([part.weight for part in parts])
    means = np.array([part.target for part in parts])
    middle = np.average(means, weights=weights)
    squares = sum(part.squares for part in parts) + weights @ (means - middle) ** 2
    family = estimator._predictive.family
    density = np.average([part.log_density for part in parts], weights=weights)
    if family.has_reference:
        sums: Any = np.sum(_over_chunks(_own_sums, estimator, X, y, sample_weight), axis=0)
        constants = functools.partial(_own_reference, sums=sums)
        constant = sum(_over_chunks(constants, estimator, X, y, sample_weight)) / weights.sum()
        return bounded_gain(density - constant)
    if max(part.largest for part in parts) == min(part.least for part in parts) or squares == 0.0:
        return 0.0
    variance = squares / weights.sum()
    if family.discrete:
        reference = functools.partial(_reference_sum, mean=float(middle), variance=float(variance))
        sums = _over_chunks(reference, estimator, X, y, sample_weight)
        constant = sum(sums) / weights.sum()
    else:
        constant = -0.5 * (np.log(2.0 * np.pi) + np.log(variance) + 1.0)
    return bounded_gain(density - constant)


def _own_sums(estimator: Any, X: Array, y: Array, weights: Array) -> Array:
    """What the family's reference needs of the rows of a chunk."""
    posterior = estimator._predictive
    sums: Array = posterior.family.reference_sums(y, weights, *posterior.design.of_family(X))
    return sums


def _own_reference(estimator: Any, X: Array, y: Array, weights: Array, *, sums: Array) -> float:
    """Weighted sum of log densities of a chunk under the family's reference."""
    posterior = estimator._predictive
    columns = posterior.design.of_family(X)
    return float(weights @ posterior.family.reference(y, sums, *columns))


def _reference_sum(
    estimator: Any, X: Array, y: Array, weights: Array, *, mean: float, variance: float
) -> float:
    """Weighted sum of log probabilities of the counts of a chunk, of this mean and variance."""
    return float(weights @ log_probability_of_counts(y, mean, variance))


def _score_sums(estimator: Any, X: Array, y: Array, weights: Array) -> _ScoreSums:
    density = estimator.log_predictive_density(_named(estimator, X), y)
    middle = np.average(y, weights=weights)
    return _ScoreSums(
        len(y), weights.sum(), np.average(density, weights=weights), middle,
        float(weights @ (y - middle) ** 2), y.min(), y.max(),
    )  # fmt: skip


def information_criteria(
    estimator: Any, X: Any, y: Any, sample_weight: Any
) -> information.InformationCriteria:
    """AIC, BIC and ICL from sums over chunks."""
    parts = _over_chunks(_information_sums, estimator, X, y, sample_weight)
    return information.from_sums(estimator.posterior_, *np.sum(parts, axis=0))


def _information_sums(estimator: Any, X: Array, y: Array, weights: Array) -> Array:
    return information.log_sums(estimator.posterior_, X, y, weights)


def _over_chunks(
    function: Callable[..., Any], estimator: Any, X: Any, y: Any, sample_weight: Any
) -> list[Any]:
    """What a function of estimator, X, y and weights returns of every chunk that holds rows."""
    import dask

    check_is_fitted(estimator)
    dask_input.check_columns(estimator, X, reset=False)
    _check_whole_groups(estimator)
    own = dask.delayed(_in_one_thread(estimator), traverse=False, pure=False)
    ask = dask.delayed(_ask, pure=False)
    parts = [ask(function, own, *part) for part in dask_input.row_parts(X, y, sample_weight)]
    return [part for part in dask.compute(*parts) if part is not None]


def _ask(function: Callable[..., Any], estimator: Any, X: Any, y: Any, weights: Any) -> Any:
    X, y, weights = chunks.plain_rows(X, y, weights)
    if len(y) == 0:
        return None
    weights = np.ones(len(y)) if weights is None else weights
    return function(estimator, np.asarray(X, np.float64), np.ascontiguousarray(y), weights)
