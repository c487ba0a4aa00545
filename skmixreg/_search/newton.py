"""Newton's method to the exact mode of the log posterior."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._model.density import LogPosterior
from .._support.arrays import Array

GRADIENT_TOLERANCE = 1e-6
# In standard deviations; doubled where such a step gains as it is.
_LARGEST_STEP = 30.0
# Gradients below are of nearly a parabola, whose top they tell where values are rounded.
_CLOSE = 0.1


class Polished(NamedTuple):
    """End of a Newton run.

    Attributes
    ----------
    theta : ndarray of shape (d,)
    log_prior, log_likelihood : float
    scale : ndarray of shape (d, d)
        Lower Cholesky factor of the inverse of the negative Hessian (of its absolute value, in
        the sense of eigenvalues, where that is indefinite).
    gradient_norm : float
        Norm of the whitened gradient.
    definite : bool
        Whether the negative Hessian is positive definite.
    """

    theta: Array
    log_prior: float
    log_likelihood: float
    scale: Array
    gradient_norm: float
    definite: bool


def laplace_evidence(log_posterior: float, scale: Array) -> float:
    """Laplace's approximation of the log mass of a mode in one labelling.

    Parameters
    ----------
    log_posterior : float
        At the mode.
    scale : ndarray of shape (d, d)
        Triangular factor of the covariance there.
    """
    log_volume = float(np.log(np.diagonal(scale)).sum())
    return log_posterior + 0.5 * len(scale) * float(np.log(2.0 * np.pi)) + log_volume


# A trial step may leave the range of numbers; its value is then -inf or nan, and it is halved.
@np.errstate(over="ignore", invalid="ignore")
def polish(density: LogPosterior, theta: Array, max_iterations: int = 50) -> Polished:
    """Climb from ``theta`` to a point where the whitened gradient is under 1e-6.

    Steps use absolute eigenvalues of the Hessian (saddle-free Newton, Dauphin et al. 2014), so
    that they ascend wherever they start; a step is halved until it does not lose.  Close to the top
    a step that halves the gradient is none that loses: of large counts values are rounded by more
    than is left to gain.
    """
    longest = _LARGEST_STEP
    prior, likelihood, gradient, hessian = density.value_gradient_hessian(theta)
    for iteration in range(max_iterations + 1):
        # Coordinates of unit curvature: well-fed and empty components differ by many decades.
        unit = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-300))
        values, vectors = np.linalg.eigh(-hessian * unit * unit[:, None])
        along = vectors.T @ (unit * gradient)
        least = 1e-14 * float(np.abs(values).max())
        curvature = np.maximum(np.abs(values), least)
        definite = bool(values[0] > least)
        norm = float(np.sqrt((along**2 / curvature).sum()))
        if iteration == max_iterations or (definite and norm < GRADIENT_TOLERANCE):
            break
        if norm < GRADIENT_TOLERANCE:
            # A saddle: leave it along its steepest direction of ascent.
            step = unit * vectors[:, 0] * (0.5 / np.sqrt(curvature[0]))
        else:
            step = unit * (vectors @ (along / curvature))
            step *= min(1.0, longest / norm)
        value = prior + likelihood
        slack = 1e-12 * (1.0 + abs(value))
        whole = step
        for _ in range(30):
            new = density.value_gradient_hessian(theta + step)
            if new[0] + new[1] >= value - slack:
                break
            if definite and norm < _CLOSE:
                left = vectors.T @ (unit * new[2])
                if float(np.sqrt((left**2 / curvature).sum())) < 0.5 * norm:
                    break
            step = 0.5 * step
        else:
            break
        if norm > longest and step is whole:
            longest *= 2.0
        theta = theta + step
        prior, likelihood, gradient, hessian = new
    # Cholesky factor of the inverse, from the QR factors of its symmetric root.
    root = unit[:, None] * vectors / np.sqrt(curvature)
    upper = np.linalg.qr(root.T, mode="r")
    scale = upper.T * np.sign(np.diagonal(upper))
    return Polished(theta, prior, likelihood, scale, norm, definite)
