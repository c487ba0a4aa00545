"""Parts of kernels are linked into kernels and are no functions of their own."""

import numpy as np
import pytest

from skmixreg._kernels.compile import compiled, part
from skmixreg._kernels.linked import LinkedLibrary


@part
def square(x):
    return x * x


@compiled
def _sum_of_squares(values):
    total = 0.0
    for x in values:
        total += square(x)
    return total


@compiled
def norm(values):
    return np.sqrt(_sum_of_squares(values))


def test_kernels_call_parts_that_have_no_machine_code():
    assert norm(np.array([3.0, 4.0])) == 5.0
    (overload,) = square.overloads.values()
    assert isinstance(overload.library, LinkedLibrary)
    (kernel,) = norm.overloads.values()
    assert not isinstance(kernel.library, LinkedLibrary)


def test_parts_are_not_called_from_python():
    norm(np.array([3.0, 4.0]))
    with pytest.raises(TypeError):
        square(2.0)


def test_inner_functions_are():
    assert _sum_of_squares(np.array([3.0, 4.0])) == 25.0
