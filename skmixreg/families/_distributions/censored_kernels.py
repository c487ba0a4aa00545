r"""Block functions of a location-scale family, of y or log(y), some of whose rows are censored.

A row of which only z > (y - eta) / s is known contributes the log of the survival function L(z),
and one of which only the other side is known that of the distribution function.  With derivatives
L' and L'' in z, those in eta and l = log(s) are

.. math::

    -L' / s, \quad -z L', \quad L'' / s^2, \quad (z L'' + L') / s, \quad z L' + z^2 L'' .
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK
from .._kernels.base_kernels import (
    density_block,
    gradient_block,
    hessian_block,
    information_block,
    tail_terms,
)


class CensoredSettings(NamedTuple):
    """Settings of the family.  ``aux`` holds 1, 0 or -1 by row, and what the family needs.

    Attributes
    ----------
    family : NamedTuple
    """

    family: Any


def _is_censored(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple) and settings.instance_class is CensoredSettings
    )


@part
def _scale(extra, k):
    """1 / s."""
    if extra.shape[1] == 0:
        return 1.0
    return math.exp(min(max(-extra[k, 0], -40.0), 40.0))


@part
def _values(side, left, settings, out):
    for k in range(out.shape[0]):
        for i in range(BLOCK):
            if side[i] != 0.0:
                out[k, i] = tail_terms(left[k, i], side[i] > 0.0, settings)[1]


@part
def _slopes(side, left, extra, settings, out, d_eta, d_extra):
    for k in range(out.shape[0]):
        inverse = _scale(extra, k)
        for i in range(BLOCK):
            if side[i] != 0.0:
                z, value, slope, _ = tail_terms(left[k, i], side[i] > 0.0, settings)
                out[k, i] = value
                d_eta[k, i] = -slope * inverse
                if d_extra.shape[0] > 0:
                    d_extra[0, k, i] = -z * slope


@part
def _curvatures(side, left, extra, settings, d_eta2, d_eta_extra, d_extra2):
    for k in range(d_eta2.shape[0]):
        inverse = _scale(extra, k)
        for i in range(BLOCK):
            if side[i] != 0.0:
                z, _, slope, curvature = tail_terms(left[k, i], side[i] > 0.0, settings)
                d_eta2[k, i] = curvature * (inverse * inverse)
                if d_eta_extra.shape[0] > 0:
                    d_eta_extra[0, k, i] = (z * curvature + slope) * inverse
                    d_extra2[0, k, i] = z * (slope + z * curvature)


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_censored(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        density_block(y, aux[1:], eta, extra, settings.family, out)
        _values(aux[0], eta, settings.family, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_censored(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        gradient_block(y, aux[1:], eta, extra, settings.family, out, d_eta, d_extra)
        _slopes(aux[0], eta, extra, settings.family, out, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_censored(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        hessian_block(
            y, aux[1:], eta, extra, settings.family, out, d_eta, d_extra, d_eta2, d_eta_extra,
            d_extra2,
        )  # fmt: skip
        _slopes(aux[0], eta, extra, settings.family, out, d_eta, d_extra)
        _curvatures(aux[0], eta, extra, settings.family, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_censored(settings):
        return None

    # That of rows that are seen is more than that of censored ones.
    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        information_block(
            y, aux[1:], eta, extra, settings.family, out, d_eta, d_extra, i_eta2, i_eta_extra,
            i_extra2,
        )  # fmt: skip
        _slopes(aux[0], eta, extra, settings.family, out, d_eta, d_extra)

    return block
