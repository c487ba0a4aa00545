"""Block functions of a family some of whose rows are censored.

A row of which only Y > y is known contributes the log of the survival function, and one of which
only the other side is known that of the distribution function.
"""

from __future__ import annotations

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
def _coordinate(extra, k):
    return extra[k, 0] if extra.shape[1] > 0 else 0.0


@part
def _values(side, left, extra, settings, out):
    for k in range(out.shape[0]):
        at = _coordinate(extra, k)
        for i in range(BLOCK):
            if side[i] != 0.0:
                out[k, i] = tail_terms(left[k, i], at, side[i] > 0.0, settings)[0]


@part
def _set_slopes(terms, k, i, out, d_eta, d_extra):
    out[k, i], d_eta[k, i] = terms[0], terms[1]
    if d_extra.shape[0] > 0:
        d_extra[0, k, i] = terms[2]


@part
def _slopes(side, left, extra, settings, out, d_eta, d_extra):
    for k in range(out.shape[0]):
        at = _coordinate(extra, k)
        for i in range(BLOCK):
            if side[i] != 0.0:
                terms = tail_terms(left[k, i], at, side[i] > 0.0, settings)
                _set_slopes(terms, k, i, out, d_eta, d_extra)


@part
def _curvatures(side, left, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    """As `_slopes`, and second derivatives: a tail may be an integral."""
    for k in range(out.shape[0]):
        at = _coordinate(extra, k)
        for i in range(BLOCK):
            if side[i] != 0.0:
                terms = tail_terms(left[k, i], at, side[i] > 0.0, settings)
                _set_slopes(terms, k, i, out, d_eta, d_extra)
                d_eta2[k, i] = terms[3]
                if d_eta_extra.shape[0] > 0:
                    d_eta_extra[0, k, i], d_extra2[0, k, i] = terms[4], terms[5]


@overload(density_block, jit_options=PART)
def _density(y, aux, eta, extra, settings, out):
    if not _is_censored(settings):
        return None

    def block(y, aux, eta, extra, settings, out):
        density_block(y, aux[1:], eta, extra, settings.family, out)
        _values(aux[0], eta, extra, settings.family, out)

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
        _curvatures(
            aux[0], eta, extra, settings.family, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2,
        )  # fmt: skip

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
