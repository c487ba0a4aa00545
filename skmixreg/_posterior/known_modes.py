"""The modes of a fit, taken up again for another solver."""

from __future__ import annotations

import numpy as np

from .._model.density import LogPosterior
from .._model.problem import Problem
from .._search.mode_table import Mode, ModeTable
from .._search.newton import polish
from .posterior import Posterior

# Nats by which the log posterior at a mode may differ on the same rows.
SAME_ROWS = 1e-4


def known_modes(problem: Problem, posterior: Posterior) -> ModeTable:
    """The modes of an earlier fit to the same rows, without a search.

    Parameters
    ----------
    problem : Problem
    posterior : Posterior
        Of the earlier fit.

    Returns
    -------
    ModeTable

    Raises
    ------
    ValueError
        If the rows are not those of the earlier fit: there the log posterior at its modes is
        another.
    """
    density = LogPosterior(problem)
    table = posterior.modes
    thetas = problem.layout.collapse(posterior.mode_components)
    modes = []
    for i, theta in enumerate(thetas):
        prior, likelihood = density.values(theta[None])
        expected = float(table["log_posterior"].iloc[i])
        got = float(prior[0] + likelihood[0]) - problem.log_scale
        if not abs(got - expected) <= SAME_ROWS + 1e-9 * abs(expected):
            raise ValueError(
                "The rows are not those of the fit: at its best mode the log posterior was "
                f"{expected:.4f}, on these rows it is {got:.4f}. "
                f"{_what_to_pass(problem, posterior)}, or fit anew with "
                "clone(model).set_params(solver=...)."
            )
        found = polish(density, theta)
        counts = density.expected_counts(found.theta)
        modes.append(
            Mode(
                found.theta,
                found.log_prior,
                found.log_likelihood,
                found.scale,
                found.gradient_norm,
                int(table["starts"].iloc[i]),
                counts,
            )
        )
    masses = np.array([mode.log_evidence for mode in modes])
    return ModeTable(modes, masses, list(posterior.search_failures))


def _what_to_pass(problem: Problem, posterior: Posterior) -> str:
    """What makes the rows those of the fit again."""
    had, has = posterior.layout.fixed_labels, problem.layout.fixed_labels
    if had:
        missing = "" if has else "The fit had labels and got none now. "
        return f"{missing}Pass the same X, y, sample_weight and labels"
    unknown = "The fit had no labels and got some now. " if has else ""
    return f"{unknown}Pass the same X, y and sample_weight"
