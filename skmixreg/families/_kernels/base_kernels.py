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


def tail_terms(value, coordinate, right, settings):
    """What a row is worth of which one side only is known, for families of at most one extra.

    Parameters
    ----------
    value : float
        What the other blocks leave in the place of the predictor.
    coordinate : float
        Of the extra; 0 if there is none.
    right : bool
        Whether the log is that of the survival function, and not of the distribution function.
    settings : NamedTuple

    Returns
    -------
    log_tail, d_eta, d_extra, d_eta2, d_eta_extra, d_extra2 : float
        Derivatives in the extra are not asked for if there is none.
    """
    raise NotImplementedError
