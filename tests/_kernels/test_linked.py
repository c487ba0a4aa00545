"""Parts of kernels are linked into kernels and are no functions of their own."""

import gc

import numpy as np
import pytest

from skmixreg._kernels.compile import compiled, part, without_collections
from skmixreg._kernels.linked import LinkedLibrary


@part
def square(x):
    return x * x


@part(allocates=True)
def squares(values):
    out = np.empty(len(values))
    for i in range(len(values)):
        out[i] = square(values[i])
    return out


@compiled
def _norm(values):
    return np.sqrt(squares(values).sum())


def test_kernels_call_parts_that_have_no_machine_code():
    assert _norm(np.array([3.0, 4.0])) == 5.0
    for function in square, squares:
        (overload,) = function.overloads.values()
        assert isinstance(overload.library, LinkedLibrary)
    (kernel,) = _norm.overloads.values()
    assert not isinstance(kernel.library, LinkedLibrary)


def test_parts_are_not_called_from_python():
    _norm(np.array([3.0, 4.0]))
    for function, argument in (square, 2.0), (squares, np.array([3.0, 4.0])):
        with pytest.raises(TypeError):
            function(argument)


def test_the_garbage_collector_waits_for_the_outermost_compilation():
    seen = []

    def inner(fails):
        seen.append(gc.isenabled())
        if fails:
            raise ValueError

    @without_collections
    def outer(fails):
        without_collections(inner)(fails)
        seen.append(gc.isenabled())

    outer(False)
    with pytest.raises(ValueError):
        outer(True)
    assert seen == [False] * 3 and gc.isenabled()
