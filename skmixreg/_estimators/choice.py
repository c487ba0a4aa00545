"""What a choice is among, checked: numbers of components, families, and by which criterion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from .._assessment.candidates import Candidate, Key, index_of
from .._assessment.criteria import CRITERIA, Criterion
from ..families import FAMILIES, Family
from . import parameters
from .regressor import BayesianMixtureRegressor


def numbers_of(n_components: Any) -> list[int]:
    """The numbers of components to choose from, in ascending order.

    Raises
    ------
    ValueError
        If they are no positive integers.
    """
    numbers = list(n_components) if isinstance(n_components, Iterable) else [n_components]
    if not numbers or any(
        isinstance(K, bool) or not isinstance(K, Integral) or K < 1 for K in numbers
    ):
        raise ValueError(
            "n_components must be an iterable of positive integers, such as range(1, 7), got "
            f"{n_components!r}."
        )
    return sorted({int(K) for K in numbers})


def criterion_of(criterion: Any, average: bool) -> Criterion:
    """The criterion of this name.

    Raises
    ------
    ValueError
        If there is none, or it has no weights for an average.
    """
    if criterion not in CRITERIA:
        raise ValueError(
            f"criterion must be one of {', '.join(map(repr, CRITERIA))}, got {criterion!r}."
        )
    found = CRITERIA[criterion]
    if average and not found.weighs:
        raise ValueError(
            f"average=True needs a criterion that weighs numbers of components, and "
            f"{criterion!r} does not; use 'evidence', 'loo' or 'bic'."
        )
    return found


def families_of(family: Any) -> Mapping[str | None, Any]:
    """The families to choose from, by their labels in tables; of a single one it is None.

    The label is the name, or the repr of the object where several have this name.

    Raises
    ------
    ValueError
        If there are none, two are the same, or they cannot be compared.
    TypeError
        If one is no family.
    """
    if isinstance(family, str | Family) or not isinstance(family, Iterable):
        return {None: family}
    given = list(family)
    if not given:
        raise ValueError(
            "family is empty; give a family such as 'gaussian', or several, such as "
            "['poisson', 'negative_binomial']."
        )
    own = [parameters.resolve_named("family", entry, FAMILIES, Family) for entry in given]
    for one in own:
        one.check_options()
    names = [one.name for one in own]
    labels = [
        name if names.count(name) == 1 else repr(one) for name, one in zip(names, own, strict=True)
    ]
    for i, one in enumerate(own):
        if any(_same(one, other) for other in own[:i]) or labels[i] in labels[:i]:
            raise ValueError(
                f"family={given!r} has {labels[i]} twice; every family is a candidate once."
            )
    _check_comparable(given, labels, own)
    return dict(zip(labels, given, strict=True))


def _same(one: Family, other: Family) -> bool:
    if type(one) is not type(other):
        return False
    options = other.get_params()
    return all(np.array_equal(value, options[name]) for name, value in one.get_params().items())


def _check_comparable(given: Sequence[Any], labels: Sequence[str], own: Sequence[Family]) -> None:
    counts = [label for label, family in zip(labels, own, strict=True) if family.discrete]
    others = [label for label, family in zip(labels, own, strict=True) if not family.discrete]
    if counts and others:
        raise ValueError(
            f"family={given!r} cannot be compared: {', '.join(counts)} gives probabilities of "
            f"counts, and {', '.join(others)} a density per unit of y, which depends on the unit. "
            "Choose among families of counts, or among families of measurements."
        )


def check_labels(labels: Any, criterion: Criterion, fewest: int) -> None:
    """Reject labels that not all numbers of components have, or that a criterion lacks.

    Raises
    ------
    ValueError
    """
    if labels is None:
        return
    if criterion.leaves_out:
        raise ValueError(
            f"criterion={criterion.name!r} knows no labels; use criterion='evidence' or 'bic'."
        )
    if np.ndim(labels) > 1:
        raise ValueError(
            "labels with a column per component go with one n_components, and several are "
            f"compared; give integers, -1 where a label is unknown, not shape {np.shape(labels)}."
        )
    values = np.asarray(labels)
    if values.size and values.dtype.kind in "iuf" and values.max() >= fewest:
        raise ValueError(
            f"labels go up to {values.max():g}, but n_components={fewest}, the least of those "
            f"compared, has no component of that number; compare n_components from "
            f"{int(values.max()) + 1} on."
        )


def take_columns(source: Any, model: Any) -> None:
    """Tell a model what the columns of X are."""
    for name in ("n_features_in_", "feature_names_in_", "_chosen_features"):
        if hasattr(source, name):
            setattr(model, name, getattr(source, name))


def table_of(
    candidates: Sequence[Candidate],
    models: dict[Key, BayesianMixtureRegressor],
    criterion: Criterion,
    rows: tuple[Any, Any, Any],
    labels: Any = None,
) -> tuple[pd.DataFrame, dict[Key, Any]]:
    """`criterion_table_`, and what was left out of each fit."""
    records, fits = [], {}
    for candidate in candidates:
        model = models[candidate.key]
        best = int(model.modes_["probability"].argmax())
        record = {
            "log_evidence": candidate.log_evidence,
            "log_evidence_error": candidate.log_evidence_error,
            "log_likelihood": model.modes_["log_likelihood"].iloc[best],
            "n_parameters": candidate.problem.layout.size,
            **model._information_criteria(*rows, labels)._asdict(),
        }
        if criterion.leaves_out:
            fits[candidate.key] = model.loo(*rows)
        records.append(record)
    index = index_of([candidate.key for candidate in candidates])
    table = pd.DataFrame(records, index=index).assign(**criterion.columns(fits))
    table["probability"] = criterion.weights(table, fits) if criterion.weighs else np.nan
    table["drawn"] = [c.posterior is not None for c in candidates]
    return table, fits
