"""Jumps of chains between modes: independence Metropolis steps."""

from __future__ import annotations

import numpy as np

from ..._draws.bridge import Evidence, importance_evidence
from ..._draws.draws import Draws
from ..._draws.evidence import bridge_to_mixture
from ..._draws.reach import log_ratio
from ..._model.density import LogPosterior
from ..._model.problem import Problem
from ..._proposals.from_modes import mixture_over_modes, with_modes_of_chains
from ..._search.mode_table import ModeTable
from ..._support.arrays import Array

# Proposals that every chain sees in a round: so many that it moves so many times, if it can.
TRIES_RANGE = (2, 8)
MOVES_PER_ROUND = 2.0
# Parts of the proposal times rounds per run: the time of a round grows with the parts.
PARTS_TIMES_ROUNDS = 2400
ROUNDS_RANGE = (120, 240)
# Draws of a chain that are looked at for places where it stays.
LOOKED_AT = 250
# Draws of a chain that are weighed where the density of proposals is dear.
WEIGHED_OF_SPLITS = 500


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
        self.accepted = self.tried = 0
        self._ratios = np.empty(0)

    def prepare(self, rounds: int, n_chains: int) -> None:
        """Proposals for ``rounds`` calls of `attempt`."""
        tries = self._tries
        n = rounds * n_chains * tries
        thetas, _ = self.mixture.sample(self.rng, n)
        ratios = log_ratio(self.density, self.mixture, thetas)
        self._ratios = np.append(self._ratios, ratios)
        order = self.rng.permutation(n).reshape(rounds, n_chains, tries)
        self._queue = [(thetas[o], ratios[o]) for o in order]

    @property
    def _tries(self) -> int:
        few, many = TRIES_RANGE
        if not self.accepted:
            return many
        return int(np.clip(np.ceil(MOVES_PER_ROUND * self.tried / self.accepted), few, many))

    def attempt(self, current: Array) -> Array | None:
        """States after a round of steps; None if nobody moved."""
        thetas, ratios = self._queue.pop()
        state, ratio = current.copy(), log_ratio(self.density, self.mixture, current)
        threshold = np.log(self.rng.random(ratios.shape))
        moved = False
        self.tried += ratios.size
        for chain in range(len(state)):
            for i in range(ratios.shape[1]):
                if threshold[chain, i] < ratios[chain, i] - ratio[chain]:
                    state[chain], ratio[chain] = thetas[chain, i], ratios[chain, i]
                    self.accepted += 1
                    moved = True
        return state if moved else None

    def learn(self, draws: Draws, least_stay: float) -> bool:
        """Add proposals where one of these chains stayed for this share of its draws on end.

        What chains learn from is no part of their draws any more, nor are proposals made before.

        Returns
        -------
        bool
            Whether there was such a place.
        """
        some = np.s_[:, :: max(1, draws.theta.shape[1] // LOOKED_AT)]
        learned = with_modes_of_chains(
            self.mixture,
            self.density,
            draws.theta[some],
            draws.log_posterior[some],
            importance_evidence(self._ratios).log_evidence,
            least_stay,
        )
        if learned is None:
            return False
        self.mixture = learned
        self.accepted = self.tried = 0
        self._ratios = np.empty(0)
        return True

    def weigh(self, draws: Draws) -> Evidence:
        """Evidence by bridge sampling between the draws and all proposals that were made."""
        every = 1
        if self.mixture.split is not None:
            every = max(1, draws.theta.shape[1] // WEIGHED_OF_SPLITS)
        return bridge_to_mixture(draws, self.mixture, self._ratios, every)
