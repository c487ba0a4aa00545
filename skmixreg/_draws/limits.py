"""Every limit that decides whether a fit can be trusted, with the words that go with it.

A solver's failure and the table of checks take limits and words from here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .advice import Failure, advise

AT_MOST, AT_LEAST = "at most", "at least"

# Chains (Vehtari, Gelman, Simpson, Carpenter and Buerkner 2021, Bayesian Analysis 16, 667-718).
RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0
# A mode of less than this share of the posterior changes no summary that anyone reads.
NEGLIGIBLE_SHARE = 0.01
# Masses count as settled when their share of the posterior is known this well (standard error).
SHARE_ERROR_LIMIT = 0.02
# Share of the draws of `nuts` that may diverge.
DIVERGENT_SHARE = 0.001
# Nats by which a sampler's own density may be off the one that draws are reported with.
DENSITY_TOLERANCE = 1e-3
# Correlation of particles with where they started in the last stage that still passes.
CORRELATION_LIMIT = 0.5

# Importance sampling.
LEAST_IMPORTANCE_ESS = 400.0
# Nats by which Gibbs sweeps may raise the largest ratio p / q: it grew by at most 1.8 in sound
# fits, by 14 and more in unsound ones.
EXCESS_LIMIT = 3.0
# So much calls for parts that are fitted to a chain: it grew by 2 where a mean was 0.14 sds off.
SUSPICIOUS_EXCESS = 1.0

# Approximations.
# Smallest accepted ratio of an sd of an approximation to the one from the curvature of the
# posterior: half of the variance.
LEAST_SD_RATIO = 0.7
# Share of another optimum from which on one of them is not the posterior.
SECOND_OPTIMUM_SHARE = 0.05
# The fewest draws: they leave a tail of twenty for k-hat to be fitted to.
FEWEST_DRAWS = 100

# The evidence.
# Draws that must lie, in effect, where both densities of a bridge do.
LEAST_OVERLAP = 10.0
# Standard error of the log evidence with which models can still be chosen.
EVIDENCE_ERROR_LIMIT = 0.5
# Standard errors, known from a few chains only, that two estimates of the evidence may be apart.
ERRORS_APART = 5.0

# The meaning of a fit that converged.
# A second distinct solution of more than this share makes averages over solutions mean little.
SECOND_MODE_SHARE = 0.05
# Posterior probability above which a component counts as unfilled, or labels as ambiguous.  On 14
# simulated data sets it is under 0.08 for every number of components up to the true one, and from
# 0.2 to 1 with one or two more.
WEAK_SHARE = 0.1
# Where a sensitivity begins to count (Kallioinen et al. 2024, section 2.5).
SENSITIVITY_LIMIT = 0.05

# Where to go from an approximation that is too far off.
INSTEAD = "solver='auto' (exact, about as fast), 'gibbs' or 'nuts'"


def khat_threshold(n_draws: int) -> float:
    """Largest k-hat that importance sampling with this many draws can be trusted at.

    ``min(1 - 1 / log10(S), 0.7)`` (Vehtari, Simpson, Gelman, Yao and Gabry 2024, section 3.2.4).
    """
    return min(1.0 - 1.0 / np.log10(max(n_draws, 11)), 0.7)


def most_divergences(n_draws: int) -> float:
    """Divergences among this many draws that still pass: one is no evidence."""
    return max(1.0, DIVERGENT_SHARE * n_draws)


class Limit(NamedTuple):
    """What one number of a solver's report is held against.

    Attributes
    ----------
    check : str
        Its name in the table of checks.
    side : {AT_MOST, AT_LEAST}
    value : float
        nan where it depends on the fit.
    good, bad : str
        What the number means on either side.
    change : str
        What to change about a bad one; may be empty.
    instead : tuple of str
        Solvers to use instead.
    """

    check: str
    side: str
    value: float
    good: str
    bad: str
    change: str
    instead: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What to do about a bad one."""
        return advise(self.change, self.instead)

    def failure(self, what: str) -> Failure:
        """That it went wrong as ``what`` says, with the advice."""
        return Failure(what, self.change, self.instead)


# By key of the report, in the order of the table.
LIMITS = {
    "rhat": Limit(
        "rhat", AT_MOST, RHAT_LIMIT,
        "chains agree",
        "chains disagree",
        "raise tune and draws, or lower n_components if a component stands nearly empty",
    ),
    "ess_bulk": Limit(
        "ess_bulk", AT_LEAST, ESS_LIMIT,
        "enough effective draws for means and sds",
        "too few effective draws for means and sds",
        "raise draws",
    ),
    "ess_tail": Limit(
        "ess_tail", AT_LEAST, ESS_LIMIT,
        "enough effective draws for intervals",
        "too few effective draws for intervals",
        "raise draws",
    ),
    "divergences": Limit(
        "divergences", AT_MOST, np.nan,
        "chains could follow the posterior everywhere",
        "chains could not follow the posterior everywhere",
        "raise target_accept, lower n_components, or state narrower priors",
    ),
    "settled": Limit(
        "mode_shares_settled", AT_LEAST, 1.0,
        "the share of every mode is known",
        "chains stay in different modes, whose shares are not known",
        "raise chains and draws",
        ("laplace",),
    ),
    "khat": Limit(
        "khat", AT_MOST, np.nan,
        "what was drawn from covers the posterior",
        "what was drawn from is too far off the posterior, intervals cannot be trusted",
        "",
        ("auto", "gibbs", "nuts"),
    ),
    "importance_ess": Limit(
        "importance_ess", AT_LEAST, LEAST_IMPORTANCE_ESS,
        "proposals are worth this many independent draws",
        "too few proposals carry the weight",
        "raise draws",
        ("auto",),
    ),
    "sd_ratio": Limit(
        "sd_ratio", AT_LEAST, LEAST_SD_RATIO,
        "no sd is far below the one from the curvature of the posterior",
        "an sd is far below the one from the curvature of the posterior, intervals are too short",
        "",
        ("auto",),
    ),
    "change": Limit(
        "change_of_means", AT_MOST, np.nan,
        "the approximation has settled, in posterior sds",
        "the approximation has not settled",
        "raise n_iterations",
    ),
    "correlation": Limit(
        "particle_correlation", AT_MOST, CORRELATION_LIMIT,
        "particles moved away from where the last stage began",
        "particles hardly moved in the last stage",
        "raise max_cycles",
        ("gibbs", "nuts"),
    ),
}  # fmt: skip


def disagreement(solver: str, rhat: float) -> str:
    """The failure of chains that disagree."""
    limit = LIMITS["rhat"]
    return limit.failure(f"{solver}: {limit.bad}, R-hat = {rhat:.3f} exceeds {limit.value}")


def too_few_draws(solver: str, key: str, size: float) -> str:
    """The failure of chains whose effective size, ``ess_bulk`` or ``ess_tail``, is too small."""
    limit, kind = LIMITS[key], key.removeprefix("ess_")
    return limit.failure(
        f"{solver}: the {kind} effective sample size is {size:.0f}, under {limit.value:.0f}"
    )


def never_visited(solver: str, share: float) -> str:
    """The failure of chains that left out a part of the posterior that holds this share."""
    what = f"chains never visited modes that hold about {100 * share:.0f}% of the posterior"
    return LIMITS["settled"].failure(f"{solver}: modes not settled, {what}")


def far_off(solver: str, khat: float, threshold: float, instead: str = INSTEAD) -> str:
    """The failure of an approximation whose k-hat is over the threshold."""
    return (
        f"{solver}: k-hat is {khat:.2f}, over {threshold:.2f}: the approximation is far from the "
        f"posterior and its intervals cannot be trusted; use {instead}"
    )


def narrowness(ratio: float, solver: str) -> list[str]:
    """A failure if q is far too narrow, which k-hat does not always see in time."""
    if ratio >= LEAST_SD_RATIO:
        return []
    return [
        f"{solver}: an sd is only {ratio:.2f} of the one from the curvature of the posterior, "
        f"under {LEAST_SD_RATIO}, as where components overlap: intervals are too short; use "
        f"{INSTEAD}"
    ]
