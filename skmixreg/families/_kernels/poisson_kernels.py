"""Block functions of the Poisson family with the log link."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_any
from .base_kernels import density_block, gradient_block, hessian_block, information_block


class PoissonSettings(NamedTuple):
    """Settings of the Poisson family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_poisson(settings: Any) -> bool:
    return isinstance(settings, types.BaseNamedTuple) and settings.instance_class is PoissonSettings


@part(fastmath=EXACT)
def _means(y, aux, eta, location, out):
    """Means in place of ``eta``, and log densities; ``aux[0]`` is minus the log of y!."""
    for k in range(eta.shape[0]):
        for i in range(BLOCK):
            a = eta[k, i] + location
            mean = exp_any(a)
            eta[k, i] = mean
            out[k, i] = (y[i] * a - mean) + aux[0, i]


@part(fastmath=EXACT)
def _slopes(y, mean, d_eta):
    for k in range(mean.shape[0]):
        for i in range(BLOCK):
            d_eta[k, i] = y[i] - mean[k, i]


@part(fastmath=EXACT)
def _curvatures(mean, sign, d_eta2):
    for k in range(mean.shape[0]):
        for i in range(BLOCK):
            d_eta2[k, i] = sign * mean[k, i]


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _means(y, aux, eta, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _means(y, aux, eta, settings.location, out)
        _slopes(y, eta, d_eta)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _means(y, aux, eta, settings.location, out)
        _slopes(y, eta, d_eta)
        _curvatures(eta, -1.0, d_eta2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_poisson(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _means(y, aux, eta, settings.location, out)
        _slopes(y, eta, d_eta)
        _curvatures(eta, 1.0, i_eta2)

    return block
