"""Parts of kernels, which only kernels can call, for tests that call them from Python."""

from __future__ import annotations

from skmixreg._kernels.compile import compiled


def from_python(part):
    """A kernel that is the part."""

    @compiled
    def _kernel(*args):
        return part(*args)

    return _kernel
