"""The proposal built from a mode table, and its adaptation to weighted draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._search.empty import log_empty_share
from .._search.mode_metric import matching
from .._search.mode_table import ModeTable
from .._search.newton import laplace_evidence, polish
from .._search.search import find_smaller_modes
from .._support.arrays import Array
from .parts import EmptyPart, Part, StudentPart
from .split import SplitProposal
from .symmetrised import SymmetrisedMixture

START_DF = 30.0
# Modes this much less massive than the best change no number that is reported.
RELEVANT_NATS = 12.0
MOST_PARTS = 24
# A draw with this share of all weight shows a mode that the proposal lacks.
OUTSTANDING_WEIGHT = 0.003
MOST_NEW_PARTS = 6
# Chains are held where so many nats are over the evidence; how many places that hold them get a
# part, and the share of proposals that all of these get.
LOG_STAY, MOST_STAYS, SHARE_OF_STAYS = 5.0, 12, 0.25
# Steps, in sds, at which tails are looked at, and rows beyond which these are nearly normal.
TAIL_STEPS = np.array([-18.0, -9.0, -4.5, -3.0, -1.5, 1.5, 3.0, 4.5, 9.0, 18.0])
MOST_ROWS_WITH_TAILS = 10_000
# Tails so much wider get a part of their own, at most so wide, with this share and these df.
LEAST_STRETCH, LARGEST_STRETCH, SHARE_OF_TAILS, TAIL_DF = 1.1, 5.0, 0.4, 5.0
# Of the draws, to begin with, and how many spare components at most lie beside others.
SPLIT_SHARE = 0.25
DEEPEST_SPLIT = 1


def mixture_over_modes(
    problem: Problem, modes: ModeTable, rng: np.random.Generator
) -> SymmetrisedMixture:
    """One t part per mode that matters, and parts with one or more empty components.

    Where a component may be empty it may also lie beside another one.
    """
    return _mixture(problem, modes, rng, DEEPEST_SPLIT)


def has_spare_component(problem: Problem, modes: ModeTable, rng: np.random.Generator) -> bool:
    """Whether a fit with one component fewer holds some of the posterior."""
    if not modes.knows_smaller:
        modes.smaller = find_smaller_modes(problem, modes, rng)
        modes.knows_smaller = True
    return modes.smaller is not None


def _mixture(
    problem: Problem, modes: ModeTable, rng: np.random.Generator, splits: int
) -> SymmetrisedMixture:
    spare = has_spare_component(problem, modes, rng)
    parts, masses = _parts(problem, modes)
    log_masses = np.array(masses)
    keep = np.argsort(-log_masses)[:MOST_PARTS]
    keep = keep[log_masses[keep] > log_masses.max() - RELEVANT_NATS]
    relative = np.exp(log_masses[keep] - log_masses.max())
    # A floor, since these masses are rough.
    probabilities = 0.8 * relative / relative.sum() + 0.2 / len(keep)
    mixture = SymmetrisedMixture(problem.layout, [parts[i] for i in keep], probabilities)
    if not spare or splits == 0 or not SplitProposal.serves(problem):
        return mixture
    assert modes.smaller is not None
    inner = _mixture(
        problem.with_components(problem.layout.n_components - 1), modes.smaller, rng, splits - 1
    )
    mixture.split, mixture.split_share = SplitProposal(problem, inner), SPLIT_SHARE
    return mixture


def _parts(problem: Problem, modes: ModeTable) -> tuple[list[Part], list[float]]:
    """Parts and their log masses.

    The mass of a part with an empty component is not that of any mode: it is the mass of the
    smaller fit times the prior probability that the component stays empty.
    """
    full, masses = _full_parts(problem, modes)
    parts: list[Part] = [*full]
    if modes.smaller is not None:
        inner_problem = problem.with_components(problem.layout.n_components - 1)
        inner, inner_masses = _parts(inner_problem, modes.smaller)
        share = log_empty_share(problem)
        parts += [EmptyPart(problem, part) for part in inner]
        masses += [mass + share for mass in inner_masses]
    return parts, masses


def with_missing_modes(
    proposal: SymmetrisedMixture,
    problem: Problem,
    thetas: Array,
    weights: Array,
    log_evidence: float,
) -> SymmetrisedMixture:
    """The proposal with t parts at the modes near draws of outstanding weight.

    Such a draw lies where the proposal is far below the posterior: at a mode that the search did
    not list, because it is narrow or a collapse.

    Parameters
    ----------
    proposal : SymmetrisedMixture
    problem : Problem
    thetas : ndarray of shape (S, d)
    weights : ndarray of shape (S,)
        Normalised importance weights.
    log_evidence : float
        Estimate of the log evidence, for the shares of the new parts.
    """
    density = LogPosterior(problem)
    parts, shares = list(proposal.parts), list(proposal.probabilities)
    made_for = [part.mode for part in parts if part.mode is not None]
    for i in np.argsort(-weights)[:MOST_NEW_PARTS]:
        if weights[i] < OUTSTANDING_WEIGHT:
            break
        near = _part_near(density, thetas[i], made_for)
        if near is not None:
            parts.append(near[0])
            shares.append(float(np.clip(np.exp(min(near[1] - log_evidence, 0.0)), 0.02, 0.3)))
    return proposal.with_parts(parts, np.array(shares))


def with_modes_of_chains(
    proposal: SymmetrisedMixture,
    density: LogPosterior,
    thetas: Array,
    log_posterior: Array,
    log_evidence: float,
    least_stay: float,
) -> SymmetrisedMixture | None:
    """The proposal with t parts at modes that hold chains for long; None if none does.

    An independence step leaves a draw with ratio r = p / q with probability Z / r at most, where
    Z is the evidence.  Chains are held where r is over Z by `LOG_STAY` nats in draws on end, and
    by a mode if r is no more so with a part at it in most of these.

    Parameters
    ----------
    proposal : SymmetrisedMixture
    density : LogPosterior
    thetas : ndarray of shape (chains, n, d)
        Draws of the chains.
    log_posterior : ndarray of shape (chains, n)
        Log p at them.
    log_evidence : float
        Estimate of log Z.
    least_stay : float
        Share of the draws of a chain that count as long.
    """
    flat = thetas.reshape(-1, thetas.shape[-1])
    ratios = log_posterior - proposal.log_density(flat).reshape(log_posterior.shape)
    stays = [
        (stop - start, chain, start)
        for chain, held in enumerate(ratios > log_evidence + LOG_STAY)
        for start, stop in np.flatnonzero(np.diff(np.pad(held, 1))).reshape(-1, 2)
        if stop - start >= least_stay * len(held)
    ]
    made_for = [part.mode for part in proposal.parts if part.mode is not None]
    found: list[Part] = []
    for length, chain, start in sorted(stays, reverse=True)[:MOST_STAYS]:
        stay = chain, slice(start, start + length)
        near = _part_near(density, thetas[stay][np.argmax(ratios[stay])], made_for)
        if near is None:
            continue
        alone = SymmetrisedMixture(density.layout, [near[0]], np.ones(1))
        with_part = log_posterior[stay] - alone.log_density(thetas[stay])
        if np.median(with_part) < log_evidence + LOG_STAY + np.log(SHARE_OF_STAYS / MOST_STAYS):
            found.append(near[0])
    if not found:
        return None
    shares = [SHARE_OF_STAYS / len(found)] * len(found)
    return proposal.with_parts(
        [*proposal.parts, *found],
        np.append((1.0 - SHARE_OF_STAYS) * proposal.probabilities, shares),
    )


def _part_near(
    density: LogPosterior, theta: Array, made_for: list[Array]
) -> tuple[StudentPart, float] | None:
    """A part at the mode that lies uphill, and its log mass; None if it has one or there is none.

    Modes that have parts, ``made_for``, grow by that of a new one.
    """
    problem = density.problem
    found = polish(density, theta)
    if not found.definite or any(np.allclose(m, found.theta, atol=1e-4) for m in made_for):
        return None
    made_for.append(found.theta)
    counts = density.expected_counts(found.theta)
    mass = laplace_evidence(found.log_prior + found.log_likelihood, found.scale)
    part = _student(problem, found.theta, found.scale, counts)
    return part, mass + problem.layout.log_labellings


def _student(problem: Problem, mode: Array, scale: Array, counts: Array) -> StudentPart:
    centre, scale = mode.copy(), scale.copy()
    _spread_sigma(problem, centre, scale, counts)
    funnel = problem.family.bend is not None
    return StudentPart(problem, centre, scale, START_DF, funnel, mode)


def _full_parts(problem: Problem, modes: ModeTable) -> tuple[list[StudentPart], list[float]]:
    top = modes.log_masses.max()
    parts: list[StudentPart] = []
    masses: list[float] = []
    for mode, mass in zip(modes.modes, modes.log_masses, strict=True):
        if mass > top - RELEVANT_NATS:
            # One labelling for all, so that few relabelled terms count.
            order = matching(problem, mode.theta, modes.best)
            rotation = problem.layout.permute(np.eye(problem.layout.size), order)
            centre = problem.layout.permute(mode.theta, order)
            scale = np.linalg.cholesky(rotation.T @ mode.scale @ mode.scale.T @ rotation)
            part = _student(problem, centre, scale, mode.counts[order])
            wide = _with_heavy_tails(problem, part)
            parts.append(part)
            masses.append(float(mass))
            if wide is not None:
                masses[-1] += np.log1p(-SHARE_OF_TAILS)
                parts.append(wide)
                masses.append(float(mass) + np.log(SHARE_OF_TAILS))
    return parts, masses


def _with_heavy_tails(problem: Problem, part: StudentPart) -> StudentPart | None:
    """The part made wider where the posterior falls more slowly than a normal one; None if nowhere.

    That is looked at along extras, such as the shape of counts, of which large values are as good
    as infinite ones.  After delta sds the log density of a normal distribution whose sd is s times
    as large has fallen by (delta / s)^2 / 2 (Geweke 1989, sec. 4).
    """
    layout, bend = problem.layout, problem.family.bend
    at = [
        np.arange(layout.size)[layout.table[name].where]
        for number, name in enumerate(layout.extras)
        if number != bend
    ]
    if not at or problem.n_rows > MOST_ROWS_WITH_TAILS:
        return None
    covariance = part.scale @ part.scale.T
    extras = np.concatenate(at)
    sds = np.sqrt(np.diagonal(covariance)[extras])
    # Far out the others may follow as in the normal approximation, or stay where they are.
    directions = np.stack(
        [covariance[extras] / sds[:, None], np.eye(layout.size)[extras] * sds[:, None]]
    )
    steps = (TAIL_STEPS[:, None, None, None] * directions).reshape(-1, layout.size)
    points = part.stretched(part.centre + np.concatenate([np.zeros((1, layout.size)), steps]))
    with np.errstate(over="ignore", invalid="ignore"):
        prior, likelihood = LogPosterior(problem).values(points)
        log_posterior = prior + likelihood
    fall = np.nan_to_num(log_posterior[0] - log_posterior[1:], nan=np.inf)
    fall = np.maximum(fall.reshape(len(TAIL_STEPS), *directions.shape[:2]), 1e-3)
    stretch = (np.abs(TAIL_STEPS)[:, None, None] / np.sqrt(2.0 * fall)).max(axis=0)
    way = stretch.argmax(axis=0)
    stretch = np.minimum(stretch.max(axis=0), LARGEST_STRETCH)
    if (stretch < LEAST_STRETCH).all():
        return None
    wider = directions[way, np.arange(len(extras))]
    wider = wider * np.sqrt(np.maximum(stretch**2 - 1.0, 0.0))[:, None]
    scale = np.linalg.cholesky(covariance + wider.T @ wider)
    return replace(part, scale=scale, df=TAIL_DF)


def _spread_sigma(problem: Problem, centre: Array, scale: Array, counts: Array) -> None:
    """Move log(sigma) from the joint mode to about its marginal mean, in place.

    Integrating out the P coefficients of a line leaves n - P degrees of freedom of n.
    """
    layout, bend = problem.layout, problem.family.bend
    if bend is None:
        return
    n_lines = layout.own_lines.shape[1]
    if layout.extras[bend] in layout.shared_extras:
        counts = counts.sum(keepdims=True)
        n_lines *= layout.n_components
    at = np.arange(layout.size)[layout.table[layout.extras[bend]].where]
    for i, n in zip(at, counts, strict=True):
        left = max(n - n_lines, 0.5 * n, 1.0)
        centre[i] += 0.5 * np.log(max(n, 1.0) / left)
        scale[i] *= np.sqrt(max(n, 1.0) / left)
