"""The parameters that kernels read."""

from __future__ import annotations

from typing import Any, NamedTuple

from .blocks import Array


class Raw(NamedTuple):
    """Raw parameters of K components, or draws of them with one leading axis.

    As one vector: ``[logits | line | extra]``, each by rows.

    Attributes
    ----------
    logits : ndarray of shape (K, 1 + q)
        Log odds of the weights at (1, gating columns), up to a constant.
    line : ndarray of shape (K, 1 + p)
        Intercept first.
    extra : ndarray of shape (K, E)
        Whatever else the family has, such as the log of a dispersion.
    """

    logits: Array
    line: Array
    extra: Array


class Model(NamedTuple):
    """What selects the block functions: settings whose types are a family and a background.

    Attributes
    ----------
    family : NamedTuple
    background : NamedTuple, optional
        One component more, the last one, without a line: its rows of ``line`` and ``extra``
        are padding.
    """

    family: Any
    background: Any = None
