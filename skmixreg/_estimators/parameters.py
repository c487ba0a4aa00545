"""What constructor parameters stand for."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from .._model.priors import NumericPriors, Priors
from .._model.standardisation import Standardisation
from ..backgrounds import BACKGROUNDS
from ..families import FAMILIES, Family
from ..families._distributions.censored import Censored
from ..solvers import SOLVERS

# Columns of X: names, positions, a mask, "all", or a callable that is given X.
type Features = str | int | Iterable[Any] | Callable[[Any], Any] | None

# What parameters that may be names stand for.
TABLES: dict[str, Mapping[str, type]] = {
    "solver": SOLVERS, "family": FAMILIES, "background": BACKGROUNDS,
}  # fmt: skip


def check_nested_parameters(
    estimator: BaseEstimator,
    params: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, type]],
) -> None:
    """Reject an option of something that is given by its name only.

    Parameters
    ----------
    estimator : BaseEstimator
    params : mapping
        What `set_params` was given.
    tables : mapping
        For parameters that may be names, the classes by name.

    Raises
    ------
    ValueError
        If for example ``solver__draws`` is among the parameters while ``solver`` is a string.
    """
    current = estimator.get_params(deep=False)
    for key in params:
        name, nested, option = key.partition("__")
        if not nested or name not in current:
            continue
        value = params.get(name, current[name])
        if not hasattr(value, "set_params"):
            if isinstance(value, Iterable) and not isinstance(value, str):
                raise ValueError(
                    f"{key!r} cannot be set, since {name} is {value!r}; set options of the objects "
                    f"in it, or a new {name}."
                )
            named = tables.get(name, {}).get(value)
            example = f"{named.__name__}()" if named else "Priors()"
            raise ValueError(
                f"{key!r} cannot be set, since {name} is {value!r}, which has no options; pass an "
                f"object instead, such as {name}={example}, whose {option!r} can then be set."
            )


def resolve_named[T](kind: str, value: str | T, table: Mapping[str, type[T]], base: Any) -> T:
    """An own instance of what a parameter names: the default one of a name, or a clone.

    Parameters
    ----------
    kind : {"solver", "family"}
        Name of the parameter, for messages.
    value : str or object
    table : mapping of names to classes
    base : type
        What every class of the table derives from.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the known ones.
    TypeError
        If ``value`` is neither a name nor an instance of a class of the table.
    """
    known = ", ".join(repr(name) for name in table)
    if isinstance(value, str):
        if value not in table:
            raise ValueError(
                f"Unknown {kind} {value!r}; known are {known}, or pass an object such as "
                f"{kind}={next(iter(table.values())).__name__}()."
            )
        return table[value]()
    if isinstance(value, type):
        raise TypeError(
            f"{kind}={value.__name__} is a class; pass an instance, {kind}={value.__name__}()."
        )
    if not isinstance(value, base):
        raise TypeError(
            f"{kind} must be one of {known} or an instance of {base.__name__}, got {value!r}."
        )
    own = clone(value)
    # NumPy's small integers overflow where draws are multiplied by chains.
    numbers = own.get_params(deep=True).items()
    return own.set_params(**{name: int(n) for name, n in numbers if isinstance(n, np.integer)})


def with_censoring(family: Family, feature: Any, background: Any) -> Family:
    """The family of rows that a column may say to be known to one side only.

    Raises
    ------
    ValueError
        If the family has no such rows, or not beside a background.
    """
    if feature is None:
        return family
    if not family.censorable:
        able = [name for name, row in FAMILIES.items() if row().censorable]
        advice = "use " + " or ".join(f"family={name!r}" for name in able)
        if family.name in able:
            advice = f"use family={family.name!r} as it is by default, or leave the column out"
        raise ValueError(
            f"censoring_feature={feature!r} needs a family that may have censored rows, got "
            f"{family!r}; {advice}."
        )
    if background is not None:
        raise ValueError(
            f"censoring_feature={feature!r} cannot be used with background={background!r} yet; "
            "leave one out."
        )
    return Censored(family, feature)


def check_streams(solver: Any, table: Mapping[str, Any]) -> bool:
    """True if a solver, or the one of this name, can go on from one chunk of rows to the next.

    Raises
    ------
    AttributeError
        Otherwise; the message lists the solvers that can.
    """
    row = table.get(solver) if isinstance(solver, str) else solver
    if getattr(row, "streams", False):
        return True
    able = [repr(name) for name, row in table.items() if getattr(row, "streams", False)]
    raise AttributeError(
        f"partial_fit needs a solver that streams ({', '.join(able)}), but solver={solver!r}."
    )


def check_priors(priors: Priors | None) -> Priors:
    """The priors; ``None`` means the defaults.

    Raises
    ------
    TypeError
        If ``priors`` is something else than None or `Priors`.
    """
    if priors is None:
        return Priors()
    if not isinstance(priors, Priors):
        raise TypeError(
            f"priors must be None or an instance of Priors, got {priors!r}; "
            "use for example priors=Priors(coef_scale=1.0)."
        )
    return priors


def resolve_priors(priors: Priors | None) -> NumericPriors:
    """The numbers of the prior; ``None`` means the defaults.

    Raises
    ------
    TypeError
        If ``priors`` is something else than None or `Priors`.
    ValueError
        If a hyperparameter is out of range.
    """
    return check_priors(priors).resolve()


def priors_as(priors: Priors | None, first: NumericPriors) -> NumericPriors:
    """As `resolve_priors`, with the floor of sigma of a fit to other rows unless one is given."""
    numbers = resolve_priors(priors)
    if check_priors(priors).sigma_floor is not None:
        return numbers
    return numbers._replace(sigma_floor=first.sigma_floor)


def resolve_standardisation(
    priors: Priors | None, n_features: int, fit_intercept: bool
) -> Standardisation:
    """What the priors fix of the standardisation, as `resolve_priors`."""
    return check_priors(priors).standardisation(n_features, fit_intercept)


def resolve_generator(random_state: Any) -> np.random.Generator:
    """One generator from whatever ``random_state`` may be.

    ``None`` and a `numpy.random.RandomState` (None is NumPy's global one) give it its seed, so
    that ``numpy.random.seed`` has its usual effect.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, Integral):
        return np.random.default_rng(int(random_state))
    words = check_random_state(random_state).randint(0, 2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(words.tolist())


def resolve_threads(n_jobs: int | None) -> int:
    """Number of threads: ``None`` is every core this process may use; 1 in a joblib worker.

    Cross-validation that runs fits side by side keeps the cores busy already, and threads do not
    change results; so inside a worker of joblib or of multiprocessing the answer is always 1.
    """
    backend, _ = get_active_backend()
    if multiprocessing.parent_process() is not None or (backend.nesting_level or 0) > 0:
        return 1
    cores = int(joblib.cpu_count())
    if n_jobs is None:
        return cores
    return int(n_jobs) if n_jobs > 0 else max(1, cores + 1 + int(n_jobs))
