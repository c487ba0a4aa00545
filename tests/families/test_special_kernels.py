"""Functions of rows against those of one number, which are other algorithms, and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from from_python import from_python
from scipy import special

from skmixreg._kernels.compile import compiled
from skmixreg._kernels.vector_kernels import EXACT
from skmixreg.families._distributions import special_kernels
from skmixreg.families._distributions.special_kernels import row_excess, row_gaps

digamma_gap = from_python(special_kernels.digamma_gap)
stirling_gap = from_python(special_kernels.stirling_gap)
trigamma_excess = from_python(special_kernels.trigamma_excess)


@compiled(fastmath=EXACT)
def _of_rows(a, c):
    return row_gaps(a, c, np.log(a), np.log(c)), row_excess(a)


@pytest.mark.parametrize("other", [1e-20, 0.3, 9.99, 10.0, 1e8])
def test_gaps_of_two_shapes(other):
    shapes = np.r_[np.logspace(-80, 11, 200), np.linspace(0.5, 12.0, 40)]
    gap = digamma_gap(other) * other
    for a in shapes:
        (both, first, second), excess = _of_rows(a, other)
        expected = stirling_gap(a) + stirling_gap(other)
        # A sum of logarithms of either sign may be near zero.
        assert both == pytest.approx(expected, rel=1e-13, abs=1e-13)
        assert first == pytest.approx(a * digamma_gap(a), rel=1e-13)
        assert second == pytest.approx(gap, rel=1e-13)
        assert excess == pytest.approx(trigamma_excess(a), rel=1e-13)


@pytest.mark.parametrize("a", [1e-50, 1e-3, 0.4, 1.0, 3.7, 9.9, 10.1, 40.0])
def test_gaps_are_those_of_scipy(a):
    """What SciPy's functions are subtracted from is up to 100 times as large."""
    assert stirling_gap(a) == pytest.approx(a * np.log(a) - a - special.gammaln(a), abs=1e-13)
    assert a * digamma_gap(a) == pytest.approx(a * (np.log(a) - special.digamma(a)), rel=1e-13)
    square = a * a * special.polygamma(1, a) if a > 1e-20 else 1.0
    assert trigamma_excess(a) == pytest.approx(square - a, rel=3e-13)
