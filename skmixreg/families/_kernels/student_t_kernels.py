"""Block functions of the t family, of given degrees of freedom v.

With z = (y - eta) / sigma,

    log f = constant - log(sigma) - (v + 1) / 2 log(1 + z^2 / v).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, log_positive
from .base_kernels import density_block, gradient_block, hessian_block, information_block

# Residuals farther out are taken for this; its square is a number.
FARTHEST = 1e100


class StudentTSettings(NamedTuple):
    """Settings of the t family.

    Attributes
    ----------
    df : float
        Degrees of freedom.
    constant : float
        Log density at the centre where sigma is 1.
    """

    df: float
    constant: float


def _is_student_t(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple) and settings.instance_class is StudentTSettings
    )


@part(fastmath=EXACT)
def _residuals(y, eta, extra, settings, out):
    """Standardised residuals in place of ``eta``, and log densities."""
    half, share = 0.5 * (settings.df + 1.0), 1.0 / settings.df
    for k in range(eta.shape[0]):
        scale = math.exp(-extra[k, 0])
        constant = settings.constant - extra[k, 0]
        for i in range(BLOCK):
            z = (y[i] - eta[k, i]) * scale
            z = -FARTHEST if z < -FARTHEST else z
            z = FARTHEST if z > FARTHEST else z
            eta[k, i] = z
            out[k, i] = constant - half * log_positive(1.0 + (z * z) * share)


@part(fastmath=EXACT)
def _slopes(z, extra, df, d_eta, d_extra):
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            pull = (df + 1.0) * z[k, i] / (df + z[k, i] * z[k, i])
            d_eta[k, i] = pull * scale
            d_extra[0, k, i] = pull * z[k, i] - 1.0


@part(fastmath=EXACT)
def _curvatures(z, extra, df, d_eta2, d_eta_extra, d_extra2):
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            square = z[k, i] * z[k, i]
            inverse = 1.0 / (df + square)
            weight = (df + 1.0) * inverse
            share = df * inverse
            # (v - z^2) / (v + z^2), which does not overflow
            d_eta2[k, i] = -(weight * (2.0 * share - 1.0)) * (scale * scale)
            d_eta_extra[0, k, i] = -2.0 * (weight * share * z[k, i]) * scale
            d_extra2[0, k, i] = -2.0 * (weight * share * square)


@part(fastmath=EXACT)
def _expected_information(extra, df, i_eta2, i_eta_extra, i_extra2):
    for k in range(i_eta2.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            i_eta2[k, i] = (df + 1.0) / (df + 3.0) * (scale * scale)
            i_eta_extra[0, k, i] = 0.0
            i_extra2[0, k, i] = 2.0 * df / (df + 3.0)


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_student_t(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _residuals(y, eta, extra, settings, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_student_t(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _residuals(y, eta, extra, settings, out)
        _slopes(eta, extra, settings.df, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_student_t(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _residuals(y, eta, extra, settings, out)
        _slopes(eta, extra, settings.df, d_eta, d_extra)
        _curvatures(eta, extra, settings.df, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_student_t(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _residuals(y, eta, extra, settings, out)
        _slopes(eta, extra, settings.df, d_eta, d_extra)
        _expected_information(extra, settings.df, i_eta2, i_eta_extra, i_extra2)

    return block
