r"""Whether chains that kept components in order reached all of the ordered region.

Where components cross in the ordered coordinate but differ in others (parallel lines, ordered by
slope), the ordered region falls into pieces with nothing between them, and chains that all began
in one of them agree with each other on a wrong answer.

The pieces are images of each other: S exchanges all coordinates of two neighbours but the ordered
one, and keeps volumes.  With :math:`a(x) = \min(1, p(Sx)/p(x))` the density p(x) a(x) is the same
at x and Sx, so under the posterior :math:`E[a(x) s(x)] = 0` for every s with s(Sx) = -s(x).  The
sign of the difference between the neighbours in one coordinate is such an s.  In chains that know
the larger side only its expectation is, up to its sign, the mass of the other side over theirs.
"""

from __future__ import annotations

import numpy as np

from ..._support.arrays import Array
from .sampling_density import SamplingDensity

CHECKED_DRAWS = 1000
BATCHES = 8
# Of the standard errors between batches: far out in the tail of a t distribution with the 7
# degrees of freedom that one chain has.
CLEARLY = 6.0


def missed_share(target: SamplingDensity, theta: Array) -> float:
    """Share of the ordered region that chains missed, at least; 0 if not clearly any.

    Parameters
    ----------
    target : SamplingDensity
        Where nothing is ordered, nothing is missed.
    theta : ndarray of shape (chains, draws, d)
        Draws, in the order of the chains or in random order.
    """
    chains, draws, d = theta.shape
    if target.ordered_by is None or draws < BATCHES:
        return 0.0
    layout, density = target.layout, target.density
    K = layout.n_components
    length = draws // BATCHES
    step = max(1, length * BATCHES * chains // CHECKED_DRAWS)
    batches = theta[:, : length * BATCHES].reshape(chains * BATCHES, length, d)[:, ::step]
    flat = batches.reshape(-1, d)
    with np.errstate(all="ignore"):
        value = sum(density.values(flat))
    log_weights = layout.expand(flat).log_weights
    others = np.setdiff1d(layout.own, target.ordered_by)
    worst = 0.0
    for k in range(K - 1):
        order = np.arange(K)
        order[[k, k + 1]] = k + 1, k
        image = layout.permute(flat, order)
        image[:, target.ordered_by] = flat[:, target.ordered_by]
        with np.errstate(all="ignore"):
            rise = np.nan_to_num(sum(density.values(image)) - value, nan=-np.inf)
        accepted = np.exp(np.minimum(rise, 0.0))
        change = np.column_stack([(flat - image)[:, others], -np.diff(log_weights[:, k : k + 2])])
        signed = accepted[:, None] * np.sign(change)
        means = signed.reshape(len(batches), -1, signed.shape[1]).mean(axis=1)
        share = np.abs(means.mean(axis=0))
        error = means.std(axis=0, ddof=1) / np.sqrt(len(means))
        clear = share > CLEARLY * error
        worst = max(worst, float(share[clear].max(initial=0.0)))
    return worst / (1.0 + worst)
