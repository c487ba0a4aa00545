"""Block functions of the Weibull family with the log link of the scale.

With s = 1 / shape, its logarithm the coordinate, and z = {log(y) - eta} / s,

    log f = z - e^z - log(s) - log(y).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
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

# z is not looked at outside of these: densities there are as good as zero, and their derivatives
# are numbers.  Nor are shapes beyond exp(-26) and exp(26).
LEAST, MOST = -1e100, 200.0
MOST_LOG_SHAPE = 26.0
# Expectations of derivatives of the Gamma function: e^z is exponential.
CROSS = 1.0 - float(np.euler_gamma)
SQUARE = math.pi**2 / 6.0 + CROSS**2


class WeibullSettings(NamedTuple):
    """Settings of the Weibull family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_weibull(settings: Any) -> bool:
    return isinstance(settings, types.BaseNamedTuple) and settings.instance_class is WeibullSettings


@part
def _shape(coordinate):
    return math.exp(min(max(-coordinate, -MOST_LOG_SHAPE), MOST_LOG_SHAPE))


@part(fastmath=EXACT)
def _fill(aux, eta, k, location, shape, coordinate, out):
    for i in range(BLOCK):
        z = (aux[0, i] - (eta[k, i] + location)) * shape
        z = LEAST if z < LEAST else z
        z = MOST if z > MOST else z
        eta[k, i] = z
        out[k, i] = ((z - exp_any(z)) - coordinate) - aux[0, i]


@part
def _errors(aux, eta, extra, location, out):
    """z in place of ``eta``, and log densities; ``aux[0]`` is log(y)."""
    for k in range(eta.shape[0]):
        _fill(aux, eta, k, location, _shape(extra[k, 0]), extra[k, 0], out)


@part(fastmath=EXACT)
def _slopes(z, extra, d_eta, d_extra):
    for k in range(z.shape[0]):
        shape = _shape(extra[k, 0])
        for i in range(BLOCK):
            excess = exp_any(z[k, i]) - 1.0
            d_eta[k, i] = shape * excess
            d_extra[0, k, i] = z[k, i] * excess - 1.0


@part(fastmath=EXACT)
def _curvatures(z, extra, d_eta2, d_eta_extra, d_extra2):
    for k in range(z.shape[0]):
        shape = _shape(extra[k, 0])
        for i in range(BLOCK):
            power = exp_any(z[k, i])
            product = z[k, i] * power
            d_eta2[k, i] = -(shape * shape) * power
            d_eta_extra[0, k, i] = -shape * (product + (power - 1.0))
            d_extra2[0, k, i] = -(z[k, i] * (product + (power - 1.0)))


@part
def _expected_information(extra, i_eta2, i_eta_extra, i_extra2):
    for k in range(i_eta2.shape[0]):
        shape = _shape(extra[k, 0])
        for i in range(BLOCK):
            i_eta2[k, i] = shape * shape
            i_eta_extra[0, k, i] = shape * CROSS
            i_extra2[0, k, i] = SQUARE


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_weibull(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _errors(aux, eta, extra, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_weibull(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _errors(aux, eta, extra, settings.location, out)
        _slopes(eta, extra, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_weibull(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _errors(aux, eta, extra, settings.location, out)
        _slopes(eta, extra, d_eta, d_extra)
        _curvatures(eta, extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_weibull(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _errors(aux, eta, extra, settings.location, out)
        _slopes(eta, extra, d_eta, d_extra)
        _expected_information(extra, i_eta2, i_eta_extra, i_extra2)

    return block


@overload(tail_terms, jit_options=PART)
def _tail(value, coordinate, right, settings):
    if not _is_weibull(settings):
        return None
    return lambda value, coordinate, right, settings: located_tail(
        value, *extreme_value_tail(exp_any(value), right), coordinate
    )
