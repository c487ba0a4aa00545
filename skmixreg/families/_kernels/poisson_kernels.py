"""Block functions of the Poisson family; ``aux[0]`` is -log(y!)."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import compiled
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_any
from .base_kernels import density_block, gradient_block, hessian_block, information_block


class PoissonSettings(NamedTuple):
    """What the compiled kernels need to know.

    Attributes
    ----------
    location : float
        Added to linear predictors.
    """

    location: float


def _is_poisson(settings: Any) -> bool:
    return isinstance(settings, types.BaseNamedTuple) and settings.instance_class is PoissonSettings


@compiled(fastmath=EXACT)
def poisson_log_density(y, aux, eta, location, out):
    """Means in place of ``eta``, and log probabilities."""
    for k in range(eta.shape[0]):
        for i in range(BLOCK):
            predictor = eta[k, i] + location
            mean = exp_any(predictor)
            eta[k, i] = mean
            out[k, i] = (y[i] * predictor - mean) + aux[0, i]


@compiled(fastmath=EXACT)
def poisson_first(y, mean, d_eta):
    """First derivatives, from means."""
    for k in range(mean.shape[0]):
        for i in range(BLOCK):
            d_eta[k, i] = y[i] - mean[k, i]


@compiled(fastmath=EXACT)
def poisson_second(mean, sign, d_eta2):
    """The mean, times a sign."""
    for k in range(mean.shape[0]):
        for i in range(BLOCK):
            d_eta2[k, i] = sign * mean[k, i]


@overload(density_block)
def _poisson_density_block(y, aux, eta, extra, settings, out):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        poisson_log_density(y, aux, eta, settings.location, out)

    return block


@overload(gradient_block)
def _poisson_gradient_block(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        poisson_log_density(y, aux, eta, settings.location, out)
        poisson_first(y, eta, d_eta)

    return block


@overload(hessian_block)
def _poisson_hessian_block(
    y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2
):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        poisson_log_density(y, aux, eta, settings.location, out)
        poisson_first(y, eta, d_eta)
        poisson_second(eta, -1.0, d_eta2)

    return block


@overload(information_block)
def _poisson_information_block(
    y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2
):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        poisson_log_density(y, aux, eta, settings.location, out)
        poisson_first(y, eta, d_eta)
        poisson_second(eta, 1.0, i_eta2)

    return block
