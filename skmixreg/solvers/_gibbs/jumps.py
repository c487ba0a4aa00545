"""Jumps of chains between modes: independence Metropolis steps."""

from __future__ import annotations

import numpy as np

from ..._draws.bridge import Evidence
from ..._draws.draws import Draws
from ..._draws.evidence import bridge_to_mixture
from ..._draws.reach import log_ratio
from ..._model.density import LogPosterior
from ..._model.problem import Problem
from ..._proposals.from_modes import mixture_over_modes
from ..._search.mode_table import ModeTable
from ..._support.arrays import Array

JUMP_TRIES = 8  # proposals that every chain sees in a round
# Parts of the proposal times rounds per run: the time of a round grows with the parts.
PARTS_TIMES_ROUNDS = 2400
ROUNDS_RANGE = (120, 240)


class Jumps:
    """Independence Metropolis steps with a mixture over modes as proposal.

    Proposals and their ratios p / qbar do not depend on the chains and are computed many at a
    time; the ratio of a chain's state is computed when its turn comes.
    """

    def __init__(self, problem: Problem, modes: ModeTable, rng: np.random.Generator):
        self.density = LogPosterior(problem)
        self.rng = rng
        self.mixture = mixture_over_modes(problem, modes, rng)
        self.rounds = int(np.clip(PARTS_TIMES_ROUNDS / len(self.mixture.parts), *ROUNDS_RANGE))
        self.accepted = 0
        self._ratios = np.empty(0)

    def prepare(self, rounds: int, n_chains: int) -> None:
        """Proposals for ``rounds`` calls of `attempt`."""
        n = rounds * n_chains * JUMP_TRIES
        thetas, _ = self.mixture.sample(self.rng, n)
        self._ratios = log_ratio(self.density, self.mixture, thetas)
        order = self.rng.permutation(n).reshape(rounds, n_chains, JUMP_TRIES)
        self._queue = [(thetas[o], self._ratios[o]) for o in order]

    def attempt(self, current: Array) -> Array | None:
        """States after a round of steps; None if nobody moved."""
        thetas, ratios = self._queue.pop()
        state, ratio = current.copy(), log_ratio(self.density, self.mixture, current)
        threshold = np.log(self.rng.random(ratios.shape))
        moved = False
        for chain in range(len(state)):
            for i in range(JUMP_TRIES):
                if threshold[chain, i] < ratios[chain, i] - ratio[chain]:
                    state[chain], ratio[chain] = thetas[chain, i], ratios[chain, i]
                    self.accepted += 1
                    moved = True
        return state if moved else None

    def weigh(self, draws: Draws) -> Evidence:
        """Evidence by bridge sampling between the draws and the proposals of the last run."""
        return bridge_to_mixture(draws, self.mixture, self._ratios)
