"""Whether the data fill, and tell apart, the components that were asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._draws.limits import WEAK_SHARE
from .._model.priors import NumericPriors
from .._model.problem import Problem
from .._model.raw import Raw
from .._posterior.averages import of_exponentials
from .._posterior.filled import n_observations, rows_per_unit
from .._posterior.posterior import Posterior
from .._search.alignment import coordinates
from .._support.arrays import Array
from ..families._priors import WALL

# By so many sds of its own a scale may be moved by its prior.
MOST_MOVED = 1.0
# Components of fewer rows, in parameters, may lie anywhere.
FEW_TIMES = 3.0
# Of a scale that a floor holds: where rows are closer to a line there is no noise.
WITHOUT_NOISE = 1e-4


class Identification(NamedTuple):
    """How well every component is identified.

    A component with fewer expected rows, ``n w_k``, than it has parameters of its own (intercept,
    coefficients, dispersion) is known by its prior at best: it is called unfilled.

    Attributes
    ----------
    rows_needed : int
        Parameters of one component.
    rows : ndarray of shape (S, K)
        Expected rows of every component, draw by draw.
    ambiguous_share : float
        Share of draws that other labels would fit nearly as well.
    nearest : tuple of (int, int)
        The two components that are told apart least.
    sparse : bool
        Whether the prior asks for empty components: with all its concentrations together it is
        worth less than one row, as in the sparse finite mixtures of Malsiner-Walli,
        Fruhwirth-Schnatter and Gruen (2016), where K is an upper bound only.
    means_hang : bool
        Whether predicted means may be those of few draws of a component without rows.
    """

    rows_needed: int
    rows: Array
    ambiguous_share: float
    nearest: tuple[int, int]
    sparse: bool
    means_hang: bool

    @classmethod
    def of(cls, posterior: Posterior, priors: NumericPriors) -> Identification:
        """What the draws say of it."""
        K = posterior.layout.n_components
        n = n_observations(posterior) * rows_per_unit(posterior)
        return cls(
            rows_needed=posterior.layout.own.shape[1],
            rows=n * np.exp(posterior.components.log_weights).reshape(-1, K),
            ambiguous_share=posterior.ambiguous_share,
            nearest=_nearest_pair(posterior),
            sparse=K * priors.weight_concentration < 1.0,
            means_hang=of_exponentials(posterior.family),
        )

    @property
    def unfilled(self) -> float:
        """Posterior probability that some component is unfilled."""
        return float((self.rows.min(axis=1) < self.rows_needed).mean())

    @property
    def unfilled_components(self) -> list[int]:
        """The components that are often unfilled; the likeliest at least."""
        probability = (self.rows < self.rows_needed).mean(axis=0)
        return sorted({*np.flatnonzero(probability > WEAK_SHARE), int(probability.argmax())})

    def complaint(self) -> str | None:
        """What the data cannot identify, and what to do; None where there is nothing to say.

        Nothing is said of one component, since fewer would not be better, nor where the prior
        asks for empty ones.
        """
        K = self.rows.shape[1]
        if K == 1 or self.sparse:
            return None
        reasons = []
        if self.unfilled > WEAK_SHARE:
            which = self.unfilled_components
            who = "component" if len(which) == 1 else "one of components"
            reasons.append(
                f"{who} {', '.join(map(str, which))} holds fewer rows than its {self.rows_needed} "
                f"parameters with probability {self.unfilled:.2f}"
            )
        if self.ambiguous_share > WEAK_SHARE:
            first, second = self.nearest
            reasons.append(
                f"components, most of all {first} and {second}, could exchange labels in "
                f"{100 * self.ambiguous_share:.0f}% of the draws"
            )
        if not reasons:
            return None
        predicted = "predictions are not affected"
        if self.means_hang:
            predicted = "quantiles of predictions are not affected, but means may be"
        return (
            f"The data do not identify n_components={K}: {'; '.join(reasons)}. Lower "
            "n_components, compare log_evidence_ over its values, or state stronger priors; "
            f"{predicted}."
        )


def held_by_prior(problem: Problem, theta: Array) -> list[str]:
    """Which scales of a mode the walls of their prior keep from where the rows want them.

    The log of a scale of n rows is known to about 1 / sqrt(2 n), by which a wall of slope g moves
    it by g / sqrt(2 n) of its sds.  Nothing is said of components of few rows, which lie where the
    prior has them; of y that is rounded, where the floor is meant to hold; nor of rows without
    noise, to which any floor is too high.
    """
    if not problem.rows.in_memory:
        return []
    family, priors, raw = problem.family, problem.priors, problem.layout.expand(theta)
    rows = problem.total_weight * np.exp(raw.log_weights)
    filled = rows >= FEW_TIMES * problem.layout.own.shape[1]
    out = []
    for e, prior in enumerate(problem.extra_priors):
        if prior.row() != (WALL, priors.sigma_floor, priors.sigma_ceiling):
            continue
        moved = np.where(filled, prior.terms(raw.extra[:, e])[1] / np.sqrt(2.0 * rows), 0.0)
        scale = np.exp(raw.extra[:, e])
        low = (moved > MOST_MOVED) & (problem.resolution is None)
        low &= [
            _noisy(problem, raw, k, float(scale[k])) if low[k] else False for k in range(len(low))
        ]
        for held, end, less, times in (
            (low, "floor", "less", 0.1), (moved < -MOST_MOVED, "ceiling", "more", 10.0),
        ):  # fmt: skip
            if not held.any():
                continue
            unit = {"affine": " standard deviations of y", "log": " standard deviations of log y"}
            values = scale[held] * (problem.design.y_scale if family.extras[e].in_units_of_y else 1)
            wall = getattr(priors, f"sigma_{end}")
            out.append(
                f"The prior holds {family.floor_words} "
                f"({', '.join(f'{value:.3g}' for value in values)}) at its {end} of {wall:.3g}"
                f"{unit.get(family.response_scale, '')}, where the rows want {less}: if they may "
                f"have it, pass Priors(sigma_{end}={times * wall:.3g})."
            )
    return out


def _noisy(problem: Problem, raw: Raw, k: int, scale: float) -> bool:
    """Whether half of a component's rows, the closest ones, are off its line at all."""
    line = raw.intercept[k] + raw.coef[k] @ problem.mean_design
    distance = np.abs(problem.working_target - line)
    order = np.argsort(distance)
    reached = np.cumsum(problem.weights[order])
    half = 0.5 * float(np.exp(raw.log_weights[k])) * float(reached[-1])
    at = min(int(np.searchsorted(reached, half)), len(order) - 1)
    return bool(distance[order[at]] > WITHOUT_NOISE * scale)


def _nearest_pair(posterior: Posterior) -> tuple[int, int]:
    """The pair whose clearest coordinate differs by the fewest posterior sds."""
    K = posterior.layout.n_components
    if K == 1:
        return 0, 0
    points = coordinates(posterior.layout, posterior.components)
    points = points.reshape(-1, *points.shape[-2:])
    pairs = [(k, other) for k in range(K) for other in range(k + 1, K)]
    clearest = []
    for k, other in pairs:
        gap = points[:, other] - points[:, k]
        spread = np.maximum(gap.std(axis=0), np.finfo(float).tiny)
        # Of a single draw there is no spread, and the ratio overflows.
        with np.errstate(over="ignore"):
            clearest.append(float((np.abs(gap.mean(axis=0)) / spread).max()))
    return pairs[int(np.argmin(clearest))]
