"""The compiled log-likelihood as a PyTensor operation, for any sampler PyMC knows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numba import njit
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from .._kernels.compile import kernel_sources
from .._model import sum_kernels


def _sources_version() -> int:
    """A number that changes with the kernels' sources: PyTensor's disk cache outlives them."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *kernel_sources()]:
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


class MixtureLogLikelihood(Op):
    """Log-likelihood of all rows, z summed out, with its gradient.

    Inputs are ``log_weights (K,)``, ``intercept (K,)``, ``coef (K, p)``, ``log_dispersion (K,)``,
    then the data ``X (p, n)``, ``y (n,)``, ``row_weights (n,)``.  Outputs are the value and its
    derivatives in the first four inputs: one pass over the rows serves both, and `pullback`
    hands out what is already computed.  There are no second derivatives.

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
        parameters = [pt.tensor(dtype="float64", shape=v.type.shape) for v in variables[:4]]
        return Apply(self, variables, [pt.dscalar(), *parameters])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        log_weights, intercept, coef, log_dispersion, X, y, row_weights = (
            np.ascontiguousarray(value) for value in inputs
        )
        flat = sum_kernels.log_likelihood_gradient(
            0, y.shape[0], X, y, row_weights, log_weights, intercept, coef, log_dispersion,
            self.settings,
        )  # fmt: skip
        K, p = coef.shape
        output_storage[0][0] = np.asarray(flat[0])
        parts = np.split(flat[1:], [K, 2 * K, 2 * K + K * p])
        parts[2] = parts[2].reshape(K, p)
        for storage, part in zip(output_storage[1:], parts, strict=True):
            storage[0] = part

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        from pytensor.gradient import DisconnectedType, disconnected_type

        for cotangent in cotangents[1:]:
            if not isinstance(cotangent.type, DisconnectedType):
                raise NotImplementedError("The compiled likelihood has no second derivatives.")
        gradients = [cotangents[0] * derivative for derivative in outputs[1:]]
        return [*gradients, *(disconnected_type() for _ in inputs[4:])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True] * 5] * 4 + [[False] * 5] * 3


@register_funcify_default_op_cache_key(MixtureLogLikelihood)
def _compiled_log_likelihood(op: MixtureLogLikelihood, node: Any = None, **kwargs: Any) -> Any:
    settings = op.settings
    kernel = sum_kernels.log_likelihood_gradient

    @njit
    def log_likelihood(log_weights, intercept, coef, log_dispersion, X, y, row_weights):  # type: ignore[no-untyped-def]
        K, p = coef.shape
        flat = kernel(
            0,
            y.shape[0],
            np.ascontiguousarray(X),
            np.ascontiguousarray(y),
            np.ascontiguousarray(row_weights),
            np.ascontiguousarray(log_weights),
            np.ascontiguousarray(intercept),
            np.ascontiguousarray(coef),
            np.ascontiguousarray(log_dispersion),
            settings,
        )
        stop = 1 + 2 * K + K * p
        return (
            np.asarray(flat[0]),
            flat[1 : 1 + K].copy(),
            flat[1 + K : 1 + 2 * K].copy(),
            flat[1 + 2 * K : stop].copy().reshape((K, p)),
            flat[stop:].copy(),
        )

    return log_likelihood, _sources_version()
