"""The compiled log-likelihood as a PyTensor operation, for any sampler PyMC knows."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numba import njit
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from .._kernels.compile import kernel_sources, source_of
from .._model._sums import row_kernels
from .._model.observations import Observations
from .._model.raw import Model, Raw


def _sources_version(settings: type) -> int:
    """A number that changes with the kernels' sources: PyTensor's disk cache outlives them."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *kernel_sources()]:
        digest.update(path.read_bytes())
    try:
        digest.update(source_of(settings).encode())
    except (TypeError, OSError):
        # A family of a notebook has no file: nothing that was stored is sure to be it.
        digest.update(os.urandom(16))
    return int.from_bytes(digest.digest()[:7], "big")


class MixtureLogLikelihood(Op):
    """Log-likelihood of all rows, z summed out, with its gradient.

    Inputs are ``log_weights (K,)``, ``line (K, 1 + p)``, ``extra (K, E)``, then the data ``X (p,
    n)``, ``y (n,)``, ``row_weights (n,)``, ``auxiliary (a, n)``.  Outputs are the value and its
    derivatives in the first three inputs: one pass over the rows serves both, and `pullback`
    hands out what is already computed.  There are no second derivatives.  The log weights may
    differ from logarithms of weights by a constant, which leaves the value unchanged.

    Parameters
    ----------
    settings : NamedTuple
        `Family.kernel_settings`; its type selects the family's block functions.
    """

    __props__ = ("settings",)

    def __init__(self, settings: NamedTuple):
        self.settings = settings

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(value, dtype="float64") for value in inputs]
        parameters = [pt.tensor(dtype="float64", shape=v.type.shape) for v in variables[:3]]
        return Apply(self, variables, [pt.dscalar(), *parameters])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        log_weights, line, extra, X, y, row_weights, auxiliary = (
            np.array(value, order="C") for value in inputs
        )
        flat = row_kernels.log_likelihood_gradient(
            0, y.shape[0], Observations(X, y, row_weights, None, None, auxiliary, None, None),
            Raw(log_weights[:, None], line, extra), Model(self.settings, None),
        )  # fmt: skip
        output_storage[0][0] = np.asarray(flat[0])
        K = len(log_weights)
        parts = np.split(flat[1:], [K, K + line.size])
        output_storage[1][0] = parts[0]
        output_storage[2][0] = parts[1].reshape(line.shape)
        output_storage[3][0] = parts[2].reshape(extra.shape)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        from pytensor.gradient import DisconnectedType, disconnected_type

        for cotangent in cotangents[1:]:
            if not isinstance(cotangent.type, DisconnectedType):
                raise NotImplementedError("The compiled likelihood has no second derivatives.")
        gradients = [cotangents[0] * derivative for derivative in outputs[1:]]
        return [*gradients, *(disconnected_type() for _ in inputs[3:])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True] * 4] * 3 + [[False] * 4] * 4


@register_funcify_default_op_cache_key(MixtureLogLikelihood)
def _compiled_log_likelihood(op: MixtureLogLikelihood, node: Any = None, **kwargs: Any) -> Any:
    settings = op.settings
    kernel = row_kernels.log_likelihood_gradient

    @njit
    def log_likelihood(log_weights, line, extra, X, y, row_weights, auxiliary):  # type: ignore[no-untyped-def]
        K, P = line.shape
        flat = kernel(
            0,
            y.shape[0],
            Observations(
                np.ascontiguousarray(X),
                np.ascontiguousarray(y),
                np.ascontiguousarray(row_weights),
                None,
                None,
                np.ascontiguousarray(auxiliary),
                None,
                None,
            ),
            Raw(
                np.ascontiguousarray(log_weights).reshape((K, 1)),
                np.ascontiguousarray(line),
                np.ascontiguousarray(extra),
            ),
            Model(settings, None),
        )
        stop = 1 + K + K * P
        return (
            np.asarray(flat[0]),
            flat[1 : 1 + K].copy(),
            flat[1 + K : stop].copy().reshape((K, P)),
            flat[stop:].copy().reshape(extra.shape),
        )

    return log_likelihood, _sources_version(type(settings))
