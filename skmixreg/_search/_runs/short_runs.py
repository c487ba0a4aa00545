"""Short runs of expectation-maximisation, by closed forms where the family has them."""

from __future__ import annotations

import numpy as np

from ..._model.density import LogPosterior
from ..._model.raw import Raw
from ..em_kernels import log_prior_kernel, run_em
from ..scoring_em_kernels import run_scoring_em, scoring_log_prior

ANNEALING_ITERATIONS = 10
TOLERANCE = 1e-4
# Power of the likelihood at which annealing begins, where there is no sigma to be held up.
FIRST_POWER = 0.1


class ShortRuns:
    """Expectation-maximisation on the rows of one problem.

    Parameters
    ----------
    density : LogPosterior
    n_iterations : int
        At most.
    """

    def __init__(self, density: LogPosterior, n_iterations: int):
        self.problem = problem = density.problem
        self.n_iterations = n_iterations
        # The runs leave constants of the prior out.
        theta = np.zeros(problem.layout.size)
        own = log_prior_kernel if problem.conjugate else scoring_log_prior
        at = problem.layout.expand(theta).copied()
        self._constant = float(density.log_prior(theta)) - own(at, *self._priors)

    @property
    def _priors(self) -> tuple[object, ...]:
        problem = self.problem
        layout, priors = problem.layout, problem.priors
        if problem.conjugate:
            return tuple(priors), layout.fit_intercept, bool(layout.shared_extras)
        return priors.weight_concentration, problem.component_priors, layout.fit_intercept

    def __call__(self, start: Raw, anneal: float) -> tuple[Raw, float]:
        """Where a run ends, and the log posterior there, up to the tolerance.

        Parameters
        ----------
        start : Raw
        anneal : float
            Residual sd from which to anneal, on the working scale; 0 for none.
        """
        problem = self.problem
        raw = start.copied()
        observations = problem.rows.arguments
        if problem.conjugate:
            objective, _ = run_em(
                observations, raw, problem.model, *self._priors, self.n_iterations, TOLERANCE,
                anneal, ANNEALING_ITERATIONS,
            )  # fmt: skip
        else:
            power = FIRST_POWER if anneal > 0.0 else 1.0
            objective, _ = run_scoring_em(
                observations, raw, *problem.parted_model, *self._priors, self.n_iterations,
                TOLERANCE, power, ANNEALING_ITERATIONS,
            )  # fmt: skip
        return raw, objective + self._constant
