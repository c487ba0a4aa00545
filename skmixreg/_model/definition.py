"""Names, dimensions and constants of the model, as PyMC states it and ArviZ is given the draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._support.arrays import Array
from .design import Design
from .layout import Layout

# ArviZ gives tables of its own a dimension "component".
COMPONENT = "mixture_component"
MEMBERSHIP = "membership"  # a component, or the background
FEATURE = "feature"
DIRECTION = "direction"  # a standardised column: of one column of X, or of whitened ones
OWN_DIRECTION = "own_direction"  # one with a slope per component, where others are shared
SHARED_DIRECTION = "shared_direction"
GATING_FEATURE = "gating_feature"
GATING_DIRECTION = "gating_direction"
CONTRAST = "contrast"  # of the log odds of the components
OBSERVATION = "observation"


class FreeVariable(NamedTuple):
    """A variable that PyMC samples beside the weights, standardised.

    Attributes
    ----------
    name : str
        In the model.
    block : str
        In the layout.
    dims : tuple of str
    """

    name: str
    block: str
    dims: tuple[str, ...]


def free_variables(layout: Layout) -> list[FreeVariable]:
    """All that is sampled but for the weights, in the order of the layout."""
    out = []
    if layout.n_gating and layout.n_components > 1:
        out.append(FreeVariable("gating_coef_std", "gating", (GATING_DIRECTION, CONTRAST)))
    if layout.fit_intercept:
        dims = () if layout.shared_intercept else (COMPONENT,)
        out.append(FreeVariable("intercept_std", "intercept", dims))
    direction = OWN_DIRECTION if layout.shared_columns else DIRECTION
    out.append(FreeVariable("coef_std", "coef", (COMPONENT, direction)))
    if layout.shared_columns:
        out.append(FreeVariable("shared_coef_std", "shared_coef", (SHARED_DIRECTION,)))
    return [
        *out,
        *(
            FreeVariable(
                f"log_{extra}_std", extra, () if extra in layout.shared_extras else (COMPONENT,)
            )
            for extra in layout.extras
        ),
    ]


def directions(layout: Layout) -> dict[str, Array]:
    """Coordinates of the dimensions that only some models have."""
    out = {}
    if layout.shared_columns:
        out[OWN_DIRECTION] = np.array(layout.own_columns)
        out[SHARED_DIRECTION] = np.array(layout.shared_columns)
    if layout.n_gating:
        out[GATING_DIRECTION] = np.arange(layout.n_gating)
        out[CONTRAST] = np.arange(layout.n_components - 1)
    return out


def memberships(layout: Layout) -> list[str]:
    """Labels of the weights where there is a background."""
    return [*map(str, range(layout.n_components)), "background"]


def constants(design: Design) -> dict[str, tuple[Array | float, tuple[str, ...]]]:
    """What leads from the sampled variables to the user's units, with dimensions."""
    out: dict[str, tuple[Array | float, tuple[str, ...]]] = {
        "x_mean": (design.x_mean, (FEATURE,)),
        "x_scale": (design.x_scale, (FEATURE,)),
        "y_mean": (design.y_mean, ()),
        "y_scale": (design.y_scale, ()),
    }
    if design.x_map is not None:
        out["x_map"] = (design.x_map, (DIRECTION, FEATURE))
    if design.gate is not None:
        out["gating_mean"] = (design.gate.mean, (GATING_FEATURE,))
        out["gating_scale"] = (design.gate.scale, (GATING_FEATURE,))
        matrix = design.gate.matrix
        matrix = np.eye(design.gate.n_directions) if matrix is None else matrix
        out["gating_map"] = (matrix, (GATING_DIRECTION, GATING_FEATURE))
    return out
