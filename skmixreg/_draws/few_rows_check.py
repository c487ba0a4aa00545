r"""Draws of a density that few rows estimate, held against the density of all rows.

Chains that move on an estimate draw from :math:`\hat p` in the place of p.  With
:math:`\delta = \log p - \log \hat p` and :math:`w = e^\delta / E\,e^\delta` under :math:`\hat p`,

.. math::

    |E_p f - E_{\hat p} f| = |\mathrm{cov}(w, f)| \le \mathrm{sd}(w)\,\mathrm{sd}(f)

for every f: a mean is off by at most sd(w) posterior sds, and the total variation between the two
is at most sd(w) / 2.  Where :math:`\delta` is small sd(w) is its sd, which is measured: delta is a
function of theta alone once the sample is drawn, and some draws see all rows.  Where it is at most
0.01, which 10,000 independent draws would hardly show, draws stand as they are: weights between
0.97 and 1.03 would add noise and change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._model.few_rows import FewRows
from .._support.arrays import Array
from .importance import LARGEST_ERROR, MOST_OFF, MOST_ON_ALL_ROWS

# Nats: the sd that log p - log p^ may have over draws.
LARGEST_SPREAD = 0.01


@dataclass
class FewRowsCheck:
    """What log-likelihoods of draws are off by.

    Attributes
    ----------
    rows : int
        Rows, or groups, of the sample.
    log_likelihood : ndarray of shape (S,)
        Estimates; of draws with large errors, where these are few, and of draws that were held
        against all rows, that of all rows.
    error : ndarray of shape (S,)
        Standard errors of the estimates.
    off : ndarray of shape (n,)
        Log-likelihood of all rows minus the estimate, at draws chosen at random; empty where
        errors were too large already.
    """

    rows: int
    log_likelihood: Array
    error: Array
    off: Array

    @classmethod
    def at(cls, few_rows: FewRows, point: Array, thetas: Array, n: int) -> FewRowsCheck:
        """Hold ``n`` of the draws (S, d) around a point (d,) against all rows."""
        near = np.zeros(len(thetas), dtype=np.intp)
        value, error = few_rows.log_likelihoods([point], thetas, near)
        check = cls(few_rows.size, value, error, np.empty(0))
        if check.excess <= 1.0:
            chosen = few_rows.rng.choice(len(thetas), min(n, len(thetas)), replace=False)
            exact = few_rows.density.values(thetas[chosen])[1]
            check.off = exact - value[chosen]
            value[chosen] = exact
            doubtful = np.setdiff1d(np.flatnonzero(error > LARGEST_ERROR), chosen)
            value[doubtful] = few_rows.density.values(thetas[doubtful])[1]
        return check

    @property
    def excess(self) -> float:
        """By how much standard errors are larger than they may be."""
        typical = np.quantile(self.error, 1.0 - MOST_ON_ALL_ROWS)
        # One draw that is far off is as bad as many that are somewhat off.
        with np.errstate(over="ignore"):
            together = np.sqrt((self.error**2).mean())
        return float(max(typical, together)) / LARGEST_ERROR

    @property
    def spread(self) -> float:
        """Sd of what was measured, in nats."""
        return float(self.off.std())

    @property
    def largest(self) -> float:
        """The largest of what was measured, in nats."""
        return float(np.abs(self.off).max())

    @property
    def passes(self) -> bool:
        """Whether draws of the estimate are as good as draws of the posterior."""
        measured = len(self.off) > 0  # only where errors are small
        return measured and self.spread <= LARGEST_SPREAD and self.largest <= MOST_OFF

    @property
    def report(self) -> dict[str, float]:
        """The numbers, as solvers report them."""
        kept = self.error[self.error <= LARGEST_ERROR]
        return {
            "rows_per_draw": float(self.rows),
            "log_likelihood_error": float(kept.max(initial=0.0)),
            "log_likelihood_check": self.largest,
            "log_ratio_sd": self.spread,
        }
