"""Problems whose columns have roles, made without the estimator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skmixreg import Priors
from skmixreg._model.observations import Observations
from skmixreg._model.problem import Problem
from skmixreg._model.rows import HeldRows
from skmixreg.backgrounds import Background
from skmixreg.families import Family


def problem_of(
    family: Family,
    observations: Observations,
    n_components: int,
    background: Background | None = None,
    **layout: Any,
) -> Problem:
    """Rows as they are, standardised already but for the response of counts.

    ``layout`` are fields of the `Layout`; ``auxiliary`` and ``n_gating`` follow from the rest.
    """
    X, y = observations.columns.T, observations.target
    # Its rows are sorted; all else holds for these too.
    problem = Problem.from_arrays(
        X, y, family=family, n_components=n_components, priors=Priors().resolve(),
        background=background,
    )  # fmt: skip
    q = 0 if observations.gating is None else len(observations.gating)
    return replace(
        problem,
        rows=HeldRows(observations._replace(auxiliary=problem.family.of_rows(y, np.empty((0, 0))))),
        layout=replace(problem.layout, n_gating=q, **layout),
    )


def drawn(
    family: Family,
    n_units: int,
    *,
    size: int = 1,
    q: int = 0,
    lines: Any = ((0.8, 0.7), (-0.8, -0.4)),
    noise: float = 0.3,
    offset: bool = False,
    seed: int = 0,
) -> tuple[Observations, np.ndarray]:
    """Rows of standardised columns, ``size`` to a unit, and the labels of the units."""
    rng = np.random.default_rng(seed)
    line = np.asarray(lines, dtype=float)
    K, n = len(line), n_units * size
    gating = rng.normal(size=(q, n_units))
    odds = np.linspace(-1.0, 1.0, K)[:, None] * gating.sum(axis=0)
    labels = (odds + rng.gumbel(size=(K, n_units))).argmax(axis=0)
    unit = np.repeat(np.arange(n_units), size)
    columns = rng.normal(size=(line.shape[1] - 1, n))
    columns -= columns.mean(axis=1, keepdims=True)
    columns /= columns.std(axis=1, keepdims=True)
    added = rng.normal(scale=0.5, size=n)
    eta = line[labels[unit], 0] + (line[labels[unit], 1:] * columns.T).sum(axis=1)
    eta += added if offset else 0.0
    y = rng.poisson(np.exp(eta)) if family.discrete else eta + noise * rng.normal(size=n)
    observations = Observations(
        columns,
        y.astype(float),
        np.ones(n),
        gating=np.ascontiguousarray(gating[:, unit]) if q else None,
        offset=added if offset else None,
        units=np.arange(0, n + 1, size) if size > 1 else None,
    )
    return observations, labels
