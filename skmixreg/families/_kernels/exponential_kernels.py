"""Block functions of the exponential family with the log link."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_any
from .._distributions.special_kernels import extreme_value_tail, located_tail
from .base_kernels import (
    density_block,
    gradient_block,
    hessian_block,
    information_block,
    tail_terms,
)


class ExponentialSettings(NamedTuple):
    """Settings of the exponential family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_exponential(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple)
        and settings.instance_class is ExponentialSettings
    )


@part(fastmath=EXACT)
def _ratios(y, eta, location, out):
    """Ratios of y to its mean in place of ``eta``, and log densities."""
    for k in range(eta.shape[0]):
        for i in range(BLOCK):
            a = eta[k, i] + location
            ratio = y[i] * exp_any(-a)
            eta[k, i] = ratio
            out[k, i] = -a - ratio


@part(fastmath=EXACT)
def _slopes(ratio, d_eta):
    for k in range(ratio.shape[0]):
        for i in range(BLOCK):
            d_eta[k, i] = ratio[k, i] - 1.0


@part(fastmath=EXACT)
def _curvatures(ratio, d_eta2):
    for k in range(ratio.shape[0]):
        for i in range(BLOCK):
            d_eta2[k, i] = -ratio[k, i]


@part(fastmath=EXACT)
def _expected_information(i_eta2):
    for k in range(i_eta2.shape[0]):
        for i in range(BLOCK):
            i_eta2[k, i] = 1.0


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_exponential(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _ratios(y, eta, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_exponential(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _ratios(y, eta, settings.location, out)
        _slopes(eta, d_eta)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_exponential(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _ratios(y, eta, settings.location, out)
        _slopes(eta, d_eta)
        _curvatures(eta, d_eta2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_exponential(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _ratios(y, eta, settings.location, out)
        _slopes(eta, d_eta)
        _expected_information(i_eta2)

    return block


@overload(tail_terms, jit_options=PART)
def _tail(value, coordinate, right, settings):
    if not _is_exponential(settings):
        return None
    # Without a scale z itself is not asked for.
    return lambda value, coordinate, right, settings: located_tail(
        0.0, *extreme_value_tail(value, right), 0.0
    )
