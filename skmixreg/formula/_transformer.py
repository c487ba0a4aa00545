"""From a frame to the columns of a formula, as a step of a pipeline."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._frames import columns_of, missing_in, opened
from ._parts import SLOPES, Parts, errors_of, formulaic, parts_of, variables_of
from ._roles import column_name

# What formulaic calls the column of the term 1.
CONSTANT = "Intercept"


class FormulaTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Columns of a formula, learnt on one frame and made again of others.

    What a term learns of the data, such as the levels of a category, the mean in ``center(x)`` or
    the knots of ``bs(x, 4)``, is learnt in `fit` and used in `transform`.  `from_formula` puts it
    before the mixture, with the parameters that say which columns have which role.

    Parameters
    ----------
    formula : str
        As for `from_formula`.  What is left of ``~`` is of no effect here, but that ``.`` does not
        stand for it.
    context : dict of str to object, default=None
        Functions and values that terms may use beside the columns and formulaic's own functions.
        They are stored with the estimator.

    Attributes
    ----------
    feature_names_in_ : ndarray of str
        Columns of the frame that the formula uses on its right.
    n_features_in_ : int
        Their number.

    See Also
    --------
    from_formula : A fitted pipeline in one call.

    Notes
    -----
    Terms are evaluated as Python code: take no formula from whom you would take no code from.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmixreg.formula import FormulaTransformer
    >>> frame = pd.DataFrame({"dose": [1.0, 3.0], "sex": ["f", "m"], "id": ["a", "b"]})
    >>> FormulaTransformer("center(dose) + sex | group(id)").fit_transform(frame)
       center(dose)  sex[T.m] group(id)
    0          -1.0         0         a
    1           1.0         1         b
    """

    def __init__(self, formula: str, context: Mapping[str, Any] | None = None):
        self.formula = formula
        self.context = context

    def fit(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Learn the columns.

        Parameters
        ----------
        X : DataFrame of shape (n, q)
            Of pandas or polars.  Columns that the formula does not use are of no effect.
        y : ignored

        Returns
        -------
        FormulaTransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If the formula cannot be read or evaluated, or a value is missing.
        TypeError
            If X is no frame.
        MissingPackageError
            If formulaic is not installed.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: ArrayLike | None = None) -> pd.DataFrame:
        """As `fit`, and the columns of X.

        Parameters
        ----------
        X : DataFrame of shape (n, q)
        y : ignored

        Returns
        -------
        DataFrame of shape (n, p)
            As of `transform`.
        """
        frame = opened(X)
        return self._learn(frame, parts_at(frame, self.formula))

    def _learn(self, frame: Any, parts: Parts) -> pd.DataFrame:
        """`fit_transform`, of a formula that was read and a frame of narwhals."""
        used = columns_used(parts, frame)
        self._parts_of_roles = {
            word: parts.inside.get(word) for word in parts.words if word != "group"
        }
        self._group = parts.group
        self._specs = None
        self.feature_names_in_ = np.asarray(used, dtype=object)
        self.n_features_in_ = len(used)
        out = self._columns(columns_of(frame, used), formulaic().Formula(**parts.terms))
        self._names_out = list(out.columns)
        return out

    def transform(self, X: Any) -> pd.DataFrame:
        """The columns of other rows, by what was learnt.

        Parameters
        ----------
        X : DataFrame of shape (n, q)

        Returns
        -------
        DataFrame of shape (n, p)
            Of pandas.  Columns are named as formulaic names them, such as ``sex[T.m]``; those with
            a role as ``gate(sex[T.m])``.  The intercept is no column.

        Raises
        ------
        ValueError
            If a column is missing, a value is, or a category has a level that was not in `fit`:
            the message names them.
        """
        check_is_fitted(self)
        frame = opened(X)
        names = list(self.feature_names_in_)
        absent = [name for name in names if name not in frame.columns]
        if absent:
            raise ValueError(f"The formula {self.formula!r} needs columns {absent} of X.")
        # formulaic writes into what it is given.
        specs = copy.deepcopy(self._specs)
        return self._columns(columns_of(frame, names), specs)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Names of the columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return np.asarray(self._names_out, dtype=object)

    def _columns(self, frame: pd.DataFrame, specs: Any) -> pd.DataFrame:
        """The columns of a formula, which is learnt, or of what was learnt before."""
        absent = missing_in(frame)
        if absent:
            rows = int(frame.isna().any(axis=1).sum())
            raise ValueError(
                f"{rows} of {len(frame)} rows have missing values in {absent}, which the formula "
                f"{self.formula!r} uses. Drop these rows, or impute the values before."
            )
        context = dict(self.context or {})
        materializer = formulaic().materializers.PandasMaterializer(frame, context=context)
        with errors_of(self.formula), warnings.catch_warnings():
            # Of an unknown level formulaic and pandas warn, and go on as if it were none.
            warnings.simplefilter("ignore")
            try:
                matrices = materializer.get_model_matrix(specs, na_action="raise", output="pandas")
            except Exception:
                # What is wrong with the columns says more than what came of it.
                self._check_factors(self._specs, materializer.factor_cache)
                raise
        if self._specs is None:
            self._specs = matrices.model_spec
        self._check_factors(self._specs, materializer.factor_cache)
        out: dict[str, Any] = {}
        for name, values in _named(getattr(matrices, SLOPES)):
            out[name] = values
        for word, inside in self._parts_of_roles.items():
            named = _named(getattr(matrices, word))
            if inside is None:
                out |= {column_name(word, name): values for name, values in named}
                continue
            if [name for name, _ in named] != [f"I({inside})"]:
                raise ValueError(
                    f"{column_name(word, inside)} in the formula {self.formula!r} must be one "
                    "column of numbers."
                )
            out[column_name(word, inside)] = named[0][1]
        if self._group is not None:
            out[column_name("group", self._group)] = frame[self._group].array
        return pd.DataFrame(out, index=frame.index)

    def _check_factors(self, learnt: Any, cache: Mapping[str, Any]) -> None:
        """Reject dates, levels that are not known, and a category where numbers were learnt."""
        words = () if learnt is None else (SLOPES, *self._parts_of_roles)
        known = {}
        for word in words:
            known.update(getattr(learnt, word).encoder_state)
        for term, factor in cache.items():
            values = getattr(factor.values, "__wrapped__", factor.values)
            if getattr(getattr(values, "dtype", None), "kind", None) in ("m", "M"):
                raise ValueError(
                    f"{term!r} in the formula {self.formula!r} holds dates or durations, which as "
                    "numbers depend on the unit that they are stored in; add a column to the "
                    "frame that counts in a unit of your choice."
                )
            kind, state = known.get(term, (factor.metadata.kind, {}))
            if factor.metadata.kind is not kind:
                raise ValueError(
                    f"{term!r} in the formula {self.formula!r} was {kind.value} when it was fitted "
                    f"and is {factor.metadata.kind.value} now; give the column the same type."
                )
            levels = list(state.get("categories", []))
            seen: Any = pd.unique(pd.Series(values)) if levels else []
            if unknown := [level for level in seen if level not in levels]:
                raise ValueError(
                    f"{term!r} in the formula {self.formula!r} has levels that the fit did not "
                    f"see: {unknown}; known are {levels}. Levels that may come later are known "
                    "where the column is categorical and lists them."
                )


def parts_at(frame: Any, formula: str) -> Parts:
    """A formula, read for the columns of a frame of narwhals; raises as `parts_of`."""
    return parts_of(formula, [name for name in frame.columns if isinstance(name, str)])


def columns_used(parts: Parts, frame: Any) -> list[str]:
    """Columns of a frame that the right of a formula uses, in the order of the frame.

    Raises
    ------
    ValueError
        If the column of the groups is not there; others may be names in the context.
    """
    if parts.group is not None and parts.group not in frame.columns:
        raise ValueError(f"group({parts.group}): the frame has columns {list(frame.columns)}.")
    names = variables_of(parts.terms) | {parts.group}
    return [name for name in frame.columns if name in names]


def _named(matrix: Any) -> list[tuple[str, Any]]:
    """Columns of a matrix but the constant one, with names."""
    frame = pd.DataFrame(matrix)
    return [
        (str(name), frame.iloc[:, j].array)
        for j, name in enumerate(frame.columns)
        if name != CONSTANT
    ]
