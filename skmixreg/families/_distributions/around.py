"""A family made of another one."""

from __future__ import annotations

from typing import Any

from ..._support.arrays import Array
from .._base import Extra, Family
from .._priors import BlockPrior


def _of_family(attribute: str) -> Any:
    """The attribute of the family inside."""
    return property(lambda self: getattr(self.family, attribute))


class FamilyAround(Family):
    """A family that describes responses, and starts, as the family inside does.

    Subclasses add what differs: densities, and extra parameters, columns and priors of their own.

    Attributes
    ----------
    family : Family
        The family inside.
    """

    family: Family

    name = _of_family("name")
    link = _of_family("link")
    support = _of_family("support")
    discrete = _of_family("discrete")
    response_scale = _of_family("response_scale")
    bend = _of_family("bend")
    floor_words = _of_family("floor_words")
    largest_predictor = _of_family("largest_predictor")
    some_response = _of_family("some_response")

    @property
    def extras(self) -> tuple[Extra, ...]:  # type: ignore[override]
        """Those of the family inside."""
        return self.family.extras

    @property
    def shared_extras(self) -> tuple[str, ...]:
        return self.family.shared_extras

    def columns_inside(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """What of the columns is for the family inside."""
        return columns

    def check_columns(self, *columns: Array) -> None:
        self.family.check_columns(*self.columns_inside(columns))

    def check_response(self, y: Array, *columns: Array) -> None:
        self.family.check_response(y, *self.columns_inside(columns))

    def location(self, mean: float, total: float, *columns: float) -> float:
        return self.family.location(mean, total, *self.columns_inside(columns))

    def floor_factor(self, location: float) -> float:
        return self.family.floor_factor(location)

    def auxiliary(self, y: Array, *columns: Array) -> Array | None:
        return self.family.auxiliary(y, *self.columns_inside(columns))

    def measured(self, y: Array) -> Array:
        return self.family.measured(y)

    def working_response(self, y: Array, *columns: Array) -> Array:
        return self.family.working_response(y, *self.columns_inside(columns))

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return self.family.start_extras(spread, priors)

    def extra_priors(self, priors: Any) -> tuple[BlockPrior, ...]:
        return tuple(self.family.extra_priors(priors))
