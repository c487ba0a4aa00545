"""Mixtures of the mixtures of several fits, whose families and units may differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._model.design import Design
from ..._support.arrays import Array
from ...families._base import Support
from .mixtures import Mixtures


def _side_by_side(weights: list[Array]) -> Array:
    """Of all parts, (M,), or (n, M) where those of one differ between rows."""
    n = max((len(one) for one in weights if one.ndim == 2), default=0)
    if n:
        weights = [np.broadcast_to(one, (n, one.shape[-1])) for one in weights]
    return np.concatenate(weights, axis=-1)


class PooledMixtures(Mixtures):
    """The same rows under several fits, in the user's units.

    Parameters
    ----------
    parts : sequence of Mixtures
        Each in its own standardised units.
    shares : ndarray
        Of the parts; they sum to 1.
    designs : sequence of Design
        The way of each part back to the user's units.
    """

    def __init__(self, parts: Sequence[Mixtures], shares: Array, designs: Sequence[Design]):
        self.parts = list(zip(shares.tolist(), parts, designs, strict=True))
        self.weights = _side_by_side([share * part.weights for share, part, _ in self.parts])
        self.shares = _side_by_side([share * part.shares for share, part, _ in self.parts])
        self.centre = np.hstack([design.response(part.centre) for _, part, design in self.parts])
        self.spread = np.hstack([design.unit * part.spread for _, part, design in self.parts])

    @property
    def support(self) -> Support:
        """The least interval that holds those of all parts."""
        supports = [part.support for _, part, _ in self.parts]
        low = min(support.low for support in supports)
        high = max(support.high for support in supports)
        return Support(
            low,
            high,
            any(support.low_inclusive for support in supports if support.low == low),
            any(support.high_inclusive for support in supports if support.high == high),
        )

    @property
    def edges(self) -> list[float]:
        """Those of all parts."""
        return sorted({edge for _, part, _ in self.parts for edge in part.edges})

    def outer(self) -> tuple[Array, Array]:
        """Bounds that hold for every part."""
        bounds = [(part.outer(), design) for _, part, design in self.parts]
        low = np.stack([design.response(ends[0]) for ends, design in bounds])
        high = np.stack([design.response(ends[1]) for ends, design in bounds])
        return low.min(axis=0), high.max(axis=0)

    def term_moments(self) -> tuple[Array, Array]:
        """Mean and variance of every term of every part."""
        means, variances = [], []
        for _, part, design in self.parts:
            mean, variance = part.term_moments()
            means.append(design.response(mean))
            variances.append(design.unit**2 * variance)
        return np.hstack(means), np.hstack(variances)

    @property
    def term_weights(self) -> Array:
        """Of every part."""
        return _side_by_side([share * part.term_weights for share, part, _ in self.parts])

    def cdf(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Average of the distribution functions."""
        out = np.zeros(len(y))
        for share, part, design in self.parts:
            out += share * part.cdf(design.target(y), row)
        return out

    def density(self, y: Array, row: NDArray[np.intp]) -> Array:
        """Average of the densities."""
        out = np.zeros(len(y))
        for share, part, design in self.parts:
            out += share / design.unit * part.density(design.target(y), row)
        return out
