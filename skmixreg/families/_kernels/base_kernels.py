"""The block functions that every family supplies.

Arrays over rows have BLOCK elements: ``y`` (BLOCK,), ``aux`` (a, BLOCK), which is what
`Family.auxiliary` returns, and the linear predictor ``eta`` (K, BLOCK), which may be overwritten.
``extra`` (K, E) holds the coordinates of the extra parameters.  Second derivatives in these fill
(E (E + 1) / 2, K, BLOCK), the upper triangle by rows.

A family overloads these stubs for the type of its settings, in the file that defines this type:
whoever can make or unpickle settings has loaded their block functions.
"""

from __future__ import annotations


def density_block(y, aux, eta, extra, settings, out):
    """Log densities (K, BLOCK), all constants included."""
    raise NotImplementedError


def gradient_block(y, aux, eta, extra, settings, out, d_eta, d_extra):
    """Log densities with first derivatives in eta (K, BLOCK) and the extras (E, K, BLOCK)."""
    raise NotImplementedError


def hessian_block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    """Log densities with first and second derivatives."""
    raise NotImplementedError


def information_block(
    y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2
):
    """Log densities, first derivatives, and minus the expected second derivatives."""
    raise NotImplementedError
