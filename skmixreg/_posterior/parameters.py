"""Parameters by the names that users read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import log_expit

from .._model._roles.column_roles import ColumnRoles
from .._model.layout import Layout
from .._model.raw import Model, Raw
from .._support.arrays import Array, log_sum_exp
from ..families._base import Family

GATED_NUMBERS = 1 << 20  # weights of rows at draws, held at once


def named_parameters(components: Raw, layout: Layout, family: Family) -> dict[str, Array]:
    """Parameters on their natural scales: (..., K), and (..., K, p) for the coefficients.

    With a background weights are (..., K + 1), and its odds are not among them.
    """
    own = family.of_regressions
    return {
        "weights": np.exp(log_memberships(components, family)),
        "intercept": components.intercept,
        "coef": components.coef,
        **dict(zip(own.extra_names, own.natural(components.extra), strict=True)),
    }


def log_memberships(components: Raw, family: Family, log_weights: Array | None = None) -> Array:
    """Logs of the weights, and of that of the background last: (..., K), or (..., K + 1).

    ``log_weights`` are those of the regressions, where they differ from row to row, (n, ..., K).
    """
    log_weights = components.log_weights if log_weights is None else log_weights
    if family.background is None:
        return log_weights
    odds = np.broadcast_to(components.extra[..., :1, -1], (*log_weights.shape[:-1], 1))
    return np.concatenate([log_weights + log_expit(-odds), log_expit(odds)], axis=-1)


def average_memberships(components: Raw, family: Family, gate_rows: Array) -> Array:
    """Weights averaged over rows as `gate_rows` has them: (..., K), or (..., K + 1)."""
    lead, (K, width) = components.logits.shape[:-2], components.logits.shape[-2:]
    logits = components.logits.reshape(-1, K, width)
    share, gating = gate_rows[0], gate_rows[1:]
    rows = np.vstack([np.ones(len(share)), gating])
    average = np.empty((len(logits), K))
    step = max(1, GATED_NUMBERS // (K * gating.shape[1]))
    for at in range(0, len(logits), step):
        odds = np.moveaxis(logits[at : at + step] @ rows, 1, -1)
        average[at : at + step] = share @ np.exp(odds - log_sum_exp(odds))
    return np.exp(log_memberships(components, family, np.log(average.reshape(*lead, K))))


def with_background(draws: Raw, family: Family, model: Model) -> tuple[Raw, Model]:
    """Draws (S, ...) and a model of which a background, if there is one, is a component, the last.

    Parameters
    ----------
    draws : Raw
    family : Family
    model : Model
        Of the family.
    """
    if family.background is None:
        return draws, model
    own = len(family.of_regressions.extras)
    line, extra = (np.pad(a, ((0, 0), (0, 1), (0, 0))) for a in (draws.line, draws.extra))
    extra = np.ascontiguousarray(extra[..., :own])
    wide = Raw(log_memberships(draws, family)[..., None], line, extra)
    return wide, Model(model.family.family, model.family.background)


def scalar_draws(
    parameters: Mapping[str, Array],
    layout: Layout,
    feature_names: Sequence[str],
    gating_names: Sequence[str] = (),
) -> dict[str, Array]:
    """Draws (chains, draws) of every parameter that varies, one by one, by name."""
    own = range(layout.n_components)
    out: dict[str, Array] = {}
    # The odds of a background are among the weights.
    for name in (n for n in ("weights", "intercept", *layout.extras) if n in parameters):
        values = parameters[name]
        if name in layout.shared_extras:
            out[name] = values[..., 0]
        else:
            out |= {f"{name}[{k}]": values[..., k] for k in range(values.shape[-1])}
    for j, feature in enumerate(gating_names):
        gating = parameters["gating_coef"]
        out |= {f"gating_coef[{k}, {feature}]": gating[..., k, j] for k in own}
    coef = parameters["coef"]
    for j, feature in enumerate(feature_names):
        out |= {f"coef[{k}, {feature}]": coef[..., k, j] for k in own}
    return {name: values for name, values in out.items() if np.ptp(values) > 0.0}


def diagnosed_draws(
    components: Raw, layout: Layout, feature_names: Sequence[str]
) -> tuple[list[str], Array]:
    """The coordinates that chains are diagnosed by, with their names: (chains, draws, m)."""
    own = range(layout.n_components)
    names: list[str] = []
    parts: list[Array] = []
    if layout.n_components > 1:
        names += [f"weights[{k}]" for k in own]
        parts.append(np.exp(components.log_weights))
    if layout.n_gating:
        slopes = components.logits[..., 1:]
        slopes = slopes - slopes.mean(axis=-2, keepdims=True)
        names += [f"gating slope[{k}, {j}]" for k in own for j in range(layout.n_gating)]
        parts.append(slopes.reshape(*components.intercept.shape[:2], -1))
    if layout.fit_intercept:
        names += [f"intercept[{k}]" for k in own]
        parts.append(components.intercept)
    names += [f"coef[{k}, {feature}]" for k in own for feature in feature_names]
    parts.append(components.coef.reshape(*components.intercept.shape[:2], -1))
    for e, extra in enumerate(layout.extras):
        if extra in layout.shared_extras:
            names.append(f"log {extra}")
            parts.append(components.extra[..., :1, e])
        else:
            names += [f"log {extra}[{k}]" for k in own]
            parts.append(components.extra[..., e])
    return names, np.concatenate(parts, axis=-1)


def differing(
    parameters: Mapping[str, Array],
    layout: Layout,
    roles: ColumnRoles,
    feature_names: Sequence[str],
) -> dict[str, Array]:
    """Parameters that may differ between components, one by one, by name: (..., K)."""
    out: dict[str, Array] = {}
    if "gating_coef" in parameters:
        out["gating_intercept"] = parameters["gating_intercept"]
        for j, name in enumerate(roles.gating_names):
            out[f"gating_coef[{name}]"] = parameters["gating_coef"][..., j]
    if layout.fit_intercept and not layout.shared_intercept:
        out["intercept"] = parameters["intercept"]
    for j, name in enumerate(feature_names):
        if j not in roles.shared_slopes:
            out[f"coef[{name}]"] = parameters["coef"][..., j]
    return out


def mean_sd_and_interval(draws: Array, probability: float) -> tuple[float, float, float, float]:
    """Of draws (S,), with an equal-tailed interval; the sd of a single one is nan."""
    tail = 0.5 * (1.0 - probability)
    lower, upper = np.quantile(draws, [tail, 1.0 - tail])
    sd = draws.std(ddof=1) if len(draws) > 1 else np.nan
    return float(draws.mean()), float(sd), float(lower), float(upper)


def contrasts(
    parameters: Mapping[str, Array], n_components: int, probability: float
) -> pd.DataFrame:
    """Differences between components, parameter by parameter; see `Posterior.contrast`.

    Parameters
    ----------
    parameters : mapping of str to ndarray of shape (..., K)
    n_components : int
    probability : float
    """
    K = n_components
    columns = {name: values.reshape(-1, K) for name, values in parameters.items()}
    index, rows = [], []
    for parameter, values in columns.items():
        for reference in range(K):
            for component in range(reference + 1, K):
                difference = values[:, component] - values[:, reference]
                index.append((parameter, component, reference))
                rows.append(
                    (*mean_sd_and_interval(difference, probability), np.mean(difference > 0))
                )
    levels = ["parameter", "component", "reference"]
    if rows:
        labels = pd.MultiIndex.from_tuples(index, names=levels)
    else:
        labels = pd.MultiIndex.from_arrays([[], [], []], names=levels)
    names = ["mean", "sd", "lower", "upper", "P(> 0)"]
    return pd.DataFrame(rows, index=labels, columns=names, dtype=np.float64)
