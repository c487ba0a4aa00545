"""Block functions of the Gamma family with the log link.

With a the shape, l = log(a) / -2 the coordinate and z = log(y) - eta,

    log f = a (z - e^z + 1) + {a log(a) - a - log Gamma(a)} - log(y).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_any
from .._distributions.gamma_tail_kernels import gamma_tail
from .._distributions.special_kernels import digamma_gap, stirling_gap, trigamma_excess
from .base_kernels import (
    density_block,
    gradient_block,
    hessian_block,
    information_block,
    tail_terms,
)

# Logarithms of responses are not looked at farther from eta, nor shapes beyond exp(-26) and
# exp(26): densities there are as good as zero.
FARTHEST = 200.0
MOST_LOG_SHAPE = 26.0


class GammaSettings(NamedTuple):
    """Settings of the Gamma family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_gamma(settings: Any) -> bool:
    return isinstance(settings, types.BaseNamedTuple) and settings.instance_class is GammaSettings


@part
def _shape(coordinate):
    return math.exp(min(max(-2.0 * coordinate, -MOST_LOG_SHAPE), MOST_LOG_SHAPE))


@part(fastmath=EXACT)
def _fill(aux, eta, k, location, shape, constant, out):
    for i in range(BLOCK):
        z = aux[0, i] - (eta[k, i] + location)
        z = -FARTHEST if z < -FARTHEST else z
        z = FARTHEST if z > FARTHEST else z
        ratio = exp_any(z)
        eta[k, i] = ratio
        out[k, i] = (shape * ((z - ratio) + 1.0) + constant) - aux[0, i]


@part
def _ratios(aux, eta, extra, location, out):
    """Ratios of y to its mean in place of ``eta``, and log densities; ``aux[0]`` is log(y)."""
    for k in range(eta.shape[0]):
        shape = _shape(extra[k, 0])
        _fill(aux, eta, k, location, shape, stirling_gap(shape), out)


@part
def _slopes(aux, ratio, extra, out, d_eta, d_extra):
    for k in range(ratio.shape[0]):
        shape = _shape(extra[k, 0])
        constant, gap = stirling_gap(shape), shape * digamma_gap(shape)
        for i in range(BLOCK):
            d_eta[k, i] = shape * (ratio[k, i] - 1.0)
            # shape (z - ratio + 1), which log densities hold
            rest = (out[k, i] + aux[0, i]) - constant
            d_extra[0, k, i] = -2.0 * (gap + rest)


@part
def _curvatures(ratio, extra, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    for k in range(ratio.shape[0]):
        shape = _shape(extra[k, 0])
        excess = 4.0 * trigamma_excess(shape)
        for i in range(BLOCK):
            d_eta2[k, i] = -(shape * ratio[k, i])
            d_eta_extra[0, k, i] = -2.0 * d_eta[k, i]
            d_extra2[0, k, i] = -2.0 * d_extra[0, k, i] - excess


@part
def _expected_information(extra, i_eta2, i_eta_extra, i_extra2):
    for k in range(i_eta2.shape[0]):
        shape = _shape(extra[k, 0])
        excess = 4.0 * trigamma_excess(shape)
        for i in range(BLOCK):
            i_eta2[k, i] = shape
            i_eta_extra[0, k, i] = 0.0
            i_extra2[0, k, i] = excess


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_gamma(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _ratios(aux, eta, extra, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_gamma(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _ratios(aux, eta, extra, settings.location, out)
        _slopes(aux, eta, extra, out, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_gamma(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _ratios(aux, eta, extra, settings.location, out)
        _slopes(aux, eta, extra, out, d_eta, d_extra)
        _curvatures(eta, extra, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_gamma(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _ratios(aux, eta, extra, settings.location, out)
        _slopes(aux, eta, extra, out, d_eta, d_extra)
        _expected_information(extra, i_eta2, i_eta_extra, i_extra2)

    return block


@overload(tail_terms, jit_options=PART)
def _tail(value, coordinate, right, settings):
    if not _is_gamma(settings):
        return None
    return lambda value, coordinate, right, settings: gamma_tail(value, _shape(coordinate), right)
