"""Parts of kernels as code that is only linked, never made into machine code by itself.

numba optimises every function with all that it calls and makes machine code of it, so that a
function five calls below a kernel goes through LLVM six times.  Parts are called by kernels
alone: their code waits, as it was lowered, for the kernel that it is linked into, which LLVM
optimises once as a whole.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

# What Python would call: it raises a TypeError.  numba would leave a null pointer.
_REFUSAL = ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value


class LinkedLibrary(JITCodeLibrary):
    """Code of one function, to be linked into others."""

    def get_pointer_to_function(self, name: str) -> Any:
        return _REFUSAL

    @property
    def codegen(self) -> Any:
        # The kernel brings environments of what it is linked with.
        return SimpleNamespace(set_env=lambda *_: None)

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class PartCompiler(Compiler):
    """numba's compiler, which leaves the last step to whoever links the part."""

    def define_pipelines(self) -> Any:
        state = self.state
        state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()
