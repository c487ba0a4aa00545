"""The draws as ArviZ and PyMC have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaln

from .._model.definition import (
    COMPONENT,
    DIRECTION,
    FEATURE,
    GATING_FEATURE,
    MEMBERSHIP,
    OBSERVATION,
    constants,
    directions,
    free_variables,
    memberships,
)
from .._model.layout import Layout
from .._support.arrays import Array
from ..backgrounds._contaminated import ODDS

if TYPE_CHECKING:
    import xarray

    from .posterior import Posterior


# One of which the model samples; the second where there is a background.
_OF_WEIGHTS = ("weights", "weights_of_regressions")


def posterior_datatree(
    posterior: Posterior,
    feature_names: Sequence[str],
    *,
    X: Array | None = None,
    observed: Array | None = None,
    log_likelihood: Array | None = None,
    posterior_predictive: Array | None = None,
) -> xarray.DataTree:
    """All that the model in PyMC samples and computes, under its names, and what the data allow.

    Parameters
    ----------
    posterior : Posterior
    feature_names : sequence of str of length p
    X : ndarray of shape (n, p), optional
        Rows in the user's units, for ``constant_data``.
    observed : ndarray of shape (n,), optional
        y, for ``observed_data``.
    log_likelihood : ndarray of shape (chains, draws, n), optional
        See `prediction.log_likelihood_draws`.
    posterior_predictive : ndarray of shape (chains, draws, n), optional
        See `prediction.sample_y_draws`.

    Returns
    -------
    xarray.DataTree
        Group ``posterior`` with ``weights``, ``intercept``, ``coef`` and the dispersion, and the
        standardised variables that they come from; ``log_prior`` of what is sampled;
        ``sample_stats`` with ``lp`` and the arrays of one number per draw; ``constant_data``;
        groups for the data given.
    """
    parameters = posterior.parameters
    stats = {name: posterior[name] for name in posterior if name not in parameters}
    if "log_likelihood" in posterior:
        stats["lp"] = posterior.log_prior + posterior["log_likelihood"]
    sampled = sampled_variables(posterior)
    groups = {"posterior": {**parameters, **sampled}, "sample_stats": stats}
    data = {"log_likelihood": log_likelihood, "posterior_predictive": posterior_predictive}
    data["observed_data"] = observed
    groups |= {name: {"y": values} for name, values in data.items() if values is not None}
    gating_names = posterior.design.roles.gating_names
    tree = datatree(groups, posterior.layout, feature_names, gating_names=gating_names)
    # Groups in which a name may stand for something else: one number for all weights, a column.
    constant, dims = _constants(posterior, feature_names, X)
    for group, values, own in (
        ("log_prior", _log_priors(posterior, sampled), {name: [] for name in _OF_WEIGHTS}),
        ("constant_data", constant, dims),
    ):
        tree[group] = datatree({group: values}, posterior.layout, feature_names, own, gating_names)[
            group
        ]
    return tree


def datatree(
    groups: Mapping[str, Mapping[str, Array]],
    layout: Layout,
    feature_names: Sequence[str],
    more_dims: Mapping[str, list[str]] | None = None,
    gating_names: Sequence[str] = (),
) -> xarray.DataTree:
    """Arrays by group and name, with the dimensions of the model."""
    import arviz as az

    coords: dict[str, Any] = {
        COMPONENT: np.arange(layout.n_components),
        FEATURE: [str(name) for name in feature_names],
        DIRECTION: np.arange(layout.n_features),
        **directions(layout),
        **({GATING_FEATURE: list(gating_names)} if gating_names else {}),
    }
    dims = {name: [COMPONENT] for name in (*_OF_WEIGHTS, "intercept", *layout.extras)}
    if ODDS.name in layout.extras:
        coords[MEMBERSHIP], dims["weights"] = memberships(layout), [MEMBERSHIP]
    dims |= {"coef": [COMPONENT, FEATURE], "X": [OBSERVATION, FEATURE], "y": [OBSERVATION]}
    dims |= {"gating_intercept": [COMPONENT], "gating_coef": [COMPONENT, GATING_FEATURE]}
    dims |= {name: list(where) for name, _, where in free_variables(layout)}
    for variables in groups.values():
        if "X" in variables or "y" in variables:
            n = len(variables["X"]) if "X" in variables else variables["y"].shape[-1]
            coords[OBSERVATION] = np.arange(n)
    return az.from_dict(groups, coords=coords, dims={**dims, **(more_dims or {})})


def _constants(
    posterior: Posterior, feature_names: Sequence[str], X: Array | None
) -> tuple[dict[str, Array], dict[str, list[str]]]:
    """Constant data of the model with their dimensions, and every column on its own.

    ArviZ plots against variables of one dimension, by default the first.
    """
    model = constants(posterior.design)
    values = {name: np.asarray(value) for name, (value, _) in model.items()}
    dims = {name: list(where) for name, (_, where) in model.items()}
    if X is None:
        return values, dims
    design = posterior.design
    columns = design.of_family(X, standardised=False)
    others = dict(zip(posterior.family.columns, columns, strict=True))
    X = design.regressors(X)
    values["X"], dims["X"] = X, [OBSERVATION, FEATURE]
    values |= others
    dims |= {name: [OBSERVATION] for name in others}
    single = {str(name): X[:, j] for j, name in enumerate(feature_names) if name not in values}
    return {**single, **values}, {**{name: [OBSERVATION] for name in single}, **dims}


def sampled_variables(posterior: Posterior) -> dict[str, Array]:
    """The standardised variables of the model, labels aligned."""
    components, layout = posterior.components, posterior.layout
    intercept, own = components.intercept, components.coef[..., list(layout.own_columns)]
    slopes = np.swapaxes(components.logits[..., 1:], -1, -2)
    values = {
        "gating": slopes @ layout.gating_basis,
        "intercept": intercept[..., 0] if layout.shared_intercept else intercept,
        "coef": own,
        "shared_coef": components.coef[..., 0, list(layout.shared_columns)],
    }
    for e, extra in enumerate(layout.extras):
        every = components.extra[..., e]
        values[extra] = every[..., 0] if extra in layout.shared_extras else every
    out = {name: values[block] for name, block, _ in free_variables(layout)}
    if posterior.family.background is not None:
        out["weights_of_regressions"] = np.exp(components.log_weights)
    return out


def _log_priors(posterior: Posterior, sampled: Mapping[str, Array]) -> dict[str, Array]:
    """Log prior densities of the variables that the model samples, as `pymc.compute_log_prior`."""
    priors, out = posterior.block_priors, {}
    K, c = posterior.layout.n_components, posterior.priors.weight_concentration
    if K > 1:
        powers = (c - 1.0) * posterior.components.log_weights.sum(axis=-1)
        name = "weights" if posterior.family.background is None else "weights_of_regressions"
        out[name] = powers + (gammaln(K * c) - K * gammaln(c))
    for name, block, _ in free_variables(posterior.layout):
        # Slopes of the gate have the prior of slopes.
        out[name] = priors["coef" if block == "gating" else block].terms(sampled[name])[0]
    return out
