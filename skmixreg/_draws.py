"""What a solver hands back, before alignment and units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._blocks import Array


@dataclass
class Draws:
    """Draws of the unconstrained vector, labelled as they came.

    Attributes
    ----------
    theta : ndarray of shape (chains, draws, d)
        Equally weighted draws.
    log_prior, log_likelihood : ndarray of shape (chains, draws)
        In standardised units.
    log_proposal : ndarray of shape (chains, draws) or None
        Log density of the symmetrised proposal, where there was one.
    solver : str
        Name of the solver that made the draws.
    report : dict
        What the solver reports of itself, by name (``khat``, ``importance_ess``, ``rhat``, ...);
        what means nothing for a solver is absent.
    failures : list of str
        Why these draws cannot be trusted, each with what to do about it; empty if they can.
    log_evidence, log_evidence_error : float or None
        Estimate of log p(y), standardised units, with its Monte Carlo standard error.
    independent : bool
        Draws are independent rather than a Markov chain.
    """

    theta: Array
    log_prior: Array
    log_likelihood: Array
    solver: str
    log_proposal: Array | None = None
    report: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    log_evidence: float | None = None
    log_evidence_error: float | None = None
    independent: bool = False
