r"""Block functions of a family whose rows are, with a probability v, those of a background b.

.. math::

    \log g = \log\{(1 - v) f + v b\}, \quad r = (1 - v) f / g,

with t = log(v / (1 - v)) the last extra.  Derivatives of log g in what f depends on are r times
those of log f, and in t they are 1 - r - v.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK, EXACT, exp_nonpositive, log_positive
from ...families._kernels.base_kernels import (
    background_block,
    density_block,
    gradient_block,
    hessian_block,
    information_block,
)

# Log odds are not looked at beyond: shares are as good as 0 and 1.
MOST_LOG_ODDS = 300.0


class ContaminatedSettings(NamedTuple):
    """Settings of both.

    Attributes
    ----------
    family, background : NamedTuple
    """

    family: Any
    background: Any


def _is_contaminated(settings: Any) -> bool:
    return (
        isinstance(settings, types.BaseNamedTuple)
        and settings.instance_class is ContaminatedSettings
    )


@part
def _log_share(t):
    """Logarithm of 1 / (1 + exp(-t))."""
    t = min(max(t, -MOST_LOG_ODDS), MOST_LOG_ODDS)
    return -math.log1p(math.exp(-t)) if t > 0.0 else t - math.log1p(math.exp(t))


@part(fastmath=EXACT)
def _mix(background, log_rest, log_share, out):
    """Log densities of the mixture in place of those of the family."""
    for i in range(BLOCK):
        a, b = log_rest + out[i], log_share + background[i]
        above = a > b
        small = exp_nonpositive(b - a if above else a - b)
        out[i] = (a if above else b) + log_positive(1.0 + small)


@part(fastmath=EXACT)
def _mix_and_share(background, log_rest, log_share, out, own):
    """As `_mix`; ``own`` is the probability that the row is not of the background."""
    for i in range(BLOCK):
        a, b = log_rest + out[i], log_share + background[i]
        above = a > b
        small = exp_nonpositive(b - a if above else a - b)
        scale = 1.0 / (1.0 + small)
        own[i] = scale if above else small * scale
        out[i] = (a if above else b) + log_positive(1.0 + small)


@part
def _scale(own, d_eta, d_extra, k):
    for i in range(BLOCK):
        d_eta[k, i] *= own[i]
    for e in range(d_extra.shape[0] - 1):
        for i in range(BLOCK):
            d_extra[e, k, i] *= own[i]


@part
def _slope_of_odds(own, share, out):
    """1 - r - v in place of r."""
    for i in range(BLOCK):
        out[i] = (1.0 - own[i]) - share


@part
def _curve(own, d_eta, d_extra, share, d_eta2, d_eta_extra, d_extra2, k):
    """Second derivatives from those of the family, and its first ones."""
    E = d_extra.shape[0]
    for i in range(BLOCK):
        r, d = own[i], d_eta[k, i]
        d_eta2[k, i] = r * (d_eta2[k, i] + (1.0 - r) * d * d)
    # The last extra stands at the end of every row of the triangle: from the end, in place.
    source = E * (E - 1) // 2 - 1
    target = E * (E + 1) // 2 - 1
    for i in range(BLOCK):
        r = own[i]
        d_extra2[target, k, i] = r * (1.0 - r) - share * (1.0 - share)
        d_eta_extra[E - 1, k, i] = -r * (1.0 - r) * d_eta[k, i]
    for e in range(E - 2, -1, -1):
        target -= 1
        for i in range(BLOCK):
            r = own[i]
            d_extra2[target, k, i] = -r * (1.0 - r) * d_extra[e, k, i]
        for f in range(E - 2, e - 1, -1):
            target -= 1
            for i in range(BLOCK):
                r = own[i]
                d_extra2[target, k, i] = r * (
                    d_extra2[source, k, i] + (1.0 - r) * d_extra[e, k, i] * d_extra[f, k, i]
                )
            source -= 1
        for i in range(BLOCK):
            r, d = own[i], d_extra[e, k, i]
            d_eta_extra[e, k, i] = r * (d_eta_extra[e, k, i] + (1.0 - r) * d_eta[k, i] * d)


@part
def _bound(share, i_eta2, i_eta_extra, i_extra2, k):
    """The information of rows that are known not to be of the background, as often as they are."""
    E = i_eta_extra.shape[0]
    rest = 1.0 - share
    source = E * (E - 1) // 2 - 1
    target = E * (E + 1) // 2 - 1
    for i in range(BLOCK):
        i_eta2[k, i] *= rest
        i_extra2[target, k, i] = share * rest
        i_eta_extra[E - 1, k, i] = 0.0
    for e in range(E - 2, -1, -1):
        target -= 1
        for i in range(BLOCK):
            i_extra2[target, k, i] = 0.0
            i_eta_extra[e, k, i] *= rest
        for _ in range(E - 2, e - 1, -1):
            target -= 1
            for i in range(BLOCK):
                i_extra2[target, k, i] = rest * i_extra2[source, k, i]
            source -= 1


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_contaminated(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        density_block(y, aux, eta, extra, settings.family, out)
        background_block(y, aux, settings.background, eta[0])
        for k in range(out.shape[0]):
            t = extra[k, extra.shape[1] - 1]
            _mix(eta[0], _log_share(-t), _log_share(t), out[k])

    return block


@overload(gradient_block, jit_options=PART)
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    if not _is_contaminated(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra):
        gradient_block(y, aux, eta, extra, settings.family, out, d_eta, d_extra)
        background_block(y, aux, settings.background, eta[0])
        last = d_extra.shape[0] - 1
        for k in range(out.shape[0]):
            t = extra[k, last]
            own = d_extra[last, k]
            _mix_and_share(eta[0], _log_share(-t), _log_share(t), out[k], own)
            _scale(own, d_eta, d_extra, k)
            _slope_of_odds(own, math.exp(_log_share(t)), own)

    return block


@overload(hessian_block, jit_options=PART)
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    if not _is_contaminated(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
        hessian_block(
            y, aux, eta, extra, settings.family, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2
        )
        background_block(y, aux, settings.background, eta[0])
        last = d_extra.shape[0] - 1
        for k in range(out.shape[0]):
            t = extra[k, last]
            own, share = d_extra[last, k], math.exp(_log_share(t))
            _mix_and_share(eta[0], _log_share(-t), _log_share(t), out[k], own)
            _curve(own, d_eta, d_extra, share, d_eta2, d_eta_extra, d_extra2, k)
            _scale(own, d_eta, d_extra, k)
            _slope_of_odds(own, share, own)

    return block


@overload(information_block, jit_options=PART)
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
    if not _is_contaminated(settings):
        return None

    def block(y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2):
        information_block(
            y, aux, eta, extra, settings.family, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2
        )
        background_block(y, aux, settings.background, eta[0])
        last = d_extra.shape[0] - 1
        for k in range(out.shape[0]):
            t = extra[k, last]
            own, share = d_extra[last, k], math.exp(_log_share(t))
            _mix_and_share(eta[0], _log_share(-t), _log_share(t), out[k], own)
            _bound(share, i_eta2, i_eta_extra, i_extra2, k)
            _scale(own, d_eta, d_extra, k)
            _slope_of_odds(own, share, own)

    return block
