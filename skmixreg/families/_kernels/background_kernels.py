"""Log densities of components without parameters."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..._kernels.compile import PART, part
from ..._kernels.vector_kernels import BLOCK
from .base_kernels import background_block


class UniformSettings(NamedTuple):
    """The same density everywhere.

    Attributes
    ----------
    log_density : float
    """

    log_density: float


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
def _fill(value, out):
    for i in range(BLOCK):
        out[i] = value


@part
def _indicate(y, at, out):
    for i in range(BLOCK):
        out[i] = 0.0 if y[i] == at else -math.inf


@overload(background_block, jit_options=PART)
def _uniform(y, aux, settings, out):
    if not _is(settings, UniformSettings):
        return None
    return lambda y, aux, settings, out: _fill(settings.log_density, out)


@overload(background_block, jit_options=PART)
def _point(y, aux, settings, out):
    if not _is(settings, PointSettings):
        return None
    return lambda y, aux, settings, out: _indicate(y, settings.at, out)
