"""A fitted pipeline, from a formula and a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length

from .._estimators.parameters import resolve_named
from .._estimators.regressor import BayesianMixtureRegressor
from .._estimators.regressor_cv import BayesianMixtureRegressorCV
from .._support.caller import warn
from ..families import FAMILIES, Family
from ._frames import columns_of, missing_in, opened
from ._parts import Parts
from ._roles import ROLES, column_name, columns_of_role
from ._transformer import FormulaTransformer, columns_used, parts_at

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def from_formula(
    formula: str,
    data: Any,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Pipeline:
    """Fit a mixture of regressions by a formula.

    formulaic reads the formula, in the language of R, and codes its columns: interactions,
    categories, polynomials, splines.  What a term learns of ``data`` is used again for new rows,
    so that the pipeline predicts from frames as they are.

    Parameters
    ----------
    formula : str
        Such as ``"y ~ dose + C(sex) | gate(age) + group(id)"``.  Terms before ``|`` have a slope
        per component; without the intercept in ``0 + dose``.  A column with another role stands
        in one of these words, after ``|`` or among the terms:

        ===================  ===============================================
        ``gate(...)``        terms that the mixing weights depend on
        ``shared(...)``      terms with one slope for all components
        ``offset(t)``        added to the linear predictor
        ``exposure(t)``      its logarithm is added
        ``group(id)``        rows with equal values share one membership
        ``censoring(c)``     1, -1 or 0: of which rows a bound is known
        ``trials(n)``        so many, of which y are successes
        ``known_error(s)``   standard deviation of a known error of y
        ===================  ===============================================

        Within ``gate`` and ``shared``, ``0 +`` says only that a category is coded by all of its
        levels.  The response is a column: a function of y would be predicted in the place of y.
    data : DataFrame of shape (n, q)
        Of pandas or polars; with the response.
    sample_weight : array-like of shape (n,), default=None
        Frequencies of the rows of ``data``, as for `BayesianMixtureRegressor.fit`.
    labels : array-like of shape (n,) or (n, K), default=None
        Memberships that are known, as there.
    na_action : {"drop", "raise"}, default="drop"
        What becomes of rows with a missing value in a column that the formula uses: they are left
        out, as in R, before anything is learnt, with their weights and labels, and a warning says
        how many; or it is an error.  In later calls of the pipeline it is always an error, since
        a prediction per row is asked for.
    context : dict of str to object, default=None
        Functions and values that terms may use beside the columns and formulaic's own functions.
        They are stored in the pipeline.
    **parameters : dict
        Of `BayesianMixtureRegressor`, such as ``n_components``, ``family`` or ``random_state``;
        those that the formula states are no longer free.  Where ``n_components`` or ``family`` are
        several to choose from, of `BayesianMixtureRegressorCV`.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted, with steps ``"formula"``, a `FormulaTransformer`, and ``"mixture"``.  It can be
        cloned, stored, and fitted again to ``(frame, frame["y"])``, as in cross-validation.

    Raises
    ------
    ValueError, TypeError
        If the formula, the data or a parameter cannot be used; the message says what to do.
    MissingPackageError
        If formulaic is not installed.

    Warns
    -----
    UserWarning
        If rows are left out for missing values.

    Notes
    -----
    Terms are evaluated as Python code: take no formula from whom you would take no code from.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmixreg.formula import from_formula
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"x": rng.uniform(-1, 1, 500), "sex": rng.choice(["f", "m"], 500)})
    >>> frame["y"] = frame["x"] * rng.choice([-1, 3], 500) + 0.1 * rng.normal(size=500)
    >>> pipe = from_formula("y ~ x + sex", frame, random_state=0)
    >>> pipe["mixture"].feature_names_in_.tolist()
    ['x', 'sex[T.m]']
    >>> pipe["mixture"].coef_.round(1)[:, 0]
    array([-1.,  3.])
    >>> pipe.predict(pd.DataFrame({"x": [0.5], "sex": ["m"]})).shape
    (1,)
    """
    from sklearn.pipeline import Pipeline  # not before there is a formula

    if na_action not in ("drop", "raise"):
        raise ValueError(f"na_action must be 'drop' or 'raise', got {na_action!r}.")
    frame = opened(data)
    parts = parts_at(frame, formula)
    if parts.response is None:
        raise ValueError(f"The formula {formula!r} has no response; write 'y ~ ...'.")
    if parts.response not in frame.columns:
        raise ValueError(
            f"The response {parts.response!r} is no column of data; columns are "
            f"{list(frame.columns)}."
        )
    columns = columns_of(frame, list({*columns_used(parts, frame), parts.response}))
    given = {"sample_weight": sample_weight, "labels": labels}
    for name, values in given.items():
        _check_rows(name, values, columns)
    kept = _complete(columns, na_action)
    rows = frame if kept.all() else frame.filter(kept.tolist())
    model = _mixture(parts, parameters)
    transformer = FormulaTransformer(formula, context)
    X = transformer._learn(rows, parts)
    known = {name: np.asarray(v)[kept] for name, v in given.items() if v is not None}
    model.fit(X, columns.loc[kept, parts.response], **known)
    return Pipeline([("formula", transformer), ("mixture", model)])


def _check_rows(name: str, values: Any, columns: pd.DataFrame) -> None:
    """Reject what does not belong to the rows of a frame one by one."""
    if values is None:
        return
    check_consistent_length(columns, values)
    index = getattr(values, "index", None)
    if isinstance(index, pd.Index) and not index.equals(columns.index):
        raise ValueError(
            f"{name} has another index than data, so that it may be meant in another order; "
            f"give {name}.to_numpy() if it is in the order of the rows."
        )


def _complete(columns: pd.DataFrame, na_action: str) -> Any:
    """Mask of rows without a missing value."""
    kept = columns.notna().all(axis=1).to_numpy()
    if kept.all():
        return kept
    words = f"{int((~kept).sum())} of {len(kept)} rows have missing values in {missing_in(columns)}"
    if na_action == "raise":
        raise ValueError(f"{words}; na_action='drop' leaves them out.")
    if not kept.any():
        raise ValueError(f"{words}; none is left to fit.")
    warn(f"{words} and are left out of the fit.", UserWarning)
    return kept


def _several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str)


def _mixture(parts: Parts, parameters: dict[str, Any]) -> Any:
    """The estimator of a formula, with its parameters and those that are given."""
    from sklearn.compose import make_column_selector

    stated: dict[str, Any] = {"fit_intercept": parts.intercept}
    of_family = {}
    for word in parts.words:
        role = ROLES[word]
        if role.of_family:
            of_family[role.parameter] = column_name(word, parts.inside[word])
        elif role.several:
            stated[role.parameter] = make_column_selector(pattern=columns_of_role(word))
        else:
            inside = parts.group if role.as_it_is else parts.inside[word]
            stated[role.parameter] = column_name(word, str(inside))
    twice = sorted(stated.keys() & parameters.keys())
    if twice:
        raise ValueError(
            f"{twice[0]} is what the formula says, got {twice[0]}={parameters[twice[0]]!r} beside "
            "it; change the formula."
        )
    if of_family:
        family = parameters.get("family", "gaussian")
        named = [
            _with_columns(one, of_family) for one in (family if _several(family) else [family])
        ]
        stated["family"] = named if _several(family) else named[0]
    choice = any(_several(parameters.get(name)) for name in ("n_components", "family"))
    kind: Any = BayesianMixtureRegressorCV if choice else BayesianMixtureRegressor
    return kind(**{**parameters, **stated})


def _with_columns(family: Any, columns: dict[str, str]) -> Family:
    """A family that names these columns."""
    own = resolve_named("family", family, FAMILIES, Family)
    for option, column in columns.items():
        if option not in own.column_options:
            able = [repr(name) for name, row in FAMILIES.items() if option in row.column_options]
            raise ValueError(
                f"{column} in the formula needs family={' or '.join(able)}, got {own.name!r}."
            )
        if getattr(own, option) is not None:
            raise ValueError(f"{column} is in the formula, and {own!r} names a column for it, too.")
    return own.set_params(**columns)
