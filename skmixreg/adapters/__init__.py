"""A mixture in the shape that other packages expect of a regressor.

``SkproRegressorView`` needs skpro, ``pip install "skmixreg[skpro]"``, and is loaded when it is
asked for.
"""

from __future__ import annotations

from typing import Any

from .._support.exceptions import import_optional
from ._quantile_view import QuantileRegressorView

__all__ = ["QuantileRegressorView"]


def __getattr__(name: str) -> Any:
    if name != "SkproRegressorView":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_optional("skpro", extra="skpro", needed_for=name)
    from ._skpro_view import SkproRegressorView

    return SkproRegressorView
