"""What a search could not establish, in words."""

from __future__ import annotations

from .newton import GRADIENT_TOLERANCE


def search_failures(
    gradient_norm: float, n_rows: int, n_starts: int, *, lost: bool, settled: bool
) -> list[str]:
    """Sentences that say what failed and what to do.

    Parameters
    ----------
    gradient_norm : float
        Of the best mode.
    n_rows, n_starts : int
    lost : bool
        Whether no mode survived the climb from a sample of the rows to all of them.
    settled : bool
        Whether two starts reached the best mode.
    """
    failures = []
    if lost:
        failures.append(
            f"no mode of a sample of the rows led to a mode of all {n_rows}, and what is given is "
            "the best point found on the way; lower n_components, or raise n_init"
        )
    if gradient_norm > GRADIENT_TOLERANCE:
        failures.append(
            f"the whitened gradient at the best mode is {gradient_norm:.1e}, not under "
            f"{GRADIENT_TOLERANCE:.0e}; check for columns of wildly different scales"
        )
    if not settled:
        failures.append(f"fewer than two of {n_starts} starts reached the best mode; raise n_init")
    return failures
