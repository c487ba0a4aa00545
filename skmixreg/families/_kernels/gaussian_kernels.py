"""Block functions of the Gaussian family."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import compiled
from ..._kernels.vector_kernels import BLOCK, EXACT
from .base_kernels import density_block, gradient_block, hessian_block, information_block

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class GaussianSettings(NamedTuple):
    """What the compiled kernels need to know; one field, since NamedTuples dispatch by type."""

    unused: float = 0.0


def _is_gaussian(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple) and settings.instance_class is GaussianSettings
    )


@compiled(fastmath=EXACT)
def gaussian_log_density(y, eta, extra, out):
    """Standardised residuals in place of ``eta``, and log densities."""
    for k in range(extra.shape[0]):
        scale = math.exp(-extra[k, 0])
        constant = -HALF_LOG_2PI - extra[k, 0]
        for i in range(BLOCK):
            z = (y[i] - eta[k, i]) * scale
            eta[k, i] = z
            out[k, i] = constant - 0.5 * (z * z)


@compiled(fastmath=EXACT)
def gaussian_first(z, extra, d_eta, d_extra):
    """First derivatives, from standardised residuals."""
    for k in range(extra.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            d_eta[k, i] = z[k, i] * scale
            d_extra[0, k, i] = z[k, i] * z[k, i] - 1.0


@compiled(fastmath=EXACT)
def gaussian_second(z, extra, d_eta2, d_eta_extra, d_extra2):
    """Second derivatives, from standardised residuals."""
    for k in range(extra.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            d_eta2[k, i] = -(scale * scale)
            d_eta_extra[0, k, i] = -2.0 * (z[k, i] * scale)
            d_extra2[0, k, i] = -2.0 * (z[k, i] * z[k, i])


@compiled(fastmath=EXACT)
def gaussian_information(extra, i_eta2, i_eta_extra, i_extra2):
    """Expected information."""
    for k in range(extra.shape[0]):
        precision = math.exp(-2.0 * extra[k, 0])
        for i in range(BLOCK):
            i_eta2[k, i] = precision
            i_eta_extra[0, k, i] = 0.0
            i_extra2[0, k, i] = 2.0


@overload(density_block)
def _gaussian_density_block(y, aux, eta, extra, settings, out):
    if not _is_gaussian(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        gaussian_log_density(y, eta, extra, out)

    return block


@overload(gradient_block)
def _gaussian_gradient_block(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_gaussian(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        gaussian_log_density(y, eta, extra, out)
        gaussian_first(eta, extra, d_eta, d_extra)

    return block


@overload(hessian_block)
def _gaussian_hessian_block(
    y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2
):
    if not _is_gaussian(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        gaussian_log_density(y, eta, extra, out)
        gaussian_first(eta, extra, d_eta, d_extra)
        gaussian_second(eta, extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block)
def _gaussian_information_block(
    y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2
):
    if not _is_gaussian(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        gaussian_log_density(y, eta, extra, out)
        gaussian_first(eta, extra, d_eta, d_extra)
        gaussian_information(extra, i_eta2, i_eta_extra, i_extra2)

    return block
