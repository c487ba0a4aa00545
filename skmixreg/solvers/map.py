"""The point of highest posterior density."""

from __future__ import annotations

import numpy as np

from .._draws.draws import Draws
from .._model.problem import Problem
from .._search.mode_table import ModeTable
from .._support.progress import SILENT, Progress
from ._base import Solver


class MAP(Solver):
    """The highest mode of the posterior, as a posterior of one draw.

    The mode is that of the density on the unconstrained, standardised parameters: contrasts of
    the log weights, intercepts, coefficients and log dispersions.  It is the highest of all modes
    that the search found, not the one with most mass, and has no uncertainty: intervals are
    points, and predictions are those of the parameters at the mode.
    """

    name = "map"
    summary = "the highest mode, as a posterior of one draw"
    exact = False
    requires = ()
    cost = "the search for modes: rows x K x (p + p^2 / 2) per iteration"
    fails = "never by itself, but it knows no uncertainty and nothing of other modes"

    def __init__(self) -> None:
        pass

    def draw(
        self,
        problem: Problem,
        modes: ModeTable,
        rng: np.random.Generator,
        *,
        n_threads: int = 1,
        progress: Progress = SILENT,
    ) -> Draws:
        best = max(modes.modes, key=lambda mode: mode.log_posterior)
        return Draws(
            theta=best.theta[None, None],
            log_prior=np.array([[best.log_prior]]),
            log_likelihood=np.array([[best.log_likelihood]]),
            solver=self.name,
            report={"log_posterior": float(best.log_posterior - problem.log_scale)},
            weighs_modes=False,
        )
