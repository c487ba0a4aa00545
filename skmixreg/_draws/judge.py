"""What several chains say together: R-hat, effective sizes, and chains stuck in different modes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri
from scipy.stats import rankdata

from .._model.problem import Problem
from .._proposals.one_labelling import ModeMixture
from .._search.alignment import Pivot
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .._support.sampling import systematic_counts
from .advice import Failure
from .draws import Draws
from .limits import (
    ESS_LIMIT,
    LIMITS,
    NEGLIGIBLE_SHARE,
    RHAT_LIMIT,
    SHARE_ERROR_LIMIT,
    disagreement,
    never_visited,
    too_few_draws,
)
from .region_masses import weigh_regions

MOST_MODES = 10
# Fewer draws than this per coordinate say too little of a region to weigh it.
DRAWS_PER_COORDINATE = 10
# Modes between which chains moved this often in all are one region: chains weigh them well.
MOVES_THAT_JOIN = 10


class Diagnostics(NamedTuple):
    """Worst values over the coordinates."""

    rhat: float
    ess_bulk: float
    ess_tail: float

    @property
    def passed(self) -> bool:
        """Whether all three are good; nan is not."""
        return self.rhat <= RHAT_LIMIT and self.ess_bulk >= ESS_LIMIT and self.ess_tail >= ESS_LIMIT


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
# Modes


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
    counts = systematic_counts(rng, share, n)
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


def relevant_modes(modes: ModeTable) -> NDArray[np.intp]:
    """The modes that regions are made of: the most massive ones.

    Not by Laplace's probabilities alone: where components overlap or stand empty these are wrong
    by many nats.
    """
    return np.arange(min(len(modes.modes), MOST_MODES))


def diagnosed_coordinates(
    problem: Problem, modes: ModeTable, thetas: Array, mode: int = 0, *, ordered: bool = False
) -> Array:
    """What is diagnosed of chains (C, D, d): weights, intercept, coef and log dispersion.

    In the labels under which draws resemble the given mode most, or as they are if the solver
    ordered them.  Only what can vary: no weight of a single component, no intercept that is not
    fitted.
    """
    layout = problem.layout
    components = layout.expand(thetas.reshape(-1, layout.size))
    if not ordered:
        pivot = Pivot.from_mode(layout, modes.modes[mode].theta, modes.modes[mode].scale)
        orders, _ = pivot.align(components)
        components = components.permuted(orders)
    parts = [layout.collapse(components)[:, layout.table["gating"].where.stop :]]
    if layout.n_components > 1:
        parts.insert(0, np.exp(components.log_weights))
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
    move between modes, the diagnostics are taken within regions (modes between which chains do
    move are one region), the evidence of every region is estimated by bridge sampling, and the
    draws are resampled so that every region has its share; ``theta`` then holds equally weighted
    draws in random order, its chain axis means nothing any more, and ``log_evidence`` is that of
    all regions together.

    Parameters
    ----------
    problem : Problem
    modes : ModeTable
    draws : Draws
    rng : numpy.random.Generator, optional
        Source of the proposals for bridge sampling and of the resampling; by default a fixed
        one, so that the same chains get the same verdict.

    Returns
    -------
    Draws
        In its report ``rhat``, ``ess_bulk``, ``ess_tail`` (the worst over coordinates),
        ``settled`` (whether the masses of the modes are known) and ``mode_share`` (share of the
        draws nearest to every mode of the table); ``resampled_over_modes`` where that was done.
        In ``failures`` a sentence for everything that is wrong.
    """
    rng = np.random.default_rng(problem.n_rows) if rng is None else rng
    n_chains, n_draws, d = draws.theta.shape
    report, failures = dict(draws.report), list(draws.failures)
    if not np.isfinite(draws.theta).all():
        what, change = "draws are not finite", "check the data for extreme values"
        failures.append(Failure(f"{draws.solver}: {what}", change, ("laplace",)))
        report |= Diagnostics(np.nan, np.nan, np.nan)._asdict() | {"settled": False}
        return replace(draws, report=report, failures=failures)
    ordered = draws.ordered_by is not None
    verdict = diagnose(diagnosed_coordinates(problem, modes, draws.theta, ordered=ordered))
    which = relevant_modes(modes)
    mixture = ModeMixture.from_modes(problem, modes).restricted(which)
    where = mixture.nearest(draws.theta.reshape(-1, d))
    regions = _regions(where.reshape(n_chains, n_draws), len(which), DRAWS_PER_COORDINATE * d)
    visited = np.bincount(regions[where], minlength=regions.max() + 1) > 0
    missed = np.bincount(where, minlength=len(which)) == 0
    missed &= modes.probabilities[which] > NEGLIGIBLE_SHARE
    stuck = not verdict.passed and visited.sum() > 1
    settled = True
    if stuck or missed.any():
        wanted = visited.copy()
        wanted[regions[missed]] = True
        masses = weigh_regions(problem, draws, mixture, where, regions, wanted, rng)
        share, error = masses.shares()
        unseen = float(share[~visited].sum())
        if unseen > NEGLIGIBLE_SHARE or (stuck and not error <= SHARE_ERROR_LIMIT):
            settled = False
            known = bool(np.isfinite(masses.errors[visited]).all())
            failures.append(_unsettled(draws.solver, unseen, error, known))
        elif stuck:
            best = np.array([which[regions == r].min() for r in range(len(share))])
            verdict = _diagnose_within(
                problem, modes, draws.theta, regions[where], share, best, ordered
            )
            rows = _resampled_rows(regions[where], np.where(visited, share, 0.0), rng)
            draws, where = _take(draws, rows), where[rows]
            draws.log_evidence, draws.log_evidence_error = masses.total()
            report["resampled_over_modes"] = True
    mode_share = np.bincount(which[where], minlength=len(modes.modes)) / len(where)
    # Shares of modes mean nothing where chains disagree on them.
    settled = settled and bool(
        verdict.rhat <= RHAT_LIMIT or mode_share.max() > 1.0 - NEGLIGIBLE_SHARE
    )
    report["mode_share"] = mode_share
    report |= verdict._asdict() | {"settled": settled}
    failures += shortcomings(draws.solver, verdict)
    return replace(draws, report=report, failures=failures)


def shortcomings(solver: str, verdict: Diagnostics) -> list[str]:
    """Sentences on what the diagnostics find wrong, each with what to do."""
    if np.isnan(verdict.rhat):
        what = "R-hat cannot be computed, a chain does not move or is shorter than 4 draws"
        return [Failure(f"{solver}: {what}", "raise draws", ("laplace",))]
    out: list[str] = []
    if verdict.rhat > RHAT_LIMIT:
        out.append(disagreement(solver, verdict.rhat))
    for key, value in (("ess_bulk", verdict.ess_bulk), ("ess_tail", verdict.ess_tail)):
        if value < ESS_LIMIT:
            out.append(too_few_draws(solver, key, value))
    return out


def _unsettled(solver: str, unseen: float, error: float, known: bool) -> str:
    if unseen > NEGLIGIBLE_SHARE and not known:
        what = "chains never visited modes whose share of the posterior could not be estimated"
    elif unseen > NEGLIGIBLE_SHARE:
        return never_visited(solver, unseen)
    elif np.isfinite(error):
        what = f"chains stay in different modes, whose shares are known only to +-{error:.2f}"
    else:
        what = "chains stay in different modes, whose shares bridge sampling cannot tell"
    return LIMITS["settled"].failure(f"{solver}: modes not settled, {what}")


def _regions(where: NDArray[np.intp], n_modes: int, smallest: int) -> NDArray[np.intp]:
    """Region of every mode: modes between which chains (C, D) move often are one region.

    A region of under ``smallest`` draws joins the one it exchanges most moves with.
    """
    moves = np.zeros((n_modes, n_modes), dtype=int)
    np.add.at(moves, (where[:, :-1].ravel(), where[:, 1:].ravel()), 1)
    moves += moves.T
    counts = np.bincount(where.ravel(), minlength=n_modes)
    joined = moves >= MOVES_THAT_JOIN
    while True:
        n_regions, regions = connected_components(joined, directed=False)
        sizes = np.bincount(regions, weights=counts, minlength=n_regions)
        for r in np.argsort(sizes):
            inside = regions == r
            outward = np.where(np.outer(inside, ~inside), moves, 0)
            if 0 < sizes[r] < smallest and outward.any():
                a, b = np.unravel_index(outward.argmax(), outward.shape)
                joined[a, b] = joined[b, a] = True
                break
        else:
            return regions.astype(np.intp)


def _diagnose_within(
    problem: Problem,
    modes: ModeTable,
    theta: Array,
    region: NDArray[np.intp],
    share: Array,
    best: NDArray[np.intp],
    ordered: bool,
) -> Diagnostics:
    """Diagnostics within every region that matters: the worst R-hat, and effective sizes.

    Draws of one chain in one region, in their order, are a chain in that region.  Chains that
    only passed by are left out.  A region with share s and effective size e lets the resampled
    draws be worth at least e / s.
    """
    region = region.reshape(theta.shape[:2])
    rhat, bulk, tail = 1.0, np.inf, np.inf
    for r in np.flatnonzero(share > NEGLIGIBLE_SHARE):
        visits = [chain[w == r] for chain, w in zip(theta, region, strict=True)]
        longest = max(len(v) for v in visits)
        visits = [v for v in visits if len(v) >= 0.2 * longest]
        shortest = min(len(v) for v in visits)
        together = np.stack([v[-shortest:] for v in visits])
        verdict = diagnose(
            diagnosed_coordinates(problem, modes, together, int(best[r]), ordered=ordered)
        )
        rhat = float(np.maximum(rhat, verdict.rhat))
        bulk = float(np.minimum(bulk, verdict.ess_bulk / share[r]))
        tail = float(np.minimum(tail, verdict.ess_tail / share[r]))
    return Diagnostics(rhat, bulk, tail)


def _resampled_rows(
    region: NDArray[np.intp], share: Array, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Indices of draws such that every region has its share, in random order."""
    counts = systematic_counts(rng, share / share.sum(), len(region))
    rows = []
    for r in np.flatnonzero(counts):
        own = np.flatnonzero(region == r)
        # Evenly spaced along the chains: no draw is taken twice before all are taken once.
        rows.append(own[(np.arange(counts[r]) * len(own)) // counts[r]])
    return rng.permutation(np.concatenate(rows))


def _take(draws: Draws, rows: NDArray[np.intp]) -> Draws:
    shape = draws.log_prior.shape

    def taken(values: Array) -> Array:
        return values.ravel()[rows].reshape(shape)

    return replace(
        draws,
        theta=draws.theta.reshape(len(rows), -1)[rows].reshape(draws.theta.shape),
        log_prior=taken(draws.log_prior),
        log_likelihood=None if draws.log_likelihood is None else taken(draws.log_likelihood),
        per_draw={name: taken(values) for name, values in draws.per_draw.items()},
    )
