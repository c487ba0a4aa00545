"""Laplace's approximation, corrected by importance sampling until it is exact."""

from __future__ import annotations

import numpy as np

from .._draws.advice import Failure
from .._draws.draws import Draws
from .._draws.importance import ImportanceSample
from .._draws.limits import EXCESS_LIMIT, SUSPICIOUS_EXCESS
from .._model.density import LogPosterior
from .._model.few_rows import FewRows
from .._model.problem import Problem
from .._proposals.from_draws import with_parts_from_draws
from .._proposals.from_modes import mixture_over_modes, with_missing_modes
from .._search.mode_table import ModeTable
from .._support.progress import SILENT, Progress
from ._base import Solver
from ._gibbs.pilot import pilot_draws, pilot_length
from ._gibbs.probe import probe, with_what_was_missed

# A sample that passes with less, or whose weights may have no variance, is followed by a larger
# one while there are draws left.
COMFORTABLE_IMPORTANCE_ESS, COMFORTABLE_KHAT = 1000.0, 0.5
# Fewer could not reach the least effective sample size, however good the proposal.
FEWEST_PROPOSALS = 500
# Of so few a first look is made where sweeps would do as well; below it nearly no sample passes.
LEAST_ESS_OF_A_LOOK = 100.0


class Laplace(Solver):
    """Independent draws from the exact posterior, by importance sampling around its modes.

    The proposal is a mixture of multivariate t distributions at all modes that matter, with, where
    a component may be empty, its prior times the fit with fewer components; it is averaged over
    labels, adapted to pilot draws, and corrected by Pareto-smoothed importance weights.  The
    draws are resampled to equal weights.

    Where rows are many, draws around a mode are weighed by few of them: the log-likelihood of all
    rows is expanded at the mode to second order, and a random sample of rows tells what is left
    (the difference estimator of Quiroz, Kohn, Villani and Tran 2019).  Parts of the sample show
    the standard error of every draw, which may be 0.01 nats: where it is larger the sample grows,
    up to all rows.  At the end 16 draws are held against all rows.

    Parameters
    ----------
    draws : int, default=4000
        Equally weighted draws to return, and proposals in the first round, which are never fewer
        than 500.
    max_rounds : int, default=5
        Rounds of adaptation, each with twice the proposals of the one before, up to 20 times
        those of the first in all, before giving up.

    Notes
    -----
    It passes when k-hat <= min(1 - 1/log10(S), 0.7) and the importance effective sample size,
    before resampling, is at least 400; otherwise the result says that it did not.  Where the
    problem has a Gibbs sampler, a few sweeps from the draws must also stay where the proposal
    goes, since no diagnostic of the weights can see what was never proposed.

    ``solver_report_`` has ``rows_per_draw``, the rows (or groups) of the sample,
    ``log_likelihood_error``, the largest standard error in nats, and ``log_likelihood_check``, the
    largest difference to all rows at the 16 draws; they are absent where every draw saw all rows,
    as with fewer than some 30,000.

    References
    ----------
    Quiroz, M., Kohn, R., Villani, M. and Tran, M.-N. (2019). Speeding up MCMC by efficient data
    subsampling. JASA 114, 831-843.

    Vehtari, A., Simpson, D., Gelman, A., Yao, Y. and Gabry, J. (2024). Pareto smoothed importance
    sampling. JMLR 25(72).
    """

    name = "laplace"
    summary = "importance sampling from a mixture over the modes; independent draws"
    cost = "rows x K x p per draw, about 5 ns each, of many rows a part; the search before it"
    fails = "posteriors far from normal around every mode, as with a nearly empty component: k-hat"
    requires = ()

    _brief = False

    def __init__(self, draws: int = 4000, max_rounds: int = 5):
        self.draws = draws
        self.max_rounds = max_rounds

    @classmethod
    def brief(cls) -> Laplace:
        """For where sweeps do as well: it gives up after a look or a round that did not pass."""
        solver = cls(max_rounds=2)
        solver._brief = True
        return solver

    def check_options(self) -> None:
        self._check_counts(draws=4, max_rounds=1)

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        progress: Progress = SILENT,
    ) -> Draws:
        density = LogPosterior(problem)
        # Its numbers are its own: proposals do not depend on how they are weighed.
        few_rows = FewRows(density, rng.spawn(1)[0])
        proposal = mixture_over_modes(problem, modes, rng)
        if self._brief:
            sample = ImportanceSample.draw(
                density, proposal, rng, FEWEST_PROPOSALS, few_rows=few_rows
            )
            if sample.ess < LEAST_ESS_OF_A_LOOK:
                return sample.to_draws(rng, self.draws, self.name)
        first = max(self.draws, FEWEST_PROPOSALS)
        total, previous, can_pilot = 0, np.inf, pilot_length(problem) > 0
        for round_ in range(self.max_rounds):
            size = min(first * 2**round_, 20 * first - total)
            with progress.stage(f"laplace: {size} draws", size) as stage:
                sample = ImportanceSample.draw(
                    density, proposal, rng, size, stage.advance, few_rows
                )
            total += size
            progress.say(
                f"laplace: {size} draws, k-hat {sample.khat:.2f}, importance ESS {sample.ess:.0f}"
            )
            left = 20 * first - total
            missed = None
            if sample.passes:
                draws = sample.to_draws(rng, self.draws, self.name)
                # Its numbers are its own: what is drawn does not depend on whether sweeps can be.
                missed = probe(
                    problem, density, proposal, draws.theta[0], sample.largest,
                    rng.spawn(1)[0], n_threads,
                )  # fmt: skip
                if missed is None or missed.excess <= (
                    SUSPICIOUS_EXCESS if can_pilot else EXCESS_LIMIT
                ):
                    comfortable = (
                        sample.ess >= COMFORTABLE_IMPORTANCE_ESS and sample.khat <= COMFORTABLE_KHAT
                    )
                    if comfortable or left < 2 * size:
                        return draws
                    missed = None
            elif self._brief or (round_ > 0 and not can_pilot and sample.hopeless(left, previous)):
                break
            if round_ + 1 == self.max_rounds or left < first:
                break
            previous = sample.khat
            proposal = with_missing_modes(
                proposal.adapted(sample.thetas, sample.part, sample.weights),
                problem, sample.thetas, sample.weights, sample.log_evidence,
            )  # fmt: skip
            if can_pilot and (missed is not None or (round_ > 0 and not sample.passes)):
                progress.say("laplace: parts are fitted to a short chain")
                starts = sample.to_draws(rng, self.draws, self.name).theta[0]
                chain = pilot_draws(problem, starts, rng, n_threads)
                proposal = with_parts_from_draws(proposal, problem, modes.best, chain, rng)
                can_pilot = False
            elif missed is not None:
                proposal = with_what_was_missed(proposal, problem, missed)
        draws = sample.to_draws(rng, self.draws, self.name)
        if missed is not None and not missed.passes:
            what = (
                "importance sampling missed a part of the posterior that Gibbs sweeps reached "
                f"(p/q {missed.excess:.0f} nats above all it saw)"
            )
            draws.failures.append(Failure(what, instead=("auto", "gibbs")))
        return draws
