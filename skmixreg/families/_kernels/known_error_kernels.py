r"""Block functions of a location-scale family with errors of a known size.

With :math:`S_i = \sqrt{\sigma^2 + s_i^2}` in the place of :math:`\sigma = e^l` and
:math:`w = \sigma^2 / S^2`, derivatives of log S in l are w and :math:`2 w (1 - w)`.  The family is
asked at a response of 0 and predictors at which its residuals, in units of sigma, are those in
units of S.  The first extra parameter is l; of others, the derivatives change with l or eta only.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, log_positive
from .base_kernels import density_block, gradient_block, hessian_block, information_block

# Scales are not looked at beyond e^40 on either side, where their squares are numbers.
MOST_LOG_SCALE = 40.0


class KnownErrorSettings(NamedTuple):
    """Settings of the family without known errors.

    ``aux`` holds these and zeros.

    Attributes
    ----------
    family : NamedTuple
    """

    family: Any


def _has_known_errors(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple) and settings.instance_class is KnownErrorSettings
    )


@part
def _square(coordinate):
    return math.exp(2.0 * min(max(coordinate, -MOST_LOG_SCALE), MOST_LOG_SCALE))


@part(fastmath=EXACT)
def _shrink(y, known, eta, extra):
    """Minus residuals, in units of S, times sigma."""
    for k in range(eta.shape[0]):
        square = _square(extra[k, 0])
        for i in range(BLOCK):
            share = square / (square + known[i] * known[i])
            eta[k, i] = (eta[k, i] - y[i]) * math.sqrt(share)


@part(fastmath=EXACT)
def _add_volume(known, extra, out):
    """From densities at sigma to those at S: l - log S."""
    for k in range(out.shape[0]):
        square = _square(extra[k, 0])
        for i in range(BLOCK):
            out[k, i] += 0.5 * log_positive(square / (square + known[i] * known[i]))


@part(fastmath=EXACT)
def _first(known, extra, d_eta, d_extra):
    for k in range(d_eta.shape[0]):
        square = _square(extra[k, 0])
        for i in range(BLOCK):
            share = square / (square + known[i] * known[i])
            d_eta[k, i] *= math.sqrt(share)
            d_extra[0, k, i] *= share


@part(fastmath=EXACT)
def _others(known, extra, eta_extra, extra2):
    """Second derivatives in eta or l and another extra parameter; those come first."""
    for e in range(1, eta_extra.shape[0]):
        for k in range(eta_extra.shape[1]):
            square = _square(extra[k, 0])
            for i in range(BLOCK):
                share = square / (square + known[i] * known[i])
                eta_extra[e, k, i] *= math.sqrt(share)
                extra2[e, k, i] *= share


@part(fastmath=EXACT)
def _second(known, extra, d_extra, d_eta2, d_eta_extra, d_extra2):
    """From those at sigma; ``d_extra`` is that of the family still."""
    for k in range(d_eta2.shape[0]):
        square = _square(extra[k, 0])
        for i in range(BLOCK):
            share = square / (square + known[i] * known[i])
            d_eta2[k, i] *= share
            d_eta_extra[0, k, i] *= math.sqrt(share) * share
            bent = 2.0 * share * (1.0 - share) * d_extra[0, k, i]
            d_extra2[0, k, i] = share * share * d_extra2[0, k, i] + bent
    _others(known, extra, d_eta_extra, d_extra2)


@part(fastmath=EXACT)
def _information(known, extra, i_eta2, i_eta_extra, i_extra2):
    for k in range(i_eta2.shape[0]):
        square = _square(extra[k, 0])
        for i in range(BLOCK):
            share = square / (square + known[i] * known[i])
            i_eta2[k, i] *= share
            i_eta_extra[0, k, i] *= math.sqrt(share) * share
            i_extra2[0, k, i] *= share * share
    _others(known, extra, i_eta_extra, i_extra2)


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _has_known_errors(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _shrink(y, aux[0], eta, extra)
        density_block(aux[1], aux, eta, extra, settings.family, out)
        _add_volume(aux[0], extra, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _has_known_errors(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _shrink(y, aux[0], eta, extra)
        gradient_block(aux[1], aux, eta, extra, settings.family, out, d_eta, d_extra)
        _add_volume(aux[0], extra, out)
        _first(aux[0], extra, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _has_known_errors(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _shrink(y, aux[0], eta, extra)
        hessian_block(
            aux[1], aux, eta, extra, settings.family, out, d_eta, d_extra, d_eta2, d_eta_extra,
            d_extra2,
        )  # fmt: skip
        _add_volume(aux[0], extra, out)
        _second(aux[0], extra, d_extra, d_eta2, d_eta_extra, d_extra2)
        _first(aux[0], extra, d_eta, d_extra)

    return block


@overload(information_block, jit_options=PART)
def _expected(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _has_known_errors(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _shrink(y, aux[0], eta, extra)
        information_block(
            aux[1], aux, eta, extra, settings.family, out, d_eta, d_extra, i_eta2, i_eta_extra,
            i_extra2,
        )  # fmt: skip
        _add_volume(aux[0], extra, out)
        _information(aux[0], extra, i_eta2, i_eta_extra, i_extra2)
        _first(aux[0], extra, d_eta, d_extra)

    return block
