"""Importance sampling from a symmetrised proposal, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .._model.density import LogPosterior
from .._model.few_rows import FewRows
from .._proposals.symmetrised import SymmetrisedMixture
from .._support.arrays import Array
from .._support.sampling import systematic_index
from .draws import Draws
from .limits import LEAST_IMPORTANCE_ESS, LIMITS, khat_threshold

# Nats: the standard error that a log-likelihood from few rows may have.  Draws that have a larger
# one are looked at on all rows, up to this share of them, and those under this part of the mean
# weight may be anything.
LARGEST_ERROR = 0.01
MOST_ON_ALL_ROWS = 0.01
NEGLIGIBLE_WEIGHT, ERRORS_ABOVE = 0.01, 5.0
# Draws whose log-likelihood is held against that of all rows, and nats that any may be off by.
CHECKED_DRAWS, MOST_OFF = 16, 0.04


class ImportanceSample:
    """Draws from a symmetrised proposal with Pareto-smoothed weights."""

    def __init__(
        self,
        thetas: Array,
        part: NDArray[np.intp],
        log_prior: Array,
        log_likelihood: Array,
        log_proposal: Array,
    ):
        self.thetas = thetas
        self.part = part
        self.log_prior = log_prior
        self.log_likelihood = log_likelihood
        self.log_proposal = log_proposal
        self.of_few_rows: dict[str, float] = {}
        log_ratio = log_prior + log_likelihood - log_proposal
        log_ratio = np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
        self.log_ratio = log_ratio
        top = float(log_ratio.max())
        self.largest = top
        raw = np.exp(log_ratio - top)
        n = len(raw)
        self.log_evidence = top + float(np.log(raw.mean()))
        self.log_evidence_error = float(raw.std() / raw.mean() / np.sqrt(n))
        self.ess = float(raw.sum() ** 2 / (raw**2).sum())
        smoothed, self.khat = pareto_smoothed(log_ratio - top)
        weights = np.exp(smoothed - smoothed.max())
        self.weights = weights / weights.sum()

    @classmethod
    def draw(
        cls,
        density: LogPosterior,
        proposal: SymmetrisedMixture,
        rng: np.random.Generator,
        n: int,
        advance: Callable[[int], None] | None = None,
        few_rows: FewRows | None = None,
    ) -> ImportanceSample:
        """Draw ``n`` from the proposal and weigh them; ``advance`` is told how many are done.

        With ``few_rows`` log-likelihoods are estimates, unless these are not good enough.
        """
        thetas, part = proposal.sample(rng, n)
        log_proposal = proposal.log_density(thetas)
        if few_rows is not None:
            sample = cls._of_few_rows(few_rows, proposal.points, thetas, part, log_proposal)
            if sample is not None:
                return sample
        log_prior, log_likelihood = density.values(thetas, advance)
        return cls(thetas, part, log_prior, log_likelihood, log_proposal)

    @classmethod
    def _of_few_rows(
        cls,
        few_rows: FewRows,
        points: list[Array | None],
        thetas: Array,
        part: NDArray[np.intp],
        log_proposal: Array,
    ) -> ImportanceSample | None:
        """The sample by estimates of log-likelihoods; None where all rows are cheaper or needed."""
        density = few_rows.density
        log_prior = density.log_prior(thetas)
        value, error = np.full(len(thetas), np.nan), np.zeros(len(thetas))
        near = np.array([point is not None for point in points])[part]
        while few_rows.pays(len(thetas), len(points)):
            # Draws near no point see all rows, once.
            again = near | np.isnan(value)
            value[again], error[again] = few_rows.log_likelihoods(
                points, thetas[again], part[again]
            )
            sample = cls(thetas, part, log_prior, value, log_proposal)
            # A draw that has no weight, even if it is as good as its error allows, may be anything.
            most = log_prior + value - log_proposal + ERRORS_ABOVE * error
            matters = most > sample.log_evidence + np.log(NEGLIGIBLE_WEIGHT)
            doubtful = matters & (error > LARGEST_ERROR)
            typical = float(np.quantile(error[matters], 1.0 - MOST_ON_ALL_ROWS))
            if typical <= LARGEST_ERROR:
                if doubtful.any():
                    value[doubtful], error[doubtful] = density.values(thetas[doubtful])[1], 0.0
                    sample = cls(thetas, part, log_prior, value, log_proposal)
                checked = few_rows.rng.choice(len(thetas), CHECKED_DRAWS, p=sample.weights)
                off = np.abs(density.values(thetas[checked])[1] - value[checked])
                # Together they are off by no more than their errors may be.
                if off.max() <= MOST_OFF and np.sqrt((off**2).mean()) <= LARGEST_ERROR:
                    sample.of_few_rows = {
                        "rows_per_draw": float(few_rows.size),
                        "log_likelihood_error": float(error[matters].max()),
                        "log_likelihood_check": float(off.max()),
                    }
                    return sample
            few_rows.enlarge(typical / LARGEST_ERROR)
        return None

    @property
    def passes(self) -> bool:
        """k-hat and effective sample size are good enough."""
        return self.khat <= khat_threshold(len(self.thetas)) and self.ess >= LEAST_IMPORTANCE_ESS

    def hopeless(self, left: int, previous_khat: float) -> bool:
        """Whether adaptation no longer helps the tail, or ``left`` draws cannot be enough."""
        stuck = self.khat > khat_threshold(len(self.thetas)) and self.khat > previous_khat - 0.05
        efficiency = self.ess / len(self.thetas)
        return stuck or 4.0 * efficiency * left < LEAST_IMPORTANCE_ESS

    def to_draws(self, rng: np.random.Generator, n: int, solver: str) -> Draws:
        """``n`` equally weighted draws by systematic resampling, in random order.

        ``solver`` is the name of the solver that makes them.
        """
        index = rng.permutation(systematic_index(rng, self.weights, n))
        failures: list[str] = []
        threshold = khat_threshold(len(self.thetas))
        if not self.passes:
            what = (
                f"importance sampling is not reliable: k-hat {self.khat:.2f} (should be at most "
                f"{threshold:.2f}), importance ESS {self.ess:.0f} (should be at least "
                f"{LEAST_IMPORTANCE_ESS:.0f})"
            )
            failures.append(LIMITS["khat"].failure(what))
        return Draws(
            theta=self.thetas[index][None],
            log_prior=self.log_prior[index][None],
            log_likelihood=self.log_likelihood[index][None],
            log_proposal=self.log_proposal[index][None],
            solver=solver,
            report={
                "khat": self.khat,
                "khat_threshold": threshold,
                "importance_ess": self.ess,
                "n_proposals": len(self.thetas),
                **self.of_few_rows,
            },
            failures=failures,
            log_evidence=self.log_evidence,
            log_evidence_error=self.log_evidence_error,
            independent=True,
        )


def pareto_khat(log_ratio: Array) -> float:
    """Shape of the generalised Pareto distribution that fits the largest importance ratios.

    Parameters
    ----------
    log_ratio : ndarray of shape (S,)
        Logs of p / q; -inf where p is zero.
    """
    log_ratio = np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
    return pareto_smoothed(log_ratio - log_ratio.max())[1]


def pareto_smoothed(log_ratio: Array) -> tuple[Array, float]:
    """Log weights by Pareto-smoothed importance sampling, up to a constant, and k-hat.

    Parameters
    ----------
    log_ratio : ndarray of shape (S,)
        Logs of p / q, of which the largest is 0.
    """
    from arviz_stats.base import array_stats

    finite = np.maximum(log_ratio, -700.0)
    try:
        smoothed, khat = array_stats.psislw(-finite)
    except ValueError as error:
        if "tail values are the same" not in str(error):
            raise
        return finite, 0.0  # bounded, and nothing to be smoothed
    return smoothed, float(khat)
