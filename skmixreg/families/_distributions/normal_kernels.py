"""Derivatives of a normal log density, from standardised residuals.

With z = (u - eta) / sigma and l = log(sigma), which is the first extra parameter, they are those of

    -log(2 pi) / 2 - l - z^2 / 2.
"""

from __future__ import annotations

import math

from ..._kernels.compile import part
from ..._kernels.vector_kernels import BLOCK, EXACT

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@part(fastmath=EXACT)
def normal_slopes(z, extra, d_eta, d_extra):
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            d_eta[k, i] = z[k, i] * scale
            d_extra[0, k, i] = z[k, i] * z[k, i] - 1.0


@part(fastmath=EXACT)
def normal_curvatures(z, extra, d_eta2, d_eta_extra, d_extra2):
    for k in range(z.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            d_eta2[k, i] = -(scale * scale)
            d_eta_extra[0, k, i] = -2.0 * (z[k, i] * scale)
            d_extra2[0, k, i] = -2.0 * (z[k, i] * z[k, i])


@part(fastmath=EXACT)
def normal_information(extra, i_eta2, i_eta_extra, i_extra2):
    for k in range(i_eta2.shape[0]):
        scale = math.exp(-extra[k, 0])
        for i in range(BLOCK):
            i_eta2[k, i] = scale * scale
            i_eta_extra[0, k, i] = 0.0
            i_extra2[0, k, i] = 2.0
