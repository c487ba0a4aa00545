"""Log densities of components without parameters."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK
from ...families._kernels.base_kernels import background_block


class UniformSettings(NamedTuple):
    """The same density between two values.

    Attributes
    ----------
    low, high : float
    log_density : float
    """

    low: float
    high: float
    log_density: float


class NormalSettings(NamedTuple):
    """A normal distribution.

    Attributes
    ----------
    loc, scale : float
    """

    loc: float
    scale: float


class PointSettings(NamedTuple):
    """All mass at one value.

    Attributes
    ----------
    at : float
    """

    at: float


def _is(settings: Any, kind: type) -> bool:
    return isinstance(settings, types.BaseNamedTuple) and settings.instance_class is kind


@part
def _fill(y, low, high, value, out):
    for i in range(BLOCK):
        out[i] = value if low <= y[i] <= high else -math.inf


@part
def _bump(y, loc, scale, out):
    constant = -math.log(scale) - 0.5 * math.log(2.0 * math.pi)
    for i in range(BLOCK):
        z = (y[i] - loc) / scale
        out[i] = constant - 0.5 * (z * z)


@part
def _indicate(y, at, out):
    for i in range(BLOCK):
        out[i] = 0.0 if y[i] == at else -math.inf


@overload(background_block, jit_options=PART)
def _uniform(y, aux, settings, out):
    if not _is(settings, UniformSettings):
        return None

    def block(y, aux, settings, out):
        _fill(y, settings.low, settings.high, settings.log_density, out)

    return block


@overload(background_block, jit_options=PART)
def _normal(y, aux, settings, out):
    if not _is(settings, NormalSettings):
        return None
    return lambda y, aux, settings, out: _bump(y, settings.loc, settings.scale, out)


@overload(background_block, jit_options=PART)
def _point(y, aux, settings, out):
    if not _is(settings, PointSettings):
        return None
    return lambda y, aux, settings, out: _indicate(y, settings.at, out)
