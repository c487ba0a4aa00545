r"""Runs of expectation-maximisation in all parameters at once.

Where components share slopes, or weights depend on columns, no component has a maximisation step of
its own.  A step of scoring for complete data moves all of theta: with the responsibilities at
theta, the gradient of the expected complete-data log posterior is that of the log posterior
itself, and its expected information is, per component and for the gate, what
`row_kernels.complete_sums` returns,

.. math::

    \theta' = \theta + (A' I_c(\theta) A + P)^{-1} \nabla \log p(\theta)

(the EM gradient algorithm of Lange 1995), A the affine map of the layout and P the precision of the
prior.  A step that would lower the log posterior is halved.

References
----------
Lange, K. (1995). A gradient algorithm locally equivalent to the EM algorithm. JRSS B 57, 425-437.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..._model.density import LogPosterior
from ..._model.raw import Raw
from ..._support.arrays import Array
from ..scoring_em_kernels import run_scoring_em
from .short_runs import ANNEALING_ITERATIONS, FIRST_POWER, TOLERANCE

MOST_HALVINGS = 8
# In units of the information: a longer step is cut to this, times the root of the components.
LONGEST_STEP = 4.0
# Iterations of components each for itself, where a run is annealed.
APART_ITERATIONS = 20


class JointRuns:
    """Expectation-maximisation on the rows of one problem, in theta.

    Parameters
    ----------
    density : LogPosterior
    n_iterations : int
        At most.
    """

    def __init__(self, density: LogPosterior, n_iterations: int):
        self.density = density
        self.problem = density.problem
        self.n_iterations = n_iterations

    def __call__(self, start: Raw, anneal: float) -> tuple[Raw, float]:
        """Where a run ends, and the log posterior there; see `ShortRuns`.

        One that is annealed begins with components each for itself, and constant weights.
        """
        layout = self.problem.layout
        if anneal > 0.0:
            start = self._apart(start)
        theta = layout.collapse(_with_gate(start, 1 + layout.n_gating))
        value, gradient, information = self._terms(theta)
        for _ in range(self.n_iterations):
            step = _step(gradient, information, layout.n_components)
            if step is None:
                break
            for _ in range(MOST_HALVINGS):
                new = self._terms(theta + step)
                if new[0] >= value:
                    break
                step = 0.5 * step
            else:
                break
            theta, before = theta + step, value
            value, gradient, information = new
            if value - before < TOLERANCE:
                break
        return layout.expand(theta), value

    def _apart(self, start: Raw) -> Raw:
        problem = self.problem
        raw = start._replace(logits=start.log_weights[:, None]).copied()
        run_scoring_em(
            problem.rows.arguments, raw, *problem.parted_model,
            problem.priors.weight_concentration, problem.priors_apart,
            problem.layout.fit_intercept, APART_ITERATIONS, TOLERANCE, FIRST_POWER,
            ANNEALING_ITERATIONS,
        )  # fmt: skip
        return raw

    @np.errstate(over="ignore", invalid="ignore")
    def _terms(self, theta: Array) -> tuple[float, Array, Array]:
        """Log posterior, its gradient, and the information of complete data."""
        layout = self.problem.layout
        raw = layout.expand(theta)
        flat = self.density.complete_sums(raw)
        prior, gradient, hessian = self.density.prior_terms(theta)
        scores, information = raw_terms(flat, raw)
        gradient = gradient + layout.contract(scores)
        # Beyond its walls the prior of a scale may be convex.
        hessian[np.diag_indices_from(hessian)] = np.minimum(np.diagonal(hessian), 0.0)
        information = layout.contract2(information) - hessian
        value = prior + float(flat[0])
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            value = -np.inf
        return value, gradient, information


def _with_gate(raw: Raw, width: int) -> Raw:
    """Parameters with slopes of zero for gating columns that they have none for."""
    missing = width - raw.logits.shape[-1]
    if missing <= 0:
        return raw
    return raw._replace(logits=np.pad(raw.logits, ((0, 0), (0, missing))))


def _step(gradient: Array, information: Array, n_components: int) -> Array | None:
    """The step of scoring, cut where it is long; None where there is none."""
    unit = 1.0 / np.sqrt(np.maximum(np.diagonal(information), 1e-12))
    scaled = information * unit * unit[:, None]
    scaled[np.diag_indices_from(scaled)] += 1e-9
    try:
        factor = cho_factor(scaled, lower=True, check_finite=True)
    except (LinAlgError, ValueError):
        return None
    along = cho_solve(factor, unit * gradient)
    length = np.sqrt(max(float(along @ scaled @ along), 0.0))
    longest = LONGEST_STEP * np.sqrt(n_components)
    return np.asarray(unit * along * min(1.0, longest / max(length, 1e-300)))


def raw_terms(flat: Array, raw: Raw) -> tuple[Array, Array]:
    """Scores (m,) and information (m, m) in raw parameters, from `row_kernels.complete_sums`."""
    (K, Q), P = raw.logits.shape, raw.line.shape[-1]
    E = raw.extra.shape[-1]
    M, T = P + E, (P + E) * (P + E + 1) // 2
    m = K * Q + K * M
    counts = flat[1 : 1 + K]
    at = 1 + K
    of_components = flat[at : at + K * M].reshape(K, M)
    at += K * M
    triangles = flat[at : at + K * T].reshape(K, T)
    at += K * T
    scores, information = np.empty(m), np.zeros((m, m))
    if Q == 1:
        weights = np.exp(raw.log_weights)
        total = counts.sum()
        scores[:K] = counts - total * weights
        information[:K, :K] = total * (np.diag(weights) - np.outer(weights, weights))
    else:
        scores[: K * Q] = flat[at : at + K * Q]
        at += K * Q
        information[: K * Q, : K * Q] = flat[at : at + (K * Q) ** 2].reshape(K * Q, K * Q)
    scores[K * Q : K * Q + K * P] = of_components[:, :P].ravel()
    scores[K * Q + K * P :] = of_components[:, P:].ravel()
    upper = np.triu_indices(M)
    for k in range(K):
        block = np.zeros((M, M))
        block[upper] = triangles[k]
        block = block + np.triu(block, 1).T
        where = np.concatenate([K * Q + k * P + np.arange(P), K * Q + K * P + k * E + np.arange(E)])
        information[np.ix_(where, where)] = block
    return scores, information
