"""Block functions of the beta family with the logit link.

With m the mean, p the precision, l = log(p) / -2 the coordinate, a = p m, b = p (1 - m) and
g(a) = a log(a) - a - log Gamma(a),

    log f = a log(y / m) + b log{(1 - y) / (1 - m)} + g(a) + g(b) - g(p) - log(y) - log(1 - y).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, inlined, part
from ..._kernels.vector_kernels import BLOCK, EXACT, clipped, exp_any, log_positive
from .._distributions.special_kernels import (
    digamma_gap,
    row_excess,
    row_gaps,
    stirling_gap,
    trigamma_excess,
)
from .base_kernels import density_block, gradient_block, hessian_block, information_block

# Predictors and precisions are not looked at farther out: densities there are as good as zero.
FARTHEST = 200.0
MOST_LOG_PRECISION = 26.0


class BetaSettings(NamedTuple):
    """Settings of the beta family.

    Attributes
    ----------
    location : float
        Added to the linear predictor.
    """

    location: float = 0.0


def _is_beta(settings: Any) -> bool:
    return isinstance(settings, types.BaseNamedTuple) and settings.instance_class is BetaSettings


@part
def _precision(coordinate):
    return math.exp(min(max(-2.0 * coordinate, -MOST_LOG_PRECISION), MOST_LOG_PRECISION))


@inlined
def _shares(eta):
    """The mean, one minus it, and 1 + exp(-|eta|)."""
    ratio = exp_any(-eta if eta > 0.0 else eta)
    more = 1.0 / (1.0 + ratio)
    less = ratio * more
    return (more if eta > 0.0 else less), (less if eta > 0.0 else more), 1.0 + ratio


@inlined
def _terms(log_y, log_rest, eta, precision, log_precision):
    """Mean, one minus it, the first two terms of log f, g(a) + g(b), and derivatives of these."""
    mean, rest, whole = _shares(eta)
    log_whole = log_positive(whole)
    log_mean = (eta if eta < 0.0 else 0.0) - log_whole
    log_other = (-eta if eta > 0.0 else 0.0) - log_whole
    a, b = precision * mean, precision * rest
    gap, first, second = row_gaps(a, b, log_precision + log_mean, log_precision + log_other)
    return mean, rest, a * (log_y - log_mean) + b * (log_rest - log_other), gap, first, second


@part(fastmath=EXACT)
def _densities_of(aux, eta, k, location, precision, constant, out):
    log_precision = math.log(precision)
    for i in range(BLOCK):
        log_y, log_rest = aux[0, i], aux[1, i]
        at = clipped(eta[k, i] + location, FARTHEST)
        _, _, near, gap, _, _ = _terms(log_y, log_rest, at, precision, log_precision)
        out[k, i] = (near + (gap - constant)) - (log_y + log_rest)


@part
def _densities(aux, eta, extra, location, out):
    """Log densities; ``aux`` is log(y) and log(1 - y)."""
    for k in range(eta.shape[0]):
        precision = _precision(extra[k, 0])
        _densities_of(aux, eta, k, location, precision, stirling_gap(precision), out)


@part(fastmath=EXACT)
def _slopes_of(aux, eta, k, location, precision, constant, gap_of_all, out, d_eta, d_extra):
    log_precision = math.log(precision)
    for i in range(BLOCK):
        log_y, log_rest = aux[0, i], aux[1, i]
        at = clipped(eta[k, i] + location, FARTHEST)
        eta[k, i] = at
        mean, rest, near, gap, first, second = _terms(log_y, log_rest, at, precision, log_precision)
        out[k, i] = (near + (gap - constant)) - (log_y + log_rest)
        far = precision * (mean * rest) * ((log_y - log_rest) - at)
        d_eta[k, i] = far + (rest * first - mean * second)
        d_extra[0, k, i] = -2.0 * (near + ((first + second) - gap_of_all))


@part
def _slopes(aux, eta, extra, location, out, d_eta, d_extra):
    """Log densities and first derivatives; predictors with the location in place of ``eta``."""
    for k in range(eta.shape[0]):
        p = _precision(extra[k, 0])
        constant, gap = stirling_gap(p), p * digamma_gap(p)
        _slopes_of(aux, eta, k, location, p, constant, gap, out, d_eta, d_extra)


@part(fastmath=EXACT)
def _information_of(eta, k, precision, excess_of_all, i_eta2, i_eta_extra, i_extra2):
    for i in range(BLOCK):
        mean, rest, _ = _shares(eta[k, i])
        first, second = row_excess(precision * mean), row_excess(precision * rest)
        i_eta2[k, i] = precision * (mean * rest) + (rest * rest * first + mean * mean * second)
        i_eta_extra[0, k, i] = 2.0 * (mean * second - rest * first)
        i_extra2[0, k, i] = 4.0 * ((first + second) - excess_of_all)


@part
def _expected_information(eta, extra, i_eta2, i_eta_extra, i_extra2):
    """Of Ferrari and Cribari-Neto (2004), from predictors with the location."""
    for k in range(eta.shape[0]):
        precision = _precision(extra[k, 0])
        excess = trigamma_excess(precision)
        _information_of(eta, k, precision, excess, i_eta2, i_eta_extra, i_extra2)


@part(fastmath=EXACT)
def _curvatures(eta, extra, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    """Minus the information, and what is zero on average."""
    _expected_information(eta, extra, d_eta2, d_eta_extra, d_extra2)
    for k in range(eta.shape[0]):
        for i in range(BLOCK):
            mean, rest, _ = _shares(eta[k, i])
            d_eta2[k, i] = (rest - mean) * d_eta[k, i] - d_eta2[k, i]
            d_eta_extra[0, k, i] = -2.0 * d_eta[k, i] - d_eta_extra[0, k, i]
            d_extra2[0, k, i] = -2.0 * d_extra[0, k, i] - d_extra2[0, k, i]


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_beta(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        _densities(aux, eta, extra, settings.location, out)

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_beta(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        _slopes(aux, eta, extra, settings.location, out, d_eta, d_extra)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_beta(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        _slopes(aux, eta, extra, settings.location, out, d_eta, d_extra)
        _curvatures(eta, extra, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_beta(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        _slopes(aux, eta, extra, settings.location, out, d_eta, d_extra)
        _expected_information(eta, extra, i_eta2, i_eta_extra, i_extra2)

    return block
