"""Gibbs sampling by data augmentation, with jumps between modes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np

from .._draws.bridge import Evidence
from .._draws.draws import Draws
from .._draws.evidence import with_evidence
from .._draws.judge import judge_chains, start_points
from .._draws.limits import NEGLIGIBLE_SHARE, never_visited
from .._draws.reach import Reach, reach_of_chains, share_beside
from .._model.density import LogPosterior
from .._model.problem import Problem
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .._support.progress import SILENT, Progress
from ._base import Solver
from ._gibbs.chains import SWEEP_NEEDS, Chains
from ._gibbs.jumps import Jumps

# Rounds of jumps while tuning and per run.  Where there are several modes every visit to one counts
# little more than a single draw, so there must be many.
TUNING_ROUNDS = 10
# Rows x components x sweeps between kept draws that cost less than all else.
CHEAP_WORK = 20_000
# Chains go on below it while that takes no more than so many times ``draws`` sweeps: at 400, which
# passes, a mean is still off by 0.05 sds.
COMFORTABLE_ESS = 1200.0
COMFORTABLE_THIN = 8
# Share of a chain, on end, in one place that the proposal lacks, after which chains that fail start
# once more with it; every doubling of their length halves the share.
LONG_STAY = 0.08


class Gibbs(Solver):
    r"""Data augmentation: labels of rows, then the parameters of every component given its rows.

    One sweep draws the label of every row, then the weights, every line and every sigma from
    their full conditional distributions (Diebolt and Robert 1994); for normal components

    .. math::

        z_i &\sim \mathrm{Categorical}(r_{i1}, \dots, r_{iK}) \\
        w &\sim \mathrm{Dirichlet}(c + n_1, \dots, c + n_K) \\
        (b_{0k}, b_k) &\sim N(Q_k^{-1} \tilde X_k^\top y_k / \sigma_k^2, \; Q_k^{-1}) \\
        \sigma_k^2 &\sim \mathrm{GIG}(-n_k / 2, \; f^2 + \mathrm{SSE}_k, \; 1 / u^2)

    Other families have no such closed forms.  There the line of a component and its extra
    parameters are proposed together, from a t distribution around a step of Fisher scoring, and
    accepted as Metropolis and Hastings have it (Gamerman 1997).  What components share is proposed
    in the same way from the rows of all, in turn with what they have alone.  Where weights depend
    on columns these too are proposed so: given the labels they are a multinomial regression.

    Weights that are fractions are powers of the likelihood, for which rows have no labels.  There
    the weights and each component are proposed in the same ways, with responsibilities in place
    of labels, and accepted on the likelihood itself.

    Between sweeps, chains may jump: an independence Metropolis step proposes draws from t
    distributions around all modes, with label permutations averaged.  Sweeps move within a mode
    at any shape of the posterior; jumps carry chains across.  Both leave the posterior invariant.
    The proposal is that of `Laplace`, with its parts for empty components.  Where proposals and
    draws do not overlap, chains start once more, from proposals in places that they never visited,
    if these hold mass.

    When R-hat or effective sizes are not good after ``draws`` sweeps, chains go on: their length
    doubles, up to ``max_thin`` times, and every second, fourth, ... sweep is kept, so that there
    are always ``draws`` draws per chain.  Chains that do not mix look for places that held one
    of them for many draws on end, narrow modes that the proposal lacks; these get parts of their
    own, and the chains start once more from where they are.

    Parameters
    ----------
    draws : int, default=1000
        Draws kept per chain.
    tune : int, default=200
        Sweeps per chain before the first draw; chains start in draws from the modes.
    chains : int, default=4
    max_thin : int, default=64
        How many times ``draws`` sweeps a chain may take.
    jumps : bool, default=True
        Whether chains jump between modes.
    permute_labels : bool, default=False
        Whether every draw gets a random permutation of its labels (Fruhwirth-Schnatter 2001).
        Results do not depend on it, since labels are aligned afterwards.

    Notes
    -----
    Every draw counts the components that hold at least one row (or, without labels, whose rows
    weigh at least one half), ``posterior_["n_filled"]``;
    ``solver_report_["filled_components"]`` gives the posterior probability of every such number.
    With a sparse prior of the weights, ``Priors(weight_concentration=0.01)``, and more components
    than needed, that is the posterior over the number of components (Malsiner-Walli,
    Fruhwirth-Schnatter and Gruen 2016).

    References
    ----------
    Diebolt, J. and Robert, C. P. (1994). Estimation of finite mixture distributions through
    Bayesian sampling. JRSS B 56, 363-375.

    Fruhwirth-Schnatter, S. (2001). Markov chain Monte Carlo estimation of classical and dynamic
    switching and mixture models. JASA 96, 194-209.

    Gamerman, D. (1997). Sampling from the posterior distribution in generalized linear mixed
    models. Statistics and Computing 7, 57-68.

    Malsiner-Walli, G., Fruhwirth-Schnatter, S. and Gruen, B. (2016). Model-based clustering based
    on sparse finite Gaussian mixtures. Statistics and Computing 26, 303-324.
    """

    name = "gibbs"
    summary = "data augmentation, several chains, with jumps between modes"
    requires = SWEEP_NEEDS
    cost = "rows x K x (p + p^2 / 2) per sweep, 2 to 20 ns each; thousands of sweeps"
    fails = "components that overlap almost wholly need many sweeps; it says so by R-hat"

    def __init__(
        self,
        draws: int = 1000,
        tune: int = 200,
        chains: int = 4,
        max_thin: int = 64,
        jumps: bool = True,
        permute_labels: bool = False,
    ):
        self.draws = draws
        self.tune = tune
        self.chains = chains
        self.max_thin = max_thin
        self.jumps = jumps
        self.permute_labels = permute_labels

    def check_options(self) -> None:
        self._check_counts(draws=4, tune=0, chains=1, max_thin=1)

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        progress: Progress = SILENT,
    ) -> Draws:
        starts, _ = start_points(modes, rng, self.chains)
        with ThreadPoolExecutor(max(1, min(n_threads, self.chains))) as pool:
            chains = Chains(problem, starts, rng, pool)
            jumps = Jumps(problem, modes, rng) if self.jumps else None
            raw, draws = self._run(problem, modes, chains, jumps, rng, progress)
            if jumps is None or draws.report.get("resampled_over_modes"):
                return with_evidence(problem, modes, raw, draws, rng)
            evidence = jumps.weigh(raw)
            if np.isfinite(evidence.error):
                return _with(draws, evidence)
            reach = reach_of_chains(problem, modes, raw, jumps.mixture, rng)
            if reach is None:
                return _with(draws, evidence)
            if reach.unvisited_share <= NEGLIGIBLE_SHARE:
                return _with(draws, reach.visited)
            progress.say(
                f"gibbs: chains missed {100 * reach.unvisited_share:.0f}% of the posterior, and "
                "start there"
            )
            chains = Chains(problem, reach.starts(rng, self.chains), rng, pool)
            raw, draws = self._run(problem, modes, chains, jumps, rng, progress)
            return self._of_second_run(problem, modes, raw, draws, jumps, reach, rng)

    def _of_second_run(
        self,
        problem: Problem,
        modes: ModeTable,
        raw: Draws,
        draws: Draws,
        jumps: Jumps,
        before: Reach,
        rng: np.random.Generator,
    ) -> Draws:
        """The draws of chains that started where the first ones never were, with a verdict."""
        evidence = jumps.weigh(raw)
        unvisited = share_beside(before.visited, evidence)
        if not np.isfinite(evidence.error):
            reach = reach_of_chains(problem, modes, raw, jumps.mixture, rng)
            if reach is None:
                unvisited = 1.0
            else:
                evidence = reach.visited
                unvisited = max(share_beside(before.visited, evidence), reach.unvisited_share)
        if unvisited > NEGLIGIBLE_SHARE:
            draws.failures.append(never_visited(self.name, unvisited))
            draws.report["settled"] = False
        return _with(draws, evidence)

    def _run(
        self,
        problem: Problem,
        modes: ModeTable,
        chains: Chains,
        jumps: Jumps | None,
        rng: np.random.Generator,
        progress: Progress,
    ) -> tuple[Draws, Draws]:
        """Draws as the chains make them until they are enough, and with a verdict."""
        with progress.stage("gibbs: tuning", self.tune) as stage:
            chains.run(self.tune, 1, jumps, TUNING_ROUNDS, stage)
        work = problem.n_rows * problem.layout.n_components
        thin = int(np.clip(CHEAP_WORK / work, 1, min(8, self.max_thin)))
        rounds = jumps.rounds if jumps is not None else 0
        with progress.stage("gibbs: sweeps", thin * self.draws) as stage:
            theta, filled = chains.run(self.draws, thin, jumps, rounds, stage)
        for doublings in count():
            raw = self._draws(problem, theta, filled, thin, jumps, rng)
            draws = judge_chains(problem, modes, raw, rng)
            enough = draws.report["ess_bulk"] >= COMFORTABLE_ESS or thin >= COMFORTABLE_THIN
            if (enough and not draws.failures) or 2 * thin > self.max_thin:
                break
            thin *= 2
            progress.say(
                f"gibbs: effective sample size {draws.report['ess_bulk']:.0f}, "
                f"R-hat {draws.report['rhat']:.3f}; going on to {thin * self.draws} sweeps"
            )
            # Chains that learn forget what they did before.
            afresh = False
            if jumps is not None and draws.failures:
                afresh = jumps.learn(raw, LONG_STAY / 2**doublings)
            more = self.draws if afresh else self.draws // 2
            with progress.stage(f"gibbs: {thin * more} more sweeps", thin * more) as stage:
                later, later_filled = chains.run(more, thin, jumps, rounds, stage)
            kept = np.s_[:, :0] if afresh else np.s_[:, self.draws % 2 :: 2]
            theta = np.concatenate([theta[kept], later], axis=1)
            filled = np.concatenate([filled[kept], later_filled], axis=1)
        draws.report["filled_components"] = _shares(draws.per_draw["n_filled"])
        return raw, draws

    def _draws(
        self,
        problem: Problem,
        theta: Array,
        filled: Array,
        thin: int,
        jumps: Jumps | None,
        rng: np.random.Generator,
    ) -> Draws:
        n_chains, n_draws, d = theta.shape
        if self.permute_labels:
            K = problem.layout.n_components
            orders = np.argsort(rng.random((n_chains, n_draws, K)), axis=-1)
            theta = problem.layout.collapse(problem.layout.expand(theta).permuted(orders))
        prior, likelihood = LogPosterior(problem).values(theta.reshape(-1, d))
        draws = Draws(
            theta=theta,
            log_prior=prior.reshape(n_chains, n_draws),
            log_likelihood=likelihood.reshape(n_chains, n_draws),
            solver=self.name,
            report={"sweeps": thin * n_draws, "thin": thin},
            per_draw={"n_filled": filled},
        )
        if jumps is not None:
            draws.report["jumps"] = jumps.accepted
        return draws


def _with(draws: Draws, evidence: Evidence) -> Draws:
    draws.log_evidence, draws.log_evidence_error = evidence
    return draws


def _shares(n_filled: Array) -> dict[int, float]:
    """Posterior probability of every number of filled components that was seen."""
    counts = np.bincount(n_filled.ravel().astype(np.intp))
    return {int(k): float(counts[k] / counts.sum()) for k in np.flatnonzero(counts)}
