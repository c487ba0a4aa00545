"""Block functions of the lognormal family.

With u the standardised log y, ``aux[0]``, and the logarithm of its derivative, ``aux[1]``,

    log f = -log(2 pi) / 2 - log(sigma) - {(u - eta) / sigma}^2 / 2 + log(du / dy).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT
from .._distributions.normal_kernels import (
    HALF_LOG_2PI,
    normal_curvatures,
    normal_information,
    normal_slopes,
)
from .._distributions.special_kernels import located_tail, normal_tail
from .base_kernels import (
    density_block,
    gradient_block,
    hessian_block,
    information_block,
    tail_terms,
)


class LogNormalSettings(NamedTuple):
    """Settings of the lognormal family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_lognormal(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple) and settings.instance_class is LogNormalSettings
    )


@part(fastmath=EXACT)
def _residuals(aux, eta, extra, location, out):
    """Standardised residuals in place of ``eta``, and log densities."""
    for k in range(eta.shape[0]):
        scale = math.exp(-extra[k, 0])
        constant = -HALF_LOG_2PI - extra[k, 0]
        for i in range(BLOCK):
            z = (aux[0, i] - (eta[k, i] + location)) * scale
            eta[k, i] = z
            out[k, i] = (constant - 0.5 * (z * z)) + aux[1, i]


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_lognormal(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _residuals(aux, eta, extra, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_lognormal(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _residuals(aux, eta, extra, settings.location, out)
        normal_slopes(eta, extra, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_lognormal(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _residuals(aux, eta, extra, settings.location, out)
        normal_slopes(eta, extra, d_eta, d_extra)
        normal_curvatures(eta, extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_lognormal(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _residuals(aux, eta, extra, settings.location, out)
        normal_slopes(eta, extra, d_eta, d_extra)
        normal_information(extra, i_eta2, i_eta_extra, i_extra2)

    return block


@overload(tail_terms, jit_options=PART)
def _tail(value, coordinate, right, settings):
    if not _is_lognormal(settings):
        return None
    return lambda value, coordinate, right, settings: located_tail(
        *normal_tail(value, right), coordinate
    )
