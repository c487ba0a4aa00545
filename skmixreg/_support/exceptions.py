"""Errors and warnings of the package.

Failed convergence is scikit-learn's `sklearn.exceptions.ConvergenceWarning`; wrong input is a
`ValueError` or `TypeError`.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class MultimodalPosteriorWarning(UserWarning):
    """The posterior holds a second distinct solution, so that averages over both mean little."""


class WeaklyIdentifiedWarning(UserWarning):
    """The data do not fill, or tell apart, as many components as were asked for."""


class ClusterLostError(ConnectionError):
    """The Dask cluster that holds the rows went away, or its workers died again and again."""


class MissingPackageError(ImportError):
    """An optional package is needed and not installed."""


def import_optional(package: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import an optional package, or say how to get it.

    Parameters
    ----------
    package : str
        Name of the module.
    extra : str
        Extra of skmixreg that installs it.
    needed_for : str
        What the user asked for.

    Raises
    ------
    MissingPackageError
        If the package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise MissingPackageError(
            f"{needed_for} needs the package {package!r}, which is not installed; "
            f'run: pip install "skmixreg[{extra}]"',
            name=package,
        ) from error
