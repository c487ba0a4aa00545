"""Elementary functions against NumPy."""

from __future__ import annotations

import numpy as np
from from_python import from_python
from hypothesis import given, settings
from hypothesis import strategies as st

from skmixreg._kernels import vector_kernels

exp_any = from_python(vector_kernels.exp_any)


@given(st.floats(min_value=-1e6, max_value=1e6))
@settings(deadline=None)
def test_exponential_of_either_sign(x: float) -> None:
    expected = np.exp(np.clip(x, -700.0, 700.0))
    np.testing.assert_allclose(exp_any(x), expected, rtol=1e-15 * (1.0 + 1e-3 * abs(x)))


def test_special_values_of_the_exponential() -> None:
    assert exp_any(0.0) == exp_any(-0.0) == 1.0
    assert exp_any(-np.inf) == exp_any(-700.0)
    assert exp_any(np.inf) == exp_any(700.0) < np.inf
    assert np.isnan(exp_any(np.nan))
