"""Whether the data fill, and tell apart, the components that were asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._draws.limits import WEAK_SHARE
from .._model.priors import NumericPriors
from .._posterior.filled import n_observations, rows_per_unit
from .._posterior.posterior import Posterior
from .._search.alignment import coordinates
from .._support.arrays import Array


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
    """

    rows_needed: int
    rows: Array
    ambiguous_share: float
    nearest: tuple[int, int]
    sparse: bool

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
        return (
            f"The data do not identify n_components={K}: {'; '.join(reasons)}. Lower "
            "n_components, compare log_evidence_ over its values, or state stronger priors; "
            "predictions are not affected."
        )


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
