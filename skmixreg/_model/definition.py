"""Names, dimensions and constants of the model, as PyMC states it and ArviZ is given the draws."""

from __future__ import annotations

from typing import NamedTuple

from .._support.arrays import Array
from .design import Design
from .layout import Layout

# ArviZ gives tables of its own a dimension "component".
COMPONENT = "mixture_component"
MEMBERSHIP = "membership"  # a component, or the background
FEATURE = "feature"
DIRECTION = "direction"  # a standardised column: of one column of X, or of whitened ones
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
    intercept = [FreeVariable("intercept_std", "intercept", (COMPONENT,))]
    return [
        *(intercept if layout.fit_intercept else []),
        FreeVariable("coef_std", "coef", (COMPONENT, DIRECTION)),
        *(
            FreeVariable(
                f"log_{extra}_std", extra, () if extra in layout.shared_extras else (COMPONENT,)
            )
            for extra in layout.extras
        ),
    ]


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
    return out
