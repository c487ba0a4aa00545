"""Normal variables with an initial point of their own.

All components at one point are a saddle of the posterior, from which `pymc.find_MAP` and short ADVI
do not get away.  An ``initval`` would do as well, but a model that has one cannot be copied, which
`pymc.compute_log_likelihood`, `pymc.do` and others need: so it is the variable's support point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.random.basic import NormalRV

from .._support.arrays import Array


class StartedNormalRV(NormalRV):
    """PyTensor's normal variable, and where samplers begin.

    Parameters
    ----------
    start : nested tuple of float
    """

    __props__ = (*NormalRV.__props__, "start")

    def __init__(self, start: tuple[Any, ...], **props: Any):
        super().__init__(**props)
        self.start = start


class StartedNormal(pm.Continuous):
    """Tells PyMC of the variable; the density is that of its parent, `pymc.Normal`."""

    rv_type = StartedNormalRV

    @staticmethod
    def support_point(rv: Any, *inputs: Any) -> Any:
        shape = [length for length in rv.type.shape if length is not None]
        return pt.as_tensor(np.array(rv.owner.op.start, dtype=np.float64).reshape(shape))


def started_normal(name: str, scale: float, start: Array, dims: tuple[str, ...]) -> Any:
    """``pm.Normal(name, 0, scale, dims=dims)`` that begins at ``start``."""
    plain = pm.Normal.dist(0.0, np.float64(scale), shape=start.shape)
    _, variable = StartedNormalRV(_nested(start)).make_node(*plain.owner.inputs).outputs
    return pm.modelcontext(None).register_rv(variable, name, dims=dims)


def _nested(values: Any) -> Any:
    return tuple(map(_nested, values)) if np.ndim(values) else float(values)
