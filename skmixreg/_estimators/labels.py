"""Memberships that are known, or have prior probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._model._roles.units import Units
from .._support.arrays import Array

if TYPE_CHECKING:
    from .._posterior.posterior import Posterior


class Labels(NamedTuple):
    """What is known of memberships before a fit.

    Attributes
    ----------
    log_odds : ndarray of shape (n, K) or None
        Log prior odds of the components of every row: 0 and -inf where one is known.
    fixed : tuple of int
        Components that labels say which they are.
    """

    log_odds: Array | None = None
    fixed: tuple[int, ...] = ()


NO_LABELS = Labels()


def labels_of(labels: Any, n_rows: int, n_components: int) -> Labels:
    """From what `fit` was given.

    Raises
    ------
    ValueError
        If labels are neither (n,) integers from -1 to K - 1 nor (n, K) probabilities.
    """
    if labels is None:
        return NO_LABELS
    try:
        values = np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "labels must be integers, -1 where a label is unknown, or an array of probabilities "
            f"with a column per component, got {type(labels).__name__} of something else."
        ) from None
    K = n_components
    if values.shape == (n_rows,):
        wrong = ~((values == np.rint(values)) & (values >= -1) & (values < K))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"labels must be integers from 0 to {K - 1}, or -1 where unknown, with "
                f"n_components={K}, but labels[{row}] is {values[row]:g}."
            )
        return _of_integers(values.astype(np.intp), K)
    if values.shape == (n_rows, K):
        return _of_probabilities(values)
    raise ValueError(
        f"labels must have shape ({n_rows},), or ({n_rows}, {K}) for probabilities of "
        f"n_components={K}, got {values.shape}."
    )


def _of_integers(values: Any, K: int) -> Labels:
    known = values >= 0
    if not known.any():
        return NO_LABELS
    odds = np.zeros((len(values), K))
    odds[known] = -np.inf
    odds[known, values[known]] = 0.0
    return Labels(odds, tuple(np.unique(values[known]).tolist()))


def _of_probabilities(values: Array) -> Labels:
    wrong = ~(np.isfinite(values).all(axis=1) & (values >= 0.0).all(axis=1))
    wrong |= ~(values.sum(axis=1) > 0.0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            "labels with a column per component are prior probabilities, not negative and not all "
            f"zero, but labels[{row}] is {values[row].tolist()}."
        )
    share = values / values.sum(axis=1, keepdims=True)
    if (share == share[:, :1]).all():
        return NO_LABELS
    with np.errstate(divide="ignore"):
        odds = np.log(share)
    # The largest of each row is 0, so that certainty is that of a label.
    return Labels(odds - odds.max(axis=1, keepdims=True), tuple(range(values.shape[1])))


def of_groups(labels: Labels, codes: Array) -> Labels:
    """Labels of groups: what is known of one row is known of all rows of its group.

    Raises
    ------
    ValueError
        If rows of one group have labels that exclude each other.
    """
    if labels.log_odds is None:
        return labels
    units = Units.of(codes)
    ordered = labels.log_odds[units.order]
    joint = np.minimum.reduceat(ordered, units.starts[:-1], axis=0)
    impossible = ~np.isfinite(joint).any(axis=1)
    if impossible.any():
        row = int(units.first[int(np.argmax(impossible))])
        raise ValueError(
            f"rows of one group, that of row {row}, have labels of different components; a group "
            "has one membership."
        )
    return labels._replace(log_odds=units.spread(joint))


def labels_at(posterior: Posterior, labels: Any, X: Array, method: str) -> Labels:
    """Labels of rows at which a fit is asked for its likelihood, which had labels or had none.

    Raises
    ------
    ValueError
        If there are none and the fit had labels, or as in `labels_of` and `of_groups`.
    """
    if labels is None:
        if posterior.layout.fixed_labels:
            raise ValueError(
                f"The fit had labels and {method} got none, so that the likelihood would be "
                "another. Pass the labels of these rows as in fit, or np.full(len(y), -1) if "
                "nothing is to be known of their memberships."
            )
        return NO_LABELS
    found = labels_of(labels, len(X), posterior.layout.n_components)
    group = posterior.design.roles.group
    return found if group is None else of_groups(found, X[:, group])
