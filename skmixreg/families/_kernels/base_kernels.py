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
