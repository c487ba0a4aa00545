"""The block functions that every family supplies.

Each fills arrays of shape (K, BLOCK) from ``y`` (BLOCK,), the linear predictor ``eta``
(K, BLOCK), which it may overwrite, and ``log_dispersion`` (K,); phi is the log dispersion.

A family overloads these stubs in ``families/_<name>_kernels.py`` for the type of its settings,
and `skmixreg._model.sum_kernels` imports that file.
"""

from __future__ import annotations


def block_log_density(y, eta, log_dispersion, settings, log_density):
    """Log densities."""
    raise NotImplementedError


def block_gradient(y, eta, log_dispersion, settings, log_density, d_eta, d_phi):
    """Log densities and their first derivatives."""
    raise NotImplementedError


def block_hessian(
    y, eta, log_dispersion, settings, log_density, d_eta, d_phi, d_eta2, d_eta_phi, d_phi2
):
    """Log densities and their first and second derivatives."""
    raise NotImplementedError


def density_block(y, aux, eta, extra, settings, out):
    """Log densities ``out`` (K, BLOCK), constants included.

    Parameters
    ----------
    y : ndarray of shape (BLOCK,)
    aux : ndarray of shape (a, BLOCK)
        What else the family needs of a row.
    eta : ndarray of shape (K, BLOCK)
        Linear predictor; may be overwritten.
    extra : ndarray of shape (K, E)
    settings : NamedTuple
        Its type selects the family.
    """
    raise NotImplementedError


def gradient_block(y, aux, eta, extra, settings, out, d_eta, d_extra):
    """As `density_block`, and derivatives ``d_eta`` (K, BLOCK), ``d_extra`` (E, K, BLOCK)."""
    raise NotImplementedError


def hessian_block(y, aux, eta, extra, settings, out, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2):
    """As `gradient_block`, and second derivatives.

    They are ``d_eta2`` (K, BLOCK), ``d_eta_extra`` (E, K, BLOCK) and ``d_extra2``
    (E (E + 1) / 2, K, BLOCK), an upper triangle by rows.
    """
    raise NotImplementedError


def information_block(
    y, aux, eta, extra, settings, out, d_eta, d_extra, i_eta2, i_eta_extra, i_extra2
):
    """As `hessian_block`, with minus the expected second derivatives in place of these."""
    raise NotImplementedError


def background_block(y, aux, settings, out):
    """Log densities ``out`` (BLOCK,) of a component without parameters."""
    raise NotImplementedError
