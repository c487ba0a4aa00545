"""What a solver hands back, before alignment and units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.arrays import Array


@dataclass
class Draws:
    """Draws of the unconstrained vector, labelled as they came.

    Attributes
    ----------
    theta : ndarray of shape (chains, draws, d)
        Equally weighted draws.
    log_prior, log_likelihood : ndarray of shape (chains, draws)
        In standardised units.  ``log_likelihood`` is None where the rows are gone, as in a stream.
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
    weighs_modes : bool
        Whether the share of the draws near a mode is its posterior probability; not where an
        approximation settled on one mode.
    ordered_by : ndarray of shape (K,) or None
        Positions in theta of the coordinate that increases over components in every draw, where
        the solver ordered them; else labels are free and draws are aligned.
    per_draw : dict of ndarrays of shape (chains, draws)
        Further numbers of every draw, by name.
    """

    theta: Array
    log_prior: Array
    log_likelihood: Array | None
    solver: str
    log_proposal: Array | None = None
    report: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    log_evidence: float | None = None
    log_evidence_error: float | None = None
    independent: bool = False
    weighs_modes: bool = True
    ordered_by: NDArray[np.intp] | None = None
    per_draw: dict[str, Array] = field(default_factory=dict)

    @property
    def log_posterior(self) -> Array:
        """Log posterior density up to the evidence: (chains, draws)."""
        if self.log_likelihood is None:
            raise ValueError(f"Draws of {self.solver!r} have no log-likelihood.")
        return self.log_prior + self.log_likelihood
