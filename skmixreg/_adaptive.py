"""The proposal built from a mode table, and its adaptation to weighted draws."""

from __future__ import annotations

import numpy as np

from ._blocks import Array
from ._density import LogPosterior
from ._mode_table import ModeTable
from ._problem import Problem
from ._proposal import Part, StudentPart, SymmetrisedMixture

START_DF = 8.0
# Modes this much less massive than the best change no number that is reported.
RELEVANT_NATS = 12.0


def adapted_mixture(
    problem: Problem, modes: ModeTable, density: LogPosterior, rng: np.random.Generator
) -> SymmetrisedMixture:
    """One t part per mode that matters."""
    relevant = np.flatnonzero(modes.log_masses > modes.log_masses.max() - RELEVANT_NATS)
    parts: list[Part] = [
        StudentPart(problem, modes.modes[m].theta, modes.modes[m].scale, START_DF)
        for m in relevant
    ]
    # Floors, since the masses are Laplace's only.
    masses = np.exp(modes.log_masses[relevant] - modes.log_masses.max())
    probabilities = masses / masses.sum() + 0.02
    return SymmetrisedMixture(problem.blocks, parts, probabilities)
