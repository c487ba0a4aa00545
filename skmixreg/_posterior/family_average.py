"""An average over posteriors of different families, and formulas over it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate

import numpy as np
from scipy.special import logsumexp

from .._model.design import Design
from .._support.arrays import Array
from ..families._base import Family
from .posterior import Posterior


@dataclass(frozen=True, eq=False)
class FamilyAverage:
    """Posteriors of different families of the same rows, in proportions.

    Attributes
    ----------
    posteriors : tuple of Posterior
        Of one family each; all of counts, or all of measurements.
    shares : ndarray
        They sum to 1.
    """

    posteriors: tuple[Posterior, ...]
    shares: Array

    @property
    def discrete(self) -> bool:
        """Whether responses are whole numbers."""
        return self.posteriors[0].discrete

    @property
    def family(self) -> Family:
        """That of the first, whose reference scores count from."""
        return self.posteriors[0].family

    @property
    def design(self) -> Design:
        """That of the first."""
        return self.posteriors[0].design

    def response(self, values: Array) -> Array:
        """Pooled mixtures are in the user's units."""
        return values


type Predictive = Posterior | FamilyAverage


def over_families[**P, R](
    combined: Callable[[list[R], Array], R],
) -> Callable[[Callable[Concatenate[Posterior, P], R]], Callable[Concatenate[Predictive, P], R]]:
    """Let a formula over a posterior answer of averages too.

    Parameters
    ----------
    combined : callable
        The answer from those of the posteriors and their shares.
    """

    def decorate(
        formula: Callable[Concatenate[Posterior, P], R],
    ) -> Callable[Concatenate[Predictive, P], R]:
        @functools.wraps(formula)
        def answer(posterior: Predictive, *args: P.args, **kwargs: P.kwargs) -> R:
            if isinstance(posterior, Posterior):
                return formula(posterior, *args, **kwargs)
            parts = [formula(part, *args, **kwargs) for part in posterior.posteriors]
            return combined(parts, posterior.shares)

        return answer

    return decorate


def average(values: list[Array], shares: Array) -> Array:
    """Of means, or of distribution functions."""
    return np.asarray(np.einsum("f,f...->...", shares, np.stack(values)))


def average_of_moments(values: list[tuple[Array, Array]], shares: Array) -> tuple[Array, Array]:
    """Mean and standard deviation, by the law of total variance."""
    mean = average([value[0] for value in values], shares)
    parts = zip(shares, values, strict=True)
    # Not squared, since squares overflow.
    deviations = [np.sqrt(share) * np.hypot(std, part - mean) for share, (part, std) in parts]
    return mean, np.hypot.reduce(np.stack(deviations))


def average_of_logs(values: list[Array], shares: Array) -> Array:
    """Log of the average of what has these logs."""
    return np.asarray(logsumexp(np.stack(values), axis=0, b=shares[:, None]))


def columns_over_families(
    sampled: Callable[[Posterior, Array, int, np.random.Generator], Array],
) -> Callable[[Predictive, Array, int, np.random.Generator], Array]:
    """Let a function that draws columns draw each from one of the families."""

    @functools.wraps(sampled)
    def answer(posterior: Predictive, X: Array, n_samples: int, rng: Any) -> Array:
        if isinstance(posterior, Posterior):
            return sampled(posterior, X, n_samples, rng)
        counts = rng.multinomial(n_samples, posterior.shares)
        parts = zip(posterior.posteriors, counts.tolist(), strict=True)
        columns = [sampled(part, X, count, rng) for part, count in parts if count]
        return np.hstack(columns)[:, rng.permutation(n_samples)]

    return answer
