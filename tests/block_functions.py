"""Block functions, called from Python."""

from __future__ import annotations

from typing import Any

import numpy as np

from skmixreg._kernels.compile import compiled
from skmixreg._kernels.vector_kernels import BLOCK
from skmixreg.families._kernels.base_kernels import (
    density_block,
    gradient_block,
    hessian_block,
    information_block,
)


@compiled
def _density(y, aux, eta, extra, settings, out):
    density_block(y, aux, eta, extra, settings, out)


@compiled
def _gradient(y, aux, eta, extra, settings, out, d_eta, d_extra):
    gradient_block(y, aux, eta, extra, settings, out, d_eta, d_extra)


@compiled
def _hessian(y, aux, eta, extra, settings, out, d_eta, d_extra, a, b, c):
    hessian_block(y, aux, eta, extra, settings, out, d_eta, d_extra, a, b, c)


@compiled
def _information(y, aux, eta, extra, settings, out, d_eta, d_extra, a, b, c):
    information_block(y, aux, eta, extra, settings, out, d_eta, d_extra, a, b, c)


# Each with its number of outputs.
FUNCTIONS = {
    "density": (_density, 1),
    "gradient": (_gradient, 3),
    "hessian": (_hessian, 6),
    "information": (_information, 6),
}


def evaluate(
    what: str,
    y: np.ndarray,
    aux: np.ndarray | None,
    eta: np.ndarray,
    extra: np.ndarray,
    settings: Any,
) -> list[np.ndarray]:
    """What a block function fills, at predictors (K, BLOCK) and coordinates of extras (K, E).

    ``settings`` are `Family.kernel_settings`.
    """
    K, E = extra.shape
    of_rows, of_pairs = (K, BLOCK), (E * (E + 1) // 2, K, BLOCK)
    shapes = [of_rows, of_rows, (E, K, BLOCK), of_rows, (E, K, BLOCK), of_pairs]
    function, n_outputs = FUNCTIONS[what]
    outputs = [np.full(shape, np.nan) for shape in shapes[:n_outputs]]
    aux = np.empty((0, BLOCK)) if aux is None else aux
    function(y, aux, eta.copy(), extra, settings, *outputs)
    return outputs
