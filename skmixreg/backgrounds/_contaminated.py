r"""A family whose rows are, with one probability for all components, those of a background.

With the weights of the regressions among themselves u, and v that of the background,

.. math::

    \sum_k (1 - v) u_k f_k + v b = \sum_k u_k \{(1 - v) f_k + v b\},

so that the mixture with a background is a mixture of K components that share one parameter more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from ..families._base import Extra, Family
from ..families._distributions.around import FamilyAround
from ..families._priors import BlockPrior
from ._base import Background
from ._prior import LogOddsPrior

ODDS = Extra("background_odds", in_units_of_y=False)
# Log odds of the background where a search starts.
FIRST_LOG_ODDS = -2.0


class Contaminated(FamilyAround):
    """A family with a background, standardised as the responses are.

    Methods get the odds of the background after the family's own extra parameters.

    Parameters
    ----------
    family : Family
    background : Background
    """

    background: Background

    def __init__(self, family: Family, background: Background):
        self.family = family
        self.background = background

    @property
    def of_regressions(self) -> Family:
        return self.family

    @property
    def extras(self) -> tuple[Extra, ...]:  # type: ignore[override]
        """Those of the family, and the odds."""
        return (*self.family.extras, ODDS)

    @property
    def shared_extras(self) -> tuple[str, ...]:
        return (*self.family.shared_extras, ODDS.name)

    @property
    def column_options(self) -> tuple[str, ...]:  # type: ignore[override]
        """None of its own: see `columns`."""
        return self.family.column_options

    @property
    def columns_in_units_of_y(self) -> bool:  # type: ignore[override]
        """As the family's."""
        return self.family.columns_in_units_of_y

    @property
    def columns(self) -> dict[str, Any]:
        return self.family.columns

    @property
    def floor_of_rounding(self) -> Any:  # type: ignore[override]
        """As the family's."""
        return self.family.floor_of_rounding

    @property
    def has_reference(self) -> bool:
        return self.family.has_reference

    def reference_sums(self, y: Array, weights: Array, *columns: Array) -> Array:
        return self.family.reference_sums(y, weights, *columns)

    def reference(self, y: Array, sums: Array, *columns: Array) -> Array:
        return self.family.reference(y, sums, *columns)

    def latent_moments(
        self, measured: Array, weights: Array, centred: bool, *columns: Array
    ) -> tuple[float, float] | None:
        return self.family.latent_moments(measured, weights, centred, *columns)

    def standardised(self, location: float, scale: float) -> Family:
        return Contaminated(self.family.standardised(location, scale), self.background)

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.contaminated_kernels import ContaminatedSettings

        return ContaminatedSettings(
            self.family.kernel_settings(location), self.background.kernel_settings()
        )

    def parted(self, extra: Sequence[Array]) -> tuple[list[Array], Array]:
        """What the family's methods get, and the share of the background."""
        at = len(self.family.extras)
        odds = extra[at]
        return [*extra[:at], *extra[at + 1 :]], odds / (1.0 + odds)

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        own, share = self.parted(extra)
        with np.errstate(divide="ignore"):
            both = (
                np.log1p(-share) + self.family.log_density(y, eta, *own),
                np.log(share) + self.background.log_density(y),
            )
        return np.logaddexp(*both)

    def mean(self, eta: Array, *extra: Array) -> Array:
        own, share = self.parted(extra)
        out: Array = (1.0 - share) * self.family.mean(eta, *own) + share * self.background.mean
        return out

    def variance(self, eta: Array, *extra: Array) -> Array:
        return self.mean_and_variance(eta, *extra)[1]

    def mean_and_variance(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        own, share = self.parted(extra)
        mean, variance = self.family.mean_and_variance(eta, *own)
        gap = mean - self.background.mean
        both = (1.0 - share) * variance + share * self.background.variance
        return mean - share * gap, both + share * (1.0 - share) * gap**2

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        own, share = self.parted(extra)
        out: Array = (1.0 - share) * self.family.cdf(y, eta, *own) + share * self.background.cdf(y)
        return out

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        own, _ = self.parted(extra)
        ends = [self.family.quantile(level, eta, *own), self.background.quantile(level)]
        high, low = np.maximum(*ends), np.minimum(*ends)
        step = 1.0 if self.discrete else 0.0
        low = low - step
        for _ in range(200):
            middle = 0.5 * (low + high)
            middle = np.floor(middle) if self.discrete else middle
            reached = self.cdf(middle, eta, *extra) >= level
            high, low = np.where(reached, middle, high), np.where(reached, low, middle)
            if (high - low <= np.maximum(step, 1e-15 * np.abs(high))).all():
                break
        return high

    def outer(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        own, _ = self.parted(extra)
        low, high = self.family.outer(eta, *own)
        return np.minimum(low, self.background.bounds[0]), np.maximum(
            high, self.background.bounds[1]
        )

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        own, share = self.parted(extra)
        y = self.family.sample(rng, eta, *own)
        return np.where(rng.random(y.shape) < share, self.background.sample(rng, y.shape), y)

    def extra_priors(self, priors: Any) -> tuple[BlockPrior, ...]:
        c = priors.weight_concentration
        return (*self.family.extra_priors(priors), LogOddsPrior(c, c))

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        """As of a family; last come location and scale of y, which the background is without."""
        import pymc as pm
        import pytensor.tensor as pt

        *rest, location, scale = extra
        own, share = self.parted(rest)
        share, location, scale = (pt.broadcast_to(v, eta.shape) for v in (share, location, scale))
        components = [
            self.family.pymc_distribution(eta, *own),
            self.background.pymc_distribution(location, scale),
        ]
        return pm.Mixture.dist(w=pt.stack([1.0 - share, share], axis=-1), comp_dists=components)

    def start_extras(self, spread: Array, priors: Any) -> Array:
        own = self.family.start_extras(spread, priors)
        return np.concatenate([own, np.full((len(spread), 1), FIRST_LOG_ODDS)], axis=1)


def share_of(log_odds: Array) -> Array:
    """Probability of the background."""
    return np.asarray(special.expit(log_odds))
