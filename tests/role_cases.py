"""A table of problems with column roles: representative combinations, not all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skmixreg import Priors
from skmixreg._model._roles.column_roles import ColumnRoles
from skmixreg._model.held_data import HeldData
from skmixreg._model.problem import Problem
from skmixreg._model.standardisation import Standardisation
from skmixreg.families import FAMILIES, Gaussian


class Case(NamedTuple):
    """What roles the columns of a problem have: x0, x1, z0, z1, t, g."""

    family: Any
    n_components: int
    gating: bool = False
    group: bool = False
    shared: bool = False
    offset: bool = False
    labels: bool = False
    shared_intercept: bool = False
    fit_intercept: bool = True


CASES = {
    "gate": Case("gaussian", 3, gating=True),
    "gate, one component": Case("gaussian", 1, gating=True),
    "groups": Case("poisson", 2, group=True),
    "groups, gaussian": Case("gaussian", 3, group=True),
    "shared slope": Case("gaussian", 2, shared=True),
    "shared slope, intercept": Case("poisson", 2, shared=True, shared_intercept=True),
    "offset": Case("poisson", 2, offset=True),
    "offset, gaussian": Case("gaussian", 2, offset=True, fit_intercept=False),
    "labels": Case("gaussian", 3, labels=True),
    "gate and groups": Case("binomial", 2, gating=True, group=True),
    "gate, shared, groups": Case("gamma", 3, gating=True, group=True, shared=True),
    "gate, shared sigma": Case(Gaussian(shared_sigma=True), 2, gating=True, shared=True),
    "groups, shared sigma, labels": Case(Gaussian(shared_sigma=True), 2, group=True, labels=True),
    "all": Case("negative_binomial", 2, True, True, True, True, True),
}  # fmt: skip


def data_of(case: Case, n: int = 60, seed: int = 0) -> tuple[Any, Any, ColumnRoles]:
    """X (x0, x1, z0, z1, t, g), y of two lines, and the roles of the columns."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[case.family]() if isinstance(case.family, str) else case.family
    size = 4 if case.group else 1
    group = np.repeat(np.arange(-(-n // size)), size)[:n]
    Z = rng.normal(size=(group.max() + 1, 2))[group]
    z = (rng.random(group.max() + 1) < 1.0 / (1.0 + np.exp(-2.0 * Z[::size, 0])))[group]
    x = rng.normal(1.0, 2.0, size=(n, 2))
    t = rng.normal(0.0, 0.3, n)
    eta = np.where(z, 1.0 + 0.5 * x[:, 0], -0.5 * x[:, 0]) + 0.3 * x[:, 1]
    eta += t if case.offset else 0.0
    noise = rng.normal(0.0, 0.3, n)
    y = eta + noise
    if family.support.low == 0.0:
        y = np.exp(eta + noise)
    if family.discrete:
        y = rng.poisson(np.exp(np.clip(eta, -3.0, 3.0))).astype(float)
        if family.name == "binomial":
            y = np.minimum(y, 1.0)
    X = np.column_stack([x, Z, t, rng.permutation(group.max() + 1)[group]])
    roles = ColumnRoles(
        slopes=(0, 1), shared=(1,) if case.shared else (), gating=(2, 3) if case.gating else (),
        offset=4 if case.offset else None, group=5 if case.group else None,
        gating_names=("z0", "z1") if case.gating else (),
    )  # fmt: skip
    return X, y, roles


def log_odds_of_labels(case: Case, X: Any, seed: int = 0) -> Any:
    """Some known labels, the same within a group; None without."""
    if not case.labels:
        return None
    rng = np.random.default_rng(seed + 1)
    known = rng.integers(-2, case.n_components, size=len(X))
    if case.group:
        known = known[np.unique(X[:, 5], return_inverse=True)[1]]
    odds = np.zeros((len(X), case.n_components))
    odds[known >= 0] = -np.inf
    odds[known >= 0, known[known >= 0]] = 0.0
    return odds


def problem_of(case: Case, n: int = 60, seed: int = 0, weights: Any = None) -> Problem:
    """The problem of a case."""
    X, y, roles = data_of(case, n, seed)
    family = FAMILIES[case.family]() if isinstance(case.family, str) else case.family
    allowed = log_odds_of_labels(case, X, seed)
    return Problem.from_data(
        HeldData(X, y, weights, allowed=allowed),
        family=family,
        n_components=case.n_components,
        priors=Priors(weight_concentration=1.7).resolve(),
        fit_intercept=case.fit_intercept,
        standardisation=Standardisation(roles=roles),
        shared_intercept=case.shared_intercept,
        fixed_labels=tuple(range(case.n_components)) if case.labels else (),
    )
