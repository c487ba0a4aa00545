"""Parts of kernels are linked into kernels and are no functions of their own."""

import numpy as np

from skmixreg._kernels.compile import compiled, part
from skmixreg._kernels.linked import LinkedLibrary


@part
def square(x):
    return x * x


@compiled
def _sum_of_squares(values):
    total = np.zeros(1)
    for x in values:
        total[0] += square(x)
    return total


@compiled
def norm(values):
    return np.sqrt(_sum_of_squares(values)[0])


def test_kernels_call_parts_that_have_no_machine_code():
    assert norm(np.array([3.0, 4.0])) == 5.0
    for function in (square, _sum_of_squares):
        for overload in function.overloads.values():
            assert isinstance(overload.library, LinkedLibrary)
    (kernel,) = norm.overloads.values()
    assert not isinstance(kernel.library, LinkedLibrary)
