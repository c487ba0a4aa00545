"""The prior of the share of the background, on its log odds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._support.arrays import Array
from .._support.sampling import log_gamma_draws
from ..families._priors import LOG_ODDS


class LogOddsPrior(NamedTuple):
    """Log odds of a share that follows Beta(a, b)."""

    a: float
    b: float

    def terms(self, values: Array) -> tuple[Array, Array, Array]:
        share = special.expit(values)
        density = self.a * special.log_expit(values) + self.b * special.log_expit(-values)
        density = density - special.betaln(self.a, self.b)
        total = self.a + self.b
        return density, self.a - total * share, -total * share * special.expit(-values)

    def sample(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        first, second = (log_gamma_draws(rng, c, size) for c in self)
        return first - second

    def pymc(self, name: str, **where: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        constant = float(special.betaln(self.a, self.b))

        def logp(value: Any, a: Any, b: Any) -> Any:
            return -a * pt.softplus(-value) - b * pt.softplus(value) - constant

        def dist(a: Any, b: Any, size: Any) -> Any:
            return pm.math.logit(pm.Beta.dist(a, b, size=size))

        return pm.CustomDist(
            name, np.float64(self.a), np.float64(self.b), logp=logp, dist=dist,
            support_point=lambda variable, *_: pt.zeros_like(variable), **where,
        )  # fmt: skip

    def row(self) -> tuple[float, float, float]:
        return LOG_ODDS, self.a, self.b

    def latex(self, scale: str) -> str:
        """Of the share v that belongs to odds."""
        return rf"v \sim \mathrm{{Beta}}({self.a:g}, {self.b:g})"

    @property
    def words(self) -> str:
        return f"Beta({self.a:g}, {self.b:g})"
