"""Sums over rows of the log-likelihood and its derivatives.

Every kernel takes ``start, stop`` (units: rows, unless units are given), `Observations`, `Raw`
parameters and a `Model`.  All arrays are C-contiguous float64; other layouts, and read-only arrays,
work but are compiled anew.  Derivatives are those in raw parameters, the softmax included.
"""

from __future__ import annotations

import numpy as np

from .._kernels.compile import compiled
from .._kernels.vector_kernels import BLOCK
from .block_kernels import number_of_lines
from .driver_kernels import buffers, run
from .gate_kernels import finish_gate_scores
from .gradient_kernels import Value, flatten_gradient, gradient_buffers


@compiled
def log_likelihood_draws(start, stop, observations, raws, model):
    """Weighted log-likelihood at every draw, shape (S,)."""
    n, S = number_of_lines(raws.line, model.background), raws.line.shape[0]
    work = Value(np.empty((n, BLOCK)), np.zeros(S))
    run(start, stop, observations, raws, model, work, buffers(observations, raws, S))
    return work.out


@compiled
def log_likelihood_gradient(start, stop, observations, raw, model):
    """Weighted log-likelihood and its gradient.

    Returns
    -------
    ndarray of shape (1 + m,)
        ``[ll | logits | line | extra]``.
    """
    work = gradient_buffers(raw, number_of_lines(raw.line, model.background))
    parts = buffers(observations, raw, 1)
    run(start, stop, observations, raw, model, work, parts)
    finish_gate_scores(observations, parts.membership.log_weights, work.counts, work.gate)
    out = np.empty(1 + raw.logits.size + raw.line.size + raw.extra.size)
    flatten_gradient(work.value, work.gate, work.line, work.extra, out)
    return out
