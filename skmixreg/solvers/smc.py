"""Sequential Monte Carlo: PyMC's tempering from the prior to the posterior."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp

from .._draws.advice import Failure
from .._draws.bridge import Evidence
from .._draws.draws import Draws
from .._draws.evidence import with_evidence
from .._draws.judge import judge_chains
from .._draws.limits import CORRELATION_LIMIT, ERRORS_APART, EVIDENCE_ERROR_LIMIT, LIMITS
from .._model.problem import Problem
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .._support.progress import SILENT, Progress
from .._support.quiet import without_messages
from ._base import Solver

if TYPE_CHECKING:
    from ._smc.kernel import Run


class SMC(Solver):
    """Sequential Monte Carlo on the PyMC model, from draws of the prior.

    Particles start in the prior and pass through tempered posteriors, prior times a power of the
    likelihood, by `pymc.sample_smc`: weighting, resampling, moving (Del Moral, Doucet and Jasra
    2006).  The search for modes plays no part: it is an independent check of what the other
    solvers found.  It only serves to name the modes of the draws and to weigh them.

    The moves are the package's own, since PyMC's have one scale for all particles and lose modes
    that are narrow.  A mixture of t distributions is fitted to the particles at every stage;
    particles are drawn anew from it, as a whole or one component given the others, walk with the
    shape of the part they belong to, and exchange components that stand empty; every step is
    Metropolis and Hastings'.  A mode that holds nothing while the likelihood is weak, and much
    when it is not, loses its particles on the way: climbing from early particles finds it, and
    the mixture proposes it too.

    Several chains run one after the other, with nothing in common.

    Parameters
    ----------
    draws : int, default=1000
        Particles per chain.
    chains : int, default=4
        Independent repetitions.  Their agreement is what says that none lost a mode.
    threshold : float, default=0.5
        Between 0 and 1: the power of the likelihood grows until the weights of the particles are
        worth this share of equal ones.  Higher means more stages.
    correlation_threshold : float, default=0.1
        Between 0 and 1: particles move until the correlation with where they started is at most
        this, in every coordinate.
    max_cycles : int, default=40
        Cycles of moves per stage at most.

    Notes
    -----
    Particles of one chain stand in the order of their ancestors, as resampling leaves them.
    Relatives are neighbours, so that what they have in common shows as autocorrelation, and
    effective sizes and R-hat mean what they mean for Markov chains.

    Every chain estimates the evidence by the product of its mean weights, stage by stage, without
    bias: the report has these estimates, ``log_evidence_by_chain``, and the log of their mean,
    ``path_log_evidence``, with an error from their spread (nan for a single chain).
    ``log_evidence_`` comes from a bridge between the final particles and the mixture over the
    modes, which is ten times as sharp; the two must agree.  Only here does the search for modes
    enter, as a proposal.

    References
    ----------
    Del Moral, P., Doucet, A. and Jasra, A. (2006). Sequential Monte Carlo samplers. JRSS B 68,
    411-436.
    """

    name = "smc"
    summary = "tempering from the prior, several chains; knows nothing of the mode search"
    requires = ("memory", "plain")
    cost = "rows x K x p per move of a particle, 3 to 5 ns each; hundreds of moves per particle"
    fails = "many components and few particles: chains disagree, R-hat and spread of the evidence"

    def __init__(
        self,
        draws: int = 1000,
        chains: int = 4,
        threshold: float = 0.5,
        correlation_threshold: float = 0.1,
        max_cycles: int = 40,
    ):
        self.draws = draws
        self.chains = chains
        self.threshold = threshold
        self.correlation_threshold = correlation_threshold
        self.max_cycles = max_cycles

    def check_options(self) -> None:
        self._check_counts(draws=100, chains=1, max_cycles=1)
        for option in ("threshold", "correlation_threshold"):
            share: Any = getattr(self, option)
            if not (isinstance(share, Real) and 0.0 < float(share) < 1.0):
                raise ValueError(
                    f"SMC({option}=...) must be a number between 0 and 1, got {share!r}."
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
        import pymc as pm

        from .._pymc.model import build_model
        from ._smc.kernel import CHAIN_STEPS, ParticleKernel

        runs: list[Run] = []
        whole = CHAIN_STEPS * int(self.chains)
        with (
            without_messages("pymc.smc.sampling"),
            progress.stage(f"smc: {self.chains} chains", whole) as stage,
        ):
            pm.sample_smc(
                draws=int(self.draws),
                kernel=ParticleKernel,
                model=build_model(problem, "kernel"),
                random_seed=[int(seed) for seed in rng.integers(2**31, size=self.chains)],
                chains=int(self.chains),
                # Processes of PyMC's own would fail inside those of joblib.
                cores=1,
                compute_convergence_checks=False,
                progressbar=False,
                threshold=float(self.threshold),
                problem=problem,
                runs=runs,
                correlation_threshold=float(self.correlation_threshold),
                max_cycles=int(self.max_cycles),
                progress=progress,
                advance=stage.advance,
            )
        evidences = np.array([run.log_evidence for run in runs])
        path = _path_evidence(evidences)
        left = [run.correlations[-1] for run in runs]
        draws = Draws(
            theta=np.stack([run.population.theta for run in runs]),
            log_prior=np.stack([run.population.log_prior for run in runs]),
            log_likelihood=np.stack([run.population.log_likelihood for run in runs]),
            solver=self.name,
            report={
                "stages": [len(run.betas) for run in runs],
                "cycles": [sum(run.cycles) for run in runs],
                "log_evidence_by_chain": evidences - problem.log_scale,
                "path_log_evidence": path.log_evidence - problem.log_scale,
                "path_log_evidence_error": path.error,
                "correlation": max(left),
                "largest_correlation": max(max(run.correlations) for run in runs),
            },
        )
        if path.error > EVIDENCE_ERROR_LIMIT:
            draws.failures.append(
                Failure(
                    "smc: chains disagree on the evidence, its log is known to "
                    f"+-{path.error:.2f} only (should be at most {EVIDENCE_ERROR_LIMIT})",
                    "raise draws", ("gibbs", "laplace"),
                )
            )  # fmt: skip
        if max(left) > CORRELATION_LIMIT:
            draws.failures.append(
                LIMITS["correlation"].failure(
                    f"smc: {LIMITS['correlation'].bad}, their correlation with where they started "
                    f"is {max(left):.2f} (should be at most {CORRELATION_LIMIT})"
                )
            )
        judged = judge_chains(problem, modes, draws, rng)
        judged = with_evidence(problem, modes, draws, judged, rng)
        return _held_against_path(judged, path)


def _path_evidence(log_evidences: Array) -> Evidence:
    """Log of the mean evidence of the chains; its standard error, from their spread, or nan."""
    n = len(log_evidences)
    value = float(logsumexp(log_evidences) - np.log(n))
    if n == 1:
        return Evidence(value, np.nan)
    return Evidence(value, float(np.exp(log_evidences - value).std(ddof=1) / np.sqrt(n)))


def _held_against_path(draws: Draws, path: Evidence) -> Draws:
    """The bridge must agree with the way particles took from the prior, which it knows nothing of.

    Where there is no bridge, the way has the evidence.
    """
    value, error = draws.log_evidence, draws.log_evidence_error
    if value is None or error is None or not np.isfinite(error):
        return replace(draws, log_evidence=path.log_evidence, log_evidence_error=path.error)
    gap = abs(value - path.log_evidence)
    if gap > EVIDENCE_ERROR_LIMIT and gap > ERRORS_APART * np.hypot(error, path.error):
        draws.failures.append(
            Failure(
                "smc: the evidence on the way from the prior and that of the particles at its end "
                f"differ by {gap:.2f} nats (should be at most {EVIDENCE_ERROR_LIMIT}), as where a "
                "mode was lost on the way",
                "raise draws", ("gibbs", "laplace"),
            )
        )  # fmt: skip
    return draws
