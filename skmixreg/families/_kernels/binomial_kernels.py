"""Block functions of the binomial family with the logit link."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_nonpositive, log_positive
from .base_kernels import density_block, gradient_block, hessian_block, information_block


class BinomialSettings(NamedTuple):
    """Settings of the binomial family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_binomial(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple) and settings.instance_class is BinomialSettings
    )


@part(fastmath=EXACT)
def _probabilities(y, aux, eta, location, out):
    """Probabilities in place of ``eta``, and log densities.

    ``aux`` holds the trials and the logarithms of the binomial coefficients.
    """
    for k in range(eta.shape[0]):
        for i in range(BLOCK):
            a = eta[k, i] + location
            small = exp_nonpositive(-a if a > 0.0 else a)
            scale = 1.0 / (1.0 + small)
            eta[k, i] = scale if a > 0.0 else small * scale
            # Failures where a is positive: nothing cancels.
            events = aux[0, i] - y[i] if a > 0.0 else y[i]
            size = -a if a > 0.0 else a
            out[k, i] = (events * size - aux[0, i] * log_positive(1.0 + small)) + aux[1, i]


@part(fastmath=EXACT)
def _slopes(y, aux, probability, d_eta):
    for k in range(probability.shape[0]):
        for i in range(BLOCK):
            d_eta[k, i] = y[i] - aux[0, i] * probability[k, i]


@part(fastmath=EXACT)
def _curvatures(aux, probability, sign, d_eta2):
    for k in range(probability.shape[0]):
        for i in range(BLOCK):
            p = probability[k, i]
            d_eta2[k, i] = sign * (aux[0, i] * (p - p * p))


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _probabilities(y, aux, eta, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _probabilities(y, aux, eta, settings.location, out)
        _slopes(y, aux, eta, d_eta)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _probabilities(y, aux, eta, settings.location, out)
        _slopes(y, aux, eta, d_eta)
        _curvatures(aux, eta, -1.0, d_eta2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_binomial(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _probabilities(y, aux, eta, settings.location, out)
        _slopes(y, aux, eta, d_eta)
        _curvatures(aux, eta, 1.0, i_eta2)

    return block
