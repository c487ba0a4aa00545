"""The share of variance explained, for any predictive density."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from .._support.arrays import Array
from ..families._base import Family
from ..families._distributions.stable import (
    negative_binomial_log_probability,
    poisson_log_probability,
)

LEAST_EXCESS = 1e-10  # of the variance over the mean, relative: less is rounding


def generalised_r2(
    log_density: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    discrete: bool = False,
    reference: ArrayLike | None = None,
) -> float:
    r"""R^2 of predictive densities rather than of predictive means.

    .. math::

        R^2 = 1 - \exp(-2 g) \text{ for } g \ge 0, \quad
        \exp(2 g) - 1 \text{ for } g < 0, \quad g = \bar\ell - \bar\ell_0

    with :math:`\bar\ell` the mean log predictive density and :math:`\bar\ell_0` that of a normal
    distribution with the mean and variance of ``y``.  Where it is positive it is the share of
    variance explained for normal errors around one line, defined for any density (Cox and Snell
    1989; Magee 1990); a loss counts as the gain of the same size does, with a minus.  On crossing
    lines it sees the lines, where R^2 of the means sees nothing.

    For counts the reference is the negative binomial distribution with the mean and variance of
    ``y``, or the Poisson distribution where the variance is not larger than the mean.

    It is between -1 and 1, which it reaches numerically for gains and losses above about 18 nats,
    grows with the mean log density, and is not ``sklearn.metrics.r2_score`` of the predictions.

    Parameters
    ----------
    log_density : array-like of shape (n,)
        Log predictive density of every row at its ``y``.
    y : array-like of shape (n,)
        The same values of y, in the units of the densities.
    sample_weight : array-like of shape (n,), optional
    discrete : bool, default=False
        Whether y holds counts, and the densities are probabilities.
    reference : array-like of shape (n,), optional
        Log density of every row under one distribution for all of them, in the place of these:
        of successes among trials that differ, say.

    Returns
    -------
    float
        0.0 if y is constant; nan, with an UndefinedMetricWarning, for fewer than two rows.

    Raises
    ------
    ValueError
        If weights are negative or all zero.

    References
    ----------
    Cox, D. R. and Snell, E. J. (1989). The Analysis of Binary Data, 2nd ed. Chapman and Hall.

    Magee, L. (1990). R^2 measures based on Wald and likelihood ratio joint significance tests.
    The American Statistician 44, 250-253.
    """
    density, target = np.asarray(log_density, np.float64), np.asarray(y, np.float64).ravel()
    weights = checked_weights(sample_weight, len(target))
    rows = weights > 0
    density, target, weights = density[rows], target[rows], weights[rows]
    given = None if reference is None else np.asarray(reference, np.float64)[rows]
    if len(target) < 2:
        warnings.warn(
            "The score is not defined with fewer than two rows.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    if given is not None:
        return bounded_gain(float(np.average(density - given, weights=weights)))
    middle = np.average(target, weights=weights)
    deviation = target - middle
    size = np.abs(deviation).max()
    if np.ptp(target) == 0.0 or size == 0.0:
        return 0.0
    share = np.average((deviation / size) ** 2, weights=weights)
    if discrete:
        probabilities = log_probability_of_counts(target, middle, share * size**2)
        constant = np.average(probabilities, weights=weights)
    else:
        constant = -0.5 * (np.log(2.0 * np.pi) + 2.0 * np.log(size) + np.log(share) + 1.0)
    return bounded_gain(np.average(density, weights=weights) - constant)


def score_of_family(
    family: Family, log_density: Array, y: Array, sample_weight: Array | None, columns: Array
) -> float:
    """`generalised_r2` with the reference of a family, whose ``columns`` are (c, n)."""
    reference = None
    if family.has_reference:
        weights = checked_weights(sample_weight, len(y))
        reference = family.reference(y, family.reference_sums(y, weights, *columns), *columns)
    return generalised_r2(
        log_density, y, sample_weight, discrete=family.discrete, reference=reference
    )


def bounded_gain(gain: float) -> float:
    """The score of a gain of so many nats per row over the reference: odd, from -1 to 1."""
    # One row far out would make 1 - exp(-2 g) of a loss rule every mean over folds.
    return float(np.copysign(np.expm1(-2.0 * np.abs(gain)), gain))


def log_probability_of_counts(y: Array, mean: float, variance: float) -> Array:
    """Of counts of this mean and variance: negative binomial, or Poisson of no larger variance."""
    alpha = (variance - mean) / mean**2
    if alpha * mean > LEAST_EXCESS:
        return negative_binomial_log_probability(y, np.asarray(mean), np.asarray(alpha))
    some = poisson_log_probability(np.maximum(y, 1.0), np.asarray(mean))
    return np.where(y < 1.0, -mean, some)


def checked_weights(sample_weight: ArrayLike | None, n: int) -> Array:
    """Frequencies (n,), ones by default."""
    if sample_weight is None:
        return np.ones(n)
    weights = np.asarray(sample_weight, np.float64).ravel()
    if len(weights) != n:
        raise ValueError(f"sample_weight has {len(weights)} entries, but there are {n} rows.")
    if not np.isfinite(weights).all() or (weights < 0.0).any() or not (weights > 0.0).any():
        raise ValueError("sample_weight must be finite and not negative, and not all zero.")
    return weights
