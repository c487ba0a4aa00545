"""The model, stated in PyMC: the definition that the compiled kernels are held to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

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
from .._model.problem import Problem
from .._model.raw import Raw
from .._support.arrays import Array
from . import roles

if TYPE_CHECKING:
    import pymc as pm


def build_model(
    problem: Problem,
    likelihood: Literal["kernel", "plain"] = "kernel",
    *,
    rows: tuple[Array, Array, Array | None] | None = None,
    log_odds: Array | None = None,
    feature_names: Sequence[str] | None = None,
    start: Raw | None = None,
) -> pm.Model:
    """State the posterior of a problem as a PyMC model.

    Priors are on standardised parameters, whose names end in ``_std``; ``weights``,
    ``intercept``, ``coef`` and the dispersion (``sigma``) are in the user's units.  The component
    of each row is summed out.  Components have no order: relabelling leaves the density unchanged.

    Parameters
    ----------
    problem : Problem
    likelihood : {"kernel", "plain"}
        "plain" writes the likelihood as `pm.Mixture`, to look at, sample or extend; where rows
        have weights, their log densities are multiplied by them.  "kernel" has the same density
        through the compiled kernels: faster, but without the observed variable ``y`` and without
        second derivatives.
    rows : tuple of (X, y, weights), optional
        Rows as the user wrote them, in the user's units, for "plain"; ``weights`` may be None.
        By default the rows of the problem, which may be sorted and merged.
    log_odds : ndarray of shape (n, K), optional
        Log prior odds of labels of ``rows``, equal within a group; of the rows of the problem
        they are its own.
    feature_names : sequence of str, optional
        ``x0``, ``x1``, ... by default.
    start : Raw, optional
        Lines, standardised, that the initial point of the model has; without, all components are
        at one point, from which an optimiser does not get away.

    Returns
    -------
    pymc.Model
        Data are `pm.Data`: `pm.set_data` replaces ``X`` (and ``y``) without recompiling.
    """
    import pymc as pm

    if likelihood not in ("kernel", "plain"):
        raise ValueError(f"likelihood must be 'kernel' or 'plain', got {likelihood!r}.")
    if feature_names is None:
        feature_names = [f"x{j}" for j in range(len(problem.design.x_mean))]
    coords = {
        COMPONENT: np.arange(problem.layout.n_components),
        FEATURE: np.asarray(feature_names, dtype=object),
        DIRECTION: np.arange(problem.layout.n_features),
        **directions(problem.layout),
    }
    if problem.design.gate is not None:
        names = problem.design.roles.gating_names or range(len(problem.design.gate.mean))
        coords[GATING_FEATURE] = np.array([str(name) for name in names], dtype=object)
    if problem.family.background is not None:
        coords[MEMBERSHIP] = np.array(memberships(problem.layout), dtype=object)
    # Not a part of a model in whose context this may be called.
    with pm.Model(coords=coords, model=None) as model:
        standardised = _priors(problem, start)
        in_user_units = _to_user_units(problem, *standardised)
        # The kernel's operation knows rows without roles only.
        if likelihood == "plain" or not problem.plain:
            _plain_likelihood(problem, rows, log_odds, *in_user_units)
        else:
            _kernel_likelihood(problem, *standardised)
    return model


def origin(model: Any) -> dict[str, Array]:
    """Zeros for every value variable, as ``model.initial_point()`` has them, not compiled."""
    zeros = {}
    for value in model.value_vars:
        dims = model.named_vars_to_dims.get(model.values_to_rvs[value].name, ())
        shape = [
            len(model.coords[dims[axis]]) if length is None else length
            for axis, length in enumerate(value.type.shape)
        ]
        zeros[value.name] = np.zeros(shape)
    return zeros


def _priors(problem: Problem, start: Raw | None = None) -> tuple[Any, Any, Any, Any]:
    """Weights, intercept, coef and a list of extras, one per component, standardised."""
    import pymc as pm
    import pytensor.tensor as pt

    priors, layout = problem.priors, problem.layout
    K = layout.n_components

    # PyTensor stores a Python 2.5 in single precision, and takes its logarithm there: hence the
    # explicit np.float64 scales.
    name = "weights" if problem.family.background is None else "weights_of_regressions"
    if K > 1:
        weights = pm.Dirichlet(name, a=np.full(K, priors.weight_concentration), dims=COMPONENT)
    else:
        weights = pm.Deterministic(name, pt.ones(1), dims=COMPONENT)

    free = {variable.block: variable for variable in free_variables(layout)}

    def normal(block: str, scale: float, start: Array | None) -> Any:
        name, _, dims = free[block]
        if start is None:
            return pm.Normal(name, 0.0, np.float64(scale), dims=dims)
        from .started_normal import started_normal

        return started_normal(name, scale, start, dims)

    if "gating" in free:
        # Named for what it is on the way to the user's units: `roles.gate`.
        normal("gating", priors.coef_scale, None)
    if layout.fit_intercept:
        at = None if start is None or layout.shared_intercept else start.intercept
        intercept = normal("intercept", priors.intercept_scale, at)
        intercept = pt.broadcast_to(intercept, (K,)) if layout.shared_intercept else intercept
    else:
        intercept = pt.zeros(K)
    own = list(layout.own_columns)
    coef = normal("coef", priors.coef_scale, None if start is None else start.coef[:, own])
    if layout.shared_columns:
        shared = normal("shared_coef", priors.coef_scale, None)
        whole = pt.zeros((K, layout.n_features))
        whole = pt.set_subtensor(whole[:, own], coef)
        coef = pt.set_subtensor(whole[:, list(layout.shared_columns)], shared)

    extras = []
    for block, prior in zip(layout.extras, problem.extra_priors, strict=True):
        shape = () if block in layout.shared_extras else (K,)
        variable = prior.pymc(free[block].name, shape=shape)
        # A variable without dimensions may not be given any.
        if free[block].dims:
            pm.modelcontext(None).named_vars_to_dims[free[block].name] = free[block].dims
        extras.append(pt.broadcast_to(variable, (K,)))
    return weights, intercept, coef, extras


def _to_user_units(
    problem: Problem, weights: Any, intercept: Any, coef: Any, extras: list[Any]
) -> tuple[Any, Any, Any, Any]:
    """The same in the user's units, as named deterministics; see `Design.to_user`."""
    import pymc as pm
    import pytensor.tensor as pt

    data = {
        name: pm.Data(name, np.asarray(value, np.float64), dims=dims or None)
        for name, (value, dims) in constants(problem.design).items()
    }
    x_mean, x_scale, y_mean, y_scale = (data[f"{v}_{of}"] for v in "xy" for of in ("mean", "scale"))
    if "x_map" in data:
        coef = coef @ data["x_map"]
    coef = pm.Deterministic("coef", y_scale * coef / x_scale, dims=(COMPONENT, FEATURE))
    intercept = pm.Deterministic(
        "intercept", y_mean + y_scale * intercept - coef @ x_mean, dims=COMPONENT
    )
    natural = [
        pm.Deterministic(
            extra.name,
            (y_scale if extra.in_units_of_y else 1.0) * extra.natural(value, pt.exp),
            dims=COMPONENT,
        )
        for extra, value in zip(problem.family.extras, extras, strict=True)
    ]
    if problem.design.gate is not None:
        roles.gate_in_user_units(problem, weights, data)
    if problem.family.background is not None:
        share = natural[-1][:1] / (1.0 + natural[-1][:1])
        both = pt.concatenate([(1.0 - share) * weights, share])
        pm.Deterministic("weights", both, dims=MEMBERSHIP)
    return weights, intercept, coef, natural


def _plain_likelihood(
    problem: Problem,
    rows: tuple[Array, Array, Array | None] | None,
    log_odds: Array | None,
    weights: Any,
    intercept: Any,
    coef: Any,
    extras: list[Any],
) -> None:
    import pymc as pm
    import pytensor.tensor as pt

    design = problem.design
    if rows is None:
        rows, log_odds = _user_rows(problem), roles.log_odds_of_rows(problem)
    X_values, y_values, row_weights = rows
    X = pm.Data("X", design.regressors(X_values), dims=(OBSERVATION, FEATURE))
    eta = intercept + X @ coef.T
    offset = design.roles.predictor_offset(X_values)
    if offset is not None:
        eta += pm.Data("offset", offset, dims=OBSERVATION)[:, None]
    gating = roles.gating_data(problem, X_values)
    if gating is not None:
        weights = roles.gated_weights(problem, weights, gating)
    columns = design.of_family(X_values, standardised=False)
    for option, values in zip(problem.family.columns, columns, strict=True):
        column = pm.Data(option, values, dims=OBSERVATION)
        extras = [*extras, pt.broadcast_to(column[:, None], eta.shape)]
    y = pm.Data("y_observed", y_values, dims=OBSERVATION)
    if problem.family.background is not None:
        # Stated in standardised units.
        model, affine = pm.modelcontext(None), design.scales_response
        location, scale = (model["y_mean"], model["y_scale"]) if affine else (0.0, 1.0)
        ones = pt.ones(problem.layout.n_components)
        extras = [*extras, location * ones, scale * ones]
    if problem.rows.observations.units is not None or log_odds is not None:
        roles.units_likelihood(problem, X_values, y, eta, extras, weights, row_weights, log_odds)
    elif row_weights is None or np.all(row_weights == 1.0):
        component = problem.family.pymc_distribution(eta, *extras)
        pm.Mixture("y", w=weights, comp_dists=component, observed=y, dims=OBSERVATION)
    else:
        from .weighted_mixture import weighted_mixture

        powers = pm.Data("row_weights", row_weights, dims=OBSERVATION)
        weighted_mixture(
            "y", problem.family, weights, eta, extras, powers, observed=y, dims=OBSERVATION
        )


def _kernel_likelihood(
    problem: Problem, weights: Any, intercept: Any, coef: Any, extras: list[Any]
) -> None:
    import pymc as pm
    import pytensor.tensor as pt

    from .likelihood_op import MixtureLogLikelihood

    data = {name: pm.Data(name, value) for name, value in observed_data(problem).items()}
    K = problem.layout.n_components
    # Data, not settings of the operation: those would be compiled in.
    intercept += data["location"]
    line = pt.concatenate([pt.reshape(intercept, (K, 1)), coef], axis=1)
    extra = pt.stack(extras, axis=1) if extras else pt.zeros((K, 0))
    log_likelihood, *_ = MixtureLogLikelihood(problem.family.kernel_settings())(
        pt.log(weights),
        line,
        extra,
        data["X_std"],
        data["y_std"],
        data["row_weights"],
        data["auxiliary"],
    )
    # A density of y in the user's units, as in the plain form.
    pm.Potential("y_log_likelihood", log_likelihood - data["log_scale"])


def observed_data(problem: Problem) -> dict[str, Any]:
    """Data of the "kernel" form by the names they have there."""
    observations = problem.rows.observations
    auxiliary = observations.auxiliary
    return {
        "X_std": observations.columns,
        "y_std": observations.target,
        "row_weights": observations.weights,
        "auxiliary": np.empty((0, problem.n_rows)) if auxiliary is None else auxiliary,
        "location": np.float64(problem.design.location),
        "log_scale": np.float64(problem.log_scale),
    }


def _user_rows(problem: Problem) -> tuple[Array, Array, Array]:
    """Rows of the problem in the user's units."""
    design = problem.design
    X = design.joined(design.of_standardised(problem.mean_design.T), problem.family_columns)
    roles.fill_columns(problem, X)
    return X, design.response(problem.target), problem.weights
