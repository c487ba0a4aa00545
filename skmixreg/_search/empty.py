"""What a component without rows contributes to the posterior."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaln

from .._model.problem import Problem
from .mode_table import FEWEST_STARTS, ModeTable

# So much more massive, an empty component makes the modes of all components irrelevant.
DOMINANT_NATS = 4.0


class EmptyComponent(NamedTuple):
    """What a component without rows contributes to the posterior.

    Attributes
    ----------
    log_mass : float
        Log mass of the parameters at which a component is empty, in one labelling.
    settled : bool
        Whether two independent ways led to the best fit of the others.
    """

    log_mass: float
    settled: bool


def can_be_empty(problem: Problem) -> bool:
    """Whether a component without a label may be empty, and stand behind all that have one."""
    layout = problem.layout
    labelled = layout.fixed_labels
    return len(labelled) < layout.n_components and labelled == tuple(range(len(labelled)))


def log_empty_share(problem: Problem) -> float:
    """Log prior mass of a component staying empty, relative to the smaller model.

    E[(1 - v)^n] for v ~ Beta(c, (K - 1) c), in one labelling.  With a gate this is an upper bound:
    v is the weight where gating columns are at their means, and the mean over rows is larger.
    """
    c, K = problem.priors.weight_concentration, problem.layout.n_components
    n = problem.unit_weight
    return float(betaln(c, n + (K - 1) * c) - betaln(c, (K - 1) * c))


def empty_component(problem: Problem, smaller: ModeTable | None) -> EmptyComponent:
    """The posterior mass of one or more empty components, given the modes without one."""
    if smaller is None:
        return EmptyComponent(-np.inf, False)
    inner = problem.with_components(problem.layout.n_components - 1)
    deeper = empty_component(inner, smaller.smaller)
    own = float(np.logaddexp.reduce(smaller.log_masses))
    settled = (
        deeper.settled
        if deeper.log_mass > own + DOMINANT_NATS
        else smaller.best.hits >= FEWEST_STARTS
    )
    return EmptyComponent(
        log_empty_share(problem) + float(np.logaddexp(own, deeper.log_mass)), settled
    )
