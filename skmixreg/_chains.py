"""What several chains say together: R-hat, effective sizes, and chains stuck in different modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from ._alignment import Pivot
from ._blocks import Array
from ._bridge import Evidence, bridge_evidence
from ._density import LogPosterior
from ._draws import Draws
from ._mode_table import Mode, ModeTable
from ._problem import Problem
from ._proposal import StudentPart, SymmetrisedMixture

# Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Bayesian Analysis 16, 667-718.
RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0
# A mode of less than this share of the posterior changes no summary that anyone reads.
NEGLIGIBLE_SHARE = 0.01
# Masses count as settled when their share of the posterior is known this well (standard error).
SHARE_ERROR_LIMIT = 0.02
BRIDGE_DRAWS = 2000
DF = 5.0


class Diagnostics(NamedTuple):
    """Worst values over the coordinates."""

    rhat: float
    ess_bulk: float
    ess_tail: float

    @property
    def passed(self) -> bool:
        """Whether all three are good; nan is not."""
        return (
            self.rhat <= RHAT_LIMIT and self.ess_bulk >= ESS_LIMIT and self.ess_tail >= ESS_LIMIT
        )


# ---------------------------------------------------------------------------------------------
# Diagnostics of arrays (chains, draws, quantities).  ArviZ has the same; importing it costs more
# than a second, which is more than most fits take.


def diagnose(values: Array) -> Diagnostics:
    """Rank-normalised split R-hat, bulk and tail effective sample size; the worst of each.

    Parameters
    ----------
    values : ndarray of shape (chains, draws, quantities)

    Returns
    -------
    Diagnostics
        All nan if a value is not finite, a quantity never changes or there are under 4 draws.
    """
    if values.shape[1] < 4 or not np.isfinite(values).all():
        return Diagnostics(np.nan, np.nan, np.nan)
    if values.shape[2] == 0:
        return Diagnostics(1.0, float(values.shape[0] * values.shape[1]), np.inf)
    if (np.ptp(values, axis=(0, 1)) == 0).any():
        return Diagnostics(np.nan, np.nan, np.nan)
    split = _split(values)
    folded = np.abs(split - np.median(split, axis=(0, 1)))
    z = _normal_scores(split)
    rhat = np.maximum(_rhat(z), _rhat(_normal_scores(folded)))
    low, high = np.quantile(values, (0.05, 0.95), axis=(0, 1))
    tail = np.minimum(_ess((split <= low) * 1.0), _ess((split <= high) * 1.0))
    return Diagnostics(float(rhat.max()), float(_ess(z).min()), float(tail.min()))


def _split(values: Array) -> Array:
    """Halves of the chains as chains of their own; an odd middle draw is dropped."""
    half = values.shape[1] // 2
    return np.concatenate([values[:, :half], values[:, -half:]])


def _normal_scores(values: Array) -> Array:
    flat = values.reshape(-1, values.shape[-1])
    return ndtri((rankdata(flat, axis=0) - 0.375) / (len(flat) + 0.25)).reshape(values.shape)


def _rhat(chains: Array) -> Array:
    n = chains.shape[1]
    between = n * chains.mean(axis=1).var(axis=0, ddof=1)
    within = chains.var(axis=1, ddof=1).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((between / within + n - 1) / n)


def _ess(chains: Array) -> Array:
    """Effective sample size with Geyer's initial monotone sequence, (m, n, q) -> (q,)."""
    m, n, _ = chains.shape
    centred = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
    covariance = np.fft.irfft(power, 2 * n, axis=0)[:n] / n
    mean_var = covariance[0] * n / (n - 1.0)
    var_plus = covariance[0] + chains.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1.0 - (mean_var - covariance) / var_plus
    rho[0] = 1.0
    even, odd = rho[0 : n - 1 : 2], rho[1:n:2]
    pairs = even + odd
    stop = np.argmax(pairs <= 0, axis=0)
    stop = np.where((pairs <= 0).any(axis=0), stop, len(pairs) - 1)
    kept = np.arange(len(pairs))[:, None] < stop
    monotone = np.minimum.accumulate(np.where(kept, pairs, np.inf), axis=0)
    last = np.maximum(np.take_along_axis(even, stop[None], axis=0)[0], 0.0)
    tau = -1.0 + 2.0 * np.where(kept, monotone, 0.0).sum(axis=0) + last
    return m * n / np.maximum(tau, 1.0 / np.log10(m * n))


# ---------------------------------------------------------------------------------------------
# Labels and modes


def aligned_to(problem: Problem, mode: Mode, thetas: Array) -> Array:
    """Draws in the labels under which they resemble a mode most: (S, d) -> (S, d)."""
    blocks = problem.blocks
    components = blocks.unpack(thetas)
    orders, _ = Pivot.from_mode(blocks, mode.theta, mode.scale).align(components)
    return blocks.pack(components.permuted(orders))


def nearest_modes(problem: Problem, modes: ModeTable, thetas: Array) -> NDArray[np.intp]:
    """Index of the mode that every draw most probably belongs to: (S, d) -> (S,).

    A t distribution around every mode, weighted by its mass.  It is only a partition of the
    parameter space into regions, the same for every relabelling of a draw: what is estimated of
    the regions holds for any partition.
    """
    if len(modes.modes) == 1:
        return np.zeros(len(thetas), dtype=np.intp)
    scores = []
    for mode, log_mass in zip(modes.modes, modes.log_masses, strict=True):
        part = StudentPart(problem, mode.theta, mode.scale, DF)
        scores.append(log_mass + part.log_density(aligned_to(problem, mode, thetas)))
    return np.argmax(scores, axis=0)


def start_points(
    modes: ModeTable, rng: np.random.Generator, n: int
) -> tuple[Array, NDArray[np.intp]]:
    """Starting points of chains: draws from the mode mixture, spread over the modes.

    Modes get chains by their probability (systematic sampling), but one that holds more than
    `NEGLIGIBLE_SHARE` is not left out while a mode has two.

    Returns
    -------
    theta : ndarray of shape (n, d)
    mode : ndarray of shape (n,)
    """
    share = modes.probabilities
    edges = np.concatenate([[0.0], np.cumsum(share)])
    edges[-1] = 1.0
    counts = np.diff(np.floor(edges * n + rng.random()).astype(int))
    for m in np.flatnonzero((counts == 0) & (share > NEGLIGIBLE_SHARE)):
        if counts.max() > 1:
            counts[counts.argmax()] -= 1
            counts[m] = 1
    mode = np.repeat(np.arange(len(share)), counts)
    noise = rng.standard_normal((n, len(modes.best.theta)))
    theta = np.stack(
        [modes.modes[m].theta + modes.modes[m].scale @ e for m, e in zip(mode, noise, strict=True)]
    )
    return theta, mode


def coordinates(problem: Problem, modes: ModeTable, thetas: Array) -> Array:
    """What is diagnosed of chains (C, D, d): weights, intercept, coef and log dispersion, aligned.

    Only what can vary: no weight of a single component, no intercept that is not fitted.
    """
    blocks = problem.blocks
    flat = aligned_to(problem, modes.best, thetas.reshape(-1, blocks.size))
    parts = [flat[:, blocks.table["gating"].where.stop :]]
    if blocks.n_components > 1:
        parts.insert(0, np.exp(blocks.unpack(flat).log_weights))
    return np.concatenate(parts, axis=1).reshape(*thetas.shape[:2], -1)


# ---------------------------------------------------------------------------------------------
# The verdict


def judge_chains(
    problem: Problem,
    modes: ModeTable,
    draws: Draws,
    rng: np.random.Generator | None = None,
) -> Draws:
    """Diagnose Markov chains; where they stay in different modes, weigh the modes and resample.

    R-hat at most 1.01, and bulk and tail effective sample sizes of at least 400 over all chains
    (Vehtari et al. 2021), for every aligned coordinate.  Where they fail because chains do not
    move between modes, the diagnostics are taken within modes, the evidence of the region of
    every mode is estimated by bridge sampling, and the draws are resampled so that every mode
    has its share; ``theta`` then holds equally weighted draws in random order, and the chain axis
    means nothing any more.

    Parameters
    ----------
    problem : Problem
    modes : ModeTable
    draws : Draws
    rng : numpy.random.Generator, optional
        Source of the proposals for bridge sampling and of the resampling; seeded by the shape of
        the problem by default.

    Returns
    -------
    Draws
        With ``rhat``, ``ess_bulk``, ``ess_tail``, ``settled`` and, where there are several modes,
        ``mode_share`` and ``mode_log_masses`` in its report (nan: not estimated), and a sentence
        in ``failures`` for everything that is wrong.
    """
    rng = np.random.default_rng(problem.n_rows) if rng is None else rng
    n_chains, n_draws, d = draws.theta.shape
    report, failures = dict(draws.report), list(draws.failures)
    if not np.isfinite(draws.theta).all():
        failures.append(
            f"{draws.solver}: draws are not finite; check the data for extreme values, or use "
            "solver='laplace'"
        )
        report |= {"rhat": np.nan, "ess_bulk": np.nan, "ess_tail": np.nan, "settled": False}
        return replace(draws, report=report, failures=failures)
    verdict = diagnose(coordinates(problem, modes, draws.theta))
    flat = draws.theta.reshape(-1, d)
    where = nearest_modes(problem, modes, flat)
    occupancy = np.stack(
        [np.bincount(w, minlength=len(modes.modes)) for w in where.reshape(n_chains, n_draws)]
    )
    missed = (occupancy.sum(axis=0) == 0) & (modes.probabilities > NEGLIGIBLE_SHARE)
    stuck = not verdict.passed and _occupancy_differs(occupancy)
    settled = True
    if stuck or missed.any():
        regions = _weigh_regions(problem, modes, draws, where, missed, rng)
        report["mode_log_masses"] = regions.log_masses
        share, error = regions.shares()
        within = diagnose_within(problem, modes, draws.theta, where, share)
        if stuck and error <= SHARE_ERROR_LIMIT and share[missed].sum() <= NEGLIGIBLE_SHARE:
            draws = _resample(draws, where, share, rng)
            where = where[draws.report.pop("_rows")]
            report["resampled_over_modes"] = True
            verdict = within
        elif stuck or share[missed].sum() > NEGLIGIBLE_SHARE:
            settled = False
            failures.append(_unsettled(draws.solver, share, error, missed, stuck))
    if len(modes.modes) > 1:
        report["mode_share"] = np.bincount(where, minlength=len(modes.modes)) / len(where)
    report |= verdict._asdict() | {"settled": settled}
    failures += complaints(draws.solver, verdict)
    return replace(draws, report=report, failures=failures)


def complaints(solver: str, verdict: Diagnostics) -> list[str]:
    """Sentences on what the diagnostics find wrong, each with what to do."""
    if np.isnan(verdict.rhat):
        return [
            f"{solver}: R-hat cannot be computed, a chain does not move or is shorter than 4 "
            "draws; raise draws, or use another solver"
        ]
    out = []
    if verdict.rhat > RHAT_LIMIT:
        out.append(
            f"{solver}: chains disagree, R-hat = {verdict.rhat:.3f} exceeds {RHAT_LIMIT}; raise "
            "tune and draws, or lower n_components if a component stands nearly empty"
        )
    for kind, value in (("bulk", verdict.ess_bulk), ("tail", verdict.ess_tail)):
        if value < ESS_LIMIT:
            out.append(
                f"{solver}: the {kind} effective sample size is {value:.0f}, under "
                f"{ESS_LIMIT:.0f}; raise draws"
            )
    return out


def _unsettled(solver: str, share: Array, error: float, missed: Array, stuck: bool) -> str:
    if share[missed].sum() > NEGLIGIBLE_SHARE:
        what = (
            f"{int(missed.sum())} mode(s) that hold about {100 * share[missed].sum():.0f}% of the "
            "posterior were never visited"
        )
    else:
        what = f"chains stay in different modes whose masses are known only to +-{error:.2f}"
    return f"{solver}: modes not settled, {what}; raise chains and draws, or use solver='laplace'"


def _occupancy_differs(occupancy: Array) -> bool:
    """Whether some chain's share of some mode is far from the other chains'."""
    share = occupancy / occupancy.sum(axis=1, keepdims=True)
    return bool(np.ptp(share, axis=0).max() > 0.1)


def diagnose_within(
    problem: Problem, modes: ModeTable, theta: Array, where: NDArray[np.intp], share: Array
) -> Diagnostics:
    """Diagnostics of the draws of each mode that matters; the worst R-hat and the sum of ESS.

    Draws of one chain in one mode, in their order, are a chain in that mode.  Chains that only
    passed by are left out.
    """
    n_chains, n_draws, d = theta.shape
    where = where.reshape(n_chains, n_draws)
    rhat, bulk, tail = 1.0, np.inf, np.inf
    for m in np.flatnonzero(share > NEGLIGIBLE_SHARE):
        visits = [chain[w == m] for chain, w in zip(theta, where, strict=True)]
        longest = max(len(v) for v in visits)
        if longest < 8:
            return Diagnostics(np.nan, np.nan, np.nan)
        visits = [v for v in visits if len(v) >= 0.2 * longest]
        shortest = min(len(v) for v in visits)
        one = ModeTable([modes.modes[m]], modes.log_masses[m : m + 1])
        verdict = diagnose(coordinates(problem, one, np.stack([v[-shortest:] for v in visits])))
        rhat = float(np.maximum(rhat, verdict.rhat))
        # What a mode can contribute to all draws is limited by its share.
        bulk = float(np.fmin(bulk, verdict.ess_bulk / share[m]))
        tail = float(np.fmin(tail, verdict.ess_tail / share[m]))
    return Diagnostics(rhat, bulk, tail)


@dataclass
class _Regions:
    """Estimated log mass of the region of every mode, with standard errors."""

    log_masses: Array
    errors: Array

    def shares(self) -> tuple[Array, float]:
        """Share of the posterior of every mode, and the largest standard error among them."""
        known = np.isfinite(self.log_masses)
        top = self.log_masses[known].max() if known.any() else 0.0
        mass = np.where(known, np.exp(np.where(known, self.log_masses, top) - top), 0.0)
        share = mass / mass.sum() if known.any() else mass
        relevant = share > 1e-6
        error = share * (1.0 - share) * self.errors
        return share, float(error[relevant].max(initial=0.0 if known.any() else np.inf))


def _weigh_regions(
    problem: Problem,
    modes: ModeTable,
    draws: Draws,
    where: NDArray[np.intp],
    missed: NDArray[np.bool_],
    rng: np.random.Generator,
) -> _Regions:
    """Bridge sampling within the region of every mode that is visited or should have been."""
    density = LogPosterior(problem)
    flat = draws.theta.reshape(-1, problem.blocks.size)
    log_posterior = (draws.log_prior + draws.log_likelihood).ravel()
    n = len(modes.modes)
    out = _Regions(np.full(n, -np.inf), np.zeros(n))
    for m in np.flatnonzero(missed | (np.bincount(where, minlength=n) > 0)):

        def restricted(thetas: Array, m: int = m) -> Array:
            prior, likelihood = density.values(thetas)
            inside = nearest_modes(problem, modes, thetas) == m
            return np.where(inside, prior + likelihood, -np.inf)

        visits = where == m
        estimate = region_evidence(
            problem, modes.modes[m], flat[visits], log_posterior[visits], restricted, rng
        )
        out.log_masses[m], out.errors[m] = estimate
    return out


def region_evidence(
    problem: Problem,
    mode: Mode,
    thetas: Array,
    log_posterior: Array,
    log_density: Callable[[Array], Array],
    rng: np.random.Generator,
) -> Evidence:
    """Log mass of a region around a mode from draws in it, all labellings together.

    The proposal is a t distribution fitted to every second draw (aligned to the mode), or the
    one of Laplace's approximation where there are too few; the other half of the draws builds
    the bridge.  Without draws it is importance sampling.
    """
    blocks = problem.blocks
    centre, scale = mode.theta, mode.scale
    fitted = thetas[::2]
    if len(fitted) > 10 * blocks.size:
        aligned = aligned_to(problem, mode, fitted)
        centre = aligned.mean(axis=0)
        scale = np.linalg.cholesky(np.cov(aligned, rowvar=False).reshape(blocks.size, -1))
        thetas, log_posterior = thetas[1::2], log_posterior[1::2]
    proposal = SymmetrisedMixture(
        blocks, [StudentPart(problem, centre, scale, DF)], np.ones(1)
    )
    return bridge_evidence(log_density, thetas, log_posterior, proposal, rng, BRIDGE_DRAWS)


def _resample(
    draws: Draws, where: NDArray[np.intp], share: Array, rng: np.random.Generator
) -> Draws:
    """Equally weighted draws with the given shares of modes, in random order."""
    n_chains, n_draws, d = draws.theta.shape
    total = n_chains * n_draws
    visited = np.bincount(where, minlength=len(share)) > 0
    share = np.where(visited, share, 0.0)
    edges = np.concatenate([[0.0], np.cumsum(share / share.sum())])
    edges[-1] = 1.0
    counts = np.diff(np.floor(edges * total + rng.random()).astype(int))
    rows = []
    for m in np.flatnonzero(counts):
        own = np.flatnonzero(where == m)
        # Evenly spaced along the chains: no draw is taken twice before all are taken once.
        rows.append(own[(np.arange(counts[m]) * len(own)) // counts[m]])
    order = rng.permutation(np.concatenate(rows))
    shape = (n_chains, n_draws)
    return replace(
        draws,
        theta=draws.theta.reshape(total, d)[order].reshape(*shape, d),
        log_prior=draws.log_prior.ravel()[order].reshape(shape),
        log_likelihood=draws.log_likelihood.ravel()[order].reshape(shape),
        report=draws.report | {"_rows": order},
    )
