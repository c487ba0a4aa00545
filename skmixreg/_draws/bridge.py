"""Bridge sampling: the evidence of draws that some chain has made already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.special import expit, logsumexp
from scipy.stats import rankdata

from .._support.arrays import Array
from .limits import LEAST_OVERLAP


class SupportsProposal(Protocol):
    """A normalised density on theta that can be drawn from."""

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, Any]:
        """Independent draws of shape (n, d), and anything else."""

    def log_density(self, thetas: Array) -> Array:
        """Log density, label permutations averaged: (n, d) -> (n,)."""


class Evidence(NamedTuple):
    """Log evidence and the Monte Carlo standard error of it."""

    log_evidence: float
    error: float


def bridge_evidence(
    log_density: Callable[[Array], Array],
    thetas: Array,
    log_posterior: Array,
    proposal: SupportsProposal,
    rng: np.random.Generator,
    n: int,
    effective: float | None = None,
) -> Evidence:
    """Log evidence from draws of the posterior and ``n`` new draws of a proposal.

    Parameters
    ----------
    log_density : callable
        Unnormalised log posterior, (n, d) -> (n,); -inf outside the region of interest.
    thetas : ndarray of shape (S, d)
        Draws from the posterior, of one chain in its order; none makes it importance sampling.
    log_posterior : ndarray of shape (S,)
        ``log_density`` at these draws.
    proposal : object with ``sample(rng, n)`` and ``log_density(thetas)``
        Not fitted to the same draws: that would bias the estimate downwards.
    rng : numpy.random.Generator
    n : int
    effective : float, optional
        Effective number of ``thetas``; estimated from their log ratios by default.
    """
    proposed, *_ = proposal.sample(rng, n)
    proposal_ratio = log_density(proposed) - proposal.log_density(proposed)
    if len(thetas) == 0:
        return importance_evidence(proposal_ratio)
    ratio = log_posterior - proposal.log_density(thetas)
    if effective is None:
        effective = effective_size(ratio)
    return log_evidence(ratio, proposal_ratio, effective)


def importance_evidence(proposal_ratio: Array) -> Evidence:
    """Log of the mean importance weight."""
    top = proposal_ratio.max()
    if not np.isfinite(top):
        return Evidence(-np.inf, np.inf)
    weights = np.exp(proposal_ratio - top)
    variance = _relative_variance(weights) / len(weights)
    return Evidence(float(top + np.log(weights.mean())), float(np.sqrt(variance)))


def log_evidence(
    posterior_ratio: Array,
    proposal_ratio: Array,
    effective: float | None = None,
    tolerance: float = 1e-10,
    max_iter: int = 1000,
) -> Evidence:
    """Log normalising constant of p from draws of p and draws of q.

    The optimal bridge function of Meng and Wong (1996), iterated to its fixed point.

    Parameters
    ----------
    posterior_ratio : ndarray of shape (n1,) or (chains, draws)
        log p - log q at draws from p / Z; p is not normalised, q is.
    proposal_ratio : ndarray of shape (n2,)
        log p - log q at independent draws from q; -inf where p is 0.
    effective : float, optional
        Effective number of the draws from p.  Dependent draws deserve less weight in the bridge
        and widen the error.  By default n1 for a row of draws, which then count as independent;
        for chains it is estimated from them, and what they differ by enters the error.
    tolerance : float
        On the log evidence.
    max_iter : int

    Returns
    -------
    Evidence
        ``error`` is inf where the two sets of draws do not overlap.

    References
    ----------
    Meng, X.-L. and Wong, W. H. (1996). Simulating ratios of normalizing constants via a simple
    identity. Statistica Sinica 6, 831-860.

    Fruhwirth-Schnatter, S. (2004). Estimating marginal likelihoods for mixture and Markov
    switching models using bridge sampling techniques. Econometrics Journal 7, 143-167.
    """
    shape, dependent = posterior_ratio.shape, posterior_ratio.ndim == 2
    if effective is None and dependent:
        effective = effective_size(posterior_ratio)
    posterior_ratio = posterior_ratio.ravel()
    n1, n2 = len(posterior_ratio), len(proposal_ratio)
    effective = float(n1) if effective is None else float(np.clip(effective, 1.0, n1))
    if n1 == 0 or n2 == 0 or not np.isfinite(proposal_ratio).any():
        return Evidence(-np.inf, np.inf)
    # Log odds that a point came from p: log(effective / n2) + ratio - log Z.
    shift = np.log(effective / n2)
    value = float(np.median(posterior_ratio))
    for _ in range(max_iter):
        # The identity of Meng and Wong, with 1 / (s1 l + s2 r) written as a logistic function.
        up = logsumexp(_log_expit(proposal_ratio + shift - value)) - np.log(n2)
        down = logsumexp(_log_expit(-(posterior_ratio + shift - value))) - np.log(n1)
        step = float(up - down - shift)
        value += step
        if not np.isfinite(value):
            return Evidence(-np.inf, np.inf)
        if abs(step) < tolerance:
            break
    # Relative variances of the two means of the identity, taken at the fixed point.
    above = expit(proposal_ratio + shift - value)
    below = expit(-(posterior_ratio + shift - value))
    # Sets that do not overlap are held together by nothing, which the variances do not notice.
    # The mean of the bridge over either set, divided by what it is for p = q, is their overlap.
    share = effective / (effective + n2)
    overlap = below.mean() / (1.0 - share)
    if overlap * min(effective, n2) < LEAST_OVERLAP:
        return Evidence(value, np.inf)
    if dependent:
        effective = min(effective, effective_size(below.reshape(shape), ranked=False))
    variance = _relative_variance(above) / n2 + _relative_variance(below) / effective
    return Evidence(value, float(np.sqrt(variance)))


def _log_expit(x: Array) -> Array:
    return -np.logaddexp(0.0, -x)


def _relative_variance(values: Array) -> float:
    mean = values.mean()
    return float(values.var() / mean**2) if mean > 0 else np.inf


def effective_size(series: Array, ranked: bool = True) -> float:
    """Effective size of dependent series: Geyer's initial positive sequence.

    Parameters
    ----------
    series : ndarray of shape (draws,) or (chains, draws)
        Chains are cut into halves, whose means may differ: that leaves less.
    ranked : bool, default=True
        Whether to take ranks first, as for values with heavy tails.
    """
    chains = np.atleast_2d(series)
    half = chains.shape[1] // 2
    if series.ndim == 2:
        chains = np.concatenate([chains[:, :half], chains[:, chains.shape[1] - half :]])
    m, n = chains.shape
    if n < 4:
        return float(series.size)
    values = rankdata(chains).reshape(m, n) if ranked else chains
    means = values.mean(axis=1)
    spectrum = np.fft.rfft(values - means[:, None], 2 * n, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
    covariance = np.fft.irfft(power, 2 * n)[:n] / n
    between = means.var(ddof=1) if m > 1 else 0.0
    if covariance[0] + between <= 0:
        return float(m * n)
    rho = (covariance + between) / (covariance[0] + between)
    pairs = rho[0 : n - 1 : 2] + rho[1:n:2]
    stop = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    return float(m * n / max(2.0 * pairs[:stop].sum() - 1.0, 1.0))
