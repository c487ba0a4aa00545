"""Gibbs sampling by data augmentation, with jumps between modes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .._draws.bridge import Evidence
from .._draws.draws import Draws
from .._draws.evidence import bridge_to_mixture, log_ratio, with_evidence
from .._draws.judge import judge_chains, start_points
from .._model.blocks import Array, Components
from .._model.density import LogPosterior
from .._model.problem import Problem
from .._proposals.from_modes import mixture_over_modes
from .._search.mode_table import ModeTable
from .._support.progress import SILENT, UNWATCHED, Progress, Stage
from ._base import Solver
from ._gibbs.chunk_kernels import label_sums, parameter_draws
from ._gibbs.sweep_kernels import sweeps

# Rounds of jumps while tuning and per run.  Where there are several modes every visit to one counts
# little more than a single draw, so there must be many.
TUNING_ROUNDS = 10
# Parts of the proposal times rounds per run: the time of a round grows with the parts.
PARTS_TIMES_ROUNDS = 1200
ROUNDS_RANGE = (60, 200)
QUIET_ROUNDS = 20  # without jumps, so that it can be said how far chains are
JUMP_TRIES = 8  # proposals that every chain sees in a round
# Rows x components x sweeps between kept draws that cost less than all else.
CHEAP_WORK = 20_000
# Chains go on below it while that takes no more than so many times ``draws`` sweeps: at 400, which
# passes, a mean is still off by 0.05 sds.
COMFORTABLE_ESS = 1200.0
COMFORTABLE_THIN = 8


class Gibbs(Solver):
    r"""Data augmentation with conditionally conjugate draws.

    One sweep draws the label of every row, then the weights, every line and every sigma from
    their full conditional distributions (Diebolt and Robert 1994):

    .. math::

        z_i &\sim \mathrm{Categorical}(r_{i1}, \dots, r_{iK}) \\
        w &\sim \mathrm{Dirichlet}(c + n_1, \dots, c + n_K) \\
        (b_{0k}, b_k) &\sim N(Q_k^{-1} \tilde X_k^\top y_k / \sigma_k^2, \; Q_k^{-1}) \\
        \sigma_k^2 &\sim \mathrm{GIG}(-n_k / 2, \; f^2 + \mathrm{SSE}_k, \; 1 / u^2)

    Between sweeps, chains may jump: an independence Metropolis step proposes draws from t
    distributions around all modes, with label permutations averaged.  Sweeps move within a mode
    at any shape of the posterior; jumps carry chains across.  Both leave the posterior invariant.
    The proposal is that of `Laplace`, with its parts for empty components.

    When R-hat or effective sizes are not good after ``draws`` sweeps, chains go on: their length
    doubles, up to ``max_thin`` times, and every second, fourth, ... sweep is kept, so that there
    are always ``draws`` draws per chain.

    Parameters
    ----------
    draws : int, default=1000
        Draws kept per chain.
    tune : int, default=200
        Sweeps per chain before the first draw; chains start in draws from the modes.
    chains : int, default=4
    max_thin : int, default=32
        How many times ``draws`` sweeps a chain may take.
    jumps : bool, default=True
        Whether chains jump between modes.
    permute_labels : bool, default=False
        Whether every draw gets a random permutation of its labels (Fruhwirth-Schnatter 2001).
        Results do not depend on it, since labels are aligned afterwards.

    Notes
    -----
    Every draw counts the components that hold at least one row, ``posterior_["n_filled"]``;
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

    Malsiner-Walli, G., Fruhwirth-Schnatter, S. and Gruen, B. (2016). Model-based clustering based
    on sparse finite Gaussian mixtures. Statistics and Computing 26, 303-324.
    """

    name = "gibbs"
    summary = "data augmentation, several chains, with jumps between modes"
    requires_conjugate = True
    takes_chunks = True
    cost = "rows x K x (p + p^2 / 2) per sweep, 2 to 20 ns each; thousands of sweeps"
    needs = "a conjugate family, and weights that are counts"
    fails = "components that overlap almost wholly need many sweeps; it says so by R-hat"

    def __init__(
        self,
        draws: int = 1000,
        tune: int = 200,
        chains: int = 4,
        max_thin: int = 32,
        jumps: bool = True,
        permute_labels: bool = False,
    ):
        self.draws = draws
        self.tune = tune
        self.chains = chains
        self.max_thin = max_thin
        self.jumps = jumps
        self.permute_labels = permute_labels

    @classmethod
    def serves(cls, problem: Problem) -> bool:
        """Whether rows can be given labels: a conjugate family, and weights that are counts.

        A fractional weight is a power of the likelihood of its row, and a power of a sum over
        components is no longer a sum over labels.
        """
        return problem.family.conjugate and problem.rows.counts

    def check_options(self) -> None:
        self._check_counts(draws=4, tune=0, chains=1, max_thin=1)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if not problem.rows.counts:
            raise ValueError(
                "solver='gibbs' needs sample weights that are counts (integers): a fractional "
                "weight is a power of the likelihood, for which rows have no labels to draw; use "
                "solver='laplace' or solver='nuts'."
            )

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
            jumps = _Jumps(problem, modes, rng) if self.jumps else None
            with progress.stage("gibbs: tuning", self.tune) as stage:
                chains.run(self.tune, 1, jumps, TUNING_ROUNDS, stage)
            work = problem.n_rows * problem.blocks.n_components
            thin = int(np.clip(CHEAP_WORK / work, 1, min(8, self.max_thin)))
            rounds = jumps.rounds if jumps is not None else 0
            with progress.stage("gibbs: sweeps", thin * self.draws) as stage:
                theta, filled = chains.run(self.draws, thin, jumps, rounds, stage)
            while True:
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
                more = self.draws // 2
                with progress.stage(f"gibbs: {thin * more} more sweeps", thin * more) as stage:
                    later, later_filled = chains.run(more, thin, jumps, rounds, stage)
                kept = np.s_[:, self.draws % 2 :: 2]
                theta = np.concatenate([theta[kept], later], axis=1)
                filled = np.concatenate([filled[kept], later_filled], axis=1)
        draws.report["filled_components"] = _shares(draws.per_draw["n_filled"])
        if jumps is None or draws.report.get("resampled_over_modes"):
            return with_evidence(problem, modes, raw, draws, rng)
        draws.log_evidence, draws.log_evidence_error = jumps.weigh(raw)
        return draws

    def _draws(
        self,
        problem: Problem,
        theta: Array,
        filled: Array,
        thin: int,
        jumps: _Jumps | None,
        rng: np.random.Generator,
    ) -> Draws:
        n_chains, n_draws, d = theta.shape
        if self.permute_labels:
            K = problem.blocks.n_components
            orders = np.argsort(rng.random((n_chains, n_draws, K)), axis=-1)
            theta = problem.blocks.pack(problem.blocks.unpack(theta).permuted(orders))
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


def _shares(n_filled: Array) -> dict[int, float]:
    """Posterior probability of every number of filled components that was seen."""
    counts = np.bincount(n_filled.ravel().astype(np.intp))
    return {int(k): float(counts[k] / counts.sum()) for k in np.flatnonzero(counts)}


class Chains:
    """States of the chains, advanced side by side.

    Parameters
    ----------
    problem : Problem
    starts : ndarray of shape (chains, d)
    rng : numpy.random.Generator
        Source of the keys of the chains; all else follows from these.
    pool : ThreadPoolExecutor
    """

    def __init__(
        self, problem: Problem, starts: Array, rng: np.random.Generator, pool: ThreadPoolExecutor
    ):
        self.problem = problem
        self.pool = pool
        self.keys = rng.integers(2**64, size=len(starts), dtype=np.uint64)
        self.done = 0
        priors = problem.priors
        self._hyper = (
            priors.weight_concentration,
            priors.intercept_scale,
            priors.coef_scale,
            priors.sigma_floor,
            priors.sigma_ceiling,
        )
        self._repeated = problem.rows.repeated
        self.theta = starts

    @property
    def theta(self) -> Array:
        """Current states: (chains, d)."""
        return self.problem.blocks.pack(
            Components(*(np.stack(arrays) for arrays in zip(*self._states, strict=True)))
        )

    @theta.setter
    def theta(self, values: Array) -> None:
        components = self.problem.blocks.unpack(values)
        # Chains draw from a normal around a mode to start: its tails in log sigma mean nothing.
        low = np.log(self.problem.priors.sigma_floor) - 1.0
        high = np.log(self.problem.priors.sigma_ceiling) + 1.0
        components = components._replace(
            log_dispersion=np.clip(components.log_dispersion, low, high)
        )
        self._states = [
            tuple(np.array(part[c], order="C") for part in components) for c in range(len(values))
        ]

    def run(
        self,
        n_keep: int,
        thin: int,
        jumps: _Jumps | None,
        rounds: int,
        stage: Stage = UNWATCHED,
    ) -> tuple[Array, Array]:
        """Advance by ``n_keep * thin`` sweeps, with ``rounds`` rounds of jumps in between.

        ``stage`` counts the sweeps.

        Returns
        -------
        theta : ndarray of shape (chains, n_keep, d)
        filled : ndarray of shape (chains, n_keep)
            Number of components that held a row.
        """
        if n_keep == 0:
            empty = np.empty((len(self.keys), 0, self.problem.blocks.size))
            return empty, np.empty(empty.shape[:2])
        rounds = min(QUIET_ROUNDS if jumps is None else rounds, n_keep)
        kept = []
        if jumps is not None:
            jumps.prepare(rounds, len(self.keys))
        for length in np.diff(np.linspace(0, n_keep, rounds + 1).astype(int)):
            if jumps is not None:
                self._jump(jumps)
            kept.append(self._sweep(int(length), thin))
            self.done += int(length) * thin
            stage.advance(int(length) * thin)
        flat = np.concatenate(kept, axis=1)
        return self._unconstrained(flat[..., :-1]), flat[..., -1]

    def _sweep(self, n_keep: int, thin: int) -> Array:
        problem, blocks = self.problem, self.problem.blocks
        if not problem.rows.in_memory:
            return self._sweep_chunks(n_keep, thin)

        def one(chain: int) -> Array:
            return sweeps(
                problem.mean_design, problem.target, problem.weights, self._repeated, self._hyper,
                blocks.fit_intercept, blocks.shared_dispersion, *self._states[chain],
                self.keys[chain], self.done, n_keep, thin,
            )  # fmt: skip

        return np.stack(list(self.pool.map(one, range(len(self.keys)))))

    def _sweep_chunks(self, n_keep: int, thin: int) -> Array:
        """All chains in step, so that one message to the rows serves them all."""
        blocks = self.problem.blocks
        stacked = [np.stack(parts) for parts in zip(*self._states, strict=True)]
        kept = []
        for t in range(n_keep * thin):
            stats = self.problem.rows.sum_of_parts(
                label_sums, self._repeated, blocks.fit_intercept, *stacked, self.keys, self.done + t
            )
            state = parameter_draws(
                stats, self._hyper, blocks.fit_intercept, blocks.shared_dispersion, *stacked,
                self.keys, self.done + t,
            )  # fmt: skip
            if (t + 1) % thin == 0:
                kept.append(state)
        self._states = [tuple(np.array(part[c]) for part in stacked) for c in range(len(self.keys))]
        return np.stack(kept, axis=1)

    def _jump(self, jumps: _Jumps) -> None:
        current = self.theta
        moved = jumps.attempt(current)
        if moved is not None:
            self.theta = moved

    def _unconstrained(self, flat: Array) -> Array:
        blocks = self.problem.blocks
        K, p = blocks.n_components, blocks.n_features
        return blocks.pack(
            Components(
                flat[..., :K],
                flat[..., K : 2 * K],
                flat[..., 2 * K : 2 * K + K * p].reshape(*flat.shape[:-1], K, p),
                flat[..., 2 * K + K * p :],
            )
        )


class _Jumps:
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
