"""A family of which some responses are known to one side only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special

from ..._support.arrays import Array, mean_and_spread
from .._base import Family
from .around import FamilyAround

# Over the spread of what was recorded: a latent scale is at most so large.
MOST_RATIO = 30.0
# Weight of responses that were seen, under which they do not tell a scale.
LEAST_SEEN = 3.0


class Censored(FamilyAround):
    r"""A family some of whose rows are censored: of which :math:`Y_i > y_i` or :math:`Y_i < y_i`.

    The likelihood of such a row is that of what is known of it.  Methods are those of the family
    without censoring: of responses, not of what would be seen of them.

    Parameters
    ----------
    family : Family
        Of location and scale, on y or its logarithm, without columns of its own.
    censoring : str or int
        The column that is 1 where y is a lower bound (right-censored), -1 where it is an upper
        one, and 0 where it is the response.
    """

    def __init__(self, family: Family, censoring: str | int):
        self.family = family
        self.censoring = censoring

    column_options = ("censoring",)

    @property
    def without_censoring(self) -> Family:
        return self.family

    def standardised(self, location: float, scale: float) -> Censored:
        return Censored(self.family.standardised(location, scale), self.censoring)

    @property
    def linear_mean(self) -> bool:  # type: ignore[override]
        """As that of the family."""
        return self.family.linear_mean

    @property
    def unimodal(self) -> bool:  # type: ignore[override]
        """As that of the family."""
        return self.family.unimodal

    def columns_inside(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        return ()

    def label_of(self, option: str) -> str:
        return f"censoring_feature={self.censoring!r}"

    def check_columns(self, *columns: Array) -> None:
        (side,) = columns
        wrong = ~np.isin(side, (-1.0, 0.0, 1.0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"Column {self.censoring!r} of X says which rows are censored, 0 (observed), 1 "
                f"(right-censored: y is a lower bound) or -1 (left-censored), but is "
                f"{side[row]:g} in row {row} (one of {int(wrong.sum())} such rows)."
            )

    def check_response(self, y: Array, *columns: Array) -> None:
        (side,) = columns
        low = self.support.low
        nothing = (side > 0.0) & (y <= low)
        if nothing.any():
            row = int(np.argmax(nothing))
            raise ValueError(
                f"y[{row}] is {y[row]:g} and right-censored (one of {int(nothing.sum())} such "
                f"rows), which says nothing of responses that are more than {low:g} anyway; leave "
                "such rows out."
            )
        super().check_response(y, *columns)

    def latent_moments(
        self, measured: Array, weights: Array, centred: bool, *columns: Array
    ) -> tuple[float, float] | None:
        return censored_moments(measured, columns[0], weights, centred)

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from .censored_kernels import CensoredSettings

        return CensoredSettings(self.family.kernel_settings(location))

    def _own(self, extra: tuple[Array, ...]) -> tuple[Array, ...]:
        return extra[: len(self.family.extras)]

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        return self.family.log_density(y, eta, *self._own(extra))

    def mean(self, eta: Array, *extra: Array) -> Array:
        return self.family.mean(eta, *self._own(extra))

    def variance(self, eta: Array, *extra: Array) -> Array:
        return self.family.variance(eta, *self._own(extra))

    def mean_and_variance(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        return self.family.mean_and_variance(eta, *self._own(extra))

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        return self.family.cdf(y, eta, *self._own(extra))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        return self.family.quantile(level, eta, *self._own(extra))

    def outer(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        return self.family.outer(eta, *self._own(extra))

    def widened(
        self, eta: Array, width: Array, *extra: Array
    ) -> tuple[Family, list[Array], Array] | None:
        return self.family.widened(eta, width, *self._own(extra))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        return self.family.sample(rng, eta, *self._own(extra))

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        """As of a family; draws are those of responses that are seen."""
        import pymc as pm
        import pytensor.tensor as pt

        family = self.family

        def logp(value: Any, side: Any, eta: Any, *own: Any) -> Any:
            seen = family.pymc_distribution(eta, *own)
            above, below = family.pymc_log_tails(value, eta, *own)
            tail = pt.switch(side > 0.0, above, below)
            return pt.switch(pt.eq(side, 0.0), pm.logp(seen, value), tail)

        def dist(side: Any, eta: Any, *rest: Any) -> Any:
            return family.pymc_distribution(eta, *rest[:-1])

        *own, side = extra
        return pm.CustomDist.dist(side, eta, *own, logp=logp, dist=dist, class_name="Censored")

    def has_density(self, *columns: Array) -> Array:
        return np.asarray(columns[0] == 0.0)

    def reference_sums(self, y: Array, weights: Array, *columns: Array) -> Array:
        return np.stack([np.ones(len(y)), y, y * y]) @ weights

    def reference(self, y: Array, sums: Array, *columns: Array) -> Array:
        (side,) = columns
        total, first, square = sums
        mean = first / total
        sd = np.sqrt(max(square / total - mean**2, np.finfo(float).tiny))
        z = (y - mean) / sd
        seen = -0.5 * (z * z + np.log(2.0 * np.pi)) - np.log(sd)
        return np.where(side == 0.0, seen, special.log_ndtr(-side * z))


def censored_moments(
    values: Array, side: Array, weights: Array, centred: bool
) -> tuple[float, float] | None:
    """Most likely mean and sd of normal values some of which are bounds.

    Those of what was recorded are smaller than those of what would be, all the more the more rows
    are censored.  In units of what was recorded, with h = 1 / sd and g = mean h, the log-likelihood
    is concave (Olsen 1978, Econometrica 46, 1211-1215).

    Returns
    -------
    (float, float) or None
        None where no row is censored, or hardly any was seen.
    """
    middle, unit = mean_and_spread(values, weights, centred)
    seen = side == 0.0
    if seen.all() or weights[seen].sum() < LEAST_SEEN or not unit > 0.0:
        return None
    z, sign = (values - middle) / unit, -side[~seen]
    near, bounds, w, v = z[seen], z[~seen], weights[seen], weights[~seen]
    total = float(weights.sum())

    free = [0, 1] if centred else [1]

    def parts(x: Array) -> tuple[float, Array, Array]:
        """Minus the mean log-likelihood, its gradient, and its Hessian."""
        g, h = x if centred else (0.0, float(x[0]))
        if h <= 0.0:
            return np.inf, np.zeros(len(x)), np.eye(len(x))
        residual, tail = h * near - g, sign * (h * bounds - g)
        log_tail = special.log_ndtr(tail)
        hazard = np.exp(-0.5 * tail**2 - log_tail) / np.sqrt(2.0 * np.pi)
        push, bend = v * hazard * sign, v * hazard * (hazard + tail)
        value = w @ (0.5 * residual**2 - np.log(h)) - v @ log_tail
        gradient = np.array([push.sum() - w @ residual, w @ (residual * near) - push @ bounds])
        gradient[1] -= w.sum() / h
        cross = -(w @ near) - bend @ bounds
        bent = w @ near**2 + w.sum() / h**2 + bend @ bounds**2
        hessian = np.array([[w.sum() + bend.sum(), cross], [cross, bent]])
        return float(value) / total, gradient[free] / total, hessian[np.ix_(free, free)] / total

    def value(x: Array) -> Any:
        return parts(x)[:2]

    def bends(x: Array) -> Any:
        return parts(x)[2]

    start: Any = np.array([0.0, 1.0])[free]
    found = optimize.minimize(
        value, start, jac=True, hess=bends, method="trust-exact", options={"gtol": 1e-8}
    ).x
    # Values tell the top to half of the digits, slopes to all: the same however rows are written.
    for _ in range(3):
        _, gradient, hessian = parts(found)
        found = found - np.linalg.solve(hessian, gradient)
    scale = 1.0 / float(found[-1])
    if not scale < MOST_RATIO:
        return middle, MOST_RATIO * unit
    return middle + (unit * scale * float(found[0]) if centred else 0.0), unit * scale
