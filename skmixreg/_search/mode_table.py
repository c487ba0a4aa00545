"""Modes of the posterior and the table of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._model.problem import Problem
from .._support.arrays import Array
from .newton import laplace_evidence

# Independent starts that must have led to the best mode.
FEWEST_STARTS = 2


@dataclass(eq=False)
class Mode:
    """One mode of the log posterior, in one labelling.

    Attributes
    ----------
    theta : ndarray of shape (d,)
    log_prior, log_likelihood : float
        In standardised units.
    scale : ndarray of shape (d, d)
        Lower Cholesky factor of the covariance, the inverse of the negative Hessian.
    gradient_norm : float
        Norm of the gradient whitened by ``scale``.
    hits : int
        How many independent starts led here; of the best, also to what differs from it only where
        components hold few rows.
    counts : ndarray of shape (K,)
        Expected number of observations in each component.
    """

    theta: Array
    log_prior: float
    log_likelihood: float
    scale: Array
    gradient_norm: float
    hits: int
    counts: Array

    @property
    def log_posterior(self) -> float:
        """Log posterior density at the mode, up to the evidence."""
        return self.log_prior + self.log_likelihood

    @cached_property
    def log_evidence(self) -> float:
        """Laplace's approximation of the log mass of this mode in one labelling."""
        return laplace_evidence(self.log_posterior, self.scale)


@dataclass(eq=False)
class ModeTable:
    """Distinct modes up to relabelling, most massive first.

    Attributes
    ----------
    modes : list of Mode
    log_masses : ndarray of shape (n_modes,)
        Log mass of every mode: Laplace's, or a better estimate where a solver has one.
    failures : list of str
        What the search could not establish (gradient, definiteness, number of hits).
    smaller : ModeTable or None
        Modes with one component fewer, where an empty component may carry posterior mass.
    knows_smaller : bool
        Whether ``smaller`` has been looked for.
    """

    modes: list[Mode]
    log_masses: Array
    failures: list[str] = field(default_factory=list)
    smaller: ModeTable | None = None
    knows_smaller: bool = False

    @property
    def best(self) -> Mode:
        """The most massive mode."""
        return self.modes[0]

    @property
    def probabilities(self) -> Array:
        """Posterior probability of every mode, from ``log_masses``."""
        mass = np.exp(self.log_masses - self.log_masses.max())
        return mass / mass.sum()

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, NDArray[np.intp]]:
        """Draws from the normal mixture over modes, for chains to start in.

        Returns
        -------
        theta : ndarray of shape (n, d)
        mode : ndarray of shape (n,)
        """
        mode = rng.choice(len(self.modes), size=n, p=self.probabilities)
        noise = rng.standard_normal((n, len(self.best.theta)))
        drawn = [self.modes[m] for m in mode]
        theta = [m.theta + m.scale @ e for m, e in zip(drawn, noise, strict=True)]
        return np.stack(theta), mode

    def to_frame(self, problem: Problem) -> pd.DataFrame:
        """The table in the user's units.

        Returns
        -------
        pandas.DataFrame
            Columns ``log_posterior``, ``log_likelihood``, ``log_evidence``, ``probability``,
            ``starts``, ``smallest_component``; one row per mode.
        """
        shift = problem.log_scale
        return pd.DataFrame(
            {
                "log_posterior": [m.log_posterior - shift for m in self.modes],
                "log_likelihood": [m.log_likelihood - shift for m in self.modes],
                "log_evidence": self.log_masses - shift,
                "probability": self.probabilities,
                "starts": [m.hits for m in self.modes],
                "smallest_component": [float(m.counts.min()) for m in self.modes],
            },
            index=pd.RangeIndex(len(self.modes), name="mode"),
        )
