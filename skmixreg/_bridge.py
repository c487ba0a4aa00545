"""Bridge sampling: the evidence of draws that some chain has made already."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import expit, logsumexp

from ._blocks import Array


class SupportsProposal(Protocol):
    """A normalised density on theta that can be drawn from."""

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Independent draws of shape (n, d)."""

    def log_density(self, thetas: Array) -> Array:
        """Log density, label permutations averaged: (n, d) -> (n,)."""


class Evidence(NamedTuple):
    """Log evidence and the Monte Carlo standard error of it."""

    log_evidence: float
    error: float


def bridge_log_evidence(
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
    posterior_ratio : ndarray of shape (n1,)
        log p - log q at draws from p / Z; p is not normalised, q is.
    proposal_ratio : ndarray of shape (n2,)
        log p - log q at independent draws from q; -inf where p is 0.
    effective : float, optional
        Effective number of the draws from p, n1 by default.  Dependent draws deserve less weight
        in the bridge and widen the error.
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
    n1, n2 = len(posterior_ratio), len(proposal_ratio)
    effective = float(n1) if effective is None else float(np.clip(effective, 1.0, n1))
    if n1 == 0 or n2 == 0 or not np.isfinite(proposal_ratio).any():
        return Evidence(-np.inf, np.inf)
    # Log odds that a point came from p: log(effective / n2) + ratio - log Z.
    shift = np.log(effective / n2)
    log_evidence = float(np.median(posterior_ratio))
    for _ in range(max_iter):
        # The identity of Meng and Wong, with 1 / (s1 l + s2 r) written as a logistic function.
        up = logsumexp(_log_expit(proposal_ratio + shift - log_evidence)) - np.log(n2)
        down = logsumexp(_log_expit(-(posterior_ratio + shift - log_evidence))) - np.log(n1)
        step = float(up - down - shift)
        log_evidence += step
        if not np.isfinite(log_evidence):
            return Evidence(-np.inf, np.inf)
        if abs(step) < tolerance:
            break
    # Relative variances of the two means of the identity, taken at the fixed point.
    above = expit(proposal_ratio + shift - log_evidence)
    below = expit(-(posterior_ratio + shift - log_evidence))
    variance = _relative_variance(above) / n2 + _relative_variance(below) / effective
    return Evidence(log_evidence, float(np.sqrt(variance)))


def _log_expit(x: Array) -> Array:
    return -np.logaddexp(0.0, -x)


def _relative_variance(values: Array) -> float:
    mean = values.mean()
    return float(values.var() / mean**2) if mean > 0 else np.inf
